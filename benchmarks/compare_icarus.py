"""Transitions with gate delays, and their speed: axhw beside Icarus Verilog with SDF annotation.

Usage: python -m benchmarks.compare_icarus [LIBRARY.lib ...]
"""

from __future__ import annotations

import sys
import time

import numpy as np
import numpy.typing as npt

from axhw.hdl.bits import pack_operands
from axhw.hdl.registry import parse
from axhw.sim.activity import source_values, zero_delay_activity
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.operands import uniform
from axhw.sim.timed import timed_activity
from axhw.synth.libraries import LibrarySource
from axhw.synth.netlist import GateGraph, levelize
from axhw.synth.timing import TimingReport, analyze_timing
from benchmarks import designs, icarus

PAIRS = 2000
SPEED_PAIRS = 40_000

HEADER = """\
Icarus, axhw   transitions of all gate outputs per operation, same operands, same IOPATH delays
diff           of the two, %; net: root mean square difference per net, % of a net's mean
zero, transp.  transitions without delays and with transport delays
pairs/s        operand pairs a second: Icarus on one core, axhw on one and on all
"""


def main() -> None:
    """Print the table."""
    if not icarus.available():
        print("Skipped: Icarus Verilog is not installed; on Debian, run `apt-get install iverilog`.")
        return
    print(HEADER)
    columns = ("Icarus", "axhw", "diff", "net", "zero", "transp.", "Icarus/s", "one/s", "all/s")
    print(f"{'library':<28} {'design':<33} {'gates':>5}", *(f"{column:>8}" for column in columns))
    for name, library in designs.libraries(sys.argv[1:]):
        for text in designs.COMBINATIONAL:
            compare(name, library, text)


def compare(name: str, library: LibrarySource, text: str) -> None:
    """Print one line of the table."""
    spec = parse(text)
    netlist = designs.synthesise(spec, library)
    graph = levelize(netlist, library.cells)
    timing = analyze_timing(netlist, library.cells, graph=graph)
    stream = uniform(spec, pairs=SPEED_PAIRS + 1, seed=1)
    values = source_values(netlist, graph, {"a": stream.a, "b": stream.b})
    short = values[: PAIRS + 1]
    reference = icarus.count_transitions(
        netlist, graph, library.cells, timing, {"a": stream.a[: PAIRS + 1], "b": stream.b[: PAIRS + 1]}
    )
    gates = graph.output
    theirs = reference.transitions[gates]
    ours = timed_activity(graph, timing, short).transitions[gates]
    transport = timed_activity(graph, timing, short, mode="transport").transitions[gates]
    words = {
        "a": pack_operands(stream.a[: PAIRS + 1], spec.width),
        "b": pack_operands(stream.b[: PAIRS + 1], spec.width),
    }
    settled = evaluate(graph, port_words(netlist, words))
    zero_delay = zero_delay_activity(settled, vectors=PAIRS + 1).transitions[gates]
    figures = (
        theirs.sum() / PAIRS,
        ours.sum() / PAIRS,
        100 * (ours.sum() / theirs.sum() - 1),
        100 * np.sqrt(np.mean((ours - theirs) ** 2.0)) / theirs.mean(),
        zero_delay.sum() / PAIRS,
        transport.sum() / PAIRS,
    )
    speeds = (PAIRS / reference.seconds, _speed(graph, timing, values, 1), _speed(graph, timing, values, None))
    print(
        f"{name:<28} {spec.name:<33} {len(gates):>5}",
        *(f"{figure:>8.2f}" for figure in figures),
        *(f"{speed:>8.0f}" for speed in speeds),
        flush=True,
    )


def _speed(graph: GateGraph, timing: TimingReport, values: npt.NDArray[np.uint8], threads: int | None) -> float:
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        timed_activity(graph, timing, values, threads=threads)
        best = min(best, time.perf_counter() - start)
    return (len(values) - 1) / best


if __name__ == "__main__":
    main()
