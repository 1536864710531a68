"""``axhw export``: stored designs as files that other tools read."""

from __future__ import annotations

from pathlib import Path

import click

from axhw.cli.options import json_option, print_json
from axhw.export import Format, export_designs
from axhw.record import DesignRecord
from axhw.store import Store


@click.command("export")
@click.argument("designs", nargs=-1)
@click.option(
    "--format", type=click.Choice(["csv", "npz"]), default="csv", show_default=True, help="Of the product tables."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@json_option
def command(designs: tuple[str, ...], format: Format, out: Path, as_json: bool) -> None:
    """Export stored DESIGNS (names or keys; all of them by default): multipliers.csv and product tables."""
    store = Store.default()
    entries = [store.find(word) for word in designs] if designs else list(store.designs())
    files = export_designs([DesignRecord.from_entry(entry) for entry in entries], out, format=format)
    if as_json:
        print_json({"designs": [entry.name for entry in entries], "files": [str(path) for path in files]})
    else:
        for path in files:
            click.echo(path)
