"""The timing arcs of a mapped netlist, spread out into one array entry per pair of edges."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _OutputArcs:
    """The delay arcs of one output pin of a library cell, an entry for each pair of edges.

    Attributes
    ----------
    pins : tuple of str
        Input pin of each entry.
    input_edge, output_edge, cell_arc, delay_table, slew_table : (e,) arrays
        As in `EdgeArcs`, with `cell_arcs` and `bank` those of this output alone.
    """

    pins: tuple[str, ...]
    input_edge: IntArray
    output_edge: IntArray
    cell_arc: IntArray
    delay_table: IntArray
    slew_table: IntArray
    cell_arcs: tuple[CellArc, ...]
    bank: TableBank

    @classmethod
    @functools.lru_cache(maxsize=4096)
    def of(cls, cell: Cell, output: str) -> _OutputArcs:
        """The arcs of `output`, of a flip-flop those from its clock."""
        pins: list[str] = []
        rows: list[tuple[int, int, int, int, int]] = []
        cell_arcs: list[CellArc] = []
        tables: list[Table] = []
        for arc in cell.pins[output].timing:
            launch = _LAUNCH_EDGE.get(arc.kind)
            if launch is None if cell.flip_flop is not None else not arc.kind.startswith("combinational"):
                continue
            for edge, delay, slew in ((RISE, arc.rise, arc.rise_transition), (FALL, arc.fall, arc.fall_transition)):
                if delay is None:
                    continue
                if slew is None:
                    raise AxhwError(
                        f"Expected a {EDGE_NAMES[edge]} transition table beside each delay table of cell "
                        f"{cell.name}, found none on the arc {arc.related_pin} to {output}."
                    )
                for input_edge in _INPUT_EDGES[arc.sense, edge] if launch is None else (launch,):
                    pins.append(arc.related_pin)
                    rows.append((input_edge, edge, len(cell_arcs), len(tables), len(tables) + 1))
                tables += [delay, slew]
            cell_arcs.append(CellArc(cell.name, output, arc))
        input_edge, output_edge, cell_arc, delay_table, slew_table = np.array(rows, np.intp).reshape(-1, 5).T
        return cls(
            pins=tuple(pins),
            input_edge=input_edge,
            output_edge=output_edge,
            cell_arc=cell_arc,
            delay_table=delay_table,
            slew_table=slew_table,
            cell_arcs=tuple(cell_arcs),
            bank=TableBank.pack(tables),
        )


class _Drivers(NamedTuple):
    """All nets that one output pin of one cell drives: n of them; `inputs` has position and nets of its input pins."""

    arcs: _OutputArcs
    level: IntArray
    output_net: IntArray
    instance: IntArray
    gate: IntArray
    inputs: Mapping[str, tuple[int, IntArray]]


def edge_arcs(netlist: Netlist, graph: GateGraph, library: CellLibrary) -> EdgeArcs:
    """Every delay arc of the netlist. Asynchronous set and clear arcs are left out.

    Raises
    ------
    AxhwError
        If an output has no timing arc or an arc no transition table.
    """
    drivers = [*_gate_drivers(netlist, graph, library), *_flip_flop_drivers(netlist, library)]
    columns = [np.zeros((11, 0), np.intp)]
    cell_arcs: list[CellArc] = []
    tables = 0
    for driver in drivers:
        arcs = driver.arcs
        entries, nets = len(arcs.pins), len(driver.output_net)
        if not entries:
            continue
        inputs = [driver.inputs[pin] for pin in arcs.pins]
        columns.append(
            np.stack(
                [
                    np.tile(driver.level, entries),
                    np.tile(driver.output_net, entries),
                    np.repeat(arcs.output_edge, nets),
                    np.tile(driver.instance, entries),
                    np.tile(driver.gate, entries),
                    np.repeat([position for position, _ in inputs], nets),
                    np.concatenate([input_net for _, input_net in inputs]),
                    np.repeat(arcs.input_edge, nets),
                    np.repeat(arcs.cell_arc + len(cell_arcs), nets),
                    np.repeat(arcs.delay_table + tables, nets),
                    np.repeat(arcs.slew_table + tables, nets),
                ]
            )
        )
        cell_arcs += arcs.cell_arcs
        tables += arcs.bank.count
    table = np.concatenate(columns, axis=1)
    table = table[:, np.lexsort(table[2::-1])]
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
        cell_arcs=tuple(cell_arcs),
        bank=TableBank.join([driver.arcs.bank for driver in drivers if driver.arcs.pins]),
    )


def _gate_drivers(netlist: Netlist, graph: GateGraph, library: CellLibrary) -> Iterator[_Drivers]:
    gate_level = np.repeat(np.arange(1, len(graph.level_starts)), np.diff(graph.level_starts))
    for index, function in enumerate(graph.functions):
        arcs = _OutputArcs.of(library.cells[function.cell], function.pin)
        if not arcs.pins and function.inputs:
            raise AxhwError(f"Expected timing arcs on output {function.pin} of cell {function.cell}, found none.")
        gates = np.flatnonzero(graph.function == index)
        instance = graph.instance[gates].astype(np.intp)
        inputs = {name: (row, graph.fanin[gates, row].astype(np.intp)) for row, name in enumerate(function.inputs)}
        for pin in set(arcs.pins) - inputs.keys():
            inputs[pin] = (-1, _nets_on(netlist, instance, pin))
        yield _Drivers(arcs, gate_level[gates], graph.output[gates].astype(np.intp), instance, gates, inputs)


def _flip_flop_drivers(netlist: Netlist, library: CellLibrary) -> Iterator[_Drivers]:
    places: dict[tuple[str, str], list[int]] = {}
    for index, instance in enumerate(netlist.instances):
        if library.cells[instance.cell].flip_flop is not None:
            for pin in library.cells[instance.cell].outputs:
                if pin.name in instance.pins:
                    places.setdefault((instance.cell, pin.name), []).append(index)
    for (name, output), indices in places.items():
        arcs = _OutputArcs.of(library.cells[name], output)
        if not arcs.pins:
            raise AxhwError(f"Expected a clock-to-output arc on pin {output} of cell {name}, found none.")
        flip_flops = np.array(indices, np.intp)
        none = np.full(len(flip_flops), -1, np.intp)
        inputs = {pin: (-1, _nets_on(netlist, flip_flops, pin)) for pin in set(arcs.pins)}
        yield _Drivers(arcs, none + 1, _nets_on(netlist, flip_flops, output), flip_flops, none, inputs)


def _nets_on(netlist: Netlist, instances: IntArray, pin: str) -> IntArray:
    return np.array([netlist.instances[index].pins[pin] for index in instances.tolist()], np.intp)


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
