"""``axhw export``: stored designs as files that other tools read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from axhw.cli.options import PATH, json_option, print_json, warn_of_unreadable
from axhw.export import FORMATS, Format, SimulationOptions, export_designs
from axhw.export.tables import TableFormat
from axhw.index import Index
from axhw.lookup import stored_design
from axhw.record import DesignRecord
from axhw.store import Store

_OPERANDS = ("saif", "vcd")
_SIMULATED = ("sdf", *_OPERANDS)


@click.command("export")
@click.argument("designs", nargs=-1)
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True, help="What to write.")
@click.option("--out", type=PATH, required=True, help="Folder to write to.")
@click.option(
    "--library",
    "libraries",
    metavar="FILE.lib",
    multiple=True,
    help="sdf, saif, vcd: library that designs were made with, where it is not embedded; once for each file.",
)
@click.option("--pairs", type=click.IntRange(min=1), help="saif, vcd: operations. [default: 8192 for saif, 64 for vcd]")
@click.option("--seed", type=click.IntRange(min=0), help="saif, vcd: seed of the operand stream. [default: 1]")
@click.option("--period-ns", type=float, help="saif, vcd: time of an operation. [default: that of the clock, 10]")
@click.option("--conditional", is_flag=True, help="sdf: with conditional delays too, for simulators that take them.")
@json_option
def command(
    designs: tuple[str, ...],
    format: Format,
    out: Path,
    libraries: tuple[str, ...],
    pairs: int | None,
    seed: int | None,
    period_ns: float | None,
    conditional: bool,
    as_json: bool,
) -> None:
    """Export stored DESIGNS (names, keys or specs; all of them by default).

    \b
    csv, npz, parquet    a table of designs, and product tables
    sdf, saif, vcd       delays, activity and waveforms of the mapped gates
    accelergy            energy and area reference tables
    hwcomponents         component models for hwcomponents and AccelForge
    """
    for name, given, formats in (
        ("--library", libraries, _SIMULATED),
        ("--pairs", pairs is not None, _OPERANDS),
        ("--seed", seed is not None, _OPERANDS),
        ("--period-ns", period_ns is not None, _OPERANDS),
        ("--conditional", conditional, ("sdf",)),
    ):
        if given and format not in formats:
            raise click.UsageError(f"Expected --format {' or '.join(formats)} beside {name}, found {format}")
    options = SimulationOptions(
        libraries=libraries, pairs=pairs, seed=1 if seed is None else seed, period_ns=period_ns, conditional=conditional
    )
    store = Store.default()
    if designs:
        records = [stored_design(store, word) for word in designs]
    else:
        index = Index(store)
        records = [
            DesignRecord.from_entry(entry) for summary in index.summaries() if (entry := store.get(summary["key"]))
        ]
        warn_of_unreadable(index.unreadable())
        if format not in get_args(TableFormat):
            records = _with_circuits(records)
    files = export_designs(records, out, format=format, options=options)
    if as_json:
        print_json({"designs": [record.name for record in records], "files": [str(path) for path in files]})
    else:
        for path in files:
            click.echo(path)


def _with_circuits(records: Sequence[DesignRecord]) -> list[DesignRecord]:
    """The designs that are more than a table of products; the others, which nobody named, are left out with a note."""
    found = [record for record in records if record.cost is not None]
    if found and (without := len(records) - len(found)):
        click.echo(f"axhw: {without} designs are left out: tables of products without a circuit.", err=True)
    return found or list(records)
