"""``axhw libraries``: the cell libraries in the package."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from axhw.cli.options import json_option, print_json
from axhw.synth.libraries import EMBEDDED, load_library


@click.command("libraries")
@json_option
def command(as_json: bool) -> None:
    """List the embedded cell libraries; --library takes these names or any Liberty file."""
    rows = []
    for name, about in EMBEDDED.items():
        cells = load_library(name).cells
        rows.append({"name": name, "about": about, "cells": len(cells.cells), "corner": cells.corner, "sha256": cells.sha256})
    if as_json:
        print_json({"libraries": rows})
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("name", "cells", "corner", "about"):
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(row[column]) for column in ("name", "cells", "corner", "about")))
    Console().print(table)
