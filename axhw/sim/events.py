"""Waveforms with gate delays in the order of time: what a viewer shows.

The rules are those of the inertial mode of `axhw.sim.timed`, which goes gate by gate and only counts; here all gates
share one queue of events.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.sim.bitparallel import evaluate
from axhw.sim.timed import gate_delays_fs
from axhw.synth.netlist import GateGraph
from axhw.synth.timing import TimingReport

_FS_PER_NS = 1e6
_SOURCE = -1


class Change(NamedTuple):
    """A net takes a new value, so many femtoseconds after its operation began."""

    time_fs: int
    net: int
    value: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Waveforms:
    """Waveforms of all nets over a stream of vectors.

    Attributes
    ----------
    initial : (net_count,) uint8 array
        Settled values under the first vector.
    operations : tuple of tuples of Change
        For each step from one vector to the next, its changes in the order of time.
    """

    initial: npt.NDArray[np.uint8]
    operations: tuple[tuple[Change, ...], ...]


def timed_waveforms(graph: GateGraph, timing: TimingReport, values: npt.NDArray[np.uint8]) -> Waveforms:
    """Simulate a stream of vectors, each from the settled state under the one before.

    About a thousand operations a second.

    Parameters
    ----------
    graph, timing
        Of the same netlist.
    values : (vectors, sources) uint8 array of 0 and 1
        Settled values of ``graph.sources``, see `axhw.sim.activity.source_values`.

    Raises
    ------
    AxhwError
        If `values` does not fit the graph or is empty.
    """
    if values.ndim != 2 or values.shape[1] != len(graph.sources) or not len(values):
        raise AxhwError(
            f"Expected values of at least one vector for {len(graph.sources)} source nets, "
            f"found an array of shape {values.shape}."
        )
    settled = evaluate(graph, values[0].astype(np.uint64)[:, np.newaxis])
    initial = (settled[:, 0] & np.uint64(1)).astype(np.uint8)
    queue = _Simulation(graph, timing, initial)
    return Waveforms(initial=initial, operations=tuple(queue.operation(vector.tolist()) for vector in values[1:]))


class _Simulation:
    """State of the nets, and of the one event that each gate may have scheduled.

    Within one point of time gates are visited in topological order, so that a gate sees all changes of its inputs at
    that time as one event.
    """

    def __init__(self, graph: GateGraph, timing: TimingReport, initial: npt.NDArray[np.uint8]) -> None:
        launch = timing.arrival_ns[graph.sources]
        self._launch_fs = np.rint(np.where(np.isneginf(launch), 0.0, launch) * _FS_PER_NS).astype(np.int64).tolist()
        self._sources = graph.sources.tolist()
        self._state = initial.tolist()
        self._output = graph.output.tolist()
        self._fanin = [[net for net in row if net >= 0] for row in graph.fanin.tolist()]
        self._tables = [graph.functions[kind].truth_table.tolist() for kind in graph.function]
        self._delays_fs = gate_delays_fs(graph, timing).tolist()
        self._readers: list[list[tuple[int, int]]] = [[] for _ in range(graph.net_count)]
        for gate, inputs in enumerate(self._fanin):
            for position, net in enumerate(inputs):
                self._readers[net].append((gate, position))
        self._due: list[int | None] = [None] * len(self._output)
        # Bit k: input k of the gate changed at the present time; a change and its reversal cancel.
        self._changed = [0] * len(self._output)
        self._queue: list[tuple[int, int, int]] = []
        self._changes: list[Change] = []

    def operation(self, vector: list[int]) -> tuple[Change, ...]:
        """Changes that follow when the sources take the values of `vector`."""
        self._changes = []
        for net, launch_fs, value in zip(self._sources, self._launch_fs, vector):
            if value != self._state[net]:
                # Rise first, fall second.
                heapq.heappush(self._queue, (launch_fs[1 - value], _SOURCE, net))
        while self._queue:
            now, gate, net = heapq.heappop(self._queue)
            if gate == _SOURCE:
                self._toggle(net, now)
            else:
                self._visit(gate, now)
        return tuple(self._changes)

    def _toggle(self, net: int, now: int) -> None:
        self._state[net] ^= 1
        self._changes.append(Change(now, net, self._state[net]))
        for gate, position in self._readers[net]:
            self._changed[gate] ^= 1 << position
            heapq.heappush(self._queue, (now, gate, self._output[gate]))

    def _visit(self, gate: int, now: int) -> None:
        output = self._output[gate]
        if self._due[gate] == now:
            self._due[gate] = None
            self._toggle(output, now)
        changed = self._changed[gate]
        if not changed:
            return
        self._changed[gate] = 0
        row = sum(self._state[net] << position for position, net in enumerate(self._fanin[gate]))
        value = self._tables[gate][row]
        if value == self._state[output]:
            self._due[gate] = None
        elif self._due[gate] is None:
            edge = 0 if value else 1
            delays_fs = self._delays_fs[gate]
            due = now + min(delays_fs[k][edge] for k in range(len(self._fanin[gate])) if changed >> k & 1)
            self._due[gate] = due
            heapq.heappush(self._queue, (due, gate, output))
