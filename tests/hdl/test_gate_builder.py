"""Building and simplifying netlists: nothing changes but what can go, and what can go goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.hdl.bits import exhaustive_words
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import ONE, ZERO, GateBuilder, exact_multiplier, simplified
from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist


@st.composite
def netlists(draw):
    inputs = draw(st.integers(1, 5))
    gates = []
    for number in range(inputs, inputs + draw(st.integers(0, 20))):
        function, x, y = (draw(st.integers(0, limit)) for limit in (15, number - 1, number - 1))
        gates.append(Gate(function, x, y))
    outputs = draw(st.lists(st.integers(0, inputs + len(gates) - 1), min_size=1, max_size=5))
    return GateNetlist(inputs=inputs, gates=tuple(gates), outputs=tuple(outputs))


@given(netlists())
def test_a_simplified_netlist_computes_the_same_with_no_more_gates(netlist):
    small = simplified(netlist)
    words = exhaustive_words(netlist.inputs)
    assert np.array_equal(small.evaluate(words), netlist.evaluate(words))
    constants = sum(gate.function in (0, 15) for gate in small.gates)
    assert len(small.gates) - constants <= netlist.active[netlist.inputs :].sum()
    assert small.active[small.inputs :].all()
    assert len(set(small.gates)) == len(small.gates)
    assert simplified(small) == small


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("x", [0, ZERO, ONE])
@pytest.mark.parametrize("y", [0, 1, ZERO, ONE])
def test_every_function_of_signals_and_constants(function, x, y):
    builder = GateBuilder(2)
    netlist = builder.build([builder.add(function, x, y)])
    (row,) = netlist.evaluate(exhaustive_words(2))
    for vector in range(4):
        values = {0: vector & 1, 1: vector >> 1, ZERO: 0, ONE: 1}
        expected = FUNCTIONS[function] >> (values[x] + 2 * values[y]) & 1
        assert int(row[0]) >> vector & 1 == expected
    if x != 0 or y != 1:
        assert all(gate.function in (FUNCTIONS["not"], 0, 15) for gate in netlist.gates)


def test_repeated_mirrored_and_dead_gates_go():
    netlist = GateNetlist.of("inputs 2;and 0 1;and 1 0;andnot 0 1;notand 1 0;not 4;not 6;or 0 1;outputs 2 3 4 5 7")
    assert simplified(netlist).text(separator=";") == "inputs 2;and 0 1;andnot 0 1;outputs 2 2 3 3 3"


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 5, 8])
def test_exact_multipliers_are_exact(width, signed):
    spec = NetlistSpec.from_circuit(exact_multiplier(width, signed=signed), signed=signed)
    codes = spec.operand_codes()
    assert np.array_equal(spec.reference(codes[:, None], codes), np.multiply.outer(codes, codes))


@pytest.mark.parametrize("signed", [True, False])
def test_an_exact_multiplier_of_16_bits(signed, pairs):
    spec = NetlistSpec.from_circuit(exact_multiplier(16, signed=signed), signed=signed)
    a, b = pairs(spec, 2000)
    assert np.array_equal(spec.reference(a, b), a * b)
