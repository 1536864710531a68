"""Gate netlists: every function, text there and back, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.bits import exhaustive_words
from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist

DEFINITIONS = {
    "zero": lambda x, y: 0,
    "nor": lambda x, y: not (x or y),
    "andnot": lambda x, y: x and not y,
    "noty": lambda x, y: not y,
    "notand": lambda x, y: not x and y,
    "not": lambda x, y: not x,
    "xor": lambda x, y: x != y,
    "nand": lambda x, y: not (x and y),
    "and": lambda x, y: x and y,
    "xnor": lambda x, y: x == y,
    "buf": lambda x, y: x,
    "ornot": lambda x, y: x or not y,
    "bufy": lambda x, y: y,
    "notor": lambda x, y: not x or y,
    "or": lambda x, y: x or y,
    "one": lambda x, y: 1,
}

HALF_ADDER = """
inputs 2  # x, y
and 0 1
xor 0 1

outputs 3 2
"""


@st.composite
def netlists(draw):
    inputs = draw(st.integers(1, 6))
    gates = []
    for number in range(inputs, inputs + draw(st.integers(0, 12))):
        function, x, y = (draw(st.integers(0, limit)) for limit in (15, number - 1, number - 1))
        gates.append(Gate(function, x, y))
    outputs = draw(st.lists(st.integers(0, inputs + len(gates) - 1), min_size=1, max_size=5))
    return GateNetlist(inputs=inputs, gates=tuple(gates), outputs=tuple(outputs))


def bit_by_bit(netlist, vector):
    values = [bool(vector >> k & 1) for k in range(netlist.inputs)]
    for gate in netlist.gates:
        values.append(bool(gate.function >> (values[gate.x] + 2 * values[gate.y]) & 1))
    return [values[output] for output in netlist.outputs]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_what_their_names_say(name):
    netlist = GateNetlist(inputs=2, gates=(Gate(FUNCTIONS[name], 0, 1),), outputs=(2,))
    (row,) = netlist.evaluate(exhaustive_words(2))
    for x in (0, 1):
        for y in (0, 1):
            assert int(row[0]) >> (x + 2 * y) & 1 == int(DEFINITIONS[name](x, y)), (x, y)


def test_half_adder_from_text():
    netlist = GateNetlist.of(HALF_ADDER)
    assert netlist == GateNetlist(inputs=2, gates=(Gate(8, 0, 1), Gate(6, 0, 1)), outputs=(3, 2))
    assert netlist.text(separator=";") == "inputs 2;and 0 1;xor 0 1;outputs 3 2"
    assert [int(row[0]) & 15 for row in netlist.evaluate(exhaustive_words(2))] == [0b0110, 0b1000]


@given(netlists())
def test_evaluation_is_that_of_single_bits_and_text_comes_back(netlist):
    rows = netlist.evaluate(exhaustive_words(netlist.inputs))
    for vector in range(1 << netlist.inputs):
        found = [bool(int(row[vector // 64]) >> vector % 64 & 1) for row in rows]
        assert found == bit_by_bit(netlist, vector)
    read = GateNetlist.of(netlist.text())
    assert read.text() == netlist.text()
    assert np.array_equal(read.evaluate(exhaustive_words(netlist.inputs)), rows)


def test_only_gates_that_reach_an_output_through_what_functions_read_are_active():
    netlist = GateNetlist.of("inputs 2;not 0;and 0 1;xor 0 1;buf 3;outputs 5")
    assert netlist.active.tolist() == [True, True, False, True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "from a line `inputs N` to a line `outputs S S ...`, found neither"),
        ("inputs 2;and 0 1", "from a line `inputs N` to a line"),
        ("inputs two;outputs 0", "Expected 1 number behind inputs in line 1, found 'two'"),
        ("inputs 2;maj 0 1;outputs 2", "Expected a gate out of zero, nor, .* in line 2, found 'maj'"),
        ("inputs 2;and 0;outputs 2", "Expected 2 numbers behind and in line 2, found '0'"),
        ("inputs 2;not 0 1;outputs 2", "Expected 1 number behind not in line 2, found '0 1'"),
        ("inputs 2;and 0 2;outputs 2", "Expected signal 2 to read signals from 0 to 1, found 0 and 2"),
        ("inputs 2;and 0 -1;outputs 2", "Expected 2 numbers behind and in line 2, found '0 -1'"),
        ("inputs 2;outputs 2", "Expected outputs out of the signals 0 to 1, found 2"),
        ("inputs 0;outputs 0", "Expected inputs and outputs, found 0 and 1"),
        ("inputs 2;outputs", "Expected inputs and outputs, found 2 and 0"),
    ],
)
def test_refused_text(text, message):
    with pytest.raises(AxhwError, match=message):
        GateNetlist.of(text)


def test_a_function_that_does_not_exist_is_refused():
    with pytest.raises(AxhwError, match="Expected a function from 0 to 15 for signal 1, found 16"):
        GateNetlist(inputs=1, gates=(Gate(16, 0, 0),), outputs=(1,))


def test_evaluation_wants_words_for_every_input():
    with pytest.raises(AxhwError, match="Expected words for 2 inputs, found 3 rows"):
        GateNetlist.of(HALF_ADDER).evaluate(exhaustive_words(3))
