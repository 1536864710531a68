"""Clocked gate-level simulation: many independent streams side by side, one evaluation a cycle.

Time convention as in `axhw.hdl.pe.element`: inputs of cycle t are sampled by clock edge t, outputs of cycle t
are what is seen just before it. All flip-flops start at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.bits import VECTORS_PER_WORD, Words, pack_operands, unpack_product
from axhw.hdl.spec import IntegerArray
from axhw.sim.gate_programs import ALL_ONES, NetlistProgram
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop
from axhw.synth.netlist import CONSTANT_1, GateGraph, Instance, Netlist
from axhw.synth.timing_arcs import clock_net

NetArray = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClockedRun:
    """What a clocked netlist did.

    Attributes
    ----------
    outputs : mapping of output port to (cycles, streams) int64 array
        Unsigned unless the port was named as signed.
    sources : (cycles, sources, words) uint64 array
        Settled values of ``graph.sources`` in each cycle; bit i of word w is stream 64 * w + i.
    """

    outputs: Mapping[str, IntegerArray]
    sources: Words

    def source_values(self, stream: int) -> npt.NDArray[np.uint8]:
        """(cycles, sources) values of 0 and 1 in one stream, as `axhw.sim.timed` takes them."""
        word, bit = divmod(stream, VECTORS_PER_WORD)
        values: npt.NDArray[np.uint8] = (self.sources[:, :, word] >> np.uint64(bit) & np.uint64(1)).astype(np.uint8)
        return values


@dataclass(frozen=True)
class _Bank:
    """Flip-flops of one cell: their pins' nets, and their functions; asynchronous controls act at the edge."""

    pins: Mapping[str, NetArray]
    state: str
    inverted: str
    next_state: BooleanFunction
    clear: BooleanFunction | None
    preset: BooleanFunction | None
    outputs: tuple[tuple[NetArray, bool], ...]


def run_clocked(
    netlist: Netlist,
    graph: GateGraph,
    library: CellLibrary,
    inputs: Mapping[str, IntegerArray],
    *,
    signed_outputs: frozenset[str] = frozenset(),
) -> ClockedRun:
    """Simulate a netlist with one clock.

    Parameters
    ----------
    inputs : mapping of input port, without the clock, to (cycles, streams) integers
    signed_outputs : set of output ports
        Ports that hold two's complement numbers.

    Raises
    ------
    AxhwError
        If ports are missing or unknown, arrays differ in shape, the design has no clock, or an output of a flip-flop
        is neither its state nor the inverse.
    """
    # numba takes a fifth of a second to import: designs that are in the store already do without.
    from axhw.sim._cycles import run_program

    clock = clock_net(netlist, library)
    if clock is None:
        raise AxhwError(f"Expected flip-flops in {netlist.name} to clock, found none.")
    ports = {port for port, nets in netlist.inputs.items() if clock not in nets}
    shapes = {np.shape(values) for values in inputs.values()}
    if set(inputs) != ports or len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise AxhwError(
            f"Expected equally large arrays (cycles, streams) for the inputs {sorted(ports)} of {netlist.name}, "
            f"found {sorted(inputs)} with shapes {sorted(map(str, shapes))}."
        )
    cycles, streams = shapes.pop()
    words = -(-streams // VECTORS_PER_WORD)
    banks = _banks(netlist, library)
    states = [np.zeros((size, words), np.uint64) for size, _ in banks]
    sources = np.zeros((cycles, len(graph.sources), words), np.uint64)
    outputs = {port: np.zeros((cycles, streams), np.int64) for port in netlist.outputs}
    row = np.zeros(graph.net_count, np.intp)
    row[graph.sources] = np.arange(len(graph.sources))
    program = NetlistProgram.of(graph)
    nets = np.zeros((program.rows, words), np.uint64)
    nets[CONSTANT_1] = ALL_ONES
    for cycle in range(cycles):
        now = sources[cycle]
        for port, values in inputs.items():
            bits = pack_operands(values[cycle], len(netlist.inputs[port]))
            now[row[list(netlist.inputs[port])]] = bits
        for (_, bank), state in zip(banks, states):
            for driven, inverted in bank.outputs:
                now[row[driven]] = ~state if inverted else state
        nets[graph.sources] = now
        run_program(*program[:-1], nets)
        for port, port_nets in netlist.outputs.items():
            signed = port in signed_outputs
            outputs[port][cycle] = unpack_product(nets[list(port_nets)], signed=signed, count=streams)
        states = [_next(bank, state, nets) for (_, bank), state in zip(banks, states)]
    return ClockedRun(outputs=outputs, sources=sources)


def _banks(netlist: Netlist, library: CellLibrary) -> list[tuple[int, _Bank]]:
    """The flip-flops with the same cell and connected pins together, each bank with its size."""
    members: dict[tuple[str, frozenset[str]], list[Instance]] = {}
    for instance in netlist.instances:
        if library.cells[instance.cell].flip_flop is not None:
            members.setdefault((instance.cell, frozenset(instance.pins)), []).append(instance)
    return [(len(group), _bank(library.cells[cell], group)) for (cell, _), group in members.items()]


def _bank(cell: Cell, members: Sequence[Instance]) -> _Bank:
    pins = {name: np.array([instance.pins[name] for instance in members], np.intp) for name in members[0].pins}
    flip_flop = cell.flip_flop
    assert isinstance(flip_flop, FlipFlop)
    outputs = []
    for pin in cell.outputs:
        if pin.name in pins:
            if pin.function not in (flip_flop.state, flip_flop.inverted):
                raise AxhwError(
                    f"Expected output {pin.name} of flip-flop {cell.name} to be its state or the inverse, "
                    f"found {pin.function!r}."
                )
            outputs.append((pins[pin.name], pin.function == flip_flop.inverted))
    return _Bank(
        pins=pins,
        state=flip_flop.state,
        inverted=flip_flop.inverted,
        next_state=BooleanFunction.parse(flip_flop.next_state),
        clear=None if flip_flop.clear is None else BooleanFunction.parse(flip_flop.clear),
        preset=None if flip_flop.preset is None else BooleanFunction.parse(flip_flop.preset),
        outputs=tuple(outputs),
    )


def _next(bank: _Bank, state: Words, nets: Words) -> Words:
    # The next state of a flip-flop with an enable is a function of its state.
    states = {bank.state: state, bank.inverted: ~state}

    def value(function: BooleanFunction) -> Words:
        operands = {pin: states[pin] if pin in states else nets[bank.pins[pin]] for pin in function.pins}
        return np.broadcast_to(function.evaluate(operands), state.shape)

    following = value(bank.next_state)
    if bank.preset is not None:
        following = following | value(bank.preset)
    if bank.clear is not None:
        following = following & ~value(bank.clear)
    return following
