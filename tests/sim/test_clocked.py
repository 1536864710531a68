from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.spec import IntegerArray
from axhw.sim.clocked import ClockedRun, run_clocked
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Pin
from axhw.synth.netlist import Instance, Netlist, levelize


def cell(name: str, inputs: tuple[str, ...], outputs: Mapping[str, str], flip_flop: FlipFlop | None = None) -> Cell:
    pins = {pin: Pin(name=pin, direction="input", capacitance_ff=1.0) for pin in inputs}
    pins |= {
        pin: Pin(name=pin, direction="output", capacitance_ff=0.0, function=function)
        for pin, function in outputs.items()
    }
    return Cell(name=name, area_um2=1.0, leakage_nw=0.0, leakage_states=(), pins=pins, flip_flop=flip_flop)


def flip_flop(name: str, inputs: tuple[str, ...], outputs: Mapping[str, str], **functions: str) -> Cell:
    return cell(name, inputs, outputs, FlipFlop(state="IQ", inverted="IQN", **{"clocked_on": "CK", **functions}))


CELLS = [
    cell("INV", ("A",), {"Y": "!A"}),
    cell("NAND2", ("A", "B"), {"Y": "!(A & B)"}),
    cell("XOR2", ("A", "B"), {"Y": "A ^ B"}),
    flip_flop("DFF", ("D", "CK"), {"Q": "IQ", "QN": "IQN"}, next_state="D"),
    flip_flop("DFFN", ("D", "CK"), {"QN": "IQN"}, next_state="D"),
    flip_flop("DFFE", ("D", "E", "CK"), {"Q": "IQ"}, next_state="(D & E) | (IQ & !E)"),
    flip_flop("TFF", ("E", "CK"), {"Q": "IQ"}, next_state="(IQN & E) | (IQ & !E)"),
    flip_flop("DFFR", ("D", "R", "CK"), {"Q": "IQ"}, next_state="D", clear="!R"),
    flip_flop("DFFS", ("D", "S", "CK"), {"Q": "IQ"}, next_state="D", preset="S"),
    flip_flop("DFFRS", ("D", "R", "S", "CK"), {"Q": "IQ"}, next_state="D", clear="R", preset="S"),
    flip_flop("ONE", ("CK",), {"Q": "IQ"}, next_state="1"),
    flip_flop("ODD", ("D", "CK"), {"Q": "IQ & D"}, next_state="D"),
]
LIBRARY = CellLibrary(
    name="few", voltage_v=1.0, temperature_c=25.0, process=1.0, sha256="", cells={each.name: each for each in CELLS}
)

# The same cells by hand: gates as functions of their pins, next states as functions of pins and state.
GATES = {
    "INV": lambda pins: 1 - pins["A"],
    "NAND2": lambda pins: 1 - (pins["A"] & pins["B"]),
    "XOR2": lambda pins: pins["A"] ^ pins["B"],
}
NEXT = {
    "DFF": lambda pins, state: pins["D"],
    "DFFN": lambda pins, state: pins["D"],
    "DFFE": lambda pins, state: pins["D"] if pins["E"] else state,
    "TFF": lambda pins, state: state ^ pins["E"],
    "DFFR": lambda pins, state: pins["D"] if pins["R"] else 0,
    "DFFS": lambda pins, state: 1 if pins["S"] else pins["D"],
    "DFFRS": lambda pins, state: 0 if pins["R"] else 1 if pins["S"] else pins["D"],
    "ONE": lambda pins, state: 1,
}


def design(instances: list[tuple[str, Mapping[str, int]]], *, inputs: int, outputs: tuple[int, ...]) -> Netlist:
    """Net 2 is the clock, the nets behind it the bits of the input a."""
    named = [Instance(name=f"i{index}", cell=kind, pins=pins) for index, (kind, pins) in enumerate(instances)]
    nets = [net for instance in named for net in instance.pins.values()]
    return Netlist(
        name="top",
        inputs={"clk": (2,), "a": tuple(range(3, 3 + inputs))},
        outputs={"o": outputs},
        instances=tuple(named),
        net_count=1 + max([2 + inputs, *nets, *outputs]),
    )


