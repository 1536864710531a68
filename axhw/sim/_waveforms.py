"""The compiled kernel of `axhw.sim.timed`: waveforms through gates in topological order.

A gate is done for a block of operand pairs before the next gate. Which pairs make it switch looks random to a
processor, which guesses branches by their past: pairs with up to two events on a gate's inputs, which are most, are
therefore done without branches, and only the others are gone through event by event. Indices that are read from arrays
are unsigned, because each signed one costs numba a test for the negative indices of Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

IntArray = npt.NDArray[np.int64]
NetArray = npt.NDArray[np.int32]
IndexArray = npt.NDArray[np.unsignedinteger[Any]]
BitArray = npt.NDArray[np.uint8]

RISE = 0
FALL = 1

# Ends every waveform. Two of them still fit into 64 bits, and their difference has a sign.
_NEVER = np.int64(1 << 61)
_PAIRS_PER_BLOCK = 256


@njit(nogil=True, cache=True)
def _shortest_delays(delay: IntArray, inputs: int, shortest: IntArray) -> None:
    """Fill ``shortest[2 * changed + value]``: the least delay to `value` over the inputs whose bits `changed` has."""
    shortest[:2] = _NEVER
    for k in range(inputs):
        half = 2 << k
        for i in range(0, half, 2):
            shortest[half + i] = min(shortest[i], delay[k, FALL])
            shortest[half + i + 1] = min(shortest[i + 1], delay[k, RISE])


@njit(nogil=True, cache=True)
def _gather(
    pairs: int,
    fanin: IndexArray,
    target: int,
    table: BitArray,
    state: BitArray,
    start: IndexArray,
    count: NetArray,
    row: IndexArray,
    odd: IndexArray,
) -> int:
    """What the inputs of a gate do in each pair; return the number of events on them.

    Sets the settled states of `target`; `row` and `odd` have the inputs' states and those with an odd number of
    events as bits. ``count[target]`` and ``start[target]`` hold the number of events on the inputs and, where there
    is at most one, its place, until there is a waveform.
    """
    row[:] = 0
    odd[:] = 0
    first, events = start[target], count[target]
    first[:] = 0
    events[:] = 0
    for k in range(fanin.shape[0]):
        settled, of_input, place = state[fanin[k]], count[fanin[k]], start[fanin[k]]
        for pair in range(pairs + 1):
            row[pair] |= np.uint32(settled[pair]) << k
        for pair in range(pairs):
            odd[pair] |= (of_input[pair] & 1) << k
            events[pair] += of_input[pair]
            first[pair] |= place[pair]
    for pair in range(pairs + 1):
        state[target, pair] = table[row[pair]]
    total = 0
    for pair in range(pairs):
        total += events[pair]
    return total


@njit(nogil=True, cache=True)
def _single_events(
    pairs: int,
    target: int,
    table: BitArray,
    shortest: IntArray,
    state: BitArray,
    start: IndexArray,
    count: NetArray,
    times: IntArray,
    free: int,
    row: IndexArray,
    odd: IndexArray,
    twice: IndexArray,
    often: IndexArray,
) -> tuple[int, int, int]:
    """Waveforms of a gate in the pairs with at most one event on its inputs.

    Pairs with two events are listed in `twice`, those with more in `often`.

    Returns
    -------
    free : int
        The first unused place in `times`.
    in_twice, in_often : int
        How many are listed.
    """
    in_twice = in_often = 0
    for pair in range(pairs):
        events = count[target, pair]
        single = np.int64(events <= 1)
        value = np.int64(table[row[pair] ^ odd[pair]])
        switches = (value ^ state[target, pair]) & single
        times[free] = times[start[target, pair] * single] + shortest[2 * odd[pair] + value]
        times[free + 1] = _NEVER
        start[target, pair] = free * switches
        count[target, pair] = switches
        free += 2 * switches
        twice[in_twice] = pair
        in_twice += np.int64(events == 2)
        often[in_often] = pair
        in_often += np.int64(events > 2)
    return free, in_twice, in_often


@njit(nogil=True, cache=True)
def _smaller(a: int, b: int) -> int:
    """The smaller of two times, without a branch."""
    difference = a - b
    return b + (difference & (difference >> 63))


@njit(nogil=True, cache=True)
def _inertial(
    times: IntArray, free: int, present: int, scheduled: int, due: int, now: int, value: int, fresh: int
) -> tuple[int, int, int, int]:
    """Let a gate find at `now` that its output should become `value` at `fresh`.

    `present` is the output's value before the one event that may be `scheduled` for `due`.

    Returns
    -------
    free, present, scheduled, due : int
    """
    happened = scheduled & np.int64(due <= now)
    times[free] = due
    present ^= happened
    scheduled ^= happened
    # What is scheduled stays if it is still wanted.
    due = fresh + ((due - fresh) & -scheduled)
    return free + happened, present, value ^ present, due


@njit(nogil=True, cache=True)
def _transport(times: IntArray, first: int, free: int, present: int, value: int, fresh: int) -> tuple[int, int]:
    """As `_inertial`: the waveform written from `first` on is the schedule, and `present` its last value.

    Returns
    -------
    free, present : int
    """
    while free > first and times[free - 1] >= fresh:
        free -= 1
        present ^= 1
    if value != present:
        times[free] = fresh
        free += 1
        present ^= 1
    return free, present


@njit(nogil=True, cache=True)
def _finish(
    target: int, pair: int, start: IndexArray, count: NetArray, times: IntArray, first: int, free: int, last: int
) -> int:
    """End the waveform that begins at `first`, with an event at ``times[free]`` if `last` is 1."""
    free += last
    count[target, pair] = free - first
    start[target, pair] = first * np.int64(free > first)
    times[free] = _NEVER
    return free + 1


@njit(nogil=True, cache=True)
def _two_events(
    fanin: IndexArray,
    target: int,
    table: BitArray,
    shortest: IntArray,
    state: BitArray,
    start: IndexArray,
    count: NetArray,
    times: IntArray,
    free: int,
    row: IndexArray,
    odd: IndexArray,
    pairs: IndexArray,
    inertial: bool,
) -> int:
    """Waveforms of a gate in `pairs` with two events on its inputs; return the first unused place in `times`."""
    for pair in pairs:
        early, both = _NEVER, np.int64(0)
        for k in range(fanin.shape[0]):
            place, events = start[fanin[k], pair], np.int64(count[fanin[k], pair])
            time = times[place]
            early = _smaller(early, time)
            # Two on one input are in consecutive places.
            both += (time & -(events & 1)) + ((time + times[place + np.uint32(1)]) & -(events >> 1))
        late = both - early
        of_early = np.int64(0)
        for k in range(fanin.shape[0]):
            of_early |= np.int64(times[start[fanin[k], pair]] == early) << k
        # Inputs that change together count as one event, the early one.
        changed = np.int64(odd[pair])
        of_early = changed ^ ((changed ^ of_early) & -np.int64(early != late))
        before = np.int64(state[target, pair])
        between = np.int64(table[row[pair] ^ of_early])
        after = np.int64(table[row[pair] ^ changed])
        early_due = early + shortest[2 * of_early + between]
        late_due = late + shortest[2 * (changed ^ of_early) + after]
        if inertial:
            first = (between ^ before) & np.int64(early_due <= late)
            second = after ^ before ^ first
            # What is still scheduled at the second event stays if it is wanted.
            stays = between ^ before ^ first
            late_due += (early_due - late_due) & -stays
        else:
            first, second = between ^ before, after ^ between
            overtaken = first & second & np.int64(early_due >= late_due)
            first ^= overtaken
            second ^= overtaken
        times[free] = early_due
        times[free + first] = late_due
        free = _finish(target, pair, start, count, times, free, free + first, second)
    return free


@njit(nogil=True, cache=True)
def _merge(
    fanin: IndexArray,
    target: int,
    table: BitArray,
    shortest: IntArray,
    state: BitArray,
    start: IndexArray,
    count: NetArray,
    times: IntArray,
    free: int,
    row: IndexArray,
    pairs: IndexArray,
    cursor: IndexArray,
    inertial: bool,
) -> int:
    """Waveforms of a gate in `pairs`, event by event; return the first unused place in `times`."""
    for pair in pairs:
        now = _NEVER
        for k in range(fanin.shape[0]):
            cursor[k] = start[fanin[k], pair]
            now = _smaller(now, times[cursor[k]])
        bits = np.int64(row[pair])
        present = np.int64(state[target, pair])
        first, latest, scheduled, due = free, present, np.int64(0), np.int64(0)
        while now < _NEVER:
            changed = 0
            following = _NEVER
            for k in range(fanin.shape[0]):
                place = cursor[k]
                happens = np.int64(times[place] == now)
                place += np.uint64(happens)
                # Without a delay, an input may change twice at a time.
                while times[place] == now:
                    place += np.uint64(1)
                    happens ^= 1
                cursor[k] = place
                changed |= happens << k
                following = _smaller(following, times[place])
            if changed != 0:
                bits ^= changed
                value = np.int64(table[bits])
                fresh = now + shortest[2 * changed + value]
                if inertial:
                    free, present, scheduled, due = _inertial(times, free, present, scheduled, due, now, value, fresh)
                elif value != latest:
                    latest = value
                    free, present = _transport(times, first, free, present, value, fresh)
            now = following
        times[free] = due
        free = _finish(target, pair, start, count, times, first, free, scheduled)
    return free


@njit(nogil=True, cache=True)
def simulate_pairs(
    values: BitArray,
    fanin: IndexArray,
    fanin_count: NetArray,
    output: IndexArray,
    offset: IntArray,
    tables: BitArray,
    delay: IntArray,
    sources: IndexArray,
    launch: IntArray,
    constant_one: int,
    net_count: int,
    inertial: bool,
) -> Any:
    """Transitions of every net over consecutive vectors, each pair from its settled state.

    Parameters
    ----------
    values : (vectors, sources) uint8
    fanin, fanin_count, output : per gate, in topological order
    offset : (gates,)
        Where the gate's truth table starts in `tables`.
    delay : (gates, inputs, 2) fs
        By input and output edge.
    launch : (sources, 2) fs
        When a source switches, by edge.

    Returns
    -------
    counts : (net_count, 2) int64
        Rises and falls.
    ones : (net_count,) int64
        In how many of the settled states before a pair the net is 1.
    state : (net_count,) uint8
        Settled state under the last vector.
    """
    block = min(_PAIRS_PER_BLOCK, values.shape[0] - 1)
    counts = np.zeros((net_count, 2), np.int64)
    ones = np.zeros(net_count, np.int64)
    # By net and pair of the block: the settled state, with that after the last pair, and the waveform, which is
    # `count` times from `start`, each one transition away from the state, then _NEVER; a quiet one starts at 0.
    state = np.zeros((net_count, block + 1), np.uint8)
    state[constant_one] = 1
    start = np.zeros((net_count, block), np.uint32)
    count = np.zeros((net_count, block), np.int32)
    times = np.empty(4 * net_count * block, np.int64)
    times[0] = _NEVER
    row = np.empty(block + 1, np.uint32)
    odd = np.empty(block, np.uint32)
    twice = np.empty(block, np.uint32)
    often = np.empty(block, np.uint32)
    cursor = np.empty(fanin.shape[1], np.uint64)
    shortest = np.empty(2 << fanin.shape[1], np.int64)

    last = 0
    for begin in range(0, values.shape[0] - 1, block):
        pairs = min(block, values.shape[0] - 1 - begin)
        last = pairs
        free = 1
        for s in range(sources.shape[0]):
            net = sources[s]
            for pair in range(pairs + 1):
                state[net, pair] = values[begin + pair, s]
            for pair in range(pairs):
                switches = np.int64(state[net, pair] ^ state[net, pair + 1])
                # From 0 it rises.
                times[free] = launch[s, state[net, pair]]
                times[free + 1] = _NEVER
                start[net, pair] = free * switches
                count[net, pair] = switches
                free += 2 * switches
        for gate in range(output.shape[0]):
            nets, target, table = fanin[gate, : fanin_count[gate]], output[gate], tables[offset[gate] :]
            events = _gather(pairs, nets, target, table, state, start, count, row, odd)
            if free + events + pairs + 2 > times.shape[0]:
                larger = np.empty(2 * (free + events + pairs + 2), np.int64)
                larger[:free] = times[:free]
                times = larger
            _shortest_delays(delay[gate], nets.shape[0], shortest)
            free, in_twice, in_often = _single_events(
                pairs, target, table, shortest, state, start, count, times, free, row, odd, twice, often
            )
            two, several = twice[:in_twice], often[:in_often]
            free = _two_events(nets, target, table, shortest, state, start, count, times, free, row, odd, two, inertial)
            free = _merge(
                nets, target, table, shortest, state, start, count, times, free, row, several, cursor, inertial
            )
        for net in range(net_count):
            high = rises = transitions = 0
            for pair in range(pairs):
                high += state[net, pair]
                rises += (count[net, pair] + 1 - state[net, pair]) >> 1
                transitions += count[net, pair]
            ones[net] += high
            counts[net, RISE] += rises
            counts[net, FALL] += transitions - rises
    return counts, ones, state[:, last].copy()
