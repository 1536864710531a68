"""Delay, slews and power of mapped designs: axhw beside OpenSTA.

Usage: python -m benchmarks.compare_opensta [LIBRARY.lib ...]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from axhw.hdl.registry import DesignSpec, parse
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.activity import source_values
from axhw.sim.operands import uniform
from axhw.sim.timed import timed_activity
from axhw.synth.libraries import LibrarySource
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, levelize
from axhw.synth.power import measure_energy
from axhw.synth.timing import analyze_timing
from benchmarks import designs, opensta
from benchmarks.opensta_power import internal_energy_fj

FloatArray = npt.NDArray[np.float64]

DENSITY = 0.7
ONE = 0.4
PAIRS = 4000

HEADER = """\
delay, slew, arrival   worst differences from OpenSTA in %: longest path (or shortest period), any net's slew, arrival
switching              total C V^2 / 2 at one activity for all pins against OpenSTA, %
2019                   largest difference of any instance's internal energy, this build's rule recomputed, %
current                internal energy, timed activity: against the rule of current OpenSTA versions recomputed, %
total                  the same with switching, which OpenSTA charges at the larger of both edges' loads, %
exclusive              total under rule="exclusive" against rule="opensta", %
"""
COLUMNS = ("delay", "slew", "arrival", "switching", "2019", "current", "total", "exclusive")


def main() -> None:
    """Print the table."""
    if not opensta.available():
        print("Skipped: OpenSTA (the command sta) is not installed; on Debian, run `apt-get install opensta`.")
        return
    print(HEADER)
    print(f"{'library':<28} {'design':<33} {'gates':>5} {'ns':>8}", *(f"{column:>9}" for column in COLUMNS))
    for name, library in designs.libraries(sys.argv[1:]):
        for spec in (*map(parse, designs.COMBINATIONAL), *designs.registered()):
            compare(name, library, spec)


def compare(name: str, library: LibrarySource, spec: DesignSpec) -> None:
    """Print one line of the table."""
    netlist = designs.synthesise(spec, library)
    cells = library.cells
    graph = levelize(netlist, cells)
    timing = analyze_timing(netlist, cells, graph=graph)
    reference = opensta.run(netlist, cells, library.files, timing, density=DENSITY, one=ONE)
    ours_ns = timing.delay_ns if timing.min_period_ns is None else timing.min_period_ns

    density, one = np.full(netlist.net_count, DENSITY), np.full(netlist.net_count, ONE)
    if timing.clock_net is not None:
        density[timing.clock_net], one[timing.clock_net] = 2.0, 0.5
    recomputed = internal_energy_fj(netlist, cells, timing, density=density, one=one, rule="2019")
    # The old rule gives constants the activity of everything else.
    density[[CONSTANT_0, CONSTANT_1]], one[[CONSTANT_0, CONSTANT_1]] = 0.0, (0.0, 1.0)
    half = (density * 1000 / 2).astype(np.int64)
    same = measure_energy(netlist, cells, timing, rise=half, fall=half, operations=1000, one_probability=one)

    if isinstance(spec, MultiplierSpec):
        stream = uniform(spec, pairs=PAIRS + 1, seed=1)
        activity = timed_activity(graph, timing, source_values(netlist, graph, {"a": stream.a, "b": stream.b}))
        rise, fall, operations, one = activity.rise, activity.fall, activity.pairs, activity.one_probability
    else:
        rise, fall, operations = half, half, 1000
    density = (rise + fall) / operations
    current = internal_energy_fj(netlist, cells, timing, density=density, one=one, rule="current").sum()
    driven = [
        instance.pins[pin.name]
        for instance in netlist.instances
        for pin in cells.cells[instance.cell].outputs
        if pin.name in instance.pins
    ]
    switching = 0.5 * cells.voltage_v**2 * (timing.load_ff.max(axis=1) * density)[driven].sum()
    energy, exclusive = (
        measure_energy(
            netlist, cells, timing, rise=rise, fall=fall, operations=operations, one_probability=one, rule=rule
        )
        for rule in ("opensta", "exclusive")
    )
    figures = (
        _percent(ours_ns, reference.worst_ns),
        _worst(timing.slew_ns, reference.slew_ns),
        _worst(timing.arrival_ns, reference.arrival_ns),
        _percent(same.switching_fj, reference.switching_fj.sum()),
        100 * float(np.max(np.abs(recomputed - reference.internal_fj) / np.abs(reference.internal_fj))),
        _percent(energy.internal_fj, current),
        _percent(energy.dynamic_fj, current + switching),
        _percent(exclusive.dynamic_fj, energy.dynamic_fj),
    )
    print(
        f"{name:<28} {spec.name:<33} {len(graph.output):>5} {ours_ns:>8.4f}",
        *(f"{figure:>9.3f}" if np.isfinite(figure) else f"{'-':>9}" for figure in figures),
        flush=True,
    )


def _percent(ours: float, theirs: float) -> float:
    return 100 * (ours / theirs - 1)


def _worst(ours: FloatArray, theirs: Mapping[int, tuple[float, float]]) -> float:
    """Largest relative difference of edges that happen, in percent."""
    if not theirs:
        return float("nan")
    nets = np.array(sorted(theirs))
    reference = np.array([theirs[net] for net in nets])
    happens = np.isfinite(ours[nets]) & (reference > 0.0)
    return 100 * float(np.max(np.abs(ours[nets][happens] / reference[happens] - 1)))


if __name__ == "__main__":
    main()
