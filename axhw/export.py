"""What the ML side and other tools read: files of one design, and tables of many.

The columns of multipliers.csv and lut.csv are a contract, versioned by `CSV_VERSION` and described in
docs/csv.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.record import DesignRecord
from axhw.sim.table_files import csv_text, save_table

CSV_VERSION = 1
MULTIPLIERS_CSV = "multipliers.csv"
_COLUMNS = (
    "name",
    "family",
    "width",
    "signed",
    "params",
    "library",
    "area_um2",
    "delay_ns",
    "energy_fj",
    "leakage_nw",
    "mae",
    "mae_pct",
    "wce",
    "wce_pct",
    "mre_pct",
    "ep_pct",
    "mse",
    "bias",
    "variance",
    "rank",
    "lut_file",
    "lut_sha256",
    "axhw_version",
    "engine",
)

_DESIGN_FILES = ("design.v", "netlist.v", "netlist.json", "cells.v", "design.json")

Format = Literal["csv", "npz"]


def write_design(record: DesignRecord, folder: Path) -> dict[str, Path]:
    """Write design.v, netlist.v, netlist.json, cells.v, lut.npy, lut.csv and design.json of one design.

    Returns
    -------
    dict of file name to path
        Without the two tables for operands too wide to tabulate.

    Raises
    ------
    AxhwError
        If the folder cannot be written to, or files of the record are gone or damaged.
    """
    folder = output_folder(folder)
    contents = {name: record.read(name) for name in _DESIGN_FILES}
    if record.table is not None:
        contents["lut.npy"] = record.read("lut.npy")
        contents["lut.csv"] = csv_text(record.table).encode()
    else:
        # Tables of a design that was written here before would pass for this one's.
        for name in ("lut.npy", "lut.csv"):
            (folder / name).unlink(missing_ok=True)
    written = {}
    for name, content in contents.items():
        with replacing(folder / name) as draft:
            draft.write_bytes(content)
        written[name] = folder / name
    return written


def export_designs(records: Sequence[DesignRecord], folder: Path, *, format: Format) -> list[Path]:
    """Write multipliers.csv and one table per design that has one.

    Parameters
    ----------
    format : {"csv", "npz"}
        Of the tables: ``luts/<name>.csv`` with the columns a, b, product, exact, or ``luts/<name>.npz`` as
        `axhw.sim.table_files.load_table` reads it.

    Returns
    -------
    list of files written, multipliers.csv first

    Raises
    ------
    AxhwError
        If there are no designs, if designs of one name have different tables, or if the folder cannot be written to.
    """
    if not records:
        raise AxhwError("Expected at least one design to export, found none: make some with `axhw gen`.")
    folder = output_folder(folder)
    luts = output_folder(folder / "luts")
    rows = []
    written: dict[Path, str] = {}
    for record in records:
        file = ""
        if (table := record.table) is not None:
            path = luts / f"{record.name}.{format}"
            # The same multiplier on two libraries computes the same products.
            if path not in written:
                with replacing(path) as draft:
                    save_table(table, draft)
                written[path] = table.sha256
            if written[path] != table.sha256:
                raise AxhwError(
                    f"Expected one table for designs of the name {record.name}, found two in the store: export them "
                    "into different folders."
                )
            file = path.relative_to(folder).as_posix()
        rows.append(_row(record, lut_file=file))
    # A column of integers with gaps would turn into floats.
    # pandas takes a quarter of a second to import: only those who export pay for it.
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"rank": "Int64"})
    with replacing(folder / MULTIPLIERS_CSV) as draft:
        frame.to_csv(draft, index=False)
    return [folder / MULTIPLIERS_CSV, *written]


def _row(record: DesignRecord, *, lut_file: str) -> dict[str, object]:
    summary = record.summary()
    params = ",".join(f"{key}={value}" for key, value in summary["params"].items())
    extra = {
        "params": params,
        "lut_file": lut_file,
        "lut_sha256": record.verification.table_sha256 or "",
        "axhw_version": record.provenance.axhw_version,
    }
    return {**{key: summary[key] for key in _COLUMNS if key in summary}, **extra}
