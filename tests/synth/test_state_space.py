"""States of cells, enumerated in plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, FlipFlop, Pin
from axhw.synth.state_space import StateSpace


def _cell(outputs: dict[str, str], inputs: str, flip_flop: FlipFlop | None = None) -> Cell:
    pins = {pin: Pin(name=pin, direction="input", capacitance_ff=1.0) for pin in inputs}
    pins |= {
        pin: Pin(name=pin, direction="output", capacitance_ff=0.0, function=function)
        for pin, function in outputs.items()
    }
    return Cell(name="cell", area_um2=1.0, leakage_nw=0.0, leakage_states=(), pins=pins, flip_flop=flip_flop)


FULL_ADDER = _cell({"S": "A ^ B ^ C", "K": "(A & B) | (C & (A ^ B))"}, "ABC")
STATES = [dict(zip("CBA", bits, strict=True)) for bits in itertools.product([False, True], repeat=3)]


def test_conditions_may_name_inputs_and_outputs() -> None:
    space = StateSpace.of(FULL_ADDER)
    assert space.variables == ("A", "B", "C")
    expected: dict[str, Callable[[dict[str, bool]], bool]] = {
        "A & !C": lambda s: s["A"] and not s["C"],
        "K": lambda s: sum(s.values()) >= 2,
        "!S & A": lambda s: sum(s.values()) == 2 and s["A"],
        "1": lambda s: True,
        "0": lambda s: False,
    }
    for expression, holds in expected.items():
        np.testing.assert_array_equal(space.evaluate(expression), [holds(state) for state in STATES])
    with pytest.raises(AxhwError, match="Expected conditions of cell cell over its pins, found 'Z' in 'A & Z'"):
        space.evaluate("A & Z")


def test_sensitised_states_tell_the_direction() -> None:
    space = StateSpace.of(FULL_ADDER)
    follows, inverts = space.sensitised("S", "A")
    np.testing.assert_array_equal(follows, [s["B"] == s["C"] for s in STATES])
    np.testing.assert_array_equal(inverts, [s["B"] != s["C"] for s in STATES])
    follows, inverts = space.sensitised("K", "C")
    np.testing.assert_array_equal(follows, [s["A"] != s["B"] for s in STATES])
    assert not inverts.any()


def test_the_condition_of_none_is_what_the_others_leave() -> None:
    space = StateSpace.of(FULL_ADDER)
    both, rest, first = space.partition(["A & B", None, "A"])
    np.testing.assert_array_equal(both, [s["A"] and s["B"] for s in STATES])
    np.testing.assert_array_equal(first, [s["A"] for s in STATES])
    np.testing.assert_array_equal(rest, [not s["A"] for s in STATES])
    assert space.partition([None])[0].all()


def test_probabilities_multiply() -> None:
    space = StateSpace.of(FULL_ADDER)
    one = np.array([[0.5, 0.25, 0.0], [0.1, 1.0, 0.3]])
    expected = [
        [np.prod([p if state[pin] else 1 - p for pin, p in zip("ABC", row, strict=True)]) for state in STATES]
        for row in one
    ]
    np.testing.assert_allclose(space.probabilities(one), expected)


def test_flip_flops_have_their_stored_bit_as_a_variable() -> None:
    cell = _cell({"Q": "IQ", "QN": "IQN"}, "DC", FlipFlop(state="IQ", inverted="IQN", clocked_on="C", next_state="D"))
    space = StateSpace.of(cell)
    assert space.variables == ("D", "C", "IQ")
    np.testing.assert_array_equal(space.columns["QN"], ~space.columns["Q"])
    np.testing.assert_array_equal(space.evaluate("Q & QN"), np.zeros(8, bool))


def test_cells_with_too_many_inputs_are_refused() -> None:
    with pytest.raises(AxhwError, match="Expected at most 16 inputs on a cell, found 17 on cell"):
        StateSpace.of(_cell({"Y": "A"}, "ABCDEFGHIJKLMNOPQ"[:17]))
