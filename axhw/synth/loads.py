"""What every net has to drive, and library-neutral defaults for the world outside a netlist."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary, Pin, Table
from axhw.synth.liberty.wire_load import WireLoad
from axhw.synth.netlist import Netlist
from axhw.synth.tables import TableBank

FloatArray = npt.NDArray[np.float64]

RISE = 0
FALL = 1
EDGE_NAMES: tuple[Literal["rise"], Literal["fall"]] = ("rise", "fall")

_FANOUT_OF_FOUR = 4
_SLEW_ITERATIONS = 50


def pin_capacitance_ff(pin: Pin) -> tuple[float, float]:
    """Capacitance of a pin for a rising and for a falling edge."""
    rise, fall = pin.rise_capacitance_ff, pin.fall_capacitance_ff
    return (
        pin.capacitance_ff if rise is None else rise,
        pin.capacitance_ff if fall is None else fall,
    )


def net_loads(
    netlist: Netlist, library: CellLibrary, *, output_load_ff: float, wire_load: WireLoad | None = None
) -> FloatArray:
    """Capacitance on every net: all cell pins on it, its wire, and `output_load_ff` per output port bit.

    The driver's own pin is among them where the library gives it a capacitance, as in other timing analysers. Fan-out,
    by which wires go, counts input pins and output port bits.

    Returns
    -------
    (net_count, 2) array, fF
        For the rising and the falling edge of the net.
    """
    nets: list[int] = []
    capacitances: list[tuple[float, float]] = []
    sinks: list[bool] = []
    pins = {
        name: [
            (pin.name, pin_capacitance_ff(pin), pin.direction == "input")
            for pin in library.cells[name].pins.values()
            if pin.direction == "input" or any(pin_capacitance_ff(pin))
        ]
        for name in {instance.cell for instance in netlist.instances}
    }
    for instance in netlist.instances:
        for name, capacitance, sink in pins[instance.cell]:
            if name in instance.pins:
                nets.append(instance.pins[name])
                capacitances.append(capacitance)
                sinks.append(sink)
    for port in netlist.outputs.values():
        nets.extend(port)
        capacitances.extend([(output_load_ff, output_load_ff)] * len(port))
        sinks.extend([True] * len(port))
    net = np.array(nets, np.intp)
    per_pin = np.array(capacitances, np.float64).reshape(-1, 2)
    load = np.zeros((netlist.net_count, 2))
    for edge in (RISE, FALL):
        load[:, edge] = np.bincount(net, per_pin[:, edge], minlength=netlist.net_count)
    if wire_load is not None:
        fanout = np.bincount(net[np.array(sinks, np.bool_)], minlength=netlist.net_count).astype(np.int64)
        load += wire_load.at(fanout)[:, None]
    return load


def reference_inverter(library: CellLibrary) -> Cell:
    """The smallest usable inverter of `library`, on which the defaults below rest.

    Raises
    ------
    AxhwError
        If the library has no inverter.
    """
    candidates = []
    for cell in library.cells.values():
        if len(cell.inputs) != 1 or len(cell.outputs) != 1 or cell.dont_use or cell.flip_flop is not None:
            continue
        function = cell.outputs[0].function
        if function is None or cell.outputs[0].three_state is not None:
            continue
        if BooleanFunction.parse(function).truth_table((cell.inputs[0].name,)).tolist() == [True, False]:
            candidates.append(cell)
    if not candidates:
        raise AxhwError(
            f"Expected an inverter in library {library.name} to derive the input slew from, found none: "
            "state input_slew_ns and output_load_ff."
        )
    return min(candidates, key=lambda cell: (cell.area_um2, cell.name))


@functools.lru_cache(maxsize=64)
def default_input_slew_ns(library: CellLibrary) -> float:
    """Slew that an inverter of the library settles to in a chain with a fan-out of four.

    An input of the design is assumed to be driven as gates inside a sensible design drive each
    other, in whatever library: the smallest inverter loaded by four of itself, its own input slew
    being the same (mean of rise and fall).
    """
    cell = reference_inverter(library)
    output = cell.outputs[0]
    load = _FANOUT_OF_FOUR * cell.inputs[0].capacitance_ff
    arcs = [arc for arc in output.timing if arc.kind.startswith("combinational")]
    rise_table = next((arc.rise_transition for arc in arcs if arc.rise_transition is not None), None)
    fall_table = next((arc.fall_transition for arc in arcs if arc.fall_transition is not None), None)
    if rise_table is None or fall_table is None:
        raise AxhwError(
            f"Expected transition tables on cell {cell.name} of library {library.name} to derive the input slew "
            "from, found none: state input_slew_ns."
        )
    tables: Sequence[Table] = (rise_table, fall_table)
    bank = TableBank.pack(tables)
    slew = np.zeros(2)
    for _ in range(_SLEW_ITERATIONS):
        slew = bank.lookup(np.array([RISE, FALL]), slew[::-1], load)
    return float(slew.mean())


@functools.lru_cache(maxsize=64)
def default_output_load_ff(library: CellLibrary) -> float:
    """Capacitance of the data pin of the smallest flip-flop, the usual reader of a result.

    Libraries without flip-flops give the input pin of their smallest inverter.
    """
    flip_flops = [cell for cell in library.cells.values() if cell.flip_flop is not None and not cell.dont_use]
    for cell in sorted(flip_flops, key=lambda cell: (cell.area_um2, cell.name)):
        if cell.flip_flop is not None:
            data = BooleanFunction.parse(cell.flip_flop.next_state).pins
            pin = cell.pins.get(data[0]) if len(data) == 1 else None
            if pin is not None and pin.direction == "input":
                return pin.capacitance_ff
    return reference_inverter(library).inputs[0].capacitance_ff
