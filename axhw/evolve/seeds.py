"""From a design to the gates that evolution begins with."""

from __future__ import annotations

from collections import Counter

from axhw.hdl.gate_builder import simplified
from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist
from axhw.record import DesignRecord
from axhw.sim.mapped_gates import gates_of_netlist
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import levelize

_NOT, _ONE = FUNCTIONS["not"], FUNCTIONS["one"]


def seed_circuit(record: DesignRecord, library: CellLibrary) -> GateNetlist:
    """The gates of a record's mapped netlist, with inverters taken into the gates beside them.

    Parameters
    ----------
    record : DesignRecord
        Of a multiplier.
    library : CellLibrary
        The one that the netlist is of.
    """
    netlist = record.netlist
    circuit = gates_of_netlist(netlist, levelize(netlist, library), record.multiplier)
    return simplified(without_inverters(simplified(circuit)))


def without_inverters(circuit: GateNetlist) -> GateNetlist:
    """The same circuit with every inverter joined to the gates that read it, or to the one gate that it alone reads.

    A mapped netlist has NAND gates, which are two gates as AND and NOT; genes may have any function of two bits.
    """
    readers = Counter(circuit.outputs)
    for gate in circuit.gates:
        readers.update(gate.fanin)
    gates: list[Gate] = []
    for gate in circuit.gates:
        driver = gate.x - circuit.inputs
        if gate.function == _NOT and driver >= 0 and readers[gate.x] == 1:
            source = gates[driver]
            gates.append(Gate(source.function ^ _ONE, source.x, source.y))
            continue
        gates.append(_skip_inverters(gate, gates, circuit.inputs))
    return GateNetlist(inputs=circuit.inputs, gates=tuple(gates), outputs=circuit.outputs)


def _skip_inverters(gate: Gate, gates: list[Gate], inputs: int) -> Gate:
    """The gate reading what the inverters before it read."""
    code, x, y = gate
    if x in gate.fanin and x >= inputs and gates[x - inputs].function == _NOT and code != _NOT:
        code, x = _swap(code, 1), gates[x - inputs].x
    if y in gate.fanin and y >= inputs and gates[y - inputs].function == _NOT:
        code, y = _swap(code, 2), gates[y - inputs].x
    return Gate(code, x, y)


def _swap(code: int, distance: int) -> int:
    """The function with an operand inverted: x at a distance of 1 bit, y of 2."""
    low = 0b0101 if distance == 1 else 0b0011
    return (code & low) << distance | code >> distance & low
