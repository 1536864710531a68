"""A matrix in crossbar tiles, programmed once: a matrix product for as many rows as come.

For each row of tiles b with inputs x_b, and each slice s of the weight:

    codes = clip(round(x_b / (beta_b / L_dac)), -L_dac, L_dac)
    sums = codes @ G_bs^T                                              in the crossbar, G the relative conductances
    bound = lambda beta_b max |target| of the column
    read = clip(round(sums (beta_b / L_dac) / (bound / L_adc)), -L_adc, L_adc)
    outputs += read (bound / L_adc) scale_bs                           digital; scale is max |w| for unsliced weights

after arXiv 2603.02633, which maps it from aihwkit-lightning (IBM). For unsliced weights that is: step and bound of the
ADC are those of lambda beta max |w|. Bounds are those of the weights as they should be, not as they were programmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from axhw.analog.converters import Float32Array, FloatArray
from axhw.analog.drift import PcmDrift, PcmReadNoise, check_time, compensation_factors
from axhw.analog.mapping import MappedWeight
from axhw.analog.programming_noise import ProgrammingNoise
from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalogMatrix:
    """A programmed matrix, at one time: call it with rows of activations.

    Rows are independent, and the same rows give the same outputs: all that is random is drawn by `program` and `at`.

    Attributes
    ----------
    mapped : MappedWeight
    programmed : float32 array, shape (conductances of a weight, slices, outputs, inputs)
        Relative conductances after programming.
    conductances : float32 array
        The same now.
    drift : PcmDrift or None
    exponents : float32 array or None
        Those of drift, of each conductance.
    gains : float32 array, shape (slices, tile rows, outputs), or None
        Factors of drift compensation of the digital outputs.

    Raises
    ------
    AxhwError
        For conductances of a weight of another shape, or in other slices.
    """

    mapped: MappedWeight
    programmed: Float32Array
    conductances: Float32Array
    drift: PcmDrift | None = None
    exponents: Float32Array | None = None
    gains: Float32Array | None = None

    def __post_init__(self) -> None:
        if self.conductances.shape[1:] != self.mapped.targets.shape:
            raise AxhwError(
                f"Expected conductances of shape {self.mapped.targets.shape} (slices, outputs, inputs) for each cell "
                f"of a weight, found {self.conductances.shape[1:]}."
            )

    @classmethod
    def program(
        cls,
        mapped: MappedWeight,
        noise: ProgrammingNoise | None = None,
        *,
        drift: PcmDrift | None = None,
        rng: np.random.Generator | None = None,
    ) -> AnalogMatrix:
        """Program the cells of a matrix.

        Parameters
        ----------
        mapped : MappedWeight
            Not changed: program it again with other noise, or another generator.
        noise : ProgrammingNoise, optional
            By default conductances are what they should be.
        drift : PcmDrift, optional
            By default conductances stay as they are. Exponents are drawn after the noise, which they leave as it was.
        rng : numpy Generator
            Needed with noise or drift.

        Raises
        ------
        AxhwError
            If the generator is missing.
        """
        targets, cells = mapped.cell_targets, mapped.tiles.cells
        programmed, exponents = targets, None
        if noise is not None:
            programmed = cells.limit(noise.program(targets, rng=_needed(rng, "programming noise")))
        if drift is not None:
            exponents = drift.exponents(np.abs(targets), rng=_needed(rng, "drift"))
        return cls(mapped=mapped, programmed=programmed, conductances=programmed, drift=drift, exponents=exponents)

    def at(
        self,
        seconds: float,
        *,
        read_noise: PcmReadNoise | None = None,
        compensated: bool = False,
        rng: np.random.Generator | None = None,
    ) -> AnalogMatrix:
        """The same cells at another time.

        Parameters
        ----------
        seconds : float
            Since programming; up to 20 s nothing has drifted yet.
        read_noise : PcmReadNoise, optional
            Drawn once for all products of this readout.
        compensated : bool
            Whether digital outputs of each tile are multiplied by the factor of global drift compensation.
        rng : numpy Generator
            Needed with read noise.

        Raises
        ------
        AxhwError
            For a negative time, and if the generator is missing.
        """
        check_time(seconds)
        now = self.programmed
        if self.drift is not None and self.exponents is not None:
            now = now * self.drift.remaining(self.exponents, seconds)
        if read_noise is not None:
            levels = np.abs(self.mapped.cell_targets)
            now = read_noise.disturb(now, levels, seconds, rng=_needed(rng, "read noise"))
            now = self.mapped.tiles.cells.limit(now)
        return replace(self, conductances=now, gains=self._compensation(now) if compensated else None)

    def __call__(self, rows: Float32Array) -> Float32Array:
        """Products with rows of activations.

        Parameters
        ----------
        rows : float32 array, shape (n, inputs)
            The DAC saturates infinite ones; NaN gives NaN.

        Returns
        -------
        float32 array, shape (n, outputs)

        Raises
        ------
        AxhwError
            For rows of another shape.
        """
        mapped, adc = self.mapped, self.mapped.tiles.adc
        rows = np.asarray(rows, np.float32)
        if rows.ndim != 2 or rows.shape[1] != mapped.inputs:
            raise AxhwError(f"Expected rows of shape (n, {mapped.inputs}), found {rows.shape}.")
        driven = mapped.drive(rows)
        if adc.ideal:
            product: Float32Array = driven @ self._weight_of_codes.T
            return product
        total = np.zeros((len(rows), mapped.outputs), np.float32)
        for part, per_unit, steps in zip(self.relative_weight, mapped.adc_per_unit, self._adc_step):
            for (start, stop), factor, step in zip(mapped.input_spans, per_unit, steps):
                sums: Float32Array = driven[:, start:stop] @ part[:, start:stop].T
                sums *= factor
                adc.encode(sums)
                sums *= step
                total += sums
        return total

    @cached_property
    def relative_weight(self) -> Float32Array:
        """The signed numbers that the crossbars hold, shape (slices, outputs, inputs)."""
        return self.mapped.tiles.cells.join(self.conductances)

    @cached_property
    def weight(self) -> Float32Array:
        """The weight that is in effect, converters apart, shape (outputs, inputs)."""
        scales = self.mapped.scales if self.gains is None else self.mapped.scales * self.gains
        weight = np.zeros((self.mapped.outputs, self.mapped.inputs), np.float32)
        for part, by_span in zip(self.relative_weight, scales):
            for (start, stop), scale in zip(self.mapped.input_spans, by_span):
                weight[:, start:stop] += part[:, start:stop] * scale[:, None]
        return weight

    @cached_property
    def _weight_of_codes(self) -> Float32Array:
        return self.weight if self.mapped.tiles.dac.ideal else self.weight * self.mapped.dac_step

    @cached_property
    def _adc_step(self) -> Float32Array:
        step = self.mapped.adc_step
        return step if self.gains is None else step * self.gains

    def _compensation(self, now: Float32Array) -> Float32Array:
        mapped = self.mapped
        columns = mapped.tiles.output_spans(mapped.outputs)
        factors = compensation_factors(self._readout(self.programmed), self._readout(now))
        return np.repeat(factors, [stop - start for start, stop in columns], axis=2).astype(np.float32)

    def _readout(self, conductances: Float32Array) -> FloatArray:
        """Magnitudes of each tile added up, shape (slices, tile rows, tile columns)."""
        mapped = self.mapped
        magnitudes = np.abs(mapped.tiles.cells.join(conductances))
        columns = mapped.tiles.output_spans(mapped.outputs)
        return np.stack(
            [
                np.stack(
                    [magnitudes[:, a:b, start:stop].sum(axis=(1, 2), dtype=np.float64) for a, b in columns], axis=1
                )
                for start, stop in mapped.input_spans
            ],
            axis=1,
        )


def _needed(rng: np.random.Generator | None, what: str) -> np.random.Generator:
    if rng is None:
        raise AxhwError(f"Expected a random generator for {what}, found none: give rng=numpy.random.default_rng(seed).")
    return rng
