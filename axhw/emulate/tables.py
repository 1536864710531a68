"""Product tables side by side, and the column of each weight: how a layer says what every multiplication computes.

T tables of shape [256, 256] become one matrix [256, T * 256]. The products of weight w through table t are its column
t * 256 + w, so a choice of tables per filter or per kernel only changes columns, and every kernel serves it at the cost
of one table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, CodeDtype, Codes, check_codes, code_dtype, code_index, code_values
from axhw.errors import AxhwError
from axhw.sim.product_table import ProductTable

IntTable: TypeAlias = npt.NDArray[np.int32]
Table: TypeAlias = ProductTable | npt.NDArray[np.integer]
Tables: TypeAlias = Table | Sequence[Table]

INT32_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightColumns:
    """What the weights of a layer multiply by.

    Attributes
    ----------
    products : int32 array, shape (256, T * 256)
        Tables side by side, rows in increasing order of the activation code.
    column : int32 array, the shape of the weights
        Column of `products` of each weight.
    a_dtype, w_dtype : dtype
        int8 or uint8, of activations and weights.
    """

    products: IntTable
    column: npt.NDArray[np.int32]
    a_dtype: CodeDtype
    w_dtype: CodeDtype

    @property
    def table_count(self) -> int:
        """T, the tables side by side."""
        return int(self.products.shape[1]) // CODE_COUNT

    @cached_property
    def used(self) -> npt.NDArray[np.intp]:
        """The columns of `products` that some weight has, increasing."""
        found = np.zeros(self.products.shape[1], bool)
        found[self.column] = True
        return np.flatnonzero(found)

    @property
    def largest(self) -> int:
        """The largest magnitude of a product."""
        return max(-int(self.products.min()), int(self.products.max()), 0)

    def with_column(self, column: npt.NDArray[np.int32]) -> WeightColumns:
        """The same products for other columns."""
        return dataclasses.replace(self, column=np.ascontiguousarray(column))

    def by_raw_code(self) -> IntTable:
        """`products` with rows in the order of the activation's bits read as an unsigned number."""
        if self.a_dtype == np.uint8:
            return self.products
        return np.roll(self.products, CODE_COUNT // 2, axis=0)


def weight_columns(
    w: Codes,
    tables: Tables,
    *,
    a_dtype: npt.DTypeLike,
    table_of: npt.ArrayLike | None = None,
    weight_zero: npt.ArrayLike | None = None,
) -> WeightColumns:
    """Fold the choice of tables into the weights' columns.

    Parameters
    ----------
    w : int8 or uint8 array
        Weights in the shape they come in.
    tables : table or sequence of tables
        Each a `ProductTable` or an integer array [256, 256] indexed from the lowest code of each operand.
    a_dtype : int8 or uint8
        Of the activations.
    table_of : integer array, optional
        Index into `tables`, broadcast against the shape of `w`. Needed with several tables.
    weight_zero : integer array, optional
        Zero points of the weights, broadcast against the shape of `w`: the column of weight w with zero point z is
        that of w less z times the activation, which makes the sum of a row of products less z times the sum of its
        activations, at no cost.

    Raises
    ------
    AxhwError
        For tables or indices of another form.
    """
    w_dtype = check_codes("w", w)
    activation_dtype = code_dtype("activations", a_dtype)
    listed = tables if isinstance(tables, Sequence) else [tables]
    if not listed:
        raise AxhwError("Expected at least one product table, found an empty sequence.")
    values = [table_values(table, a_dtype=a_dtype, w_dtype=w_dtype) for table in listed]
    chosen = _table_index(table_of, len(values), w.shape)
    column = code_index(w).astype(np.int32) + CODE_COUNT * chosen
    if weight_zero is not None and np.any(weight_zero):
        values, column = _with_zero_points(values, column, weight_zero, activation_dtype)
    return WeightColumns(
        products=np.concatenate(values, axis=1) if len(values) > 1 else values[0],
        column=column,
        a_dtype=activation_dtype,
        w_dtype=w_dtype,
    )


def table_values(table: Table, *, a_dtype: npt.DTypeLike, w_dtype: npt.DTypeLike) -> IntTable:
    """The products as int32, refused when they are no [256, 256] array of integers within int32.

    Raises
    ------
    AxhwError
        Also for a `ProductTable` of other signedness than the codes.
    """
    values = table.values if isinstance(table, ProductTable) else table
    if isinstance(table, ProductTable):
        expected = np.dtype(np.int8 if table.signed else np.uint8)
        if (np.dtype(a_dtype), np.dtype(w_dtype)) != (expected, expected):
            raise AxhwError(f"Expected {expected} codes for the table {table.name}, found {a_dtype} and {w_dtype}.")
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
        found = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise AxhwError(f"Expected a product table as an integer array of shape (256, 256), found {found}.")
    if values.shape != (CODE_COUNT, CODE_COUNT):
        raise AxhwError(f"Expected a product table of shape (256, 256) for 8-bit codes, found {values.shape}.")
    lowest, highest = int(values.min()), int(values.max())
    if lowest < -INT32_MAX - 1 or highest > INT32_MAX:
        raise AxhwError(f"Expected products within int32 in the product table, found {lowest} to {highest}.")
    return values.astype(np.int32, copy=False)


def exact_products(a: npt.DTypeLike, w: npt.DTypeLike) -> IntTable:
    """The table of exact products, int32 [256, 256], for activation and weight codes of the given dtypes."""
    return np.multiply.outer(code_values(a), code_values(w))


def _table_index(table_of: npt.ArrayLike | None, count: int, shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    if table_of is None:
        if count > 1:
            raise AxhwError(f"Expected table_of to say which of the {count} tables each weight uses, found None.")
        return np.zeros(shape, np.int32)
    index = np.asarray(table_of)
    if index.dtype.kind not in "iu":
        raise AxhwError(f"Expected table_of as an array of integers, found {index.dtype}.")
    if index.size and not (int(index.min()) >= 0 and int(index.max()) < count):
        raise AxhwError(
            f"Expected table_of from 0 to {count - 1} for {count} tables, "
            f"found {int(index.min())} to {int(index.max())}."
        )
    return _broadcast("table_of", index.astype(np.int32), shape)


def _with_zero_points(
    values: list[IntTable], column: npt.NDArray[np.int32], weight_zero: npt.ArrayLike, a_dtype: npt.DTypeLike
) -> tuple[list[IntTable], npt.NDArray[np.int32]]:
    """One table per pair of table and zero point that occurs, and the columns among them."""
    zero = np.asarray(weight_zero)
    if zero.dtype.kind not in "iu":
        raise AxhwError(f"Expected weight_zero as an array of integers, found {zero.dtype}.")
    zeros = _broadcast("weight_zero", zero.astype(np.int64), column.shape)
    distinct, which = np.unique(zeros, return_inverse=True)
    pair = (column // CODE_COUNT) * len(distinct) + which.reshape(column.shape)
    pairs, index = np.unique(pair, return_inverse=True)
    codes = code_values(a_dtype).astype(np.int64)[:, None]
    shifted = [values[p // len(distinct)] - distinct[p % len(distinct)] * codes for p in pairs.tolist()]
    for table in shifted:
        if int(table.min()) < -INT32_MAX - 1 or int(table.max()) > INT32_MAX:
            raise AxhwError("Expected products within int32 less the zero points, found larger ones.")
    return (
        [table.astype(np.int32) for table in shifted],
        (index.reshape(column.shape) * CODE_COUNT + column % CODE_COUNT).astype(np.int32),
    )


def _broadcast(name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise AxhwError(
            f"Expected {name} to broadcast against the weights of shape {shape}, found {array.shape}."
        ) from None
