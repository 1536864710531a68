"""Product tables on disk: ``.npz`` (complete), ``.npy`` (values alone) and the CSV that everything can read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.sim.product_table import MAX_TABLE_WIDTH, ProductTable, kind

CSV_COLUMNS = ("a", "b", "product", "exact")
"""Columns of ``lut.csv``: one row per pair, a changing slowest, both from the lowest operand up."""

_NPZ_FIELDS = ("values", "metadata")
_METADATA: dict[str, type | tuple[type, ...]] = {
    "width": int,
    "signed": bool,
    "name": str,
    "source": dict,
    "netlist_sha256": (str, type(None)),
    "sha256": str,
}


def save_table(table: ProductTable, path: Path) -> None:
    """Write a table as ``.npz``, ``.npy`` or ``.csv``, by the suffix of `path`.

    Raises
    ------
    AxhwError
        If the suffix is another one.
    """
    if path.suffix == ".npz":
        metadata = {name: getattr(table, name) for name in _METADATA} | {"source": dict(table.source)}
        np.savez_compressed(path, values=table.values, metadata=np.array(json.dumps(metadata, sort_keys=True)))
    elif path.suffix == ".npy":
        np.save(path, table.values, allow_pickle=False)
    elif path.suffix == ".csv":
        path.write_text(csv_text(table), encoding="ascii")
    else:
        raise AxhwError(f"Expected a table file ending in .npz, .npy or .csv, found {path.name}.")


def load_table(path: Path, *, signed: bool | None = None) -> ProductTable:
    """Read what `save_table` wrote, or any ``.npy`` or ``.csv`` in the same layout.

    Parameters
    ----------
    path : Path
    signed : bool, optional
        Needed for ``.npy``, which does not say; the other formats must agree with it.

    Raises
    ------
    AxhwError
        If the file is missing, damaged or not such a table.
    """
    if not path.is_file():
        raise AxhwError(f"Expected a product table at {path}, found no such file.")
    if path.suffix == ".csv":
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            raise AxhwError(f"Expected a product table as CSV at {path}, found a file that is no ASCII text.") from None
        table = table_from_csv(text, name=path.stem)
    else:
        arrays = _read_arrays(path)
        if isinstance(arrays, dict):
            table = _table_from_npz(arrays, path.name)
        elif signed is None:
            raise AxhwError(f"Expected to be told whether the operands of {path.name} are signed, found a bare array.")
        else:
            table = ProductTable(
                values=arrays,
                width=_width_of(arrays.shape, path.name),
                signed=signed,
                name=path.stem,
                source={"file": path.name},
            )
    if signed is not None and signed != table.signed:
        raise AxhwError(
            f"Expected a table for {kind(signed)} operands in {path.name}, found {kind(table.signed)} ones."
        )
    return table


def csv_text(table: ProductTable) -> str:
    """The table as CSV text with the columns `CSV_COLUMNS`."""
    codes = table.operand_codes()
    a, b = np.repeat(codes, len(codes)), np.tile(codes, len(codes))
    columns = [column.ravel().tolist() for column in (a, b, table.values, table.exact())]
    return ",".join(CSV_COLUMNS) + "\n" + "".join(map("%d,%d,%d,%d\n".__mod__, zip(*columns, strict=True)))


def table_from_csv(text: str, *, name: str) -> ProductTable:
    """A table from CSV text; the rows may come in any order, and the column exact may be left out.

    Raises
    ------
    AxhwError
        For other columns, anything but integers, missing, repeated or surplus pairs, operands that are
        neither all signed nor all unsigned codes of one width, and a wrong exact column.
    """
    # pandas takes a quarter of a second to import, and most commands read no CSV.
    import pandas as pd

    try:
        frame = pd.read_csv(io.StringIO(text))
    except ValueError:
        raise AxhwError(f"Expected CSV with the columns {', '.join(CSV_COLUMNS)} in {name}, found no table.") from None
    if tuple(frame.columns) == CSV_COLUMNS[:-1]:
        # Others need not know what is exact.
        frame["exact"] = frame["a"] * frame["b"]
    if tuple(frame.columns) != CSV_COLUMNS or not isinstance(frame.index, pd.RangeIndex):
        raise AxhwError(
            f"Expected the columns {', '.join(CSV_COLUMNS)} in {name}, found {', '.join(map(str, frame.columns))}."
        )
    for column in CSV_COLUMNS:
        if frame[column].isna().any():
            row = int(np.flatnonzero(frame[column].isna())[0])
            raise AxhwError(f"Expected a number in every cell of {name}, found none for {column} in row {row + 1}.")
        if frame[column].dtype.kind not in "iu":
            raise AxhwError(f"Expected integers in column {column} of {name}, found {frame[column].dtype} values.")
    a, b, product, exact = (frame[column].to_numpy() for column in CSV_COLUMNS)
    width, signed = _operands_of(a, b, name)
    size = 1 << width
    lowest = -(size >> 1) if signed else 0
    index = (a.astype(np.int64) - lowest) * size + (b.astype(np.int64) - lowest)
    seen = np.bincount(index, minlength=size * size)
    if len(index) != size * size or seen.max() > 1:
        wrong = int(np.flatnonzero(seen != 1)[0])
        raise AxhwError(
            f"Expected each of the {size * size} operand pairs once in {name}, found a = {wrong // size + lowest}, "
            f"b = {wrong % size + lowest} {seen[wrong]} times."
        )
    wrong_exact = np.flatnonzero(exact != a * b)
    if len(wrong_exact):
        row = int(wrong_exact[0])
        raise AxhwError(
            f"Expected {a[row] * b[row]} in column exact of {name} for a = {a[row]}, b = {b[row]}, found {exact[row]}."
        )
    values = np.empty(size * size, product.dtype)
    values[index] = product
    return ProductTable(
        values=values.reshape(size, size), width=width, signed=signed, name=name, source={"file": f"{name}.csv"}
    )


def _operands_of(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], name: str) -> tuple[int, bool]:
    """Width and signedness that the operand columns show."""
    lowest, highest = (int(a.min()), int(a.max())) if len(a) else (0, 0)
    size = highest - lowest + 1
    ranges_agree = len(b) > 0 and (int(b.min()), int(b.max())) == (lowest, highest)
    a_width = size > 1 and size & (size - 1) == 0 and lowest in (0, -(size >> 1))
    if not ranges_agree or not a_width:
        shown = f"{lowest} to {highest} and {int(b.min())} to {int(b.max())}" if len(b) else "no rows"
        raise AxhwError(
            f"Expected all operands of a width in columns a and b of {name}, such as -128 to 127 or 0 to 255, "
            f"found {shown}."
        )
    if size > 1 << MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits in {name}, found {size.bit_length() - 1}."
        )
    return size.bit_length() - 1, lowest < 0


def _table_from_npz(arrays: dict[str, npt.NDArray[Any]], name: str) -> ProductTable:
    if sorted(arrays) != sorted(_NPZ_FIELDS):
        raise AxhwError(f"Expected the arrays {', '.join(_NPZ_FIELDS)} in {name}, found {', '.join(arrays) or 'none'}.")
    try:
        metadata = json.loads(str(arrays["metadata"]))
    except ValueError:
        metadata = None
    if (
        not isinstance(metadata, dict)
        or metadata.keys() != _METADATA.keys()
        or not all(isinstance(metadata[key], types) for key, types in _METADATA.items())
    ):
        raise AxhwError(f"Expected the metadata {', '.join(_METADATA)} of a product table in {name}, found other data.")
    digest = metadata.pop("sha256")
    table = ProductTable(values=arrays["values"], **metadata)
    if table.sha256 != digest:
        raise AxhwError(f"Expected values with digest {digest[:12]} in {name}, found {table.sha256[:12]}.")
    return table


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]] | npt.NDArray[Any]:
    """The arrays of an ``.npz`` by name, or that of an ``.npy``."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            return dict(content)
    except Exception:
        # A damaged archive fails in a dozen ways, depending on which byte is hit.
        raise AxhwError(f"Expected a product table as .npz or .npy at {path}, found no file numpy can read.") from None


def _width_of(shape: tuple[int, ...], name: str) -> int:
    """Operand width of a square table."""
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2 or shape[0] & (shape[0] - 1):
        raise AxhwError(f"Expected a square table with a power of two rows in {name}, found shape {shape}.")
    return shape[0].bit_length() - 1
