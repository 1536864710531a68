"""Static timing of a mapped netlist: NLDM delays with slew propagation, rise and fall apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.wire_load import WireLoad
from axhw.synth.loads import EDGE_NAMES, default_input_slew_ns, default_output_load_ff, net_loads
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.timing_arcs import EdgeArcs, SetupChecks, clock_net, edge_arcs, setup_checks

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PathPoint:
    """One step of the critical path: the edge that appears at `pin` of `instance`.

    The first point of a path that starts at an input port has ``cell == ""`` and the port's bit as
    `instance`; the last one is the net's end at an output port (``cell == ""``) or the data pin of a
    flip-flop, whose `delay_ns` is the setup time.
    """

    instance: str
    cell: str
    pin: str
    edge: Literal["rise", "fall"]
    arrival_ns: float
    slew_ns: float
    delay_ns: float
    load_ff: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TimingReport:
    """What `analyze_timing` finds. Arrays over edges hold rise at index 0 and fall at index 1.

    Attributes
    ----------
    input_slew_ns, output_load_ff, clock_slew_ns : float
        The conditions.
    delay_ns : float
        Worst arrival at an output port. Input ports switch at 0 and so does the clock edge, so for a
        combinational design it is the longest path.
    min_period_ns : float or None
        Shortest clock period at which every path that ends in a flip-flop meets its setup time, input
        ports switching at the clock edge; None without flip-flops.
    critical_path : tuple of PathPoint
        The path that sets `min_period_ns`, or `delay_ns` for combinational designs.
    arrival_ns, slew_ns : (net_count, 2) arrays
        Latest arrival and largest transition time; an edge that no path causes has arrival -inf and
        slew 0.
    load_ff : (net_count, 2) array
    edge_delay_ns : (e,) array
        Delay of each entry of `arcs`.
    arc_delay_ns : (gates, inputs, 2, 2) array
        Delay of each gate of the graph from each fan-in column, input edge and output edge: the
        largest over conditional and unconditional arcs, NaN where there is none.
    iopath_delay_ns : (gates, inputs, 2) array
        Delay by output edge alone, as the plain IOPATH entries of an SDF file state it: the largest
        over input edges of the unconditional arcs, or of the conditional ones where a file has no
        others; NaN where there is none.
    clock_net : int or None
    arcs : EdgeArcs
    """

    input_slew_ns: float
    output_load_ff: float
    clock_slew_ns: float
    delay_ns: float
    min_period_ns: float | None
    critical_path: tuple[PathPoint, ...]
    arrival_ns: FloatArray
    slew_ns: FloatArray
    load_ff: FloatArray
    edge_delay_ns: FloatArray
    arc_delay_ns: FloatArray
    iopath_delay_ns: FloatArray
    clock_net: int | None
    arcs: EdgeArcs


def analyze_timing(
    netlist: Netlist,
    library: CellLibrary,
    *,
    graph: GateGraph | None = None,
    input_slew_ns: float | None = None,
    output_load_ff: float | None = None,
    clock_slew_ns: float | None = None,
    wire_load: WireLoad | None = None,
) -> TimingReport:
    """Longest paths of `netlist`.

    Parameters
    ----------
    graph : GateGraph, optional
        ``levelize(netlist, library)``, where the caller has it.
    input_slew_ns : float, optional
        Transition time at input ports; by default `default_input_slew_ns` of the library.
    output_load_ff : float, optional
        Load of every output port bit; by default `default_output_load_ff` of the library.
    clock_slew_ns : float, optional
        Transition time of the ideal clock at every flip-flop; by default `input_slew_ns`.
    wire_load : WireLoad, optional
        Lumped wire capacitance; none by default.

    Raises
    ------
    AxhwError
        If a condition is negative or not finite, for what `levelize` refuses, for clocks that are not
        one edge of one input port, and for arcs without tables.
    """
    graph = levelize(netlist, library) if graph is None else graph
    slew_in = default_input_slew_ns(library) if input_slew_ns is None else input_slew_ns
    load_out = default_output_load_ff(library) if output_load_ff is None else output_load_ff
    slew_clock = slew_in if clock_slew_ns is None else clock_slew_ns
    for name, value in (("input_slew_ns", slew_in), ("output_load_ff", load_out), ("clock_slew_ns", slew_clock)):
        if not (np.isfinite(value) and value >= 0.0):
            raise AxhwError(f"Expected {name} to be 0 or more, found {value!r}.")

    arcs = edge_arcs(netlist, graph, library)
    load = net_loads(netlist, library, output_load_ff=load_out, wire_load=wire_load)
    arrival = np.full((netlist.net_count, 2), -np.inf)
    slew = np.zeros((netlist.net_count, 2))
    for port in netlist.inputs.values():
        arrival[list(port)] = 0.0
        slew[list(port)] = slew_in
    clock = clock_net(netlist, library)
    if clock is not None:
        slew[clock] = slew_clock
    edge_delay, edge_arrival = _propagate(arcs, load, arrival, slew)

    delay, endpoint = _worst_output(netlist, arrival)
    checks = setup_checks(netlist, library)
    period: float | None = None
    setup: tuple[SetupChecks, int, float] | None = None
    if clock is not None:
        constraint = checks.bank.lookup(checks.table, slew_clock, slew[checks.net, checks.edge])
        slack = arrival[checks.net, checks.edge] + constraint
        if not np.isfinite(slack).any():
            raise AxhwError(f"Expected a path into a flip-flop of {netlist.name} with a setup time, found none.")
        worst = int(np.argmax(slack))
        period = float(slack[worst])
        setup = (checks, worst, float(constraint[worst]))
        endpoint = (int(checks.net[worst]), int(checks.edge[worst]))
    return TimingReport(
        input_slew_ns=slew_in,
        output_load_ff=load_out,
        clock_slew_ns=slew_clock,
        delay_ns=delay,
        min_period_ns=period,
        critical_path=_trace(netlist, arcs, arrival, slew, load, edge_delay, edge_arrival, endpoint, setup),
        arrival_ns=arrival,
        slew_ns=slew,
        load_ff=load,
        edge_delay_ns=edge_delay,
        arc_delay_ns=_largest(graph, arcs, edge_delay, arcs.position >= 0),
        iopath_delay_ns=_iopath_delays(graph, arcs, edge_delay),
        clock_net=clock,
        arcs=arcs,
    )


def _propagate(
    arcs: EdgeArcs, load: FloatArray, arrival: FloatArray, slew: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fill `arrival` and `slew` level by level; return the delay and the arrival through every edge arc."""
    count = len(arcs.gate)
    delay = np.zeros(count)
    through = np.full(count, -np.inf)
    tables = np.stack([arcs.delay_table, arcs.slew_table], axis=1)
    arc_load = load[arcs.output_net, arcs.output_edge]
    target = arcs.output_net * 2 + arcs.output_edge
    first_of_target = np.flatnonzero(np.diff(target, prepend=-1))
    arrival_flat, slew_flat = arrival.reshape(-1), slew.reshape(-1)
    source = arcs.input_net * 2 + arcs.input_edge
    for begin, end in zip(arcs.level_starts[:-1], arcs.level_starts[1:], strict=True):
        if begin == end:
            continue
        span = slice(begin, end)
        pair_load = np.repeat(arc_load[span], 2)
        pair_slew = np.repeat(slew_flat[source[span]], 2)
        pair = arcs.bank.lookup(tables[span].reshape(-1), pair_slew, pair_load).reshape(-1, 2)
        before = arrival_flat[source[span]]
        delay[span] = pair[:, 0]
        through[span] = before + pair[:, 0]
        # Tables extrapolated far below their range can give a negative transition time.
        output_slew = np.where(np.isneginf(before), 0.0, np.maximum(pair[:, 1], 0.0))
        low, high = np.searchsorted(first_of_target, (begin, end))
        starts = first_of_target[low:high]
        arrival_flat[target[starts]] = np.maximum.reduceat(through[span], starts - begin)
        slew_flat[target[starts]] = np.maximum.reduceat(output_slew, starts - begin)
    return delay, through


