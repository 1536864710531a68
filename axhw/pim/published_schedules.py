"""The schedules of arXiv 2602.10254: token by token, compact, and rescheduled. All keep queues in token order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.pim.schedule import IDLE, Loads, Schedule, Slots, check_loads, least_cycles

IntArray = npt.NDArray[np.int64]


def token_by_token(loads: Loads) -> Schedule:
    """A token starts when all groups are done with the one before it.

    Raises
    ------
    AxhwError
        For what can't be loads.
    """
    check_loads(loads)
    needed = loads.max(axis=1)
    start = np.cumsum(needed) - needed
    slots = np.full((int(needed.sum()), loads.shape[1]), IDLE, np.int32)
    for group, column in enumerate(loads.T):
        queue = np.repeat(np.arange(len(loads)), column)
        # Which entry of its token each one is.
        place = np.arange(len(queue)) - np.repeat(np.cumsum(column) - column, column)
        slots[start[queue] + place, group] = queue
    return Schedule(slots=slots, mode="token_order", name="token_by_token")


def compact(loads: Loads) -> Schedule:
    """Each group runs its own queue without a pause: as short as can be.

    Raises
    ------
    AxhwError
        For what can't be loads.
    """
    check_loads(loads)
    return _placed(loads, np.zeros_like(loads), "compact")


def rescheduled(loads: Loads) -> Schedule:
    """Compact, with pauses in shorter queues that let groups work on the same tokens: the published heuristic.

    With L the longest queue and g another, g has ``R[t] = cumsum_L[t] - cumsum_g[t]`` fewer entries up to token t.
    Tokens are scanned upwards while R of the last one is not 0. If R[t] > 0 and more of R[t:] are positive than are
    not, g pauses before its first entry of token t or later for the smallest positive one, which is subtracted from
    R[t:]. What pauses are left are at the end.

    Raises
    ------
    AxhwError
        For what can't be loads.
    """
    check_loads(loads)
    ahead = np.cumsum(loads, axis=0)
    ahead = ahead[:, [int(loads.sum(axis=0).argmax())]] - ahead
    pauses = np.stack([_pauses(np.ascontiguousarray(column)) for column in ahead.T], axis=1)
    return _placed(loads, pauses, "rescheduled")


def _placed(loads: Loads, pauses: IntArray, name: str) -> Schedule:
    slots = np.full((least_cycles(loads), loads.shape[1]), IDLE, np.int32)
    for group in range(loads.shape[1]):
        _place(slots, group, loads[:, group], pauses[:, group])
    return Schedule(slots=slots, mode="token_order", name=name)


def _place(slots: Slots, group: int, load: IntArray, pause: IntArray) -> None:
    queue = np.repeat(np.arange(len(load)), load)
    slots[np.arange(len(queue)) + np.cumsum(pause)[queue], group] = queue


# The rest is compiled, and untyped as Numba's functions are.


@njit(cache=True)
def _pauses(ahead: Any) -> Any:
    """Pauses before each token of one queue.

    R[t:] less all pauses so far is what is scanned, so that pauses raise a threshold over the ahead[t:]. A tree of how
    many tokens from t on have which value tells how many are above it, and the smallest of these.
    """
    tokens = len(ahead)
    pauses = np.zeros(tokens, np.int64)
    low = ahead.min()
    size = ahead.max() - low + 1
    tree = np.zeros(size + 1, np.int64)
    for value in ahead:
        _count(tree, value - low, 1)
    paused = 0
    for token in range(tokens):
        if ahead[-1] == paused:
            break
        if ahead[token] > paused:
            left = tokens - token
            not_above = _up_to(tree, paused - low)
            if 2 * (left - not_above) > left:
                smallest = _find(tree, not_above) + low
                pauses[token] = smallest - paused
                paused = smallest
        _count(tree, ahead[token] - low, -1)
    return pauses


@njit(cache=True)
def _count(tree: Any, value: int, change: int) -> None:
    place = value + 1
    while place < len(tree):
        tree[place] += change
        place += place & -place


@njit(cache=True)
def _up_to(tree: Any, value: int) -> int:
    """How many are at most that large."""
    place = min(value + 1, len(tree) - 1)
    number = 0
    while place > 0:
        number += tree[place]
        place -= place & -place
    return number


@njit(cache=True)
def _find(tree: Any, before: int) -> int:
    """The smallest value with more than that many up to it."""
    step = 1
    while 2 * step < len(tree):
        step *= 2
    place = 0
    while step > 0:
        if place + step < len(tree) and tree[place + step] <= before:
            place += step
            before -= tree[place]
        step //= 2
    return place
