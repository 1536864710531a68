"""``axhw families``: what can be generated."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from axhw.cli.options import json_option, print_json
from axhw.cli.tables import stdout
from axhw.hdl.registry import FAMILIES, parameters_of


@click.command("families")
@json_option
def command(as_json: bool) -> None:
    """List the multiplier families, their parameters, choices and defaults."""
    if as_json:
        print_json(
            {name: {"summary": spec.summary, "parameters": _parameters(name)} for name, spec in FAMILIES.items()}
        )
        return
    for name, spec in FAMILIES.items():
        table = Table(title=f"[bold]{name}[/bold]: {spec.summary}", title_justify="left", box=None, padding=(0, 2))
        for column in ("option", "default", "meaning"):
            table.add_column(column)
        for key, about in _parameters(name).items():
            table.add_row(
                f"--{key}" if key != "signed" else "--signed/--unsigned", str(about["default"]), about["help"]
            )
        stdout().print(table, "")


def _parameters(family: str) -> dict[str, dict[str, Any]]:
    return {
        key: {
            "type": parameter.kind.__name__,
            "choices": list(parameter.choices),
            "default": parameter.default,
            "help": parameter.help,
        }
        for key, parameter in parameters_of(family).items()
    }
