"""Evaluations a second of evolution, and what limits them.

Usage: python -m benchmarks.evolution
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numba import njit

from axhw.characterize import characterize
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.islands import genes_of
from axhw.evolve.limits import METRICS, Limits, absolute
from axhw.evolve.problem import Objective, Problem
from axhw.evolve.search import Search, Settings
from axhw.evolve.search_kernels import assess
from axhw.evolve.seeds import seed_circuit
from axhw.flow import Flow
from axhw.hdl.gates import GateNetlist
from axhw.hdl.registry import parse
from axhw.sim.block_rows import BLOCK_WORDS, load, store
from axhw.sim.gate_kernels import GateArrays, evaluate_gates, row_array, subtract
from axhw.store import Store
from axhw.synth.libraries import DEFAULT, load_library
from benchmarks.markdown import table

MARKDOWN = True

SEED = "exact:tree=array,adder=ripple"
TARGET = 5_000
REPEATS, FULL, SEARCHED = 9, 400, 20_000
_BYTES = 8 * BLOCK_WORDS
# A Zen 5 core: two loads, one store and four bitwise operations of 512 bits a cycle.
_LOADS, _STORES, _OPERATIONS = 2, 1, 4
_REGISTERS = _BYTES // 64

INTRODUCTION = """\
8 x 8 bits, all 65,536 pairs of each candidate. The seed is {seed}, mapped to {library} and taken apart
again: {gates} gates of two inputs. Medians of {repeats} interleaved repetitions, the best in brackets, since others use
the machine too; two threads are two islands.
"""

METRIC_SETS: tuple[tuple[str, ...], ...] = (("mae",), ("wce",), ("mae", "wce", "ep", "bias"), ("mse",), ("mre",))


def main() -> None:
    """Print the report."""
    library = load_library(DEFAULT)
    with tempfile.TemporaryDirectory() as folder:
        record = characterize(parse(SEED), flow=Flow.of(library=library, store=Store(Path(folder))))
        circuit = seed_circuit(record, library.cells)
    costs = GateCosts.of(library.cells)
    print(INTRODUCTION.format(seed=SEED, library=DEFAULT, gates=len(circuit.gates), repeats=REPEATS))

    full = {metrics: _full(circuit, costs, metrics) for metrics in METRIC_SETS}
    runs: dict[tuple[str, int], Callable[[], float]] = {}
    for metrics, rate in full.items():
        for threads in (1, 2):
            runs[", ".join(metrics), threads] = lambda rate=rate, threads=threads: rate(threads)  # type: ignore[misc]
    objectives: tuple[Objective, ...] = ("area", "energy")
    for objective in objectives:
        for threads in (1, 2):
            runs[objective, threads] = _searching(circuit, costs, objective, threads)
    rates = _interleaved(runs)

    print("## Without early exit\n")
    print(f"Target: {TARGET:,} a second on two cores.\n")
    rows = [(", ".join(m), *(_shown(rates[", ".join(m), threads]) for threads in (1, 2))) for m in METRIC_SETS]
    print(table(("metrics measured", "1 thread", "2 threads"), rows))
    print("\n## In a search\n")
    print(
        "MAE of at most 0.1 %, from the seed on. Mutants that change nothing that matters, and those whose area is too "
        "large, are not evaluations.\n"
    )
    rows = [(objective, *(_shown(rates[objective, threads]) for threads in (1, 2))) for objective in objectives]
    print(table(("objective", "1 thread", "2 threads"), rows))
    print("\n## What limits it\n")
    print(_bound(circuit, statistics.median(rates["mae", 1]), max(rates["mae", 1])))
    print("\n## Compilation\n")
    print(_compilation())


def _full(circuit: GateNetlist, costs: GateCosts, metrics: tuple[str, ...]) -> Callable[[int], float]:
    """Complete evaluations a second by threads."""
    chosen = tuple(metric for metric in METRICS if metric in metrics)
    problem = Problem(width=8, signed=True, costs=costs, objective="area", metrics=chosen)
    tables, unlimited = problem.tables, np.full(len(METRICS), np.inf)

    def rate(threads: int) -> float:
        genes = [genes_of(circuit) for _ in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            start = time.perf_counter()
            list(pool.map(lambda own: assess(tables, own, 0, unlimited, FULL), genes))
            return threads * FULL / (time.perf_counter() - start)

    rate(1)
    return rate


def _searching(circuit: GateNetlist, costs: GateCosts, objective: Objective, threads: int) -> Callable[[], float]:
    limits = Limits(width=8, metric="mae", ladder=(absolute("mae", 0.1, width=8),))
    problem = Problem(width=8, signed=True, costs=costs, objective=objective, metrics=limits.limited)

    def rate() -> float:
        search = Search(problem, limits, circuit, Settings(islands=threads))
        search.run(evaluations=1)
        start = time.perf_counter()
        search.run(evaluations=SEARCHED * threads, threads=threads)
        return search.evaluations / (time.perf_counter() - start)

    rate()
    return rate


def _interleaved(runs: dict[tuple[str, int], Callable[[], float]]) -> dict[tuple[str, int], list[float]]:
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    for _ in range(REPEATS):
        for key, run in runs.items():
            rates[key].append(run())
    return rates


def _shown(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} ({max(rates):,.0f})"


def _bound(circuit: GateNetlist, rate: float, best_rate: float) -> str:
    """Cycles of a gate over a block beside those that the core's units and a mere copy need."""
    arrays = GateArrays.of(circuit)
    gates = len(arrays.function)
    rows = row_array(arrays.inputs + gates)
    rows[:] = 0
    few = 60
    near = np.arange(few, dtype=np.uint32)
    exact, magnitude = row_array(arrays.inputs), row_array(arrays.inputs + 1)
    exact[:] = 0
    turns = 200
    runs: dict[str, tuple[float, Callable[[], object]]] = {
        "copy": (few, lambda: _copies(rows, few, turns)),
        "near": (few, lambda: _gates(arrays.function[:few], near, near, 1, rows, turns)),
        "seed": (gates, lambda: _gates(arrays.function, arrays.x, arrays.y, arrays.inputs, rows, turns)),
        "subtract": (1, lambda: _subtractions(rows, arrays.outputs, exact, magnitude, turns)),
    }
    seconds = {}
    for name, (count, run) in runs.items():
        run()
        seconds[name] = min(_seconds(run) for _ in range(100)) / turns / count
    gigahertz = max(_gigahertz() for _ in range(20))
    cycles = {name: time * 1e9 * gigahertz for name, time in seconds.items()}
    operations, loads = 3 * _REGISTERS, 2 * _REGISTERS
    blocks = 65_536 // (64 * BLOCK_WORDS)
    megabytes = blocks * gates * 3 * _BYTES / 1e6
    return (
        f"A gate over a block of 4096 pairs is {loads} loads, {operations} three-input bitwise operations and "
        f"{_REGISTERS} stores of 512 bits. A Zen 5 core needs {loads / _LOADS:.0f} cycles for the loads, "
        f"{_REGISTERS / _STORES:.0f} for the stores and {operations / _OPERATIONS:.0f} for the operations. Together "
        f"they take longer: a mere copy of a row within the level-1 cache takes {cycles['copy']:.1f} cycles, a gate "
        f"there {cycles['near']:.1f} (at {gigahertz:.2f} GHz, the frequency of a chain of multiplications in the same "
        f"process). So it is the moving of rows that takes the time. The seed's "
        f"{len(rows) * _BYTES / 1024:.0f} KiB of rows lie in the level-2 cache, and its gates take "
        f"{cycles['seed']:.1f} cycles, {100 * _REGISTERS / cycles['seed']:.0f} % of the bound by stores. Memory takes "
        f"no part: {megabytes:.1f} MB are read and written in an evaluation, all in caches. "
        f"{blocks * gates * seconds['seed'] * 1e6:.0f} us of a complete evaluation are gates (in all, "
        f"{1e6 / best_rate:.0f} us at best, {1e6 / rate:.0f} in the median); subtracting the exact product takes as "
        f"long as {seconds['subtract'] / seconds['seed']:.0f} gates."
    )


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@njit
def _gates(function, x, y, inputs, rows, turns):  # type: ignore[no-untyped-def]
    for _ in range(turns):
        evaluate_gates(function, x, y, inputs, rows)


