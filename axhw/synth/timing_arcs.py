"""The timing arcs of a mapped netlist, spread out into one array entry per pair of edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Table, TimingArc
from axhw.synth.loads import EDGE_NAMES, FALL, RISE
from axhw.synth.netlist import GateGraph, Netlist
from axhw.synth.tables import TableBank

IntArray = npt.NDArray[np.intp]

_INPUT_EDGES = {
    ("positive_unate", RISE): (RISE,),
    ("positive_unate", FALL): (FALL,),
    ("negative_unate", RISE): (FALL,),
    ("negative_unate", FALL): (RISE,),
    ("non_unate", RISE): (RISE, FALL),
    ("non_unate", FALL): (RISE, FALL),
}
_LAUNCH_EDGE = {"rising_edge": RISE, "falling_edge": FALL}
_SETUP_EDGE = {"setup_rising": RISE, "setup_falling": FALL}


class CellArc(NamedTuple):
    """A timing arc of a library cell with the names it is found under."""

    cell: str
    output_pin: str
    arc: TimingArc


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeArcs:
    """Delay arcs by input edge and output edge, sorted by level, then driven net, then output edge.

    Edges are 0 for rise and 1 for fall. Arcs of one unconditional non-unate Liberty group appear for
    both input edges; every conditional group appears beside the others.

    Attributes
    ----------
    instance : (e,) array
        Index into ``Netlist.instances``.
    gate : (e,) array
        Row of the gate graph, -1 for clock-to-output arcs of flip-flops.
    position : (e,) array
        Column of ``GateGraph.fanin``, -1 where the related pin is not in the gate's function.
    input_net, input_edge, output_net, output_edge : (e,) arrays
    cell_arc : (e,) array
        Index into `cell_arcs`, which tells the condition and the pins.
    delay_table, slew_table : (e,) arrays
        Ids in `bank`.
    level_starts : (levels + 1,) array
        Level 0 holds the flip-flops, level l the gates of level l of the gate graph.
    """

    instance: IntArray
    gate: IntArray
    position: IntArray
    input_net: IntArray
    input_edge: IntArray
    output_net: IntArray
    output_edge: IntArray
    cell_arc: IntArray
    delay_table: IntArray
    slew_table: IntArray
    level_starts: IntArray
    cell_arcs: tuple[CellArc, ...]
    bank: TableBank


@dataclass(frozen=True, kw_only=True, eq=False)
class SetupChecks:
    """Setup constraints of the flip-flops, one entry per data pin, edge and Liberty group.

    Attributes
    ----------
    instance, net, edge : (s,) arrays
        The flip-flop, the net on its data pin and the data edge.
    table : (s,) array
        Ids in `bank`, looked up with the clock's slew first and the data slew second.
    pin : tuple of str
    """

    instance: IntArray
    net: IntArray
    edge: IntArray
    table: IntArray
    pin: tuple[str, ...]
    bank: TableBank


def clock_pin(cell: Cell, flip_flop: FlipFlop) -> str:
    """The input pin that clocks a flip-flop.

    Raises
    ------
    AxhwError
        If the clock is a function of several pins.
    """
    pins = BooleanFunction.parse(flip_flop.clocked_on).pins
    if len(pins) != 1:
        raise AxhwError(f"Expected flip-flop {cell.name} to be clocked by one pin, found {flip_flop.clocked_on!r}.")
    return pins[0]


def clock_net(netlist: Netlist, library: CellLibrary) -> int | None:
    """The one net that clocks every flip-flop, None without flip-flops.

    Raises
    ------
    AxhwError
        If the flip-flops have several clocks, both edges of one, or one that is not an input port.
    """
    found: dict[tuple[int, bool], str] = {}
    for instance in netlist.instances:
        cell = library.cells[instance.cell]
        if cell.flip_flop is not None:
            rising = bool(
                BooleanFunction.parse(cell.flip_flop.clocked_on).truth_table((clock_pin(cell, cell.flip_flop),))[1]
            )
            found.setdefault((instance.pins[clock_pin(cell, cell.flip_flop)], rising), instance.name)
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(list(found.values())[:2])
        raise AxhwError(
            f"Expected one edge of one clock for all flip-flops of {netlist.name}, found different ones at {names}."
        )
    (net, _), name = next(iter(found.items()))
    if all(net not in port for port in netlist.inputs.values()):
        raise AxhwError(
            f"Expected flip-flops of {netlist.name} to be clocked by an input port, found logic on the clock of {name}."
        )
    return net


class _Edge(NamedTuple):
    pin: str
    input_edge: int
    output_edge: int
    cell_arc: int
    delay_table: int
    slew_table: int


class _Templates:
    """Edge arcs of cell outputs, made once per kind of output, and the tables they use."""

    def __init__(self) -> None:
        self.cell_arcs: list[CellArc] = []
        self.tables: list[Table] = []
        self._edges: dict[tuple[str, str], list[_Edge]] = {}

    def add(self, table: Table) -> int:
        self.tables.append(table)
        return len(self.tables) - 1

    def edges(self, cell: Cell, pin: str) -> list[_Edge]:
        key = (cell.name, pin)
        if key not in self._edges:
            self._edges[key] = [edge for arc in cell.pins[pin].timing for edge in self._arc(cell, pin, arc)]
        return self._edges[key]

    def _arc(self, cell: Cell, pin: str, arc: TimingArc) -> list[_Edge]:
        if cell.flip_flop is not None:
            if arc.kind not in _LAUNCH_EDGE:
                return []
        elif not arc.kind.startswith("combinational"):
            return []
        index = len(self.cell_arcs)
        self.cell_arcs.append(CellArc(cell.name, pin, arc))
        result = []
        for output_edge, delay, slew in ((RISE, arc.rise, arc.rise_transition), (FALL, arc.fall, arc.fall_transition)):
            if delay is None:
                continue
            if slew is None:
                raise AxhwError(
                    f"Expected a {EDGE_NAMES[output_edge]} transition table beside each delay table of cell "
                    f"{cell.name}, found none on the arc {arc.related_pin} to {pin}."
                )
            delay_table, slew_table = self.add(delay), self.add(slew)
            launch = _LAUNCH_EDGE.get(arc.kind)
            input_edges = _INPUT_EDGES[arc.sense, output_edge] if launch is None else (launch,)
            result += [
                _Edge(arc.related_pin, input_edge, output_edge, index, delay_table, slew_table)
                for input_edge in input_edges
            ]
        return result


def edge_arcs(netlist: Netlist, graph: GateGraph, library: CellLibrary) -> EdgeArcs:
    """Every delay arc of the netlist. Asynchronous set and clear arcs are left out.

    Raises
    ------
    AxhwError
        If an output has no timing arc or an arc no transition table.
    """
    templates = _Templates()
    columns: list[npt.NDArray[np.int64]] = []
    gate_level = np.repeat(np.arange(1, len(graph.level_starts)), np.diff(graph.level_starts))
    for index, function in enumerate(graph.functions):
        cell = library.cells[function.cell]
        edges = templates.edges(cell, function.pin)
        gates = np.flatnonzero(graph.function == index)
        if not edges and function.inputs:
            raise AxhwError(f"Expected timing arcs on output {function.pin} of cell {cell.name}, found none.")
        for edge in edges:
            if edge.pin in function.inputs:
                position = function.inputs.index(edge.pin)
                nets = graph.fanin[gates, position].astype(np.int64)
            else:
                position = -1
                nets = np.array([netlist.instances[i].pins[edge.pin] for i in graph.instance[gates]], np.int64)
            columns.append(
                np.stack(
                    [
                        gate_level[gates],
                        graph.output[gates],
                        np.full(len(gates), edge.output_edge),
                        graph.instance[gates],
                        gates,
                        np.full(len(gates), position),
                        nets,
                        *(np.full(len(gates), value) for value in (edge.input_edge, *edge[3:])),
                    ]
                )
            )
    columns += _flip_flop_columns(netlist, library, templates)
    table = np.concatenate(columns, axis=1) if columns else np.zeros((11, 0), np.int64)
    table = table[:, np.lexsort(table[2::-1])].astype(np.intp)
    level, output_net, output_edge, instance, gate, position, input_net, input_edge, cell_arc, delay, slew = table
    return EdgeArcs(
        instance=instance,
        gate=gate,
        position=position,
        input_net=input_net,
        input_edge=input_edge,
        output_net=output_net,
        output_edge=output_edge,
        cell_arc=cell_arc,
        delay_table=delay,
        slew_table=slew,
        level_starts=np.searchsorted(level, np.arange(len(graph.level_starts) + 1)),
        cell_arcs=tuple(templates.cell_arcs),
        bank=TableBank.pack(templates.tables),
    )


def _flip_flop_columns(netlist: Netlist, library: CellLibrary, templates: _Templates) -> list[npt.NDArray[np.int64]]:
    rows = []
    for index, instance in enumerate(netlist.instances):
        cell = library.cells[instance.cell]
        if cell.flip_flop is None:
            continue
        for pin in cell.outputs:
            if pin.name not in instance.pins:
                continue
            edges = templates.edges(cell, pin.name)
            if not edges:
                raise AxhwError(f"Expected a clock-to-output arc on pin {pin.name} of cell {cell.name}, found none.")
            for edge in edges:
                net = instance.pins[edge.pin]
                rows.append(
                    (0, instance.pins[pin.name], edge.output_edge, index, -1, -1, net, edge.input_edge, *edge[3:])
                )
    return [np.array(rows, np.int64).T] if rows else []


def setup_checks(netlist: Netlist, library: CellLibrary) -> SetupChecks:
    """Every setup constraint of the netlist's flip-flops."""
    tables: list[Table] = []
    per_cell: dict[str, list[tuple[str, int, int]]] = {}
    instances, nets, edges, ids = [], [], [], []
    pins: list[str] = []
    for index, instance in enumerate(netlist.instances):
        cell = library.cells[instance.cell]
        if cell.flip_flop is None:
            continue
        if cell.name not in per_cell:
            per_cell[cell.name] = _cell_checks(cell, tables)
        for pin, edge, table in per_cell[cell.name]:
            instances.append(index)
            nets.append(instance.pins[pin])
            edges.append(edge)
            ids.append(table)
            pins.append(pin)
    return SetupChecks(
        instance=np.array(instances, np.intp),
        net=np.array(nets, np.intp),
        edge=np.array(edges, np.intp),
        table=np.array(ids, np.intp),
        pin=tuple(pins),
        bank=TableBank.pack(tables),
    )


def _cell_checks(cell: Cell, tables: list[Table]) -> list[tuple[str, int, int]]:
    checks = []
    for pin in cell.inputs:
        for arc in pin.timing:
            if arc.kind in _SETUP_EDGE:
                for edge, table in ((RISE, arc.rise), (FALL, arc.fall)):
                    if table is not None:
                        checks.append((pin.name, edge, len(tables)))
                        tables.append(table)
    return checks
