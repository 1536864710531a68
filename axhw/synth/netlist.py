"""Mapped netlists: instances of library cells on numbered nets, and their levelised array form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary

if TYPE_CHECKING:
    import networkx as nx

CONSTANT_0 = 0
CONSTANT_1 = 1
_FIRST_NET = 2

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One placed cell; `pins` maps every connected pin to its net."""

    name: str
    cell: str
    pins: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Netlist:
    """A flat netlist of library cells.

    Attributes
    ----------
    inputs, outputs : mapping of port name to net numbers, least significant bit first
        Net 0 is constant 0 and net 1 is constant 1; every other net has at most one driver.
    instances : tuple of Instance
    net_count : int
        Nets are numbered 0 .. net_count - 1.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    instances: tuple[Instance, ...]
    net_count: int

    @classmethod
    def from_yosys(cls, document: Mapping[str, Any], *, top: str | None = None) -> Netlist:
        """Read the JSON that Yosys' ``write_json`` writes for one flat, mapped module.

        Raises
        ------
        AxhwError
            If the module is missing, has inout ports, undriven bits or high-impedance constants.
        """
        modules = document.get("modules", {})
        if top is None:
            if len(modules) != 1:
                raise AxhwError(f"Expected a netlist with one module, found {len(modules)}: {sorted(modules)}.")
            top = next(iter(modules))
        if top not in modules:
            raise AxhwError(f"Expected a module named {top!r} in the netlist, found {sorted(modules)}.")
        module = modules[top]
        numbers: dict[int, int] = {}

        def net(bit: int | str, where: str) -> int:
            if isinstance(bit, str):
                # Yosys writes x where any value will do; 0 is one of them.
                if bit in ("0", "x"):
                    return CONSTANT_0
                if bit == "1":
                    return CONSTANT_1
                raise AxhwError(f"Expected nets or constants 0/1 in module {top}, found {bit!r} at {where}.")
            return numbers.setdefault(bit, _FIRST_NET + len(numbers))

        inputs: dict[str, tuple[int, ...]] = {}
        outputs: dict[str, tuple[int, ...]] = {}
        for port, info in module["ports"].items():
            nets = tuple(net(bit, f"port {port}") for bit in info["bits"])
            if info["direction"] == "input":
                inputs[port] = nets
            elif info["direction"] == "output":
                outputs[port] = nets
            else:
                raise AxhwError(f"Expected input and output ports in module {top}, found inout port {port!r}.")
        instances = []
        for name, cell in module["cells"].items():
            if cell["type"] == "$scopeinfo":
                continue
            pins = {pin: net(bits[0], f"{name}.{pin}") for pin, bits in cell["connections"].items() if bits}
            instances.append(Instance(name=name, cell=cell["type"], pins=pins))
        return cls(
            name=top,
            inputs=inputs,
            outputs=outputs,
            instances=tuple(instances),
            net_count=_FIRST_NET + len(numbers),
        )

    @cached_property
    def sha256(self) -> str:
        """Digest of the structure: ports, cell types and connections (instance names left out)."""
        body = json.dumps(
            [
                [[name, list(nets)] for name, nets in self.inputs.items()],
                [[name, list(nets)] for name, nets in self.outputs.items()],
                [[instance.cell, sorted(instance.pins.items())] for instance in self.instances],
            ],
            separators=(",", ":"),
        )
        return hashlib.sha256(body.encode()).hexdigest()

    def graph(self, library: CellLibrary) -> nx.MultiDiGraph:
        """The netlist as a networkx graph: a node per instance and port, an edge per driven pin and output bit."""
        # networkx takes longer to import than a netlist to levelise, and only this view needs it.
        import networkx as nx

        view = nx.MultiDiGraph(name=self.name)
        drivers: dict[int, str] = {}
        for port, nets in self.inputs.items():
            view.add_node(port, kind="input")
            drivers.update(dict.fromkeys(nets, port))
        for instance in self.instances:
            view.add_node(instance.name, kind="cell", cell=instance.cell)
            for pin in library.cells[instance.cell].outputs:
                if pin.name in instance.pins:
                    drivers[instance.pins[pin.name]] = instance.name
        for instance in self.instances:
            for pin in library.cells[instance.cell].inputs:
                driver = drivers.get(instance.pins.get(pin.name, -1))
                if driver is not None:
                    view.add_edge(driver, instance.name, pin=pin.name)
        for port, nets in self.outputs.items():
            view.add_node(port, kind="output")
            for net in nets:
                if net in drivers:
                    view.add_edge(drivers[net], port)
        return view


@dataclass(frozen=True, kw_only=True, eq=False)
class GateFunction:
    """The logic function of one output pin of one cell.

    Attributes
    ----------
    cell, pin : str
    inputs : tuple of str
        Input pins in the order of `GateGraph.fanin` columns.
    expression : BooleanFunction
    truth_table : (2**len(inputs),) bool array
        Entry i is the output where bit k of i is the value of ``inputs[k]``.
    """

    cell: str
    pin: str
    inputs: tuple[str, ...]
    expression: BooleanFunction
    truth_table: npt.NDArray[np.bool_]

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, cell: Cell, output: str) -> GateFunction:
        """The function of one output.

        Raises
        ------
        AxhwError
            If the library states none.
        """
        text = cell.pins[output].function
        if text is None:
            raise AxhwError(f"Expected a function on output {output} of cell {cell.name}, found none.")
        expression = BooleanFunction.parse(text)
        inputs = tuple(pin.name for pin in cell.inputs if pin.name in expression.pins)
        return cls(
            cell=cell.name,
            pin=output,
            inputs=inputs,
            expression=expression,
            truth_table=expression.truth_table(inputs),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class GateGraph:
    """The combinational part of a netlist as arrays, one row per driven output pin, in level order.

    Rows are sorted by level, so ``level_starts[l] : level_starts[l + 1]`` are the gates of level l,
    and every fan-in of a gate is a source net or the output of an earlier row.

    Attributes
    ----------
    net_count : int
    sources : (s,) array
        Nets driven from outside the combinational logic: input ports and flip-flop outputs.
    functions : tuple of GateFunction
    function : (g,) array
        Index into `functions` for each gate.
    fanin : (g, f) array
        Nets on the gate's inputs, in the order of its function's inputs, padded with -1.
    output : (g,) array
        Net driven by each gate.
    instance : (g,) array
        Index into ``Netlist.instances``.
    level_starts : (levels + 1,) array
    """

    net_count: int
    sources: IntArray
    functions: tuple[GateFunction, ...]
    function: IntArray
    fanin: IntArray
    output: IntArray
    instance: IntArray
    level_starts: IntArray


def levelize(netlist: Netlist, library: CellLibrary) -> GateGraph:
    """Sort the combinational gates of `netlist` by logic level.

    Raises
    ------
    AxhwError
        For cells missing from the library, latches, nets with two drivers, undriven nets and
        combinational loops; the sentence names the instance or net.
    """
    sources: list[int] = [net for nets in netlist.inputs.values() for net in nets]
    driver: dict[int, str] = dict.fromkeys(sources, "an input port")
    functions: list[GateFunction] = []
    function_index: dict[tuple[str, str], int] = {}
    rows: list[tuple[int, tuple[int, ...], int, int]] = []
    sinks: list[tuple[int, str]] = []
    for position, instance in enumerate(netlist.instances):
        cell = library.cells.get(instance.cell)
        if cell is None:
            raise AxhwError(
                f"Expected cells of library {library.name} in netlist {netlist.name}, "
                f"found {instance.cell!r} at {instance.name}: cost the design with the library it was mapped to."
            )
        if cell.is_latch:
            raise AxhwError(
                f"Expected flip-flops and gates in {netlist.name}, found latch {cell.name} at {instance.name}."
            )
        for pin in cell.inputs:
            if pin.name not in instance.pins:
                raise AxhwError(
                    f"Expected pin {pin.name} of {instance.name} ({cell.name}) to be connected, found it open."
                )
            sinks.append((instance.pins[pin.name], f"{instance.name}.{pin.name}"))
        for pin in cell.outputs:
            net = instance.pins.get(pin.name)
            if net is None:
                continue
            if net in driver or net < _FIRST_NET:
                raise AxhwError(
                    f"Expected one driver per net in {netlist.name}, found {instance.name}.{pin.name} "
                    f"on a net that {driver.get(net, 'a constant')} drives already."
                )
            driver[net] = f"{instance.name}.{pin.name}"
            if cell.flip_flop is not None:
                sources.append(net)
                continue
            key = (cell.name, pin.name)
            if key not in function_index:
                function_index[key] = len(functions)
                functions.append(GateFunction.of(cell, pin.name))
            index = function_index[key]
            fanin = tuple(instance.pins[name] for name in functions[index].inputs)
            rows.append((index, fanin, net, position))
    sinks += [(net, f"output port {port}") for port, nets in netlist.outputs.items() for net in nets]
    for net, where in sinks:
        if net >= _FIRST_NET and net not in driver:
            raise AxhwError(
                f"Expected every net of {netlist.name} to be driven, found {where} on a net without a driver."
            )

    level: dict[int, int] = dict.fromkeys(sources, 0) | {CONSTANT_0: 0, CONSTANT_1: 0}
    readers: dict[int, list[int]] = {}
    missing = []
    for row, (_, fanin, _, _) in enumerate(rows):
        waiting = {net for net in fanin if net not in level}
        missing.append(len(waiting))
        for net in waiting:
            readers.setdefault(net, []).append(row)
    row_level = [0] * len(rows)
    ready = [row for row, count in enumerate(missing) if count == 0]
    done = 0
    while ready:
        following: list[int] = []
        for row in ready:
            _, fanin, output, _ = rows[row]
            row_level[row] = 1 + max((level[net] for net in fanin), default=0)
            level[output] = row_level[row]
            done += 1
            for reader in readers.get(output, ()):
                missing[reader] -= 1
                if missing[reader] == 0:
                    following.append(reader)
        ready = following
    if done != len(rows):
        stuck = next(netlist.instances[rows[row][3]].name for row, count in enumerate(missing) if count)
        raise AxhwError(f"Expected combinational logic without loops in {netlist.name}, found a loop through {stuck}.")

    order = sorted(range(len(rows)), key=lambda row: (row_level[row], row))
    width = max((len(fanin) for _, fanin, _, _ in rows), default=1)
    padded = np.full((len(rows), max(width, 1)), -1, np.int32)
    for target, row in enumerate(order):
        fanin = rows[row][1]
        padded[target, : len(fanin)] = fanin
    levels = np.array([row_level[row] for row in order], np.int32)
    depth = int(levels[-1]) if len(levels) else 0
    return GateGraph(
        net_count=netlist.net_count,
        sources=np.array(sources, np.int32),
        functions=tuple(functions),
        function=np.array([rows[row][0] for row in order], np.int32),
        fanin=padded,
        output=np.array([rows[row][2] for row in order], np.int32),
        instance=np.array([rows[row][3] for row in order], np.int32),
        level_starts=np.searchsorted(levels, np.arange(1, depth + 2)).astype(np.int32),
    )
