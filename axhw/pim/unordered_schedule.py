"""Our schedule in any order: two cycles at a time exchange the work of some groups, so that tokens are in fewer cycles.

Exchanging what one group does in two cycles always gives a schedule of the same length. A token that two cycles share
becomes whole, in one of them, if the groups that work on it end up on one side; so a token that is to be whole ties
groups to each other: exchanged together, or one of them instead of the other. Ties are taken as long as they agree,
those of the token that is to become whole first, the others in random order. If no more tokens are split than before,
the exchange is done, and what is tied goes either way at random: exchanges along Kempe chains, which edge colourings
are made with, for tokens that are edges between many groups.

The second cycle is one that the token is in too, or any one near by: exchanges that gain nothing move work around until
others fit. On traces of some hundred tokens and more this ends where each token is in as few cycles as its largest load
in one group, which no schedule can better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from axhw.pim.ordered_schedule import checked_cycles, in_order
from axhw.pim.queues import cycles_of, queues_of
from axhw.pim.schedule import IDLE, Loads, Schedule, Slots, check_loads, least_cycles, least_transfers

EXCHANGES_PER_TOKEN = 100
MORE_PER_TOKEN, MOST_MORE = 2000, 1_000_000
"""How many exchanges are tried by default: short traces get more for each token."""

REACH = 16
_SWEEPS_AT_FIRST = 4


def in_any_order(
    loads: Loads,
    *,
    rng: np.random.Generator,
    exchanges: int | None = None,
    reach: int = REACH,
    cycles: int | None = None,
) -> Schedule:
    """A schedule in any order with few transfers: never more than `axhw.pim.ordered_schedule.in_order` finds.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    rng : numpy.random.Generator
    exchanges : int, optional
        At most so many are tried, fewer if the bound `least_transfers` is reached. By default 100 for each token, and
        2000 more for each of the first 500.
    reach : int
        How many cycles may be between two that exchange work: less of it keeps tokens nearer to their order.
    cycles : int, optional
        How long the schedule is. By default as the longest queue, which no schedule is shorter than.

    Raises
    ------
    AxhwError
        For what can't be loads, and for fewer cycles than the longest queue has entries.
    """
    check_loads(loads)
    length = checked_cycles(cycles, least_cycles(loads))
    if exchanges is None:
        exchanges = EXCHANGES_PER_TOKEN * len(loads) + min(MORE_PER_TOKEN * len(loads), MOST_MORE)
    quick = in_order(loads, rng=rng, sweeps=_SWEEPS_AT_FIRST, cycles=length)
    found = _exchanged(quick.slots, loads, exchanges, reach, rng)
    if found.transfers == least_transfers(loads):
        return found
    thorough = in_order(loads, rng=rng, cycles=length)
    again = _exchanged(thorough.slots, loads, exchanges, reach, rng)
    return min(found, again, key=lambda schedule: schedule.transfers)


def _exchanged(slots: Slots, loads: Loads, exchanges: int, reach: int, rng: np.random.Generator) -> Schedule:
    queues = queues_of(loads)
    cycle = cycles_of(slots)[queues.by_token]
    found = slots.copy()
    _exchange(found, cycle, queues.first_of_token, loads.max(axis=1), exchanges, reach, rng)
    return Schedule(slots=found, mode="any_order", name="ours")


# The rest is compiled, and untyped as Numba's functions are.


@njit(cache=True)
def _exchange(slots: Any, cycle: Any, first: Any, needed: Any, exchanges: int, reach: int, rng: Any) -> None:
    """Change a schedule in place.

    Parameters
    ----------
    slots : (cycles, groups) int32
    cycle : (entries,) int64
        Cycles of the entries of each token, those of token t from ``first[t]`` on.
    needed : (tokens,) int64
        In how many cycles a token is at least.
    """
    cycles, groups = slots.shape
    tokens = len(needed)
    split = np.empty(tokens, np.int64)  # tokens in more cycles than needed
    place_of = np.full(tokens, -1, np.int64)
    number = 0
    for token in range(tokens):
        number = _note(token, first, cycle, needed, split, place_of, number)
    found = np.empty(2 * groups, np.int64)
    for _ in range(exchanges):
        if number == 0:
            return
        token = split[int(rng.random() * number)]
        entries = first[token + 1] - first[token]
        one = cycle[first[token] + int(rng.random() * entries)]
        if rng.random() < 0.5:
            other = cycle[first[token] + int(rng.random() * entries)]
        else:
            low, high = max(0, one - reach), min(cycles, one + reach + 1)
            other = low + int(rng.random() * (high - low))
        if one == other:
            continue
        count = _exchange_two(slots, cycle, first, one, other, token, found, rng)
        for i in range(count):
            number = _note(found[i], first, cycle, needed, split, place_of, number)


@njit(cache=True)
def _note(token: int, first: Any, cycle: Any, needed: Any, split: Any, place_of: Any, number: int) -> int:
    """Bring the list of split tokens up to date with one of them; how many there are then."""
    parts = 0
    for i in range(first[token], first[token + 1]):
        parts += 1
        for before in range(first[token], i):
            if cycle[before] == cycle[i]:
                parts -= 1
                break
    if parts > needed[token] and place_of[token] < 0:
        split[number], place_of[token] = token, number
        return number + 1
    if parts <= needed[token] and place_of[token] >= 0:
        place, last = place_of[token], split[number - 1]
        split[place], place_of[last] = last, place
        place_of[token] = -1
        return number - 1
    return number


@njit(cache=True)
def _exchange_two(slots: Any, cycle: Any, first: Any, one: int, other: int, wanted: int, found: Any, rng: Any) -> int:
    """Exchange work of two cycles, unless that would split more tokens; tokens of both are put into `found`.

    Returns
    -------
    int
        How many tokens may be in other cycles than before.
    """
    groups = slots.shape[1]
    often = np.empty(len(found), np.int64)
    count = 0
    for group in range(groups):
        for row in (one, other):
            token = slots[row, group]
            if token != IDLE:
                i = 0
                while i < count and found[i] != token:
                    i += 1
                if i == count:
                    found[i], often[i] = token, 0
                    count += 1
                often[i] += 1
    for i in range(count - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        found[i], found[j] = found[j], found[i]
        often[i], often[j] = often[j], often[i]
    for i in range(count):
        if found[i] == wanted:
            found[0], found[i] = found[i], found[0]
            often[0], often[i] = often[i], often[0]
    # Groups that are tied have the same root, and an odd turn if one is exchanged where the other is not.
    root = np.arange(groups)
    turn = np.zeros(groups, np.int64)
    change = 0
    for i in range(count):
        if often[i] > 1:
            change += _tie(slots, one, other, found[i], root, turn)
    if change > 0:
        return 0
    sides = np.empty(groups, np.int64)
    for group in range(groups):
        sides[group] = rng.random() < 0.5
    for group in range(groups):
        top, turned = _top(root, turn, group)
        if sides[top] != turned and slots[one, group] != slots[other, group]:
            _rename(slots[one, group], one, other, first, cycle)
            _rename(slots[other, group], other, one, first, cycle)
            slots[one, group], slots[other, group] = slots[other, group], slots[one, group]
    return count


@njit(cache=True)
def _tie(slots: Any, one: int, other: int, token: int, root: Any, turn: Any) -> int:
    """Tie the groups that work on a token so that it becomes or stays whole, if they can be; the change in cycles."""
    base, base_side = -1, 0
    before = [0, 0]
    possible = True
    for group in range(slots.shape[1]):
        here, there = slots[one, group] == token, slots[other, group] == token
        before[0] |= here
        before[1] |= there
        if not possible or not (here or there):
            continue
        if here and there:
            possible = False
        elif base < 0:
            base, base_side = group, int(there)
        else:
            top, turned = _top(root, turn, base)
            own_top, own_turned = _top(root, turn, group)
            tie = turned ^ own_turned ^ base_side ^ int(there)
            if top != own_top:
                root[own_top], turn[own_top] = top, tie
            elif tie:
                possible = False
    return (1 if possible else 2) - before[0] - before[1]


@njit(cache=True)
def _top(root: Any, turn: Any, group: int) -> Any:
    turned = 0
    while root[group] != group:
        turned ^= turn[group]
        group = root[group]
    return group, turned


@njit(cache=True)
def _rename(token: int, old: int, new: int, first: Any, cycle: Any) -> None:
    """Let one entry of a token be in another cycle."""
    if token != IDLE:
        for i in range(first[token], first[token + 1]):
            if cycle[i] == old:
                cycle[i] = new
                return
