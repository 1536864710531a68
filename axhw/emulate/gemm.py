"""Matrix product in which every scalar product is looked up in a table, exact in integers.

result[m, n] = sum over k of table[a[m, k] - low_a, w[k, n] - low_w], where low is the lowest code of an operand's
dtype: -128 for int8, 0 for uint8. Padding codes are ordinary codes: they are looked up as well.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.sim.product_table import ProductTable

Codes: TypeAlias = npt.NDArray[np.int8 | np.uint8]
Accumulators: TypeAlias = npt.NDArray[np.int32 | np.int64]
IntTable: TypeAlias = npt.NDArray[np.int32]
Table: TypeAlias = ProductTable | npt.NDArray[np.integer]

CODE_COUNT = 256

_INT32_MAX = 2**31 - 1
_FLOAT32_EXACT = 2**24
# Sums and looked-up rows of one block stay in the level-2 cache for the usual 16 to 64 columns.
_BLOCK_ROWS = 8192


def gemm(a: Codes, w: Codes, table: Table) -> Accumulators:
    """Multiply activation codes by weight codes through a product table.

    Parameters
    ----------
    a : int8 or uint8 array, shape (M, K)
        Activations, the first operand of the table.
    w : int8 or uint8 array, shape (K, N)
        Weights, the second operand.
    table : ProductTable, or integer array of shape (256, 256) with values within int32
        Product of codes a and w at ``[a - low, w - low]``, low being -128 for int8 and 0 for uint8. A
        `ProductTable` of signed operands takes int8 codes, one of unsigned operands uint8; an array takes any.

    Returns
    -------
    int32 or int64 array, shape (M, N)
        The exact sums: int64 where K times the largest magnitude in the table exceeds int32.

    Raises
    ------
    AxhwError
        For operands or tables of another dtype or shape, and for a `ProductTable` of other signedness than the codes.
    """
    check_operands(a, w)
    values = _values(table, a, w)
    largest = max(-int(values.min()), int(values.max()))
    sums = np.int32 if a.shape[1] * largest <= _INT32_MAX else np.int64
    if np.array_equal(values, exact_products(a.dtype, w.dtype)):
        return _exact(a, w).astype(sums)
    return _look_up(code_index(a), code_index(w), values, sums)


def exact_products(a: npt.DTypeLike, w: npt.DTypeLike) -> IntTable:
    """The table of exact products, int32 [256, 256], for activation and weight codes of the given dtypes."""
    return np.multiply.outer(_codes(a), _codes(w))


def code_index(codes: Codes) -> npt.NDArray[np.uint8]:
    """Codes counted from the lowest one of their dtype: 0 to 255."""
    unsigned = codes.view(np.uint8)
    return unsigned ^ np.uint8(0x80) if codes.dtype == np.int8 else unsigned


def check_operands(a: Codes, w: Codes) -> None:
    """Refuse operands that are not int8 or uint8 matrices [M, K] and [K, N]."""
    for name, operand in (("a", a), ("w", w)):
        if not isinstance(operand, np.ndarray) or operand.dtype not in (np.int8, np.uint8):
            found = operand.dtype if isinstance(operand, np.ndarray) else type(operand).__name__
            raise AxhwError(f"Expected {name} as an int8 or uint8 array of codes, found {found}: quantise it first.")
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0]:
        raise AxhwError(f"Expected a of shape [M, K] and w of shape [K, N], found {a.shape} and {w.shape}.")


def _values(table: Table, a: Codes, w: Codes) -> IntTable:
    """The products as int32, refused when they are no [256, 256] array of integers within int32."""
    values = table.values if isinstance(table, ProductTable) else table
    if isinstance(table, ProductTable):
        expected = np.dtype(np.int8 if table.signed else np.uint8)
        if (a.dtype, w.dtype) != (expected, expected):
            raise AxhwError(f"Expected {expected} codes for the table {table.name}, found {a.dtype} and {w.dtype}.")
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
        found = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise AxhwError(f"Expected a product table as an integer array of shape (256, 256), found {found}.")
    if values.shape != (CODE_COUNT, CODE_COUNT):
        raise AxhwError(f"Expected a product table of shape (256, 256) for 8-bit codes, found {values.shape}.")
    lowest, highest = int(values.min()), int(values.max())
    if lowest < -_INT32_MAX - 1 or highest > _INT32_MAX:
        raise AxhwError(f"Expected products within int32 in the product table, found {lowest} to {highest}.")
    return values.astype(np.int32, copy=False)


def _codes(dtype: npt.DTypeLike) -> npt.NDArray[np.int32]:
    limits = np.iinfo(np.dtype(dtype).name)
    return np.arange(limits.min, limits.max + 1, dtype=np.int32)


def _exact(a: Codes, w: Codes) -> npt.NDArray[np.floating]:
    """The exact product by floating-point BLAS: every partial sum is an integer that the type represents."""
    largest_product = int(np.abs(_codes(a.dtype)).max()) * int(np.abs(_codes(w.dtype)).max())
    real = np.float32 if a.shape[1] * largest_product <= _FLOAT32_EXACT else np.float64
    product: npt.NDArray[np.floating] = a.astype(real) @ w.astype(real)
    return product


def _look_up(
    a: npt.NDArray[np.uint8], w: npt.NDArray[np.uint8], table: IntTable, sums: type[np.int32] | type[np.int64]
) -> Accumulators:
    """For each k, take the table's columns of the weights w[k] and from them one row per activation."""
    (rows, terms), columns = a.shape, w.shape[1]
    by_term = np.ascontiguousarray(a.T)
    weights = w.astype(np.intp)
    result = np.zeros((rows, columns), sums)
    products = np.empty((CODE_COUNT, columns), np.int32)
    for start in range(0, rows, _BLOCK_ROWS):
        block = result[start : start + _BLOCK_ROWS]
        index = np.empty(len(block), np.intp)
        taken = np.empty(block.shape, np.int32)
        for k in range(terms):
            # mode="clip" only spares take the buffer it needs to raise on a bad index; there is none.
            np.take(table, weights[k], axis=1, out=products, mode="clip")
            index[...] = by_term[k, start : start + len(block)]
            np.take(products, index, axis=0, out=taken, mode="clip")
            block += taken
    return result
