"""Ranges of the converters of a model's matrices, from what these are multiplied by on a text.

K, which sets the DAC's range, and lambda, which sets the ADC's, are given, or chosen for each kind of matrix (the
gates of the experts, their up projections, ...) by the least error of the products on observed rows: K with ideal ADCs,
since it alone decides on the error of the DACs, and then lambda with that K.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from axhw.analog.calibration import InputStatistics
from axhw.analog.converters import Float32Array
from axhw.analog.mapping import MappedWeight
from axhw.analog.matrix import AnalogMatrix
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError
from axhw.lm.layout import all_matrices
from axhw.lm.matrices import MatrixKey, Module, Part
from axhw.lm.model import LanguageModel
from axhw.lm.scoring import score

K_GRID = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 27.0, 33.0)
OUTPUT_RANGE_GRID = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 14.0, 18.0)
"""What K and lambda are chosen from."""

EXPERTS_ALONE: frozenset[Module] = frozenset(["expert"])

_ROWS = 512
# Matrices of a kind that a choice looks at.
_MOST_MATRICES = 48


class Kind(NamedTuple):
    """What matrices share K and lambda by."""

    module: Module
    part: Part


@dataclass(frozen=True, kw_only=True)
class ConverterRanges:
    """K and lambda of a kind of matrices.

    Attributes
    ----------
    k : float
        The DAC saturates at K standard deviations of its activations.
    output_range : float
        lambda of the ADC.
    error : float or None
        Mean square of the converters' error in the products, relative to that of the products; None where K and
        lambda were given.
    """

    k: float
    output_range: float
    error: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """How matrices of a model are laid out on tiles.

    Attributes
    ----------
    tiles : TileSpec
        Its lambda gives way to that of `ranges`.
    statistics : mapping of MatrixKey to InputStatistics
        What was observed; an expert that no token took has that of the others in its layer together.
    ranges : mapping of Kind to ConverterRanges
    """

    tiles: TileSpec
    statistics: Mapping[MatrixKey, InputStatistics]
    ranges: Mapping[Kind, ConverterRanges]

    def rows(self) -> list[dict[str, Any]]:
        """Rows of a table: K and lambda of each kind."""
        return [
            {"module": kind.module, "part": kind.part, "k": each.k, "lambda": each.output_range, "error": each.error}
            for kind, each in self.ranges.items()
        ]

    @property
    def modules(self) -> frozenset[Module]:
        """Of the matrices that can be laid out."""
        return frozenset(key.module for key in self.statistics)

    def mapped(self, key: MatrixKey, weight: Float32Array) -> MappedWeight:
        """A matrix on its tiles.

        Raises
        ------
        AxhwError
            For a matrix that was not observed.
        """
        if key not in self.statistics:
            raise AxhwError(f"Expected a matrix out of the calibrated modules {sorted(self.modules)}, found {key}.")
        if not self.tiles.needs_ranges:
            return MappedWeight.of(weight, tiles=self.tiles)
        chosen = self.ranges[Kind(key.module, key.part)]
        tiles = replace(self.tiles, output_range=chosen.output_range)
        return MappedWeight.of(weight, tiles=tiles, ranges=self.statistics[key].ranges(k=chosen.k))

    def with_tiles(self, tiles: TileSpec) -> Calibration:
        """The same activations and ranges for tiles that are cut alike, for instance with ideal converters."""
        return replace(self, tiles=tiles)


def calibrate(
    model: LanguageModel,
    text: npt.ArrayLike,
    *,
    window: int,
    tiles: TileSpec,
    k: float | None = None,
    output_range: float | None = None,
    modules: Collection[Module] = EXPERTS_ALONE,
) -> Calibration:
    """Observe a model on a text, and choose what was not given.

    Parameters
    ----------
    model : LanguageModel
    text : integer array, shape (n,)
        Not that on which anything is reported.
    window : int
        As for `axhw.lm.scoring.score`.
    tiles : TileSpec
    k, output_range : float, optional
        K and lambda for all matrices; out of `K_GRID` and `OUTPUT_RANGE_GRID` by default.
    modules : collection of str
        Of the matrices that may become analog.

    Raises
    ------
    AxhwError
        As `axhw.lm.scoring.score`.
    """
    # Threads of BLAS cost more than they save on the products of a few rows below.
    with threadpool_limits(1, user_api="blas"):
        return _calibrated(model, text, window, tiles, k, output_range, frozenset(modules))


def _calibrated(
    model: LanguageModel,
    text: npt.ArrayLike,
    window: int,
    tiles: TileSpec,
    k: float | None,
    output_range: float | None,
    modules: frozenset[Module],
) -> Calibration:
    observer = _Observer(tiles, modules)
    score(model.observed(observer), text, window=window)
    keys = [key for key in all_matrices(model.config) if key.module in modules]
    calibration = Calibration(
        tiles=tiles,
        statistics={key: observer.statistics[key if key in observer.statistics else _any_expert(key)] for key in keys},
        ranges={},
    )
    if not tiles.needs_ranges:
        return calibration
    by_kind: dict[Kind, list[MatrixKey]] = {}
    for key in keys:
        by_kind.setdefault(Kind(key.module, key.part), []).append(key)
    given = None if k is None or output_range is None else ConverterRanges(k=k, output_range=output_range)
    ranges = {
        kind: given or _chosen(model, calibration, observer.samples, kind_keys, k=k, output_range=output_range)
        for kind, kind_keys in by_kind.items()
    }
    return replace(calibration, ranges=ranges)


class _Observer:
    """Statistics of what matrices are multiplied by, and some rows of it."""

    def __init__(self, tiles: TileSpec, modules: frozenset[Module]) -> None:
        self._tiles = tiles
        self._modules = modules
        self._samples: dict[MatrixKey, _Sample] = {}
        self.statistics: dict[MatrixKey, InputStatistics] = {}

    @property
    def samples(self) -> dict[MatrixKey, Float32Array]:
        """Rows of each matrix that has any."""
        return {key: sample.rows for key, sample in self._samples.items()}

    def __call__(self, key: MatrixKey, rows: Float32Array) -> None:
        if key.module not in self._modules:
            return
        found = InputStatistics.of(rows, tiles=self._tiles)
        for each in {key, _any_expert(key)}:
            before = self.statistics.get(each)
            self.statistics[each] = found if before is None else before + found
        self._samples.setdefault(key, _Sample(rows.shape[1])).add(rows)


class _Sample:
    """Some of many rows, any with the same probability: those with the least random numbers.

    Every so-manyth row would be from the same few positions of all windows, whose activations differ from others.
    """

    def __init__(self, inputs: int) -> None:
        self._rng = np.random.default_rng(0)
        self._numbers = np.empty(0)
        self.rows = np.empty((0, inputs), np.float32)

    def add(self, rows: Float32Array) -> None:
        """Of a batch."""
        numbers, before = np.append(self._numbers, self._rng.random(len(rows))), len(self.rows)
        kept = np.sort(np.argsort(numbers, kind="stable")[:_ROWS])
        self._numbers = numbers[kept]
        self.rows = np.concatenate([self.rows[kept[kept < before]], rows[kept[kept >= before] - before]])


def _any_expert(key: MatrixKey) -> MatrixKey:
    return replace(key, expert=None)


def _chosen(
    model: LanguageModel,
    calibration: Calibration,
    samples: Mapping[MatrixKey, Float32Array],
    keys: list[MatrixKey],
    *,
    k: float | None,
    output_range: float | None,
) -> ConverterRanges:
    seen = [key for key in keys if key in samples]
    some = seen[:: -(-len(seen) // _MOST_MATRICES)]
    weights = [model.weight(key) for key in some]
    products = [samples[key] @ weight.T for key, weight in zip(some, weights)]
    power = sum(float(np.vdot(product, product)) for product in products)

    def error(tiles: TileSpec, k: float) -> float:
        total = 0.0
        for key, weight, product in zip(some, weights, products):
            mapped = MappedWeight.of(weight, tiles=tiles, ranges=calibration.statistics[key].ranges(k=k))
            difference = AnalogMatrix.program(mapped)(samples[key]) - product
            total += float(np.vdot(difference, difference))
        return total / power if power else 0.0

    tiles = calibration.tiles
    dac_alone = replace(tiles, adc_bits=None)
    chosen_k = k if k is not None else min(K_GRID, key=lambda k: error(dac_alone, k))
    errors = {
        each: error(replace(tiles, output_range=each), chosen_k)
        for each in (OUTPUT_RANGE_GRID if output_range is None else (output_range,))
    }
    best = min(errors, key=lambda each: errors[each])
    return ConverterRanges(k=chosen_k, output_range=best, error=errors[best])