def _worst_output(netlist: Netlist, arrival: FloatArray) -> tuple[float, tuple[int, int] | None]:
    nets = np.unique(np.array([net for port in netlist.outputs.values() for net in port], np.intp))
    if not len(nets) or not np.isfinite(arrival[nets]).any():
        return 0.0, None
    row, edge = np.unravel_index(np.argmax(arrival[nets]), (len(nets), 2))
    return float(arrival[nets[row], edge]), (int(nets[row]), int(edge))


def _largest(graph: GateGraph, arcs: EdgeArcs, edge_delay: FloatArray, chosen: BoolArray) -> FloatArray:
    result = np.full((*graph.fanin.shape, 2, 2), -np.inf)
    index = (arcs.gate[chosen], arcs.position[chosen], arcs.input_edge[chosen], arcs.output_edge[chosen])
    np.maximum.at(result, index, edge_delay[chosen])
    result[np.isneginf(result)] = np.nan
    return result


def _iopath_delays(graph: GateGraph, arcs: EdgeArcs, edge_delay: FloatArray) -> FloatArray:
    plain = np.array([cell_arc.arc.when is None for cell_arc in arcs.cell_arcs], np.bool_)[arcs.cell_arc]
    inside = arcs.position >= 0
    unconditional, conditional = (
        np.fmax.reduce(_largest(graph, arcs, edge_delay, inside & chosen), axis=2) for chosen in (plain, ~plain)
    )
    result: FloatArray = np.where(np.isnan(unconditional), conditional, unconditional)
    return result