def run(netlist: Netlist, values: IntegerArray, **options: Any) -> ClockedRun:
    return run_clocked(netlist, levelize(netlist, LIBRARY), LIBRARY, {"a": values}, **options)


def one_bit_at_a_time(netlist: Netlist, values: list[int]) -> tuple[list[int], list[dict[int, int]]]:
    """The output in every cycle and the value of every net: one stream, a dictionary of nets, plain integers."""
    state = {instance.name: 0 for instance in netlist.instances if instance.cell in NEXT}
    outputs, cycles = [], []
    for value in values:
        nets = {0: 0, 1: 1, 2: 0} | {net: value >> bit & 1 for bit, net in enumerate(netlist.inputs["a"])}
        for instance in netlist.instances:
            if instance.cell in NEXT:
                for pin, sign in (("Q", 0), ("QN", 1)):
                    if pin in instance.pins:
                        nets[instance.pins[pin]] = state[instance.name] ^ sign
        waiting = [instance for instance in netlist.instances if instance.cell in GATES]
        while waiting:
            gate = next(gate for gate in waiting if all(net in nets for pin, net in gate.pins.items() if pin != "Y"))
            waiting.remove(gate)
            nets[gate.pins["Y"]] = GATES[gate.cell]({pin: nets[net] for pin, net in gate.pins.items() if pin != "Y"})
        outputs.append(sum(nets[net] << bit for bit, net in enumerate(netlist.outputs["o"])))
        cycles.append(nets)
        state = {
            instance.name: NEXT[instance.cell](
                {pin: nets[net] for pin, net in instance.pins.items() if pin not in ("Q", "QN")}, state[instance.name]
            )
            for instance in netlist.instances
            if instance.cell in NEXT
        }
    return outputs, cycles


def test_a_shift_register_delays() -> None:
    netlist = design(
        [("DFF", {"D": 3, "CK": 2, "Q": 5}), ("DFFN", {"D": 5, "CK": 2, "QN": 6}), ("INV", {"A": 6, "Y": 7})],
        inputs=1,
        outputs=(3, 5, 7),
    )
    values = np.array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 0]])
    expected = values + 2 * np.vstack([[0, 0], values[:-1]]) + 4 * np.vstack([[0, 0], [0, 0], values[:-2]])
    assert np.array_equal(run(netlist, values).outputs["o"], expected)


def test_a_counter_with_enable() -> None:
    # Two toggling bits, the second when the first carries.
    netlist = design(
        [
            ("TFF", {"E": 3, "CK": 2, "Q": 4}),
            ("NAND2", {"A": 3, "B": 4, "Y": 5}),
            ("INV", {"A": 5, "Y": 6}),
            ("TFF", {"E": 6, "CK": 2, "Q": 7}),
        ],
        inputs=1,
        outputs=(4, 7),
    )
    enable = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1])[:, None]
    count = np.concatenate([[[0]], np.cumsum(enable, axis=0)[:-1]])
    assert np.array_equal(run(netlist, enable).outputs["o"], count % 4)


@st.composite
def designs(draw: st.DrawFn) -> Netlist:
    """Random gates and flip-flops with feedback through the flip-flops; net 6 + 2 i is driven by instance i."""
    flops = draw(st.lists(st.sampled_from(sorted(NEXT)), min_size=1, max_size=6))
    gates = draw(st.lists(st.sampled_from(sorted(GATES)), max_size=10))
    state_nets = []
    for index, kind in enumerate(flops):
        state_nets += [6 + 2 * index] + ([7 + 2 * index] if kind == "DFF" else [])
    instances: list[tuple[str, dict[str, int]]] = []
    known = [0, 1, 3, 4, 5, *state_nets]
    for index, kind in enumerate(gates, len(flops)):
        inputs = [pin.name for pin in LIBRARY.cells[kind].inputs]
        instances.append((kind, {pin: draw(st.sampled_from(known)) for pin in inputs} | {"Y": 6 + 2 * index}))
        known.append(6 + 2 * index)
    for index, kind in enumerate(flops):
        inputs = [pin.name for pin in LIBRARY.cells[kind].inputs if pin.name != "CK"]
        pins = {pin: draw(st.sampled_from(known)) for pin in inputs} | {"CK": 2}
        pins |= dict(zip([pin.name for pin in LIBRARY.cells[kind].outputs], (6 + 2 * index, 7 + 2 * index)))
        instances.append((kind, pins))
    outputs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=8))
    return design(draw(st.permutations(instances)), inputs=3, outputs=tuple(outputs))


