"""Many designs as tables: one row each, and a product table each.

The columns of multipliers.csv and lut.csv are a contract, versioned by `CSV_VERSION` and described in docs/csv.md; the
Parquet files hold the same columns.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.record import DesignRecord
from axhw.sim.product_table import ProductTable
from axhw.sim.table_files import CSV_COLUMNS, save_table

if TYPE_CHECKING:
    import pandas as pd

CSV_VERSION = 2
TableFormat = Literal["csv", "npz", "parquet"]
_COLUMNS = (
    "name",
    "family",
    "width",
    "signed",
    "params",
    "element",
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
    "library_sha256",
    "corner",
    "input_slew_ns",
    "output_load_ff",
    "wire_load",
    "stream",
    "sampled",
    "key",
)
_TEXTS_WITH_GAPS = ("element", "library", "engine", "library_sha256", "corner", "wire_load", "stream")
_NUMBERS_WITH_GAPS = ("area_um2", "delay_ns", "energy_fj", "leakage_nw", "input_slew_ns", "output_load_ff")


def export_tables(records: Sequence[DesignRecord], folder: Path, *, format: TableFormat) -> list[Path]:
    """Write multipliers.csv (or multipliers.parquet) and one table per design that has one.

    Parameters
    ----------
    format : {"csv", "npz", "parquet"}
        Of the tables: ``luts/<name>.csv`` and ``.parquet`` with the columns a, b, product, exact, or
        ``luts/<name>.npz`` as `axhw.sim.table_files.load_table` reads it.

    Returns
    -------
    list of files written, the table of designs first

    Raises
    ------
    AxhwError
        If designs of one name have different tables, the folder cannot be written to or has a table of other designs,
        or pyarrow is missing for Parquet.
    """
    if format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise AxhwError(
            "Expected pyarrow for Parquet files, found none: install it with `pip install 'axhw[parquet]'`."
        )
    folder = output_folder(folder)
    overview = folder / ("multipliers.parquet" if format == "parquet" else "multipliers.csv")
    _refuse_others(overview, {record.name for record in records})
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
                    if format == "parquet":
                        _table_frame(table).to_parquet(draft, engine="pyarrow", index=False)
                    else:
                        save_table(table, draft)
                written[path] = table.sha256
            if written[path] != table.sha256:
                raise AxhwError(
                    f"Expected one table for designs of the name {record.name}, found two in the store: export them "
                    "into different folders."
                )
            file = path.relative_to(folder).as_posix()
        rows.append(_row(record, lut_file=file))
    # pandas takes a quarter of a second to import: only those who export pay for it.
    import pandas as pd

    # A column of integers with gaps would turn into floats, one of gaps alone would have no type in Parquet.
    types = {"rank": "Int64", **dict.fromkeys(_TEXTS_WITH_GAPS, "string"), **dict.fromkeys(_NUMBERS_WITH_GAPS, float)}
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(types)
    with replacing(overview) as draft:
        if format == "parquet":
            frame.to_parquet(draft, engine="pyarrow", index=False)
        else:
            frame.to_csv(draft, index=False)
    return [overview, *written]


def _refuse_others(overview: Path, names: set[str]) -> None:
    """Keep a table that lists designs which would be gone."""
    if not overview.exists():
        return
    import pandas as pd

    try:
        found = pd.read_parquet(overview) if overview.suffix == ".parquet" else pd.read_csv(overview, dtype=str)
        others = sorted(set(found["name"]) - names)
    except (OSError, ValueError, KeyError):
        others = ["no table of designs"]
    if others:
        listed = f"{', '.join(others[:3])}{f' and {len(others) - 3} more' if len(others) > 3 else ''}"
        raise AxhwError(
            f"Expected no table of other designs in {overview.parent}, found {overview.name} with {listed}: choose "
            "another --out, or remove it."
        )


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


def _table_frame(table: ProductTable) -> pd.DataFrame:
    """A product table as a frame of int32 columns, a changing slowest."""
    import pandas as pd

    codes = table.operand_codes()
    columns = (np.repeat(codes, len(codes)), np.tile(codes, len(codes)), table.values.ravel(), table.exact().ravel())
    frame: pd.DataFrame = pd.DataFrame(np.stack(columns, axis=1).astype(np.int32), columns=list(CSV_COLUMNS))
    return frame
