"""The compiled kernel of `axhw.sim.timed`: waveforms through gates in topological order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

IntArray = npt.NDArray[np.int64]
NetArray = npt.NDArray[np.int32]
BitArray = npt.NDArray[np.uint8]

RISE = 0
FALL = 1


@njit(nogil=True, cache=True)
def _settle(
    state: BitArray, fanin: NetArray, fanin_count: NetArray, output: NetArray, offset: IntArray, tables: BitArray
) -> None:
    for gate in range(output.shape[0]):
        row = 0
        for k in range(fanin_count[gate]):
            row |= np.int64(state[fanin[gate, k]]) << k
        state[output[gate]] = tables[offset[gate] + row]


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
    gates = output.shape[0]
    width = fanin.shape[1]
    counts = np.zeros((net_count, 2), np.int64)
    ones = np.zeros(net_count, np.int64)
    state = np.zeros(net_count, np.uint8)
    state[constant_one] = 1
    for s in range(sources.shape[0]):
        state[sources[s]] = values[0, s]
    _settle(state, fanin, fanin_count, output, offset, tables)

    # The waveform of net n is times[start[n]:stop[n]], each entry one transition away from state[n].
    times = np.empty(16 * (net_count + 1), np.int64)
    start = np.zeros(net_count, np.int64)
    stop = np.zeros(net_count, np.int64)
    cursor = np.zeros(width, np.int64)
    end = np.zeros(width, np.int64)

    for pair in range(values.shape[0] - 1):
        free = 0
        for s in range(sources.shape[0]):
            net = sources[s]
            start[net] = free
            if values[pair + 1, s] != state[net]:
                times[free] = launch[s, RISE if values[pair + 1, s] else FALL]
                free += 1
            stop[net] = free
        for gate in range(gates):
            inputs = fanin_count[gate]
            events = 0
            row = 0
            for k in range(inputs):
                net = fanin[gate, k]
                cursor[k] = start[net]
                end[k] = stop[net]
                events += end[k] - cursor[k]
                row |= np.int64(state[net]) << k
            target = output[gate]
            start[target] = free
            stop[target] = free
            if events == 0:
                continue
            table = offset[gate]
            present = state[target]
            if events == 1:
                # The most frequent case: nothing can be filtered or overtaken.
                for k in range(inputs):
                    if cursor[k] < end[k] and tables[table + (row ^ (1 << k))] != present:
                        times[free] = times[cursor[k]] + delay[gate, k, FALL if present else RISE]
                        free += 1
                        stop[target] = free
                continue
            if free + events > times.shape[0]:
                larger = np.empty(2 * (free + events), np.int64)
                larger[:free] = times[:free]
                times = larger
            first = free
            # Inertial: `pending` is the time of the one scheduled event, -1 for none.
            # Transport: the written waveform is the schedule and `present` its last value.
            pending = np.int64(-1)
            latest = present
            while events > 0:
                now = np.int64(-1)
                for k in range(inputs):
                    if cursor[k] < end[k] and (now < 0 or times[cursor[k]] < now):
                        now = times[cursor[k]]
                wait_rise = np.int64(-1)
                wait_fall = np.int64(-1)
                for k in range(inputs):
                    changed = False
                    while cursor[k] < end[k] and times[cursor[k]] == now:
                        cursor[k] += 1
                        events -= 1
                        row ^= 1 << k
                        changed = not changed
                    if changed:
                        if wait_rise < 0 or delay[gate, k, RISE] < wait_rise:
                            wait_rise = delay[gate, k, RISE]
                        if wait_fall < 0 or delay[gate, k, FALL] < wait_fall:
                            wait_fall = delay[gate, k, FALL]
                if wait_rise < 0:
                    continue
                value = tables[table + row]
                due = now + (wait_rise if value else wait_fall)
                if inertial:
                    if pending >= 0 and pending <= now:
                        times[free] = pending
                        free += 1
                        present ^= 1
                        pending = -1
                    if value == present:
                        pending = -1
                    elif pending < 0:
                        pending = due
                elif value != latest:
                    latest = value
                    while free > first and times[free - 1] >= due:
                        free -= 1
                        present ^= 1
                    if value != present:
                        times[free] = due
                        free += 1
                        present ^= 1
            if pending >= 0:
                times[free] = pending
                free += 1
            stop[target] = free
        for net in range(net_count):
            ones[net] += state[net]
            transitions = stop[net] - start[net]
            if transitions > 0:
                rises = (transitions + 1 - state[net]) >> 1
                counts[net, RISE] += rises
                counts[net, FALL] += transitions - rises
                state[net] ^= transitions & 1
    return counts, ones, state
