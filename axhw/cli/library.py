"""``axhw library fit``: a compact library with the figures of a full one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from axhw.cli.options import PATH, engine_option, json_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.fit_check import compare_costs
from axhw.flow import Flow
from axhw.synth.liberty.fit import fit_errors, fit_library
from axhw.synth.liberty.reader import read_library
from axhw.synth.liberty.writer import write_liberty
from axhw.synth.libraries import load_library


@click.group("library")
def command() -> None:
    """Work on cell libraries."""


@command.command("fit")
@click.argument("full", nargs=-1, required=True, metavar="FULL...")
@click.option("--out", type=PATH, default=None, help="Liberty file to write. [default: no file]")
@click.option(
    "--points", type=click.IntRange(2, 5), default=4, show_default=True, help="Table entries per axis; 2 is bilinear."
)
@click.option(
    "--attribution", default=None, help="Comment at the head of the file. [default: names the library and its digest]"
)
@click.option(
    "--check/--no-check", default=True, show_default=True, help="Map ten multipliers and compare their costs."
)
@engine_option
@json_option
def fit(
    full: tuple[str, ...],
    out: Path | None,
    points: int,
    attribution: str | None,
    check: bool,
    engine: str | None,
    as_json: bool,
) -> None:
    """Fit every table of the Liberty file FULL, or of the several files of one library, and report the error.

    Areas, pin capacitances, leakage and functions stay exact.
    """
    if out is not None and out.exists() and any(Path(file).exists() and out.samefile(file) for file in full):
        raise AxhwError(f"Expected another file than the library itself to write to, found {out}.")
    source = load_library(",".join(full))
    fitted = fit_library(source.cells, points=points)
    note = attribution or (
        f"Figures fitted from the cell library {source.cells.name}\n(sha256 of its text: {source.cells.sha256}).\n"
        "Made by: axhw library fit FULL.lib"
    )
    text = write_liberty(fitted, attribution=note)
    if out is not None:
        if not out.parent.is_dir():
            raise AxhwError(f"Expected a folder to write {out.name} into, found no {out.parent}.")
        with replacing(out) as draft:
            draft.write_text(text)
        # What counts is what the written digits say.
        fitted = read_library(out)
    tables = fit_errors(source.cells, fitted)
    differences = []
    if check:
        with progress() as report:
            differences = compare_costs(Flow.of(library=source, engine=engine), fitted, progress=report)
    if as_json:
        rows = [
            {
                "name": row.name,
                "area_pct": row.area_pct,
                "delay_pct": row.delay_pct,
                "energy_pct": row.energy_pct,
                "leakage_pct": row.leakage_pct,
            }
            for row in differences
        ]
        print_json(
            {
                "library": source.cells.name,
                "fitted": fitted.name,
                "cells": len(fitted.cells),
                "bytes": len(text),
                "file": str(out) if out is not None else None,
                "tables": [asdict(error) for error in tables],
                "designs": rows,
            }
        )
        return
    console = stdout()
    console.print(f"{fitted.name}: {len(fitted.cells)} cells, {len(text):,} bytes")
    table = plain_table(
        "quantity", "tables", "median %", "95 % below %", "largest %", title="tables over the fitted range"
    )
    for error in tables:
        table.add_row(
            error.quantity, str(error.tables), *(f"{x:.2f}" for x in (error.median_pct, error.p95_pct, error.max_pct))
        )
    console.print(table)
    if differences:
        title = "mapped multipliers, fitted against full"
        table = plain_table("design", "cells", "area %", "delay %", "energy %", "leakage %", title=title)
        for row in differences:
            figures = (row.area_pct, row.delay_pct, row.energy_pct, row.leakage_pct)
            table.add_row(row.name, str(row.full.cells), *(f"{x:+.2f}" for x in figures))
        console.print(table)
