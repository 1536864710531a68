"""What training needs to know of product tables, in numpy: integer factors, and slopes for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, code_values
from axhw.emulate.factors import integer_maps
from axhw.emulate.tables import IntTable, WeightColumns, weight_columns
from axhw.sim.product_table import ProductTable
from axhw.train.products import FLOAT32_EXACT

Numbers = npt.NDArray[np.float64]

MOST_TERMS = 32
"""On an H100 multiplying 32 times costs what one look-up does."""

_SLOPE_TERMS = 32
_SLOPE_ERROR = 1e-3
# A TF32 number has 10 bits behind the leading one, a float32 23.
_TF32_DROPPED = (1 << 13) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Factors:
    """products = left @ right.T.

    Attributes
    ----------
    left, right : float64 arrays, shapes (256, terms), (256 T, terms)
    """

    left: Numbers
    right: Numbers

    @property
    def unit(self) -> int:
        """The largest power of two that divides each term of every product."""
        terms = (np.abs(self.left).astype(np.int64), np.abs(self.right).astype(np.int64))
        # The lowest bit that any factor of a term has set.
        lowest = [np.bitwise_or.reduce(side, axis=0) for side in terms]
        powers = [int((left & -left) * (right & -right)) for left, right in zip(*lowest)]
        return min((power for power in powers if power), default=1)

    @property
    def largest(self) -> int:
        """Bound of the sum of the magnitudes of a product's terms, in units of `unit`.

        Sums of whole numbers of a power of two are exact in floating point as far as those of their quotients are.
        """
        return int((np.abs(self.left) @ np.abs(self.right).T).max()) // self.unit

    @property
    def fits_tf32(self) -> bool:
        """Whether all factors have at most 11 significant bits."""
        bits = (side.astype(np.float32).view(np.int32) for side in (self.left, self.right))
        return not any((side & _TF32_DROPPED).any() for side in bits)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slopes:
    """Slopes of the products: along the first operand a_slope @ w_values.T, along the second a_values @ w_slope.T.

    Attributes
    ----------
    a_slope, a_values : float64 arrays, shape (256, terms)
    w_slope, w_values : float64 arrays, shape (256 T, terms)
    """

    a_slope: Numbers
    w_values: Numbers
    a_values: Numbers
    w_slope: Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class TableArrays:
    """T tables side by side; codes are counted from the lowest one, and the column of code w of table t is 256 t + w.

    Attributes
    ----------
    products : int32 array, shape (256, 256 T)
    lowest : int
        The lowest code.
    factors : Factors or None
        Whole numbers; None where there are too many, or they weren't asked for.
    slopes : Slopes or None
    """

    products: IntTable
    lowest: int
    factors: Factors | None
    slopes: Slopes | None

    @property
    def largest(self) -> int:
        """The largest magnitude of a product."""
        return int(np.abs(self.products).max())

    @property
    def zero_products_vanish(self) -> bool:
        """Whether the products of a code of 0 are all 0."""
        return not self.products[-self.lowest].any()


def table_arrays(tables: Sequence[ProductTable], *, signed: bool, factors: bool, reach: int | None) -> TableArrays:
    """Put tables side by side.

    Parameters
    ----------
    tables : sequence of ProductTable
    signed : bool
        Of their operands.
    factors : bool
        Whether to look for integer factors.
    reach : int or None
        Slopes are mean steps over so many codes to either side; None for no slopes.
    """
    dtype = np.dtype(np.int8 if signed else np.uint8)
    codes = code_values(dtype).astype(dtype)
    numbers = np.arange(len(tables))[:, None]
    every = weight_columns(np.tile(codes, (len(tables), 1)), tables, a_dtype=dtype, table_of=numbers)
    found = _factors(every) if factors else None
    return TableArrays(
        products=every.products,
        lowest=int(codes[0]),
        factors=found,
        slopes=None if reach is None else _slopes(found or _leading_factors(every.products), reach=reach),
    )


def _factors(columns: WeightColumns) -> Factors | None:
    """Integer factors that float32 holds, at least one term, or None where there are too many."""
    maps = integer_maps(columns, most=MOST_TERMS)
    if maps is None:
        return None
    if not maps.rank:
        return Factors(left=np.zeros((CODE_COUNT, 1)), right=np.zeros((columns.products.shape[1], 1)))
    if max(int(np.abs(maps.left).max()), int(np.abs(maps.right).max())) >= FLOAT32_EXACT:
        return None
    return Factors(left=maps.left.astype(np.float64), right=maps.right.astype(np.float64))


def _leading_factors(products: IntTable) -> Factors:
    """The leading singular vectors: up to 32, or as many as leave a thousandth of the table's norm."""
    left, values, right = np.linalg.svd(products.astype(np.float64), full_matrices=False)
    rest = np.sqrt(np.cumsum(np.square(values)[::-1])[::-1])
    terms = min(max(1, int(np.count_nonzero(rest > _SLOPE_ERROR * rest[0]))), _SLOPE_TERMS)
    return Factors(left=left[:, :terms] * values[:terms], right=right[:terms].T)


def _slopes(factors: Factors, *, reach: int) -> Slopes:
    by_table = factors.right.reshape(-1, CODE_COUNT, factors.right.shape[1])
    return Slopes(
        a_slope=_mean_steps(factors.left, reach),
        w_values=factors.right,
        a_values=factors.left,
        w_slope=np.concatenate([_mean_steps(table, reach) for table in by_table]),
    )


def _mean_steps(values: Numbers, reach: int) -> Numbers:
    """Mean step from row to row in a window of `reach` rows to either side, cut off at the ends."""
    row = np.arange(len(values))
    above, below = np.minimum(row + reach, len(values) - 1), np.maximum(row - reach, 0)
    steps: Numbers = (values[above] - values[below]) / (above - below)[:, None]
    return steps
