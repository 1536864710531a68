"""Input ranges of tiles, from the activations that they see.

beta = K std(x), over all activations of all observed rows that a row of tiles gets. K = 18 is the public setting for a
language model of 1e9 weights (arXiv 2505.09663): outliers of activations are many deviations away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.analog.converters import Float32Array, FloatArray
from axhw.analog.tiles import Span, TileSpec
from axhw.errors import AxhwError

DEFAULT_K = 18.0

# What is left of a variance below this share of the mean square is rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True, kw_only=True, eq=False)
class InputRanges:
    """Range of the DACs of each row of tiles.

    Attributes
    ----------
    beta : float64 array, shape (tile rows,)
        Activations saturate at +-beta. Tiles of range 0 are not driven: they add nothing.

    Raises
    ------
    AxhwError
        For ranges of another shape, not finite or below 0.
    """

    beta: FloatArray

    def __post_init__(self) -> None:
        if self.beta.ndim != 1 or not len(self.beta):
            raise AxhwError(f"Expected one input range for each row of tiles, found shape {self.beta.shape}.")
        if not (np.isfinite(self.beta).all() and (self.beta >= 0).all()):
            raise AxhwError(f"Expected finite input ranges of at least 0, found {self.beta.tolist()}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class InputStatistics:
    """Activations of each row of tiles; those of several batches, or of several experts, add up.

    Attributes
    ----------
    spans : tuple of (int, int)
        Inputs of each row of tiles.
    counts : int64 array, shape (tile rows,)
        Activations: rows times inputs.
    sums, squares : float64 array, shape (tile rows,)
        Sum of them, and of their squares.
    peaks : float64 array, shape (tile rows,)
        Largest magnitude.
    """

    spans: tuple[Span, ...]
    counts: npt.NDArray[np.int64]
    sums: FloatArray
    squares: FloatArray
    peaks: FloatArray

    @classmethod
    def none(cls, inputs: int, *, tiles: TileSpec) -> InputStatistics:
        """Nothing seen so far, by a matrix with so many inputs."""
        spans = tiles.input_spans(inputs)
        zeros = np.zeros(len(spans))
        return cls(spans=spans, counts=np.zeros(len(spans), np.int64), sums=zeros, squares=zeros, peaks=zeros)

    @classmethod
    def of(cls, rows: Float32Array, *, tiles: TileSpec) -> InputStatistics:
        """Those of some rows.

        Parameters
        ----------
        rows : float32 array, shape (n, inputs)
        tiles : TileSpec

        Raises
        ------
        AxhwError
            For another shape, and for activations that are not finite.
        """
        if rows.ndim != 2 or not rows.shape[1]:
            raise AxhwError(f"Expected activations of shape (rows, inputs), found {rows.shape}.")
        spans = tiles.input_spans(rows.shape[1])
        found = np.array([_moments(rows[:, start:stop]) for start, stop in spans])
        if not np.isfinite(found).all():
            raise AxhwError("Expected finite activations to calibrate with, found NaN or infinite ones.")
        counts = np.array([len(rows) * (stop - start) for start, stop in spans], np.int64)
        return cls(spans=spans, counts=counts, sums=found[:, 0], squares=found[:, 1], peaks=found[:, 2])

    def __add__(self, other: InputStatistics) -> InputStatistics:
        """Raises AxhwError for statistics of tiles that are cut differently."""
        if self.spans != other.spans:
            raise AxhwError(
                f"Expected statistics of tiles cut alike to add, found inputs {self.spans} and {other.spans}."
            )
        return InputStatistics(
            spans=self.spans,
            counts=self.counts + other.counts,
            sums=self.sums + other.sums,
            squares=self.squares + other.squares,
            peaks=np.maximum(self.peaks, other.peaks),
        )

    @property
    def deviations(self) -> FloatArray:
        """Standard deviation of the activations of each row of tiles, 0 where they don't vary.

        Raises
        ------
        AxhwError
            If nothing was observed.
        """
        if not self.counts.all():
            raise AxhwError(
                "Expected activations to calibrate with, found none: observe more rows, or those of others."
            )
        squares = self.squares / self.counts
        variances = squares - (self.sums / self.counts) ** 2
        deviations: FloatArray = np.sqrt(np.where(variances > _ROUNDING * squares, variances, 0))
        return deviations

    def ranges(self, *, k: float = DEFAULT_K) -> InputRanges:
        """beta = K std(x); the largest magnitude where x is constant.

        Raises
        ------
        AxhwError
            For a K that is not above 0, and if nothing was observed.
        """
        if not (math.isfinite(k) and k > 0):
            raise AxhwError(f"Expected a K above 0 for input ranges of K standard deviations, found {k}.")
        deviations = self.deviations
        return InputRanges(beta=np.where(deviations > 0, k * deviations, self.peaks))


class ObservedOperator:
    """A matrix product that takes the statistics of its inputs on the way.

    Parameters
    ----------
    operator : callable
        From rows [n, inputs] to [n, outputs]; what it gives is passed on.
    inputs : int
    tiles : TileSpec
        Into which the inputs will be cut.
    """

    def __init__(self, operator: Callable[[Float32Array], Float32Array], *, inputs: int, tiles: TileSpec) -> None:
        self._operator = operator
        self._tiles = tiles
        self.statistics = InputStatistics.none(inputs, tiles=tiles)

    def __call__(self, rows: Float32Array) -> Float32Array:
        self.statistics += InputStatistics.of(rows, tiles=self._tiles)
        return self._operator(rows)


def _moments(values: Float32Array) -> tuple[float, float, float]:
    """Sum, sum of squares and largest magnitude."""
    wide = values.astype(np.float64)
    return float(wide.sum()), float(np.vdot(wide, wide)), float(np.abs(wide).max(initial=0.0))
