"""Our schedule in token order: one queue after the other is moved to where it joins the others best.

With all other queues where they are, the best cycles of one queue are found exactly. If entry i of n is in cycle c, the
queue paused ``d = c - i`` cycles before it, and pauses only grow: any ``0 <= d[0] <= d[1] <= ... <= cycles - n`` is a
queue in token order, and every one is such a sequence. An entry saves a transfer where its token is in another queue in
the same cycle, which is the case at a few d at most. The largest sum of savings along growing d is that of a heaviest
increasing subsequence, which a tree of prefix maxima finds in n log n steps (Fredman, Discrete Mathematics 11, 1975,
has it for lengths).

Doing this over and over ends where no single queue can improve. What leads further is to vary what savings are worth,
at random and less and less, so that queues that hold each other can leave together: simulated annealing whose every
step is an optimum. Where the fewest transfers are known (`axhw.pim.optimal`: small traces, and 512 tokens in four
groups), what it finds are these or within a per cent of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from axhw.errors import AxhwError
from axhw.pim.published_schedules import compact, rescheduled
from axhw.pim.queues import Queues, count_transfers, queues_of, slots_of
from axhw.pim.schedule import IDLE, Loads, Schedule, check_loads, least_cycles

MOST_SWEEPS, LEAST_SWEEPS = 2000, 20
ENTRIES_MOVED = 1 << 24
"""How many entries are moved by default: a sweep moves all of them."""

# Of the worth of savings at first: nearly all of them then count less than doubly, some next to nothing.
_NOISE = 3.0
_LEAST_WORTH = 0.01


def in_order(
    loads: Loads, *, rng: np.random.Generator, sweeps: int | None = None, cycles: int | None = None
) -> Schedule:
    """A schedule in token order with few transfers: never more than compact or rescheduled have.

    Parameters
    ----------
    loads : int64 array, shape (tokens, groups)
    rng : numpy.random.Generator
    sweeps : int, optional
        How often each queue is moved. By default 2000, and less for long traces, so that 10^5 tokens take seconds.
    cycles : int, optional
        How long the schedule is. By default as the longest queue, which no schedule is shorter than; more cycles save
        transfers.

    Raises
    ------
    AxhwError
        For what can't be loads, and for fewer cycles than the longest queue has entries.
    """
    check_loads(loads)
    shortest = least_cycles(loads)
    length = checked_cycles(cycles, shortest)
    if sweeps is None:
        sweeps = min(MOST_SWEEPS, max(LEAST_SWEEPS, ENTRIES_MOVED // int(loads.sum())))
    queues = queues_of(loads)
    # The longest first: what has most pauses to choose from comes last, when most others are there.
    order = np.argsort(-loads.sum(axis=0), kind="stable")
    found = _annealed(queues, order, length, sweeps, rng)
    published = (
        np.pad(made.slots, ((0, length - shortest), (0, 0)), constant_values=IDLE)
        for made in (rescheduled(loads), compact(loads))
    )
    made = (
        Schedule(slots=slots, mode="token_order", name="ours")
        for slots in (slots_of(queues, found, length), *published)
    )
    return min(made, key=lambda schedule: schedule.transfers)


def checked_cycles(cycles: int | None, shortest: int) -> int:
    """The wanted length, or the shortest.

    Raises
    ------
    AxhwError
        For less than the shortest.
    """
    if cycles is not None and cycles < shortest:
        raise AxhwError(f"Expected at least {shortest} cycles, as long as the longest queue, found {cycles}.")
    return shortest if cycles is None else cycles


# The rest is compiled, and untyped as Numba's functions are.


@njit(cache=True)
def _annealed(queues: Queues, order: Any, cycles: int, sweeps: int, rng: Any) -> Any:
    """Cycle of each entry; groups are placed in this order at first, which is changed."""
    cycle = np.full(len(queues.token), IDLE, np.int64)
    for group in order:
        _move(queues, group, cycle, cycles, 0.0, rng)
    best = cycle.copy()
    fewest = count_transfers(queues, cycle)
    for sweep in range(sweeps):
        noise = _NOISE * (1 - (sweep + 1) / sweeps)
        for i in range(len(order) - 1, -1, -1):
            j = int(rng.random() * (i + 1))
            order[i], order[j] = order[j], order[i]
            _move(queues, order[i], cycle, cycles, noise, rng)
        found = count_transfers(queues, cycle)
        if found < fewest:
            fewest = found
            best[:] = cycle
    return best


@njit(cache=True)
def _move(queues: Queues, group: int, cycle: Any, cycles: int, noise: float, rng: Any) -> None:
    """Move the entries of one group to where they are worth most, all others staying."""
    first, last = queues.first[group], queues.first[group + 1]
    entries = last - first
    most = cycles - entries
    partners = 0
    for entry in range(first, last):
        token = queues.token[entry]
        partners += queues.first_of_token[token + 1] - queues.first_of_token[token]
    # Chances to join another queue: entry, pauses before it, and the chance before on the best way to it.
    entry_of = np.empty(partners, np.int64)
    pauses_of = np.empty(partners, np.int64)
    before = np.empty(partners, np.int64)
    chances = 0
    # Best sum, and the chance it ends with, of ways with up to that many pauses, as a Fenwick tree.
    worth = np.zeros(most + 2)
    ends = np.full(most + 2, -1, np.int64)
    options = np.empty(len(queues.first), np.int64)
    for place in range(entries):
        token = queues.token[first + place]
        count = 0
        for i in range(queues.first_of_token[token], queues.first_of_token[token + 1]):
            other = queues.by_token[i]
            pauses = cycle[other] - place
            if queues.group[other] != group and cycle[other] != IDLE and 0 <= pauses <= most:
                count = _insert(options, count, pauses)
        # From many pauses to few: an entry is only in one cycle, and must not be on a way twice.
        for i in range(count):
            pauses = options[i]
            value, end = 0.0, -1
            node = pauses + 1
            while node > 0:
                if worth[node] > value:
                    value, end = worth[node], ends[node]
                node -= node & -node
            value += max(1 + noise * (rng.random() - 0.5), _LEAST_WORTH)
            entry_of[chances] = place
            pauses_of[chances] = pauses
            before[chances] = end
            node = pauses + 1
            while node < len(worth):
                if value > worth[node]:
                    worth[node], ends[node] = value, chances
                node += node & -node
            chances += 1
    value, end = 0.0, -1
    node = most + 1
    while node > 0:
        if worth[node] > value:
            value, end = worth[node], ends[node]
        node -= node & -node
    # Backwards from the last entry: those between two that join stay as near to where they were as they can.
    upper = most
    place = entries - 1
    while place >= 0:
        stop = entry_of[end] if end >= 0 else -1
        lower = pauses_of[end] if end >= 0 else 0
        for i in range(place, stop, -1):
            upper = min(max(cycle[first + i] - i, lower), upper)
            cycle[first + i] = i + upper
        if stop >= 0:
            upper = lower
            cycle[first + stop] = stop + upper
            end = before[end]
        place = stop - 1


@njit(cache=True)
def _insert(values: Any, count: int, value: int) -> int:
    """Insert a value into some that fall, unless it is there; how many there are then."""
    place = count
    while place > 0 and values[place - 1] <= value:
        if values[place - 1] == value:
            return count
        place -= 1
    for i in range(count, place, -1):
        values[i] = values[i - 1]
    values[place] = value
    return count + 1
