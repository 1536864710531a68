"""Netlists as multipliers: golden model and hardware are the gates, operand order and signs hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist
from axhw.hdl.registry import describe, parse, restore


def array(width, *, signed, drop=()):
    """ANDs summed by half adders, Baugh-Wooley where signed, without the cells (bit of a, bit of b) of `drop`."""
    gates = []

    def gate(name, x=0, y=0):
        gates.append(Gate(FUNCTIONS[name], x, y))
        return 2 * width + len(gates) - 1

    columns = [[] for _ in range(2 * width + 1)]
    for i in range(width):
        for j in range(width):
            negative = signed and (i == width - 1) != (j == width - 1)
            if (i, j) in drop:
                continue
            columns[i + j].append(gate("nand" if negative else "and", i, width + j))
            # -x = (1 - x) - 1: the minus ones of a row are a constant.
            if negative:
                for position in range(i + j, 2 * width):
                    columns[position].append(gate("one"))
    for weight in range(2 * width):
        while len(columns[weight]) > 1:
            x, y, *rest = columns[weight]
            columns[weight] = [*rest, gate("xor", x, y)]
            columns[weight + 1].append(gate("and", x, y))
    zero = gate("zero")
    outputs = tuple(column[0] if column else zero for column in columns[: 2 * width])
    return GateNetlist(inputs=2 * width, gates=tuple(gates), outputs=outputs)


@pytest.mark.parametrize("signed", [True, False])
def test_an_asymmetric_array_is_itself_in_model_and_hardware(signed, check_hardware, pairs):
    spec = NetlistSpec.from_circuit(array(4, signed=signed, drop={(0, 1), (2, 0)}), signed=signed)
    a, b = pairs(spec)
    expected = a * b - 2 * (a & 1) * (b >> 1 & 1) - 4 * (a >> 2 & 1) * (b & 1)
    assert spec.reference(a, b).tolist() == expected.tolist()
    check_hardware([spec])


def test_models_of_few_and_of_all_pairs_agree_at_8_bits(pairs):
    spec = NetlistSpec.from_circuit(array(8, signed=True), signed=True)
    a, b = pairs(spec)
    assert np.array_equal(spec.reference(a, b), a * b)
    codes = spec.operand_codes()
    assert np.array_equal(spec.reference(codes[:, None], codes), np.multiply.outer(codes, codes))
    assert np.array_equal(spec.reference(a[100:163], b[100:163]), a[100:163] * b[100:163])


def test_twelve_bits_are_evaluated_for_the_pairs_asked_for(pairs):
    spec = NetlistSpec.from_circuit(array(12, signed=False), signed=False)
    a, b = pairs(spec, 500)
    assert np.array_equal(spec.reference(a, b), a * b)


def test_every_function_reaches_the_hardware(check_hardware):
    gates = [Gate(code, 1, 4) for code in range(16)]
    circuit = GateNetlist(inputs=8, gates=tuple(gates), outputs=tuple(range(8, 24))[:8])
    other = GateNetlist(inputs=8, gates=tuple(gates), outputs=tuple(range(8, 24))[8:])
    check_hardware([NetlistSpec.from_circuit(each, signed=False) for each in (circuit, other)])


def test_names():
    circuit = array(4, signed=False)
    unnamed = NetlistSpec.from_circuit(circuit, signed=False)
    assert unnamed.name == f"netlist4u_{circuit.sha256[:8]}"
    assert NetlistSpec.from_circuit(circuit, signed=False, label="mine").name == "mine"


def test_spec_survives_json_and_shows_a_digest():
    spec = NetlistSpec.from_circuit(array(4, signed=True), signed=True, label="mine")
    assert restore(json.loads(json.dumps(describe(spec)))) == spec
    assert parse(f"netlist:{spec.gates},width=4,label=mine") == spec
    shown = spec.shown_parameters()
    assert shown == {"gates": spec.circuit.active[8:].sum(), "sha256": spec.circuit.sha256}


def test_comments_and_lines_do_not_make_another_design():
    text = array(4, signed=True).text()
    assert NetlistSpec(width=4, gates=text) == NetlistSpec(width=4, gates=text.replace("\n", ";") + "; # by hand")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "from a line `inputs N`"),
        ({"gates": "inputs 16;outputs 0 1"}, "Expected gates with 16 inputs and 16 outputs for 8-bit .* 16 and 2"),
        ({"gates": array(4, signed=True).text()}, "Expected gates with 16 inputs .* found 8 and 8"),
        ({"gates": array(4, signed=True).text(), "width": 4, "label": "my-design"}, "found 'my-design'"),
    ],
)
def test_refused(parameters, message):
    with pytest.raises(AxhwError, match=message):
        NetlistSpec(**parameters)
