"""The queues of all groups as flat arrays, for compiled code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.pim.schedule import IDLE, Loads, Slots

IntArray = npt.NDArray[np.int64]


class Queues(NamedTuple):
    """Entries of queues, one queue behind the other, each in token order.

    Attributes
    ----------
    token, group : (entries,) int64
    first : (groups + 1,) int64
        Where the entries of each group begin, and the number of all.
    by_token : (entries,) int64
        Entries, those of one token side by side.
    first_of_token : (tokens + 1,) int64
        Where those of each token begin in `by_token`.
    """

    token: IntArray
    group: IntArray
    first: IntArray
    by_token: IntArray
    first_of_token: IntArray


def queues_of(loads: Loads) -> Queues:
    """The queues of loads [tokens, groups]."""
    group, token = np.divmod(np.repeat(np.arange(loads.size), loads.T.ravel()), len(loads))
    return Queues(
        token=token,
        group=group,
        first=np.concatenate([[0], np.cumsum(loads.sum(axis=0))]),
        by_token=np.argsort(token, kind="stable"),
        first_of_token=np.concatenate([[0], np.cumsum(loads.sum(axis=1))]),
    )


def cycles_of(slots: Slots) -> IntArray:
    """Cycle of each entry of a schedule's queues; of equal entries the first cycle is first."""
    group, cycle = np.nonzero(slots.T != IDLE)
    order = np.lexsort((cycle, slots[cycle, group], group))
    return cycle[order]


def slots_of(queues: Queues, cycle: IntArray, cycles: int) -> Slots:
    """The schedule with entries in these cycles."""
    slots = np.full((cycles, len(queues.first) - 1), IDLE, np.int32)
    slots[cycle, queues.group] = queues.token
    return slots


@njit(cache=True)
def count_transfers(queues: Any, cycle: Any) -> int:
    """Distinct pairs of a token and a cycle."""
    found = 0
    for token in range(len(queues.first_of_token) - 1):
        start, stop = queues.first_of_token[token], queues.first_of_token[token + 1]
        for place in range(start, stop):
            at = cycle[queues.by_token[place]]
            found += 1
            for before in range(start, place):
                if cycle[queues.by_token[before]] == at:
                    found -= 1
                    break
    return found
