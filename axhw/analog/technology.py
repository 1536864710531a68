"""Digital gates in another technology than the one they were measured in.

Cell libraries that come with axhw, and those that its tests use, are of 130 nm; the crossbar core whose figures
`axhw.analog.tile_cost` has is of 14 nm. Comparing one with the other says more about years than about architectures, so
that figures of gates can be scaled to 14 nm. This is a model; what was measured is what `MEASURED` leaves as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from axhw.errors import AxhwError

# Stillmaker and Baas, Integration 58 (2017): coefficients of V^2, V, 1 of energy, and of V^3, V^2, V, 1 of delay.
_ENERGY_130 = (7.171, -6.709, 2.904)
_ENERGY_14 = (0.2363, -0.09675, 0.02239)
_DELAY_130 = (-76.65, 334.9, -493.4, 275.8)
_DELAY_14 = (-40.66, 109.2, -100.6, 35.92)
_AREA_130_TO_14 = 0.027
_VOLTS_130 = 1.2
_VOLTS_14 = 0.8


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Factors from what was measured to what is asked for.

    Attributes
    ----------
    name : str
    energy, delay, area : float
        Of an operation, of a clock period, and of cells. Leakage stays as it was measured: the source has no factor.

    Raises
    ------
    AxhwError
        For factors that are not above 0.
    """

    name: str
    energy: float = 1.0
    delay: float = 1.0
    area: float = 1.0

    def __post_init__(self) -> None:
        for what in ("energy", "delay", "area"):
            factor = getattr(self, what)
            if not (math.isfinite(factor) and factor > 0):
                raise AxhwError(f"Expected a factor of {what} above 0 for the technology {self.name}, found {factor}.")


def _polynomial(coefficients: tuple[float, ...], volts: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = value * volts + coefficient
    return value


MEASURED = Technology(name="as measured")
"""The technology of the cell library."""

SCALED_TO_14_NM = Technology(
    name="scaled from 130 nm, 1.2 V, to 14 nm, 0.8 V",
    energy=_polynomial(_ENERGY_14, _VOLTS_14) / _polynomial(_ENERGY_130, _VOLTS_130),
    delay=_polynomial(_DELAY_14, _VOLTS_14) / _polynomial(_DELAY_130, _VOLTS_130),
    area=_AREA_130_TO_14,
)
"""Energy x 0.0186, delay x 0.134, area x 0.027: the polynomials of Stillmaker and Baas (Integration 58, 2017) for bulk
at 130 nm and for multi-gate, high-performance transistors at 14 nm. They were fitted to simulated inverters; for whole
circuits the order of magnitude is what they give."""
