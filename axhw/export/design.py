"""One design as a folder of files."""

from __future__ import annotations

from pathlib import Path

from axhw.files import output_folder, replacing
from axhw.record import DesignRecord
from axhw.sim.table_files import csv_text

_CIRCUIT_FILES = ("design.v", "netlist.v", "netlist.json", "cells.v")
_TABLE_FILES = ("lut.npy", "lut.csv")


def write_design(record: DesignRecord, folder: Path) -> dict[str, Path]:
    """Write design.v, netlist.v, netlist.json, cells.v, lut.npy, lut.csv and design.json of one design.

    Files that this design lacks and another one had are removed from the folder: they would pass for this one's.

    Returns
    -------
    dict of file name to path
        Without the two tables for operands too wide to tabulate, and without the circuit for an imported table.

    Raises
    ------
    AxhwError
        If the folder cannot be written to, or files of the record are gone or damaged.
    """
    folder = output_folder(folder)
    contents = {name: record.read(name) for name in ("design.json", *(_CIRCUIT_FILES if record.cost else ()))}
    if record.table is not None:
        contents["lut.npy"] = record.read("lut.npy")
        contents["lut.csv"] = csv_text(record.table).encode()
    for name in {*_CIRCUIT_FILES, *_TABLE_FILES} - contents.keys():
        (folder / name).unlink(missing_ok=True)
    written = {}
    for name, content in contents.items():
        with replacing(folder / name) as draft:
            draft.write_bytes(content)
        written[name] = folder / name
    return written
