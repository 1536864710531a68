"""Delays as an SDF 3.0 file (IEEE 1497), for gate-level simulation of a mapped netlist.

The delays are those of `axhw.sim.timed`, so that a simulator sees what the activity was counted with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from axhw import __version__
from axhw.sim.timed import gate_delays_fs
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.specify import active_edge, arc_condition
from axhw.synth.names import VerilogNames
from axhw.synth.netlist import GateGraph, Netlist
from axhw.synth.timing import TimingReport
from axhw.synth.timing_arcs import setup_checks

_EVENTS = ("posedge", "negedge")


def sdf(
    netlist: Netlist,
    graph: GateGraph,
    library: CellLibrary,
    timing: TimingReport,
    names: VerilogNames,
    *,
    conditional: bool = False,
) -> str:
    """The SDF file of a netlist: delays from each input of each gate by output edge, clock-to-output and setup times.

    Parameters
    ----------
    graph, timing, names
        Of `netlist`; its instances are called as in its Verilog.
    conditional : bool
        Whether delays that hold under a condition follow the unconditional ones, as COND entries for the models that
        `axhw.synth.liberty.specify.timing_models` makes with the same switch.

    Returns
    -------
    str
        Times in ps with three decimals. Set and clear arcs, hold, recovery and pulse-width checks are left out, as in
        the timing analysis; a setup time below 0 is stated as 0.
    """
    delays: list[list[str]] = [[] for _ in netlist.instances]
    limits: list[list[str]] = [[] for _ in netlist.instances]
    delay_ns = 1e-6 * gate_delays_fs(graph, timing)
    for gate, (kind, instance) in enumerate(zip(graph.function, graph.instance)):
        function = graph.functions[kind]
        for pin, edges in zip(function.inputs, delay_ns[gate]):
            delays[instance].append(f"(IOPATH {_name(pin)} {_name(function.pin)} {_times(edges)})")
    if conditional:
        for instance, entry in _conditional(timing):
            delays[instance].append(entry)
    for instance, entry in _clock_to_output(netlist, library, timing):
        delays[instance].append(entry)
    for instance, entry in _setup(netlist, library, timing):
        limits[instance].append(entry)
    lines = [
        "(DELAYFILE",
        '  (SDFVERSION "3.0")',
        f'  (DESIGN "{names.module}")',
        '  (PROGRAM "axhw")',
        f'  (VERSION "{__version__}")',
        "  (DIVIDER .)",
        f"  (VOLTAGE {library.voltage_v:g})",
        f'  (PROCESS "{library.process:g}")',
        f"  (TEMPERATURE {library.temperature_c:g})",
        "  (TIMESCALE 1ps)",
    ]
    for placed, name, paths, checks in zip(netlist.instances, names.instances, delays, limits):
        if paths or checks:
            lines += [f'  (CELL (CELLTYPE "{placed.cell}") (INSTANCE {_name(name)})']
            lines += ["    (DELAY (ABSOLUTE", *(f"      {path}" for path in paths), "    ))"] if paths else []
            lines += ["    (TIMINGCHECK", *(f"      {check}" for check in checks), "    )"] if checks else []
            lines += ["  )"]
    return "\n".join([*lines, ")", ""])


def _conditional(timing: TimingReport) -> Iterator[tuple[int, str]]:
    """COND entries with the instances that they belong to."""
    arcs = timing.arcs
    conditions = [arc_condition(arc.arc) for arc in arcs.cell_arcs]
    held: dict[tuple[int, str, str, str], npt.NDArray[np.float64]] = {}
    for row in np.flatnonzero(arcs.position >= 0):
        cell_arc = arcs.cell_arcs[arcs.cell_arc[row]]
        if condition := conditions[arcs.cell_arc[row]]:
            key = (int(arcs.instance[row]), condition, cell_arc.arc.related_pin, cell_arc.output_pin)
            _raise(held.setdefault(key, np.full(2, np.nan)), arcs.output_edge[row], timing.edge_delay_ns[row])
    for (instance, condition, source, target), edges in held.items():
        yield instance, f"(COND {condition} (IOPATH {_name(source)} {_name(target)} {_times(edges)}))"


def _clock_to_output(netlist: Netlist, library: CellLibrary, timing: TimingReport) -> Iterator[tuple[int, str]]:
    arcs = timing.arcs
    held: dict[tuple[int, str], npt.NDArray[np.float64]] = {}
    for row in np.flatnonzero(arcs.gate < 0):
        key = (int(arcs.instance[row]), arcs.cell_arcs[arcs.cell_arc[row]].output_pin)
        _raise(held.setdefault(key, np.full(2, np.nan)), arcs.output_edge[row], timing.edge_delay_ns[row])
    for (instance, target), edges in held.items():
        event, clock = active_edge(library.cells[netlist.instances[instance].cell])
        yield instance, f"(IOPATH ({event} {_name(clock)}) {_name(target)} {_times(edges)})"


def _setup(netlist: Netlist, library: CellLibrary, timing: TimingReport) -> Iterator[tuple[int, str]]:
    checks = setup_checks(netlist, library)
    if not len(checks.net):
        return
    constraint = checks.bank.lookup(checks.table, timing.clock_slew_ns, timing.slew_ns[checks.net, checks.edge])
    held: dict[tuple[int, str], npt.NDArray[np.float64]] = {}
    for row, pin in enumerate(checks.pin):
        _raise(held.setdefault((int(checks.instance[row]), pin), np.zeros(2)), checks.edge[row], constraint[row])
    for (instance, pin), edges in held.items():
        event, clock = active_edge(library.cells[netlist.instances[instance].cell])
        for side, limit in zip(_EVENTS, edges):
            yield instance, f"(SETUP ({side} {_name(pin)}) ({event} {_name(clock)}) ({_ps(limit)}))"


def _raise(edges: npt.NDArray[np.float64], edge: int, value: float) -> None:
    edges[edge] = np.fmax(edges[edge], value)


def _times(edges: npt.NDArray[np.float64]) -> str:
    """Rise and fall; an edge without a delay stays empty, which leaves the model's own."""
    return " ".join("()" if np.isnan(edge) else f"({_ps(max(edge, 0.0))})" for edge in edges)


def _ps(time_ns: float) -> str:
    return f"{1e3 * time_ns:.3f}"


def _name(identifier: str) -> str:
    """An identifier of SDF: whatever is no letter, digit or underscore is escaped."""
    return re.sub(r"(?=\W)", r"\\", identifier)
