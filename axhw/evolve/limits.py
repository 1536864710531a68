"""How much error an evolved circuit may have, and what that is in sums over operand pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

Metric = Literal["mae", "wce", "mre", "ep", "mse", "bias", "wmed"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""As in `axhw.sim.metrics`; bias is limited in magnitude. WMED is the mean of abs(error) weighted by how often each
pair of operands occurs."""

IN_PER_CENT: tuple[Metric, ...] = ("mae", "wce", "mre", "ep", "wmed")
"""What may be given in per cent: of 4**width, and for `mre` and `ep` as they are; these two have no other unit."""

_SHARES: tuple[Metric, ...] = ("mre", "ep")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Largest errors allowed.

    Attributes
    ----------
    width : int
    values : mapping of Metric to float
        In the unit of the products; `mre` and `ep` as shares of 1.
    ladder : tuple of float
        Rising limits of the metric that a front is made for.
    metric : Metric
        Which that is.
    """

    width: int
    metric: Metric
    ladder: tuple[float, ...]
    values: Mapping[Metric, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ladder or any(low >= high for low, high in zip(self.ladder, self.ladder[1:])):
            raise AxhwError(f"Expected one limit or rising ones for {self.metric}, found {list(self.ladder)}.")
        for metric, value in [*self.values.items(), *((self.metric, step) for step in self.ladder)]:
            if not (math.isfinite(value) and value >= 0):
                raise AxhwError(f"Expected limits of 0 or more, found {value} for {metric}.")
        if self.metric in self.values:
            raise AxhwError(f"Expected one limit or range for {self.metric}, found both.")

    def sums(self, totals: npt.NDArray[np.float64], rung: int) -> npt.NDArray[np.float64]:
        """(len(METRICS),) the largest sums that keep the limits, infinite where there is none.

        Parameters
        ----------
        totals : (len(METRICS),) array
            What a sum is divided by to be the metric.
        rung : int
            Step of the ladder.
        """
        limits = {**self.values, self.metric: self.ladder[rung]}
        return np.array(
            [
                # As a fraction, so that what was measured never exceeds what was asked for by a rounding.
                float(Fraction(limits[metric]) * Fraction(float(total))) if metric in limits else math.inf
                for metric, total in zip(METRICS, totals)
            ]
        )

    @property
    def limited(self) -> tuple[Metric, ...]:
        """The metrics that matter."""
        return tuple(metric for metric in METRICS if metric == self.metric or metric in self.values)


def absolute(metric: Metric, per_cent: float, *, width: int) -> float:
    """A limit given in per cent, as `Limits` takes it."""
    return per_cent / 100 if metric in _SHARES else float(Fraction(per_cent) * 4**width / 100)


def shown(metric: Metric, value: float, *, width: int) -> float:
    """The other way round: in per cent where a metric has them, otherwise as it is."""
    if metric in _SHARES:
        return value * 100
    return value * 100 / 4.0**width if metric in IN_PER_CENT else value


def ladder(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Limits from `low` to `high` in equal ratios.

    Raises
    ------
    AxhwError
        If they do not rise from above 0.
    """
    if not 0 < low < high or steps < 2:
        raise AxhwError(f"Expected a range from above 0 upwards in 2 steps or more, found {low}..{high} in {steps}.")
    inner = np.geomspace(low, high, steps)[1:-1].tolist()
    return (low, *inner, high)
