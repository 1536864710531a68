"""The compiled kernel of `axhw.sim.timed`: waveforms through gates in topological order.

A gate is done for a block of operand pairs before the next gate. Which pairs make it switch looks random to a
processor, which guesses branches by their past: what every pair takes is therefore written without branches, and
only pairs with several events on a gate's inputs are gone through event by event. Indices that are read from arrays
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
    fanin: NetArray,
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
    busy: IndexArray,
) -> tuple[int, int]:
    """Waveforms of a gate in the pairs with at most one event on its inputs; the other pairs are listed in `busy`.

    Returns
    -------
    free : int
        The first unused place in `times`.
    listed : int
    """
    listed = 0
    for pair in range(pairs):
        single = np.int64(count[target, pair] <= 1)
        value = np.int64(table[row[pair] ^ odd[pair]])
        switches = (value ^ state[target, pair]) & single
        times[free] = times[start[target, pair] * single] + shortest[2 * odd[pair] + value]
        times[free + 1] = _NEVER
        start[target, pair] = free * switches
        count[target, pair] = switches
        free += 2 * switches
        busy[listed] = pair
        listed += 1 - single
    return free, listed


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
def _merge_two(
    fanin: NetArray,
    target: int,
    table: BitArray,
    shortest: IntArray,
    state: BitArray,
    start: IndexArray,
    count: NetArray,
    times: IntArray,
    free: int,
    row: IndexArray,
    busy: IndexArray,
    inertial: bool,
) -> int:
    """As `_merge` for a gate with two inputs, which most have: their places stay in registers."""
    of_a, of_b = start[fanin[0]], start[fanin[1]]
    for pair in busy:
        a, b = np.uint64(of_a[pair]), np.uint64(of_b[pair])
        next_a, next_b = times[a], times[b]
        bits = np.int64(row[pair])
        present = np.int64(state[target, pair])
        first, latest, scheduled, due = free, present, np.int64(0), np.int64(0)
        now = _smaller(next_a, next_b)
        while now < _NEVER:
            a_happens, b_happens = np.int64(next_a == now), np.int64(next_b == now)
            a += np.uint64(a_happens)
            b += np.uint64(b_happens)
            next_a, next_b = times[a], times[b]
            # Without a delay, an input may change twice at a time.
            while next_a == now:
                a += np.uint64(1)
                a_happens ^= 1
                next_a = times[a]
            while next_b == now:
                b += np.uint64(1)
                b_happens ^= 1
                next_b = times[b]
            changed = a_happens | b_happens << 1
            if changed != 0:
                bits ^= changed
                value = np.int64(table[bits])
                fresh = now + shortest[2 * changed + value]
                if inertial:
                    free, present, scheduled, due = _inertial(times, free, present, scheduled, due, now, value, fresh)
                elif value != latest:
                    latest = value
                    free, present = _transport(times, first, free, present, value, fresh)
            now = _smaller(next_a, next_b)
        times[free] = due
        free = _finish(target, pair, start, count, times, first, free, scheduled)
    return free


@njit(nogil=True, cache=True)
def _merge(
    fanin: NetArray,
    target: int,
    table: BitArray,
    shortest: IntArray,
    state: BitArray,
    start: IndexArray,
    count: NetArray,
    times: IntArray,
    free: int,
    row: IndexArray,
    busy: IndexArray,
    cursor: IndexArray,
    inertial: bool,
) -> int:
    """Waveforms of a gate in the pairs of `busy`, event by event; return the first unused place in `times`."""
    for pair in busy:
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
    fanin: NetArray,
    fanin_count: NetArray,
    output: NetArray,
    offset: IntArray,
    tables: BitArray,
    delay: IntArray,
    sources: NetArray,
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
    busy = np.empty(block, np.uint32)
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
            free, listed = _single_events(
                pairs, target, table, shortest, state, start, count, times, free, row, odd, busy
            )
            several = busy[:listed]
            if nets.shape[0] == 2:
                free = _merge_two(
                    nets, target, table, shortest, state, start, count, times, free, row, several, inertial
                )
            else:
                free = _merge(
                    nets, target, table, shortest, state, start, count, times, free, row, several, cursor, inertial
                )
        for net in range(net_count):
            for pair in range(pairs):
                before, transitions = np.int64(state[net, pair]), np.int64(count[net, pair])
                rises = (transitions + 1 - before) >> 1
                ones[net] += before
                counts[net, RISE] += rises
                counts[net, FALL] += transitions - rises
    return counts, ones, state[:, last].copy()