@settings(max_examples=60)
@given(designs(), st.integers(1, 140), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_random_designs(netlist: Netlist, streams: int, cycles: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 8, (cycles, streams))
    found, graph = run(netlist, values), levelize(netlist, LIBRARY)
    assert found.outputs["o"].shape == (cycles, streams)
    for stream in {0, streams // 2, streams - 1}:
        outputs, nets = one_bit_at_a_time(netlist, values[:, stream].tolist())
        assert found.outputs["o"][:, stream].tolist() == outputs
        sources = found.source_values(stream)
        assert sources.dtype == np.uint8
        assert sources.tolist() == [[cycle[int(net)] for net in graph.sources] for cycle in nets]


def test_signed_outputs() -> None:
    bits = [("DFF", {"D": 3 + bit, "CK": 2, "Q": 6 + bit}) for bit in range(3)]
    netlist = design(bits, inputs=3, outputs=(6, 7, 8))
    values = np.arange(-4, 4)[:, None]
    assert run(netlist, values).outputs["o"].ravel().tolist() == [0, 4, 5, 6, 7, 0, 1, 2]
    signed = run(netlist, values, signed_outputs=frozenset({"o"}))
    assert signed.outputs["o"].ravel().tolist() == [0, -4, -3, -2, -1, 0, 1, 2]


FLOP = [("DFF", {"D": 3, "CK": 2, "Q": 4})]


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, "found [] with shapes []."),
        ({"b": np.zeros((2, 1), int)}, "found ['b'] with shapes ['(2, 1)']."),
        (
            {"a": np.zeros((2, 1), int), "clk": np.zeros((2, 1), int)},
            "found ['a', 'clk'] with shapes ['(2, 1)'].",
        ),
        ({"a": np.zeros(2, int)}, "found ['a'] with shapes ['(2,)']."),
    ],
)
def test_inputs_that_do_not_fit(inputs: Mapping[str, IntegerArray], found: str) -> None:
    netlist = design(FLOP, inputs=1, outputs=(4,))
    with pytest.raises(AxhwError) as error:
        run_clocked(netlist, levelize(netlist, LIBRARY), LIBRARY, inputs)
    assert str(error.value) == (f"Expected equally large arrays (cycles, streams) for the inputs ['a'] of top, {found}")


def test_streams_of_different_sizes() -> None:
    netlist = Netlist(
        name="top",
        inputs={"clk": (2,), "a": (3,), "b": (4,)},
        outputs={"o": (5,)},
        instances=(Instance(name="f", cell="DFF", pins={"D": 3, "CK": 2, "Q": 5}),),
        net_count=6,
    )
    inputs = {"a": np.zeros((2, 1), int), "b": np.zeros((3, 1), int)}
    with pytest.raises(AxhwError, match=r"found \['a', 'b'\] with shapes \['\(2, 1\)', '\(3, 1\)'\]\.$"):
        run_clocked(netlist, levelize(netlist, LIBRARY), LIBRARY, inputs)


def test_a_design_without_a_clock() -> None:
    netlist = design([("INV", {"A": 3, "Y": 4})], inputs=1, outputs=(4,))
    with pytest.raises(AxhwError, match=r"^Expected flip-flops in top to clock, found none\.$"):
        run(netlist, np.zeros((2, 1), int))


def test_an_output_that_is_no_state() -> None:
    netlist = design([("ODD", {"D": 3, "CK": 2, "Q": 4})], inputs=1, outputs=(4,))
    with pytest.raises(
        AxhwError, match=r"^Expected output Q of flip-flop ODD to be its state or the inverse, found 'IQ & D'\.$"
    ):
        run(netlist, np.zeros((2, 1), int))