@njit
def _copies(rows, count, turns):  # type: ignore[no-untyped-def]
    for _ in range(turns):
        for row in range(count):
            store(rows, row, load(rows, row + 1))


@njit
def _subtractions(rows, outputs, exact, magnitude, turns):  # type: ignore[no-untyped-def]
    for _ in range(turns):
        subtract(True, rows, outputs, exact, magnitude)


@njit(cache=True)
def _chain(turns: int, value: int) -> int:
    for _ in range(turns):
        # Three cycles, one after the other.
        value = value * (value | 1)
    return value


def _gigahertz() -> float:
    """From a chain of multiplications, each of which waits three cycles for the last and one for the bit."""
    _chain(1, 3)
    start = time.perf_counter()
    _chain(1_000_000, 3)
    return 4e-3 / (time.perf_counter() - start)


def _compilation() -> str:
    """Time of a fresh process to the first evaluation, with and without compiled code in Numba's cache."""
    code = (
        "import time; start = time.process_time(); import numpy as np;"
        "from axhw.evolve.gate_costs import GateCosts; from axhw.evolve.limits import Limits;"
        "from axhw.evolve.problem import Problem; from axhw.evolve.search import Search, Settings;"
        "from axhw.hdl.gate_builder import exact_multiplier; from axhw.synth.libraries import load_library;"
        "limits = Limits(width=8, metric='mae', ladder=(65.0,)); costs = GateCosts.of(load_library('sg13g2').cells);"
        "problem = Problem(width=8, signed=True, costs=costs, objective='area', metrics=('mae',));"
        "search = Search(problem, limits, exact_multiplier(8, signed=True), Settings());"
        "search.run(evaluations=1); print(time.process_time() - start)"
    )
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            output = subprocess.run(
                [sys.executable, "-c", code],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env={**os.environ, "NUMBA_CACHE_DIR": folder},
            ).stdout
            times.append(float(output))
    return (
        f"A fresh process takes {times[0]:.1f} s of processor time to its first evaluation where nothing was compiled "
        f"yet, {times[1]:.1f} s afterwards: Numba keeps the code."
    )


if __name__ == "__main__":
    main()
