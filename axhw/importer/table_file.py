"""Tables of products as other tools write them: ``.npy``, ``.npz``, ``.csv`` and bare ``.bin``.

A bare array says neither which operand its first row belongs to nor which operand the rows are for: the user does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.importer.ports import OperandOrder
from axhw.sim.product_table import (
    MAX_TABLE_WIDTH,
    SIGNED,
    SIGNED_CODES,
    UNSIGNED,
    ProductTable,
    kind,
    likely_reading,
)
from axhw.sim.table_files import load_table

IndexOrigin: TypeAlias = Literal["lowest", "codes"]
Values: TypeAlias = npt.NDArray[np.integer[Any]]

SUFFIXES = (".npy", ".npz", ".csv", ".bin")


def read_table(
    path: Path,
    *,
    signed: bool,
    index_origin: IndexOrigin | None = None,
    order: OperandOrder | None = None,
) -> ProductTable:
    """A table of products.

    Parameters
    ----------
    path : Path
        ``.npz`` as axhw writes it; ``.csv`` with the columns a, b, product, or a matrix; ``.npy`` with a square array;
        ``.bin`` with little-endian words of 16 or 32 bits in row order.
    signed : bool
    index_origin : {"lowest", "codes"}, optional
        Whether rows and columns of a signed bare array begin with the lowest operand, or follow the operands' two's
        complement codes (0, 1, ..., -1). Unsigned operands count from 0 in both.
    order : {"ab", "ba"}, optional
        Whether the rows of a bare array are for a, which is the default, or for b.

    Raises
    ------
    AxhwError
        If the file is missing, damaged, of another shape or with another ending, or plainly in another order than
        stated, and if the index origin of a signed bare array is not given.
    """
    if not path.is_file():
        raise AxhwError(f"Expected a table of products at {path}, found no such file.")
    bare = {".csv": _csv_matrix, ".bin": _words, ".npy": _array}
    if path.suffix not in (".npz", *bare):
        raise AxhwError(f"Expected a table of products that ends in .npy, .npz, .csv or .bin, found {path.name}.")
    if says_operands(path):
        if index_origin is not None or order is not None:
            raise AxhwError(
                f"Expected --index-origin and --operands for bare arrays only, found one of them beside {path.name}, "
                "which names its operands itself."
            )
        return load_table(path, signed=signed)
    values = bare[path.suffix](path, signed)
    width = _width_of(values, path.name)
    if signed:
        values = _signed_products(values, width)
    if signed and index_origin is None:
        raise AxhwError(
            f"Expected to be told which operand the first row of {path.name} belongs to, found a bare array: say "
            "--index-origin lowest if rows go from the most negative operand up, or --index-origin codes if they "
            "follow two's complement codes (0, 1, ..., -1)."
        )
    _check_origin(values, width=width, signed=signed, index_origin=index_origin, name=path.name)
    if order == "ba":
        values = values.T
    if signed and index_origin == "codes":
        half = 1 << (width - 1)
        values = np.roll(values, half, axis=(0, 1))
    return ProductTable(
        values=_int32(values, path.name),
        width=width,
        signed=signed,
        name=path.stem,
        source={"file": path.name},
    )


_OPTIONS = {
    SIGNED: "--signed --index-origin lowest",
    SIGNED_CODES: "--signed --index-origin codes",
    UNSIGNED: "--unsigned",
}


def _check_origin(values: Values, *, width: int, signed: bool, index_origin: IndexOrigin | None, name: str) -> None:
    """Refuse an array that is plainly in another order than the user says."""
    if width > MAX_TABLE_WIDTH or values.dtype.kind not in "iu":
        return
    stated = (SIGNED_CODES if index_origin == "codes" else SIGNED) if signed else UNSIGNED
    if (likely := likely_reading(values, width=width, stated=stated)) != stated:
        raise AxhwError(f"Expected {stated} in {name}, found products of {likely}: say {_OPTIONS[likely]}.")


def _signed_products(values: Values, width: int) -> Values:
    """Products of an unsigned type of exactly their width are two's complement codes: nothing else would fit in."""
    if values.dtype.kind == "u" and values.dtype.itemsize * 8 == 2 * width:
        return values.view(f"i{values.dtype.itemsize}")
    return values


