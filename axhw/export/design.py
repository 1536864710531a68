"""One design as a folder of files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.record import DesignRecord
from axhw.sim.table_files import csv_text
from axhw.stored_design import StoredDesign

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
    _refuse_others(folder, name, lambda document: bool(document.get("name") == name))
    return folder


def check_replaceable(folder: Path, record: StoredDesign) -> None:
    """Refuse to replace the files of a design by those of another one, of the same name, too.

    Two designs are one if their documents differ in when and by which version they were made at most.

    Raises
    ------
    AxhwError
        If the folder has files of another design.
    """
    own = _measured(record.document)
    _refuse_others(folder, record.name, lambda document: _measured(document) == own)


def remove_stale(folder: Path, written: Iterable[str]) -> None:
    """Remove files that an earlier version of a design had and the one written now has not."""
    for path in set(_files_in(folder)) - {folder / name for name in written}:
        path.unlink(missing_ok=True)


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
        If the folder cannot be written to, as `check_replaceable`, and if files of the record are gone or damaged.
    """
    folder = output_folder(folder)
    check_replaceable(folder, record)
    contents = {name: record.read(name) for name in (_DOCUMENT, *(_CIRCUIT_FILES if record.cost else ()))}
    if record.table is not None:
        contents["lut.npy"] = record.read("lut.npy")
        contents["lut.csv"] = csv_text(record.table).encode()
    remove_stale(folder, contents)
    written = {}
    for name, content in contents.items():
        with replacing(folder / name) as draft:
            draft.write_bytes(content)
        written[name] = folder / name
    return written


def _refuse_others(folder: Path, name: str, is_own: Callable[[Mapping[str, Any]], bool]) -> None:
    files = _files_in(folder)
    if not files:
        return
    document = _document_in(folder)
    if document is None:
        found = f"{files[0].name} without a {_DOCUMENT} that says of which"
    elif not is_own(document):
        found = f"{_DOCUMENT} of {document.get('name')}"
        found += " measured otherwise" if document.get("name") == name else ""
    else:
        return
    raise AxhwError(
        f"Expected a folder without files of other designs for {name}, found {found} in {folder}: choose another one "
        "with --out, or remove these files."
    )


def _files_in(folder: Path) -> list[Path]:
    """The files of designs in a folder, the document first."""
    known = (folder / file for file in (_DOCUMENT, *_CIRCUIT_FILES, *_TABLE_FILES))
    return [path for path in (*known, *sorted(folder.glob("lut_*.npy"))) if path.exists()]


def _document_in(folder: Path) -> Mapping[str, Any] | None:
    """What a folder's design.json holds, None where it holds none."""
    try:
        document = json.loads((folder / _DOCUMENT).read_bytes())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and "name" in document else None


def _measured(document: Mapping[str, Any]) -> Any:
    """A document without what made it, as JSON values."""
    return json.loads(json.dumps({name: value for name, value in document.items() if name != "provenance"}))
