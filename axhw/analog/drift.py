"""What time does to programmed conductances: drift, read noise, and the factor that makes up for the mean of both.

Times are seconds since programming. Conductances are known at t0 = 20 s, when they are first read; what is earlier
counts as t0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from axhw.analog.converters import Float32Array, FloatArray
from axhw.errors import AxhwError

FIRST_READ_S = 20.0
"""t0."""

_READ_PULSE_S = 250e-9
_LEAST_LEVEL = np.float32(1e-7)


@dataclass(frozen=True, kw_only=True)
class PcmDrift:
    """Drift of phase-change memory: conductances fall by a power law, each cell with an exponent of its own.

    g(t) = g(t0) (t / t0)^-nu with nu = |N(mu, sd)|, for a cell with target u = g / g_max:
    mu = min(max(0.0244 - 0.0155 ln u, 0.049), 0.1), sd = min(max(-0.0059 - 0.0125 ln u, 0.008), 0.045).

    Nandakumar et al., ICECS 2019; Joshi et al., Nature Communications 11, 2473 (2020); constants as in aihwkit (IBM),
    which counts its time from t0 on.

    Attributes
    ----------
    scale : float
        Factor of all exponents.

    Raises
    ------
    AxhwError
        For a scale below 0 or not finite.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_scale("drift", self.scale)

    def moments(self, levels: Float32Array) -> tuple[Float32Array, Float32Array]:
        """mu and sd, before the scale, for magnitudes of targets from 0 to 1."""
        logarithm = np.log(np.maximum(levels, _LEAST_LEVEL))
        mean = np.clip(np.float32(0.0244) - np.float32(0.0155) * logarithm, 0.049, 0.1)
        deviation = np.clip(np.float32(-0.0059) - np.float32(0.0125) * logarithm, 0.008, 0.045)
        return mean, deviation

    def exponents(self, levels: Float32Array, *, rng: np.random.Generator) -> Float32Array:
        """nu of each cell: a property of the cell, drawn once.

        Parameters
        ----------
        levels : float32 array
            Magnitudes of targets.
        rng : numpy Generator
        """
        mean, deviation = self.moments(levels)
        exponents = rng.standard_normal(levels.shape, dtype=np.float32)
        exponents *= deviation
        exponents += mean
        np.abs(exponents, out=exponents)
        exponents *= np.float32(self.scale)
        return exponents

    def remaining(self, exponents: Float32Array, seconds: float) -> Float32Array:
        """g(t) / g(t0) of each cell.

        Raises
        ------
        AxhwError
            For a negative time.
        """
        check_time(seconds)
        share: Float32Array = np.exp(exponents * np.float32(-math.log(max(seconds, FIRST_READ_S) / FIRST_READ_S)))
        return share


@dataclass(frozen=True, kw_only=True)
class PcmReadNoise:
    """1/f noise of phase-change memory, accumulated from programming to the time of reading.

    sigma(t) = g(t) q sqrt(ln((t + t_r) / (2 t_r))) with q = min(0.0088 / u^0.65, 0.2), t_r = 250 ns, for a cell with
    target u = g / g_max. Sources as for `PcmDrift`.

    Nearly all of that variance is in frequencies far below those of matrix-vector products, of which millions pass in a
    second: a drawing holds for all products of one readout, and another readout is another drawing.

    Attributes
    ----------
    scale : float
        Factor of all deviations.

    Raises
    ------
    AxhwError
        For a scale below 0 or not finite.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_scale("read noise", self.scale)

    def deviation(self, levels: Float32Array, seconds: float) -> Float32Array:
        """sigma(t) / g(t) of cells, for magnitudes of targets from 0 to 1.

        Raises
        ------
        AxhwError
            For a negative time.
        """
        check_time(seconds)
        growth = math.sqrt(math.log((max(seconds, FIRST_READ_S) + _READ_PULSE_S) / (2 * _READ_PULSE_S)))
        q: Float32Array = np.maximum(levels, _LEAST_LEVEL) ** np.float32(-0.65)
        q *= np.float32(0.0088)
        np.minimum(q, np.float32(0.2), out=q)
        q *= np.float32(growth * self.scale)
        return q

    def disturb(
        self, conductances: Float32Array, levels: Float32Array, seconds: float, *, rng: np.random.Generator
    ) -> Float32Array:
        """Conductances as one readout finds them, with or without signs.

        Parameters
        ----------
        conductances : float32 array
            g(t).
        levels : float32 array
            Magnitudes of the targets.
        seconds : float
        rng : numpy Generator

        Raises
        ------
        AxhwError
            For a negative time.
        """
        factors = rng.standard_normal(conductances.shape, dtype=np.float32)
        factors *= self.deviation(levels, seconds)
        factors += 1
        factors *= conductances
        return factors


def compensation_factors(reference: FloatArray, readout: FloatArray) -> FloatArray:
    """Global drift compensation: the factor of each tile's digital outputs that makes up for what drift took.

    Each row of a tile is driven alone, and the magnitudes of all outputs are added up: once after programming, and
    again at the time of use. Their ratio is the factor. After Le Gallo et al., Advanced Electronic Materials 4, 1700627
    (2018), and `GlobalDriftCompensation` of aihwkit, with readouts that are averaged until converters don't count.

    Parameters
    ----------
    reference, readout : float64 array
        Sums after programming and now, of each tile.

    Returns
    -------
    float64 array
        1 for tiles without anything to read.
    """
    return np.divide(reference, readout, out=np.ones_like(reference), where=(reference > 0) & (readout > 0))


def check_time(seconds: float) -> None:
    """Refuse what is no time.

    Raises
    ------
    AxhwError
        For a negative time, or one that is not finite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise AxhwError(f"Expected a time of at least 0 s after programming, found {seconds} s.")


def _check_scale(what: str, scale: float) -> None:
    if not (math.isfinite(scale) and scale >= 0):
        raise AxhwError(f"Expected a scale of at least 0 for {what}, found {scale}.")