def _int32(values: Values, name: str) -> npt.NDArray[np.int32]:
    """Integers that fit in 32 bits; `ProductTable` looks at their range."""
    if values.dtype.kind not in "iu":
        found = "NaN" if values.dtype.kind == "f" and np.isnan(values).any() else f"{values.dtype} values"
        raise AxhwError(f"Expected a table of integers in {name}, found {found}.")
    limits = np.iinfo(np.int32)
    if values.min() < limits.min or values.max() > limits.max:
        raise AxhwError(f"Expected products of 32 bits in {name}, found {values.min()} to {values.max()}.")
    return values.astype(np.int32)


def _array(path: Path, signed: bool) -> Values:
    """The array of an .npy file, whatever its type: `ProductTable` looks at that."""
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, MemoryError):
        raise AxhwError(f"Expected an array of numbers as .npy at {path}, found no file numpy can read.") from None


def _words(path: Path, signed: bool) -> Values:
    """Bare words; their size follows from that of the file, because tables have 4**width of them."""
    size = path.stat().st_size
    for itemsize in (2, 4):
        for width in range(2, MAX_TABLE_WIDTH + 1):
            if size == itemsize << 2 * width:
                words = np.fromfile(path, f"<{'i' if signed else 'u'}{itemsize}")
                return words.reshape(1 << width, -1)
    raise AxhwError(
        f"Expected 16-bit or 32-bit words for all pairs of operands in {path.name}, such as 131072 bytes for 8 bits, "
        f"found {size} bytes."
    )


def says_operands(path: Path) -> bool:
    """Whether a table names its operands: an .npz does, and a .csv that begins with names of columns."""
    if path.suffix != ".csv":
        return path.suffix == ".npz"
    with path.open("rb") as file:
        first = file.readline(1 << 16)
    return any(byte in b"abcdfghijklmnopqrstuvwxyz" for byte in first.lower())


def _csv_matrix(path: Path, signed: bool) -> Values:
    # pandas takes a quarter of a second to import, and most commands read no CSV.
    import pandas as pd

    try:
        frame = pd.read_csv(path, header=None, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError):
        raise AxhwError(f"Expected a matrix of integers as CSV in {path.name}, found other text.") from None
    if not all(dtype.kind in "iu" for dtype in frame.dtypes):
        row, column = next(
            (int(np.flatnonzero(~np.array([_is_whole(cell) for cell in frame[name]]))[0]), number)
            for number, name in enumerate(frame.columns)
            if frame[name].dtype.kind not in "iu"
        )
        found = repr(str(frame.iat[row, column]))
        raise AxhwError(
            f"Expected a matrix of integers in {path.name}, found {found} in row {row + 1}, column {column + 1}."
        )
    return np.asarray(frame.to_numpy(np.int64))


def _is_whole(cell: object) -> bool:
    """Whether a cell of a column with other cells holds an integer; pandas makes numbers or text of all of them."""
    try:
        return float(str(cell)).is_integer()
    except ValueError:
        return False


def _width_of(values: Values, name: str) -> int:
    """Operand width of a square table."""
    shape = values.shape
    if len(shape) == 1:
        raise AxhwError(f"Expected a square table in {name}, found a list of {shape[0]} values.")
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 4 or shape[0] & (shape[0] - 1):
        raise AxhwError(f"Expected a square table with a power of two rows in {name}, found shape {shape}.")
    return int(shape[0]).bit_length() - 1


def first_difference(found: ProductTable, reference: ProductTable) -> str | None:
    """The first pair for which two tables differ, in words, or None.

    Raises
    ------
    AxhwError
        If the tables are for other operands.
    """
    if (found.width, found.signed) != (reference.width, reference.signed):
        raise AxhwError(
            f"Expected a reference for {kind(found.signed)} {found.width}-bit operands, found {reference.name} for "
            f"{kind(reference.signed)} {reference.width}-bit ones."
        )
    a, b = np.nonzero(found.values != reference.values)
    if not len(a):
        return None
    codes = found.operand_codes()
    return (
        f"{len(a)} of {found.values.size} pairs that differ, the first being a = {codes[a[0]]}, b = {codes[b[0]]}: "
        f"{found.name} gives {found.values[a[0], b[0]]}, the reference {reference.values[a[0], b[0]]}"
    )
