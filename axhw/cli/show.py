"""``axhw show``: everything about one stored design."""

from __future__ import annotations

import click
from rich.table import Table

from axhw.cli.options import json_option, print_json
from axhw.cli.specs import any_design
from axhw.cli.tables import stdout
from axhw.store import Store

_LONGEST = 300
_LONGEST_WORD = 80


@click.command("show")
@click.argument("design")
@json_option
def command(design: str, as_json: bool) -> None:
    """Show one stored DESIGN, by name or key: spec, errors, cost, verification, provenance."""
    record = any_design(Store.default(), design)
    document = record.document
    if as_json:
        print_json({"key": record.key, "folder": str(record.folder), **document})
        return
    table = Table(
        title=f"[bold]{record.name}[/bold]", title_justify="left", show_header=False, box=None, padding=(0, 2)
    )
    for section, values in document.items():
        if isinstance(values, dict):
            table.add_row(f"[bold]{section}[/bold]", "")
            for key, value in values.items():
                table.add_row(f"  {key}", _shortened(value))
        elif section != "name":
            table.add_row(f"[bold]{section}[/bold]", _shortened(values))
    stdout().print(table)
    click.echo(f"files in {record.folder}")


def _shortened(value: object) -> str:
    """As text; the gates of a netlist and the products of a table go on for pages, and packed ones say nothing."""
    text = str(value)
    most = _LONGEST if " " in text else _LONGEST_WORD
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"
