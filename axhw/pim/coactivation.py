"""Groups of experts whose queues are short, and that few tokens choose together.

Two things cost: cycles and transfers. The longest queue of a group is how many cycles the shortest schedule has.
Transfers come from conflicts, tokens that chose several experts of one group: in any order, a schedule gets by with the
sum of their largest loads in one group, and in token order they are what our schedule needs. The product of both is
minimised, by exchanging experts of two groups as long as that helps, then a few at random, again and again; and neither
may become larger than with experts sorted by load.

What is found on one trace has to hold on another. The trace can therefore be cut into parts, and what counts is the
part that gains least, so that chance in one of them is not taken for experts that avoid each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.errors import AxhwError
from axhw.pim.choices import Choices
from axhw.pim.grouping import Grouping, sorted_grouping, uniform_grouping
from axhw.pim.ordered_schedule import in_order
from axhw.pim.schedule import Loads, Mode

IntArray = npt.NDArray[np.int64]

MOST_COMPARED = {"any_order": 8000, "token_order": 2000}
"""How many groupings are compared by default."""

_RANDOM_EXCHANGES = 3
_SWEEPS = 4
# Of the logarithm of what is larger than with sorted experts: far more than the product can gain.
_PENALTY = 10.0


def coactivation_grouping(
    choices: Choices,
    size: int,
    *,
    rng: np.random.Generator,
    mode: Mode = "any_order",
    parts: int = 1,
    compared: int | None = None,
) -> Grouping:
    """Groups of few conflicts and short queues.

    Parameters
    ----------
    choices : Choices
    size : int
        Experts of a group.
    rng : numpy.random.Generator
    mode : {"any_order", "token_order"}
        In which order groups will take tokens. Token order takes longer, as a schedule is made for every grouping.
    parts : int
        Into how many pieces, one behind the other, the trace is cut. More of them keep what is found from holding on
        this trace alone; one is best for this trace itself.
    compared : int, optional
        How many groupings are compared. By default 8000, and 2000 for token order.

    Raises
    ------
    AxhwError
        Unless the size divides the number of experts, and there is a token for each part.
    """
    if not 1 <= parts <= choices.tokens:
        raise AxhwError(f"Expected 1 to {choices.tokens} parts of as many tokens, found {parts}.")
    start = uniform_grouping(choices.experts, size)
    if size % 2 == 0:
        start = sorted_grouping(choices.expert_loads, size)
    search = _Search(choices, start, mode=mode, parts=parts)
    group_of = search.run(rng, MOST_COMPARED[mode] if compared is None else compared)
    groups = (np.flatnonzero(group_of == group).tolist() for group in range(len(start.groups)))
    return Grouping(name=f"C{size}", groups=tuple(map(tuple, groups)))


class _Search:
    """Local search from a grouping."""

    def __init__(self, choices: Choices, start: Grouping, *, mode: Mode, parts: int) -> None:
        self._chose = choices.matrix.astype(np.int64)
        self._mode = mode
        self._cuts = np.array([choices.tokens * part // parts for part in range(parts + 1)])
        self._start = start.group_of
        self._groups = len(start.groups)
        self._first = self._measured(start.loads(choices))

    def run(self, rng: np.random.Generator, compared: int) -> IntArray:
        """Group of each expert in the best grouping found."""
        best, least = self._start, 0.0
        pairs = list(itertools.combinations(range(len(best)), 2))
        while compared > 0 and self._groups > 1:
            group_of = best.copy()
            # The first descent begins at the start.
            if least < 0 or best is not self._start:
                for one, other in rng.integers(len(group_of), size=(_RANDOM_EXCHANGES, 2)):
                    group_of[[one, other]] = group_of[[other, one]]
            cost, compared = self._descend(group_of, [pairs[i] for i in rng.permutation(len(pairs))], compared)
            if cost <= least:
                best, least = group_of, cost
        return best

    def _descend(self, group_of: IntArray, pairs: Sequence[tuple[int, int]], compared: int) -> tuple[float, int]:
        """Exchange experts in place while that helps; the cost in the end, and how many comparisons are left."""
        loads = np.stack([self._chose[:, group_of == group].sum(axis=1) for group in range(self._groups)], axis=1)
        cost = self._cost(loads)
        last = 0
        # Until all pairs since the last gain were tried.
        for tried, (one, other) in enumerate(itertools.cycle(pairs)):
            if tried - last > len(pairs) or compared <= 0:
                break
            if group_of[one] == group_of[other]:
                continue
            moved = self._chose[:, other] - self._chose[:, one]
            then = loads.copy()
            then[:, group_of[one]] += moved
            then[:, group_of[other]] -= moved
            compared -= 1
            cost_then = self._cost(then)
            if cost_then < cost:
                loads, cost, last = then, cost_then, tried
                group_of[[one, other]] = group_of[[other, one]]
        return cost, compared

    def _cost(self, loads: Loads) -> float:
        """Logarithm of cycles times transfers, against the start, in the part where it is largest."""
        gains = np.log(self._measured(loads) / self._first)
        return float(gains.sum(axis=1).max() + _PENALTY * np.maximum(gains, 0).max(axis=0).sum())

    def _measured(self, loads: Loads) -> npt.NDArray[np.int64]:
        """Cycles and transfers of each part, shape (parts, 2)."""
        measured = np.empty((len(self._cuts) - 1, 2), np.int64)
        _bounds(loads, self._cuts, measured)
        if self._mode == "token_order":
            parts = [loads[start:stop] for start, stop in itertools.pairwise(self._cuts)]
            # The same numbers for all groupings: what differs is the grouping.
            orders = [in_order(part, rng=np.random.default_rng(0), sweeps=_SWEEPS) for part in parts]
            measured[:, 1] = [order.transfers for order in orders]
        return measured


@njit(cache=True)
def _bounds(loads: Any, cuts: Any, measured: Any) -> None:
    """`least_cycles` and `least_transfers` of the tokens between cuts, compiled: they are asked for thousands of times.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    cuts : int64 array, shape (parts + 1,)
    measured : int64 array, shape (parts, 2)
        Filled.
    """
    queues = np.empty(loads.shape[1], np.int64)
    for part in range(len(measured)):
        for group in range(len(queues)):
            queues[group] = 0
        transfers = 0
        for token in range(cuts[part], cuts[part + 1]):
            largest = 0
            for group in range(len(queues)):
                load = loads[token, group]
                queues[group] += load
                largest = max(largest, load)
            transfers += largest
        cycles = 0
        for group in range(len(queues)):
            cycles = max(cycles, queues[group])
        measured[part, 0], measured[part, 1] = cycles, transfers
