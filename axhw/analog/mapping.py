"""A weight laid out on tiles: all that is known before anything is programmed, shared by all seeds and noises."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.analog.calibration import InputRanges
from axhw.analog.converters import Float32Array, FloatArray
from axhw.analog.tiles import Span, TileSpec
from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True, eq=False)
class MappedWeight:
    """A weight as targets of conductances, with the ranges of its converters.

    Attributes
    ----------
    tiles : TileSpec
    targets : float32 array, shape (slices, outputs, inputs)
        Relative conductances with signs, from -1 to 1. Each tile's column uses the whole range: its largest |w| is 1.
    scales : float32 array, shape (slices, tile rows, outputs)
        What a relative conductance of 1 is worth, in units of the weight.
    ranges : InputRanges or None
        None where all converters are ideal.
    """

    tiles: TileSpec
    targets: Float32Array
    scales: Float32Array
    ranges: InputRanges | None

    @classmethod
    def of(cls, weight: npt.ArrayLike, *, tiles: TileSpec, ranges: InputRanges | None = None) -> MappedWeight:
        """Lay a weight out.

        Parameters
        ----------
        weight : array-like, shape (outputs, inputs)
            Finite in float32.
        tiles : TileSpec
        ranges : InputRanges, optional
            Needed unless all converters are ideal.

        Raises
        ------
        AxhwError
            For a weight of another shape, without elements or not finite, and for ranges that are missing or don't fit.
        """
        checked = _checked_weight(weight)
        spans = tiles.input_spans(checked.shape[1])
        if tiles.needs_ranges:
            _check_ranges(ranges, spans, checked.shape[1])
        largest = _column_peaks(checked, spans)
        relative = np.empty_like(checked)
        for (start, stop), peak in zip(spans, largest):
            # A column of zeros stays one.
            np.divide(checked[:, start:stop], np.where(peak > 0, peak, 1)[:, None], out=relative[:, start:stop])
        if tiles.slicing is None:
            return cls(tiles=tiles, targets=relative[None], scales=largest[None], ranges=ranges)
        factors = np.array(tiles.slicing.factors)[:, None, None]
        scales = (factors * largest).astype(np.float32)
        return cls(tiles=tiles, targets=tiles.slicing.slices(relative), scales=scales, ranges=ranges)

    @property
    def outputs(self) -> int:
        return int(self.targets.shape[1])

    @property
    def inputs(self) -> int:
        return int(self.targets.shape[2])

    @cached_property
    def input_spans(self) -> tuple[Span, ...]:
        """Inputs of each row of tiles."""
        return self.tiles.input_spans(self.inputs)

    @cached_property
    def cell_targets(self) -> Float32Array:
        """Targets of the single conductances, shape (conductances of a weight, slices, outputs, inputs)."""
        return self.tiles.cells.split(self.targets)

    @cached_property
    def dac_per_unit(self) -> Float32Array:
        """Steps of the DAC in 1, shape (inputs,)."""
        return self.tiles.dac.per_unit(self._input_bounds).astype(np.float32)

    @cached_property
    def dac_step(self) -> Float32Array:
        """Step of the DAC, shape (inputs,); 1 for an ideal one."""
        return self.tiles.dac.step(self._input_bounds).astype(np.float32)

    @cached_property
    def adc_per_unit(self) -> Float32Array:
        """Steps of the ADC in a sum of DAC codes times relative conductances, shape (slices, tile rows, outputs)."""
        activations_of_code = self.tiles.dac.step(self._beta)[:, None]
        return (activations_of_code * self.tiles.adc.per_unit(self._output_bounds)).astype(np.float32)

    @cached_property
    def adc_step(self) -> Float32Array:
        """What a step of the ADC is worth in outputs, in the shape of `adc_per_unit`."""
        return (self.tiles.adc.step(self._output_bounds) * self.scales).astype(np.float32)

    def drive(self, rows: Float32Array) -> Float32Array:
        """Codes of the DACs for rows of activations, shape (n, inputs): the rows themselves for ideal ones."""
        return rows if self.tiles.dac.ideal else self.tiles.dac.encode(rows * self.dac_per_unit)

    @property
    def _beta(self) -> FloatArray:
        return np.ones(len(self.input_spans)) if self.ranges is None else self.ranges.beta

    @property
    def _input_bounds(self) -> FloatArray:
        return np.repeat(self._beta, [stop - start for start, stop in self.input_spans])

    @property
    def _output_bounds(self) -> FloatArray:
        """lambda beta max |g| of each tile's column, in activations times relative conductances."""
        peaks = np.stack([_column_peaks(part, self.input_spans) for part in self.targets])
        return self.tiles.output_range * self._beta[:, None] * peaks.astype(np.float64)


def _column_peaks(matrix: Float32Array, spans: tuple[Span, ...]) -> Float32Array:
    """Largest magnitude in each tile's column, shape (tile rows, outputs)."""
    return np.stack([np.abs(matrix[:, start:stop]).max(axis=1) for start, stop in spans])


def _checked_weight(weight: npt.ArrayLike) -> Float32Array:
    with np.errstate(over="ignore"):
        checked = np.asarray(weight, np.float32)
    if checked.ndim != 2 or not checked.size:
        raise AxhwError(f"Expected a weight of shape (outputs, inputs), found {checked.shape}.")
    if not np.isfinite(checked).all():
        wrong = checked.size - np.isfinite(checked).sum()
        raise AxhwError(f"Expected finite weights, found {wrong} of {checked.size} that are NaN or infinite.")
    return checked


def _check_ranges(ranges: InputRanges | None, spans: tuple[Span, ...], inputs: int) -> None:
    if ranges is None:
        raise AxhwError(
            "Expected input ranges for tiles with converters, found none: take them from `InputStatistics.ranges`, or "
            "give tiles of dac_bits=None and adc_bits=None."
        )
    if len(ranges.beta) != len(spans):
        raise AxhwError(
            f"Expected input ranges of {len(spans)} rows of tiles for {inputs} inputs, found {len(ranges.beta)}."
        )