def _trace(
    netlist: Netlist,
    arcs: EdgeArcs,
    arrival: FloatArray,
    slew: FloatArray,
    load: FloatArray,
    edge_delay: FloatArray,
    edge_arrival: FloatArray,
    endpoint: tuple[int, int] | None,
    setup: tuple[SetupChecks, int, float] | None,
) -> tuple[PathPoint, ...]:
    """Walk back from `endpoint` along the arcs that set each arrival."""
    if endpoint is None:
        return ()

    def point(instance: str, cell: str, pin: str, net: int, edge: int, delay: float) -> PathPoint:
        return PathPoint(
            instance=instance,
            cell=cell,
            pin=pin,
            edge=EDGE_NAMES[edge],
            arrival_ns=float(arrival[net, edge]),
            slew_ns=float(slew[net, edge]),
            delay_ns=delay,
            load_ff=float(load[net, edge]),
        )

    net, edge = endpoint
    if setup is None:
        points = [point(_port_bit(netlist.outputs, net), "", "", net, edge, 0.0)]
    else:
        checks, row, constraint = setup
        flip_flop = netlist.instances[checks.instance[row]]
        points = [point(flip_flop.name, flip_flop.cell, checks.pin[row], net, edge, constraint)]
    while True:
        into = np.flatnonzero((arcs.output_net == net) & (arcs.output_edge == edge))
        if not len(into):
            points.append(point(_port_bit(netlist.inputs, net), "", "", net, edge, 0.0))
            break
        arc = into[np.argmax(edge_arrival[into])]
        instance = netlist.instances[arcs.instance[arc]]
        pin = arcs.cell_arcs[arcs.cell_arc[arc]].output_pin
        points.append(point(instance.name, instance.cell, pin, net, edge, float(edge_delay[arc])))
        net, edge = int(arcs.input_net[arc]), int(arcs.input_edge[arc])
    return tuple(reversed(points))


def _port_bit(ports: Mapping[str, tuple[int, ...]], net: int) -> str:
    name, nets = next((name, nets) for name, nets in ports.items() if net in nets)
    return name if len(nets) == 1 else f"{name}[{nets.index(net)}]"
