"""One design as a folder of files."""

from __future__ import annotations

import json
from pathlib import Path

from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.record import DesignRecord
from axhw.sim.table_files import csv_text

_DOCUMENT = "design.json"
_CIRCUIT_FILES = ("design.v", "netlist.v", "netlist.json", "cells.v")
_TABLE_FILES = ("lut.npy", "lut.csv")


def design_folder(folder: Path, name: str) -> Path:
    """The folder for the files of a design, made where it is missing.

    Raises
    ------
    AxhwError
        If it cannot be written to, or has files of another design, which would be lost.
    """
    folder = output_folder(folder)
    for file in (_DOCUMENT, *_CIRCUIT_FILES, *_TABLE_FILES):
        if (folder / file).exists() and (other := _name_in(folder)) != name:
            raise AxhwError(
                f"Expected a folder without files of other designs for {name}, found {file} of "
                f"{other or 'an unknown one'} in {folder}: choose another one with --out."
            )
    return folder


def write_design(record: DesignRecord, folder: Path) -> dict[str, Path]:
    """Write design.v, netlist.v, netlist.json, cells.v, lut.npy, lut.csv and design.json of one design.

    Files that the design lacks now and had before, made in another way, are removed: they would pass for this one's.

    Returns
    -------
    dict of file name to path
        Without the two tables for operands too wide to tabulate, and without the circuit for an imported table.

    Raises
    ------
    AxhwError
        As `design_folder`, and if files of the record are gone or damaged.
    """
    folder = design_folder(folder, record.name)
    contents = {name: record.read(name) for name in (_DOCUMENT, *(_CIRCUIT_FILES if record.cost else ()))}
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


def _name_in(folder: Path) -> str | None:
    """The name of the design whose files a folder has, None where they don't tell."""
    try:
        document = json.loads((folder / _DOCUMENT).read_bytes())
    except (OSError, ValueError):
        return None
    return str(document["name"]) if isinstance(document, dict) and "name" in document else None
