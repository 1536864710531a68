"""Worst-case errors by satisfiability: those of enumeration, and bounds when time runs out."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.gates import Gate, GateNetlist
from axhw.sim.worst_case import worst_case_error

pytest.importorskip("pysat", reason="python-sat is not installed")


def mutated(width, *, signed, seed, changes):
    """An exact multiplier with some gates changed at random."""
    circuit = exact_multiplier(width, signed=signed)
    rng = np.random.default_rng(seed)
    gates = list(circuit.gates)
    for place in rng.choice(len(gates), changes, replace=False):
        x, y = rng.integers(0, circuit.inputs + place, 2)
        gates[place] = Gate(int(rng.integers(16)), int(x), int(y))
    return GateNetlist(inputs=circuit.inputs, gates=tuple(gates), outputs=circuit.outputs)


def worst(circuit, *, signed):
    spec = NetlistSpec.from_circuit(circuit, signed=signed)
    codes = spec.operand_codes()
    return np.abs(spec.reference(codes[:, None], codes) - np.multiply.outer(codes, codes)).max()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("width", [4, 6])
def test_worst_case_is_that_of_all_pairs_and_its_operands_have_it(width, seed, signed):
    circuit = mutated(width, signed=signed, seed=seed, changes=seed)
    found = worst_case_error(circuit, signed=signed)
    assert found.proved
    assert found.lower == worst(circuit, signed=signed)
    spec = NetlistSpec.from_circuit(circuit, signed=signed)
    assert abs(int(spec.reference([found.a], [found.b])[0]) - found.a * found.b) == found.lower


def test_sixteen_bits_against_the_multiplier_it_was_made_from():
    exact = exact_multiplier(16, signed=False)
    gates = list(exact.gates)
    # The lowest output bit is a AND b of the lowest bits: without it the error is 1 for odd operands.
    gates[0] = Gate(0, 0, 0)
    circuit = GateNetlist(inputs=32, gates=tuple(gates), outputs=exact.outputs)
    found = worst_case_error(circuit, signed=False, exact=exact)
    assert (found.lower, found.upper, found.a % 2, found.b % 2) == (1, 1, 1, 1)


def test_without_time_the_bounds_say_what_is_known():
    found = worst_case_error(mutated(8, signed=True, seed=1, changes=3), signed=True, time_limit_s=0.0)
    assert not found.proved
    assert (found.lower, found.upper) == (0, (1 << 17) - 1)


def test_a_circuit_that_is_no_multiplier_is_refused():
    with pytest.raises(AxhwError, match="found 2 inputs and 1 outputs"):
        worst_case_error(GateNetlist.of("inputs 2;and 0 1;outputs 2"), signed=False)


def test_a_missing_solver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pysat.solvers", None)
    with pytest.raises(AxhwError, match=r"pip install 'axhw\[formal\]'"):
        worst_case_error(exact_multiplier(4, signed=True), signed=True)
