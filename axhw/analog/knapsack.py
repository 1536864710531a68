"""Choosing what gains most within limits: several resources, numbers that are not whole.

    maximise the sum of gains over what is chosen, with, for every resource, the sum of costs at most its limit

The greedy choice takes what gains most for its costs, costs counted in shares of the limits, as long as it fits, or the
one thing that gains most, if that is more. Its `bound` is what no choice exceeds: the limits are added up into one, and
the last thing that does not fit is taken in part (Dantzig 1957). With one resource, the greedy choice gains at least
half of the best one. The exact one is found by branch and bound with the same bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]

MOST_NODES = 1_000_000

# Sums of rounded numbers may exceed their limit in the last digits.
_TOLERANCE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """A choice.

    Attributes
    ----------
    chosen : bool array, shape (n,)
    gain : float
    bound : float
        No choice within the limits gains more.
    """

    chosen: BoolArray
    gain: float
    bound: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Knapsack:
    """What there is to choose from.

    Attributes
    ----------
    gains : float64 array, shape (n,)
        At least 0.
    costs : float64 array, shape (resources, n)
        What saves of every resource is always chosen; what saves of some only counts as costing nothing of them, so
        that limits hold but the best choice may be missed.
    limits : float64 array, shape (resources,)

    Raises
    ------
    AxhwError
        For other shapes, gains below 0, and numbers that are not finite.
    """

    gains: FloatArray
    costs: FloatArray
    limits: FloatArray

    def __post_init__(self) -> None:
        if self.gains.ndim != 1 or self.costs.shape != (len(self.limits), len(self.gains)):
            raise AxhwError(
                f"Expected costs of shape (resources, choices) for {len(self.gains)} gains and {len(self.limits)} "
                f"limits, found {self.costs.shape}."
            )
        if not all(np.isfinite(values).all() for values in (self.gains, self.costs, self.limits)):
            raise AxhwError("Expected finite gains, costs and limits to choose within, found NaN or infinite ones.")
        if (self.gains < 0).any():
            raise AxhwError(f"Expected gains of at least 0 to choose by, found {self.gains.min():g}.")

    @cached_property
    def always(self) -> BoolArray:
        """What costs nothing of any resource, and gains something or saves of one."""
        always: BoolArray = np.all(self.costs <= 0, axis=0) & ((self.gains > 0) | np.any(self.costs < 0, axis=0))
        return always

    @cached_property
    def left(self) -> FloatArray:
        """Limits after what is always chosen."""
        left: FloatArray = self.limits - self.costs[:, self.always].sum(axis=1)
        return left

    @property
    def possible(self) -> bool:
        """Whether anything is within the limits."""
        return bool((self.left >= -_TOLERANCE * np.abs(self.limits)).all())

    def greedy(self) -> Chosen:
        """The greedy choice.

        Raises
        ------
        AxhwError
            If nothing is within the limits.
        """
        order, gains, costs = self._ordered()
        taken, spent = np.zeros(len(order), np.bool_), np.zeros(len(costs))
        for place in range(len(order)):
            if (spent + costs[:, place] <= 1 + _TOLERANCE).all():
                taken[place] = True
                spent += costs[:, place]
        if len(order) and gains.max() > gains[taken].sum():
            taken[:] = False
            taken[int(gains.argmax())] = True
        bound = _fractional(gains, costs.sum(axis=0), float(len(costs)))
        return self._choice(order[taken], bound=float(self.gains[self.always].sum()) + bound)

    def exact(self, *, most_nodes: int = MOST_NODES) -> Chosen:
        """The best choice.

        Raises
        ------
        AxhwError
            If nothing is within the limits, and if it takes more than `most_nodes` steps to find.
        """
        order, gains, costs = self._ordered()
        together = costs.sum(axis=0)
        best, best_gain, nodes = np.zeros(len(order), np.bool_), -1.0, 0
        # Depth first, taken before left out: (place, taken so far, gain, spent).
        stack = [(0, np.zeros(len(order), np.bool_), 0.0, np.zeros(len(costs)))]
        while stack:
            place, taken, gain, spent = stack.pop()
            nodes += 1
            if nodes > most_nodes:
                raise AxhwError(
                    f"Expected the best of {len(order)} to choose from within {most_nodes:,} steps, found it to take "
                    "more: use the greedy choice and its bound."
                )
            if gain > best_gain:
                best, best_gain = taken, gain
            if place == len(order):
                continue
            room = float(len(costs)) - float(spent.sum())
            if gain + _fractional(gains[place:], together[place:], room) <= best_gain:
                continue
            stack.append((place + 1, taken, gain, spent))
            if (spent + costs[:, place] <= 1 + _TOLERANCE).all():
                more = taken.copy()
                more[place] = True
                stack.append((place + 1, more, gain + float(gains[place]), spent + costs[:, place]))
        found = self._choice(order[best], bound=0.0)
        return Chosen(chosen=found.chosen, gain=found.gain, bound=found.gain)

    def _ordered(self) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
        """What may be chosen, from the best gain for its costs down; gains; and costs in shares of what is left."""
        if not self.possible:
            raise AxhwError("Expected limits that hold for the least that can be chosen, found lower ones.")
        left = np.maximum(self.left, 0)[:, None]
        costs = np.maximum(self.costs, 0)
        shares = np.divide(costs, left, out=np.where(costs > 0, math.inf, 0.0), where=left > 0)
        open_ = np.flatnonzero(~self.always & (shares <= 1 + _TOLERANCE).all(axis=0) & (self.gains > 0))
        together = shares[:, open_].sum(axis=0)
        ratios = np.divide(self.gains[open_], together, out=np.full(len(open_), math.inf), where=together > 0)
        order = open_[np.argsort(-ratios, kind="stable")]
        return order, self.gains[order], shares[:, order]

    def _choice(self, places: npt.NDArray[np.intp], *, bound: float) -> Chosen:
        chosen = self.always.copy()
        chosen[places] = True
        return Chosen(chosen=chosen, gain=float(self.gains[chosen].sum()), bound=bound)


def _fractional(gains: FloatArray, costs: FloatArray, room: float) -> float:
    """Most that can be gained in a room, with the last thing in part; in order of gain for cost."""
    spent = np.cumsum(costs)
    whole = int(np.searchsorted(spent, room, side="right"))
    gain = float(gains[:whole].sum())
    if whole < len(gains):
        before = float(spent[whole - 1]) if whole else 0.0
        gain += float(gains[whole]) * max(room - before, 0.0) / float(costs[whole])
    return gain
