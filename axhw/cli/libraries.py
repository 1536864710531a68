"""``axhw libraries``: the cell libraries in the package."""

from __future__ import annotations

import click

from axhw.cli.options import json_option, print_json
from axhw.cli.tables import plain_table, stdout
from axhw.synth.libraries import EMBEDDED, load_library


@click.command("libraries")
@json_option
def command(as_json: bool) -> None:
    """List the embedded cell libraries; --library takes these names or any Liberty file."""
    rows = []
    for name, about in EMBEDDED.items():
        cells = load_library(name).cells
        rows.append(
            {"name": name, "about": about, "cells": len(cells.cells), "corner": cells.corner, "sha256": cells.sha256}
        )
    if as_json:
        print_json({"libraries": rows})
        return
    table = plain_table("name", "cells", "corner", "about", left=4)
    for row in rows:
        table.add_row(*(str(row[column]) for column in ("name", "cells", "corner", "about")))
    stdout().print(table)
