"""Activity with gate delays: what a gate-level simulator with annotated delays would count.

Every operand pair is simulated on its own: the design has settled under vector i, the sources switch
to vector i + 1, and each gate turns the waveforms on its inputs into the waveform on its output.
Gates are visited in topological order, so a waveform is complete before anyone reads it and no event
queue is needed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.sim.activity import Activity
from axhw.synth.netlist import CONSTANT_1, GateGraph
from axhw.synth.timing import TimingReport

IntArray = npt.NDArray[np.int64]

_FS_PER_NS = 1e6
# Several chunks each, so that threads that are held up leave work to the others; small ones are not worth it.
_CHUNKS_PER_THREAD = 4
_PAIRS_PER_CHUNK = 256


def timed_activity(
    graph: GateGraph,
    timing: TimingReport,
    values: npt.NDArray[np.uint8],
    *,
    mode: Literal["inertial", "transport"] = "inertial",
    threads: int | None = None,
) -> Activity:
    """Count the transitions of every net, glitches included.

    The delay of a gate depends on the input that changed and on the direction of the output, as an
    SDF file annotates it (``timing.iopath_delay_ns``); inputs that change together count as one event
    with the shortest of their delays. Input ports switch at time 0 and flip-flop outputs at their
    clock-to-output delay.

    Parameters
    ----------
    graph, timing
        Of the same netlist.
    values : (vectors, sources) uint8 array of 0 and 1
        Settled values of ``graph.sources``, see `axhw.sim.activity.source_values`.
    mode : {"inertial", "transport"}
        Inertial as in Verilog: a gate output has one pending event; an evaluation that agrees with
        the present output cancels it, one that agrees with the pending value leaves it. Transport
        passes every pulse on, unless unequal delays make its end overtake its start.
    threads : int, optional
        By default one per available processor. The result does not depend on it.

    Raises
    ------
    AxhwError
        If `values` does not fit the graph or has fewer than two vectors.
    """
    sources = len(graph.sources)
    if values.ndim != 2 or values.shape[1] != sources or len(values) < 2:
        raise AxhwError(
            f"Expected values of at least two vectors for {sources} source nets, "
            f"found an array of shape {values.shape}."
        )
    if values.dtype != np.uint8 or int(values.max(initial=0)) > 1:
        raise AxhwError(f"Expected values of 0 and 1 as uint8, found {values.dtype} up to {values.max(initial=0)}.")
    # numba takes a fifth of a second to import: designs that are in the store already do without.
    from axhw.sim._waveforms import simulate_pairs

    launch = timing.arrival_ns[graph.sources]
    launch_fs = np.rint(np.where(np.isneginf(launch), 0.0, launch) * _FS_PER_NS).astype(np.int64)
    tables = [function.truth_table.astype(np.uint8) for function in graph.functions]
    offsets = np.cumsum([0, *(len(table) for table in tables)])[:-1]
    flat_tables = np.concatenate(tables) if tables else np.zeros(1, np.uint8)
    pairs = len(values) - 1
    arguments = (
        graph.fanin.astype(np.uint32),
        np.count_nonzero(graph.fanin >= 0, axis=1).astype(np.int32),
        graph.output.astype(np.uint32),
        offsets[graph.function].astype(np.int64),
        flat_tables,
        gate_delays_fs(graph, timing),
        graph.sources.astype(np.uint32),
        launch_fs,
        CONSTANT_1,
        graph.net_count,
        mode == "inertial",
    )

    vectors = np.ascontiguousarray(values)
    threads = threads or os.cpu_count() or 1
    chunk = pairs if threads == 1 else max(_PAIRS_PER_CHUNK, -(-pairs // (_CHUNKS_PER_THREAD * threads)))
    begins = range(0, pairs, chunk)

    def simulated(begin: int) -> tuple[IntArray, IntArray, npt.NDArray[np.uint8]]:
        counts, ones, state = simulate_pairs(vectors[begin : min(begin + chunk, pairs) + 1], *arguments)
        return counts, ones, state

    if len(begins) == 1:
        chunks = [simulated(begin) for begin in begins]
    else:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            chunks = list(pool.map(simulated, begins))
    counts = np.sum([counts for counts, _, _ in chunks], axis=0)
    # The last vector is settled after all pairs and before none.
    ones = np.sum([ones for _, ones, _ in chunks], axis=0) + chunks[-1][2]
    return Activity(
        rise=counts[:, 0].copy(),
        fall=counts[:, 1].copy(),
        pairs=pairs,
        mode=mode,
        one_probability=ones / (pairs + 1),
    )


def gate_delays_fs(graph: GateGraph, timing: TimingReport) -> npt.NDArray[np.int64]:
    """(gates, inputs, 2) delays in femtoseconds by output edge, without gaps.

    An input without an arc to some output edge can still be the last to change when that edge
    happens, together with another input: it takes the longest delay that the gate has for the edge.
    """
    delay = timing.iopath_delay_ns
    known = np.where(np.isnan(delay), -np.inf, delay)
    fallback = known.max(axis=1, keepdims=True)
    filled = np.where(np.isnan(delay), fallback, delay)
    return np.rint(np.maximum(filled, 0.0) * _FS_PER_NS).astype(np.int64)
