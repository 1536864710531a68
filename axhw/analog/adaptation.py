"""Which experts are digital when the noise has grown: the smallest set with which the loss is predicted to stay low.

What is predicted is that the rises that analog experts are for add up, as independent errors of weights do to second
order, and that they grow with the square of the noise:

    rise = sum over analog experts of (converters + programmed x magnitude^2)

This is a policy for run time. All experts are on tiles, and their weights in memory, too; the more noise there is, by
drift or heat, the more of them are computed from memory. The sets for growing magnitudes contain one another as long
as the experts' order stays, which it does where both parts are proportional.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from axhw.analog.converters import FloatArray
from axhw.analog.expert_cost import ExpertCosts
from axhw.analog.knapsack import MOST_NODES, Knapsack
from axhw.analog.placement import BoolArray, Placement
from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True, eq=False)
class RiseModel:
    """What analog experts add to the loss of a model, in nats a token: each on its own.

    Attributes
    ----------
    converters : float64 array, shape (layers, experts)
        Whatever the magnitude of the noise.
    programmed : float64 array, shape (layers, experts)
        At magnitude 1; it grows with the square.

    Raises
    ------
    AxhwError
        For arrays of different shapes, not finite or below 0.
    """

    converters: FloatArray
    programmed: FloatArray

    def __post_init__(self) -> None:
        if self.converters.shape != self.programmed.shape or self.converters.ndim != 2:
            raise AxhwError(
                f"Expected rises of shape (layers, experts) twice, found {self.converters.shape} and "
                f"{self.programmed.shape}."
            )
        for values in (self.converters, self.programmed):
            if not (np.isfinite(values).all() and (values >= 0).all()):
                raise AxhwError("Expected finite rises of at least 0 for analog experts, found others.")

    @classmethod
    def fitted(
        cls,
        scores: npt.ArrayLike,
        *,
        digital: npt.ArrayLike,
        magnitudes: npt.ArrayLike,
        rises: npt.ArrayLike,
    ) -> RiseModel:
        """From scores that say how sensitive experts are to one another, and measured rises that say how much.

        Both parts are proportional to the scores, by the two factors of at least 0 that fit the rises best, in the
        sense of least squares.

        Parameters
        ----------
        scores : array-like, shape (layers, experts)
            At least 0.
        digital : bool array-like, shape (n, layers, experts)
            Placements that were measured.
        magnitudes, rises : array-like, shape (n,)
            Of the noise, and of the loss against all experts digital.

        Raises
        ------
        AxhwError
            For shapes that do not fit each other, scores below 0, and less than two measurements.
        """
        each, placed = np.asarray(scores, np.float64), np.asarray(digital, np.bool_)
        squares, measured = np.asarray(magnitudes, np.float64) ** 2, np.asarray(rises, np.float64)
        if not (np.isfinite(each).all() and (each >= 0).all()):
            raise AxhwError("Expected finite scores of at least 0 to predict rises with, found others.")
        if placed.shape != (len(measured), *each.shape) or squares.shape != measured.shape or len(measured) < 2:
            raise AxhwError(
                f"Expected two placements or more of shape {each.shape} with a magnitude and a rise each, found "
                f"placements of shape {placed.shape}, {squares.size} magnitudes and {measured.size} rises."
            )
        analog = np.where(placed, 0.0, each).sum(axis=(1, 2))
        factors, _ = nnls(np.stack([analog, analog * squares], axis=1), measured)
        return cls(converters=factors[0] * each, programmed=factors[1] * each)

    def each(self, magnitude: float) -> FloatArray:
        """Rise that each analog expert is for, shape (layers, experts)."""
        each: FloatArray = self.converters + self.programmed * magnitude**2
        return each

    def rise(self, digital: npt.ArrayLike, *, magnitude: float) -> float:
        """Predicted rise with these experts digital and all others analog."""
        return float(self.each(magnitude)[~np.asarray(digital, np.bool_)].sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapted:
    """Digital experts for a magnitude of the noise.

    Attributes
    ----------
    digital : bool array, shape (layers, experts)
    rise : float
        Predicted, in nats a token.
    extra_nj : float or None
        What a token takes more than with all experts analog; None without costs.
    least_nj : float or None
        No set that keeps the limit takes less; `extra_nj` itself for an exact choice.
    """

    digital: BoolArray
    rise: float
    extra_nj: float | None = None
    least_nj: float | None = None

    @property
    def placement(self) -> Placement:
        """The digital experts."""
        return Placement.of_mask(self.digital)


def adapt(
    model: RiseModel,
    *,
    magnitude: float,
    limit: float,
    costs: ExpertCosts | None = None,
    exact: bool = False,
    most_nodes: int = MOST_NODES,
) -> Adapted:
    """The smallest set of digital experts with which the loss is predicted to rise by no more than a limit.

    Parameters
    ----------
    model : RiseModel
    magnitude : float
        Of the noise, now.
    limit : float
        In nats a token.
    costs : ExpertCosts, optional
        Makes the set one that takes little energy; by default it is that of the fewest experts.
    exact : bool
        With costs: the least energy rather than a greedy choice. Without costs the set is the smallest in any case.
    most_nodes : int
        Steps that the exact choice may take.

    Raises
    ------
    AxhwError
        For a magnitude or a limit below 0, costs of another model, and a choice that takes more steps.
    """
    for what, value in (("magnitude", magnitude), ("limit", limit)):
        if not (math.isfinite(value) and value >= 0):
            raise AxhwError(f"Expected a {what} of at least 0 to adapt to, found {value}.")
    each = model.each(magnitude)
    if costs is None:
        digital = _fewest(each, limit)
        return Adapted(digital=digital, rise=model.rise(digital, magnitude=magnitude))
    if costs.use.shape != each.shape:
        raise AxhwError(f"Expected costs of {each.shape} (layers, experts), found those of {costs.use.shape}.")
    # The other way round: experts stay analog as long as the limit lasts, for the energy that this saves.
    extra = costs.extra_nj.ravel()
    problem = Knapsack(gains=np.maximum(extra, 0), costs=each.reshape(1, -1), limits=np.array([limit], np.float64))
    found = problem.exact(most_nodes=most_nodes) if exact else problem.greedy()
    # Experts that add nothing to the loss are digital only where that saves energy.
    digital = (~found.chosen & ((each.ravel() > 0) | (extra < 0))).reshape(each.shape)
    return Adapted(
        digital=digital,
        rise=model.rise(digital, magnitude=magnitude),
        extra_nj=float(costs.extra_nj[digital].sum()),
        least_nj=float(extra.sum()) - found.bound,
    )


def _fewest(each: FloatArray, limit: float) -> BoolArray:
    """The experts that add most, until the others add no more than the limit."""
    order = np.argsort(-each, axis=None, kind="stable")
    # What the others add, by how many are digital; sums from the small end up.
    others = np.append(np.cumsum(each.ravel()[order][::-1])[::-1], 0.0)
    digital = np.zeros(each.size, np.bool_)
    digital[order[: int(np.argmax(others <= limit))]] = True
    return digital.reshape(each.shape)
