"""Programming noise: how far conductances end up from what they should be.

A target is a relative conductance g / g_max. Cells that hold a weight with its sign have targets from -1 to 1, where 1
is the largest |w| of the tile's column; single cells of a pair have targets from 0 to 1. The programmed conductance is

    g = target + magnitude * sigma(|target|) * N(0, 1)

with sigma in units of g_max. It is drawn once, when a matrix is programmed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from axhw.analog.converters import Float32Array
from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True)
class ProgrammingNoise(ABC):
    """A model of programming noise.

    Attributes
    ----------
    magnitude : float
        Factor c of all standard deviations, 1 for the published ones.

    Raises
    ------
    AxhwError
        For a magnitude below 0 or not finite.
    """

    magnitude: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.magnitude) and self.magnitude >= 0):
            raise AxhwError(f"Expected a noise magnitude of at least 0, found {self.magnitude}.")

    @abstractmethod
    def sigma(self, levels: Float32Array) -> Float32Array:
        """Standard deviation at magnitude 1, as a new array.

        Parameters
        ----------
        levels : float32 array
            Magnitudes of targets, 0 to 1.

        Returns
        -------
        float32 array
            Relative to g_max.
        """

    def reachable(self, targets: Float32Array) -> Float32Array:
        """The targets that programming really aims at."""
        return targets

    def program(self, targets: Float32Array, *, rng: np.random.Generator) -> Float32Array:
        """Conductances of cells after programming.

        Parameters
        ----------
        targets : float32 array
            Relative conductances, with or without sign.
        rng : numpy Generator
            Gives one number for each cell, in the order of the array: equal generators give equal draws to all models
            and magnitudes.

        Returns
        -------
        float32 array
            Not limited to what cells can hold; `axhw.analog.cells` does that.
        """
        noise = rng.standard_normal(targets.shape, dtype=np.float32)
        noise *= self.sigma(np.abs(targets))
        noise *= np.float32(self.magnitude)
        noise += self.reachable(targets)
        return noise


@dataclass(frozen=True, kw_only=True)
class Pcm(ProgrammingNoise):
    """Phase-change memory of 25 uS.

    sigma(u) = (0.26348 + 1.9650 u - 1.1731 u^2) / 25: 1.05 % of g_max at u = 0, 4.22 % at u = 1.

    Measured on a million devices: Nandakumar et al., ICECS 2019; Joshi et al., Nature Communications 11, 2473 (2020);
    the constants are those of aihwkit (IBM) and arXiv 2603.02633.
    """

    def sigma(self, levels: Float32Array) -> Float32Array:
        return _polynomial(_PCM, levels)


@dataclass(frozen=True, kw_only=True)
class Hermes(ProgrammingNoise):
    """Phase-change memory of the HERMES chip, in its read-out units: g_max = 180, x = 180 u.

    180 sigma = 2.93975e-5 x^3 - 3.715812e-3 x^2 + 0.2241969 x + 2.5797411   for 0.6 <= x <= 52.5
                1.232976e-5 x^3 - 3.054993e-3 x^2 + 0.2453487 x + 2.1102957  above

    Targets below 0.6 are set to 0 and are exact: sigma = 0. That is part of the model at any magnitude, 0 included.

    arXiv 2505.09663 (Analog Foundation Models) and its published code; chip: Le Gallo et al., Nature Electronics 6,
    680 (2023).
    """

    def sigma(self, levels: Float32Array) -> Float32Array:
        x = levels * np.float32(_HERMES_G_MAX)
        # Masks as factors: branches on random weights take several times as long.
        sigma = _polynomial(_HERMES_LOW, x)
        sigma *= (x >= np.float32(_HERMES_LEAST)) & (x <= np.float32(_HERMES_SWITCH))
        upper = _polynomial(_HERMES_HIGH, x)
        upper *= x > np.float32(_HERMES_SWITCH)
        sigma += upper
        sigma *= np.float32(1 / _HERMES_G_MAX)
        return sigma

    def reachable(self, targets: Float32Array) -> Float32Array:
        held = np.abs(targets) * np.float32(_HERMES_G_MAX) >= np.float32(_HERMES_LEAST)
        aimed_at: Float32Array = targets * held
        return aimed_at


@dataclass(frozen=True, kw_only=True)
class Proportional(ProgrammingNoise):
    """Deviation in proportion to the weight: sigma(u) = u.

    The magnitude is the relative deviation itself, so that 1 is 100 %. One of the models of arXiv 2603.02633.
    """

    def sigma(self, levels: Float32Array) -> Float32Array:
        return np.array(levels)


@dataclass(frozen=True, kw_only=True)
class Additive(ProgrammingNoise):
    """The same deviation for all weights of a tile's column: sigma = 0.05, 5 % of the column's largest |w|.

    arXiv 2505.09663 and arXiv 2603.02633.
    """

    def sigma(self, levels: Float32Array) -> Float32Array:
        return np.full_like(levels, 0.05)


MODELS: dict[str, type[ProgrammingNoise]] = {
    "pcm": Pcm,
    "hermes": Hermes,
    "proportional": Proportional,
    "additive": Additive,
}
"""The models by name."""


def programming_noise(name: str, *, magnitude: float = 1.0) -> ProgrammingNoise:
    """A model by its name.

    Raises
    ------
    AxhwError
        For an unknown name, or a magnitude below 0.
    """
    if name not in MODELS:
        raise AxhwError(f"Expected a model of programming noise out of {', '.join(MODELS)}, found {name!r}.")
    return MODELS[name](magnitude=magnitude)


def _polynomial(coefficients: tuple[float, ...], x: Float32Array) -> Float32Array:
    """From the highest power down, as a new array."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += np.float32(coefficient)
    return value


# From the highest power down.
_PCM = (-1.1731 / 25, 1.9650 / 25, 0.26348 / 25)

_HERMES_G_MAX = 180.0
_HERMES_SWITCH = 52.5
_HERMES_LEAST = 0.6
_HERMES_LOW = (2.93975e-5, -3.715812e-3, 0.2241969, 2.5797411)
_HERMES_HIGH = (1.232976e-5, -3.054993e-3, 0.2453487, 2.1102957)
