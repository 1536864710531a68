"""Integer factors of product tables: what turns table look-ups back into multiplication.

Two forms are sought in the columns of a table that a layer's weights use. `integer_maps` finds few integer functions
left and right with ``product = sum over i of left[i][a] * right[i][c]`` exactly; truncated, rounded and segmented
multipliers have one to three. `line_fit` takes from every column c the multiple of the activation that leaves the
least spread; of most multipliers worth building it leaves less than 256.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, code_values
from axhw.emulate.tables import WeightColumns

Integers = npt.NDArray[np.int64]

_INT8 = (-128, 127)
# Slopes tried on either side of the least-squares one, which is not always the one of least spread.
_NEAR = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """An exact factorisation of the products of some weight columns.

    Attributes
    ----------
    left : int64 array, shape (256, rank)
        Of each activation, in increasing order of codes.
    right : int64 array, shape (columns, rank)
        Zero for columns that no weight uses.
    """

    left: Integers
    right: Integers

    @property
    def rank(self) -> int:
        """Number of terms."""
        return int(self.left.shape[1])

    def bits(self, term: int) -> int:
        """Bits that hold both factors of a term: 8 if the left ones less the lowest of them are uint8 and the right
        ones int8, 16 if both are int16, else 64."""
        left, right = self.left[:, term], self.right[:, term]
        if int(np.ptp(left)) < CODE_COUNT and _INT8[0] <= int(right.min()) and int(right.max()) <= _INT8[1]:
            return 8
        return 16 if max(int(np.abs(left).max()), int(np.abs(right).max())) < 1 << 15 else 64


def exact_maps(weights: WeightColumns) -> Maps | None:
    """Factors of one term if every column used is a multiple of the activation: exact products, also less zero points.

    They are ``a * c`` where c is the difference of neighbouring products.
    """
    activations = code_values(weights.a_dtype).astype(np.int64)
    used = weights.used
    products = weights.products[:, used].astype(np.int64)
    slope = products[1] - products[0]
    if not np.array_equal(products, np.multiply.outer(activations, slope)):
        return None
    return _spread_out(weights, used, activations[:, None], slope[:, None])


def integer_maps(weights: WeightColumns, *, most: int) -> Maps | None:
    """Factors of at most so many terms, or None where elimination with pivots of 1 finds none.

    Each step takes a row or column of what is left, divided by its greatest common divisor, that holds a 1 or -1:
    with it as the pivot all multiples are integers and one term goes.
    """
    used = weights.used
    rest = weights.products[:, used].astype(np.int64)
    left: list[Integers] = []
    right: list[Integers] = []
    while rest.any():
        if len(left) == most:
            return None
        by_column = _pivot(rest)
        if by_column is not None:
            first, second = by_column
        else:
            by_row = _pivot(rest.T)
            if by_row is None:
                return None
            second, first = by_row
        rest = rest - np.multiply.outer(first, second)
        first, second = _balanced(first, second)
        left.append(first)
        right.append(second)
    shape = (len(rest), 0)
    return _spread_out(
        weights,
        used,
        np.stack(left, axis=1) if left else np.zeros(shape, np.int64),
        np.stack(right, axis=1) if left else np.zeros((len(used), 0), np.int64),
    )


def line_fit(weights: WeightColumns) -> tuple[Integers, Integers]:
    """For each column of the products the multiple of the activation, an int8, that leaves the least spread.

    Returns
    -------
    int64 arrays, shapes (columns,)
        Multiples and spreads; of columns that no weight uses 0.
    """
    activations = code_values(weights.a_dtype).astype(np.int64)
    used = weights.used
    products = weights.products[:, used].astype(np.int64)
    centred = activations - activations.mean()
    least_squares = np.rint(centred @ products / (centred @ centred)).astype(np.int64)
    best = np.zeros(len(used), np.int64)
    least = np.full(len(used), np.iinfo(np.int64).max)
    for near in range(-_NEAR, _NEAR + 1):
        slope = np.clip(least_squares + near, *_INT8)
        rest = products - np.multiply.outer(activations, slope)
        spread = rest.max(axis=0) - rest.min(axis=0)
        best = np.where(spread < least, slope, best)
        least = np.minimum(spread, least)
    columns = weights.products.shape[1]
    slopes, spreads = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
    slopes[used], spreads[used] = best, least
    return slopes, spreads


def _pivot(rest: Integers) -> tuple[Integers, Integers] | None:
    """The column of least magnitude that, divided by its divisor, holds a 1 or -1, and the row of its multiples."""
    divisor = np.gcd.reduce(rest, axis=0)
    reduced = rest // np.maximum(divisor, 1)
    magnitude = np.abs(reduced)
    usable = (magnitude == 1).any(axis=0)
    if not usable.any():
        return None
    largest = np.where(usable, magnitude.max(axis=0), np.iinfo(np.int64).max)
    column = reduced[:, int(largest.argmin())]
    rows = np.flatnonzero(np.abs(column) == 1)
    # Of the rows with a 1 the one of smallest multiples keeps what is left small.
    row = rows[int(np.abs(rest[rows]).max(axis=1).argmin())]
    return column, rest[row] * column[row]


def _balanced(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    """The same term with factors of two moved from the second to the first, and a sign, so that 8 bits hold both if
    they can."""
    divisor = int(np.gcd.reduce(second))
    while divisor and divisor % 2 == 0 and 2 * int(np.ptp(first)) < CODE_COUNT:
        first, second, divisor = 2 * first, second // 2, divisor // 2
    if int(second.max()) > _INT8[1]:
        return -first, -second
    return first, second


def _spread_out(weights: WeightColumns, used: npt.NDArray[np.intp], left: Integers, right: Integers) -> Maps:
    every = np.zeros((weights.products.shape[1], right.shape[1]), np.int64)
    every[used] = right
    return Maps(left=left, right=every)
