"""A crossbar alone: sums by hand, the circuit against the golden model, a macro in its place, messages."""

from __future__ import annotations

import re

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.kulkarni import KulkarniSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.crossbar import CrossbarMacro, CrossbarSpec
from axhw.hdl.ports import input_widths, output_widths
from axhw.synth.engines import find_engine, run_script
from axhw.synth.synthesis import to_rtlil

ASYMMETRIC = RoupSpec(width=4, p=1, r=1)
CONSTANT = TruncatedSpec(width=5, signed=False, k=4, correction="constant")
SPECS = [
    CrossbarSpec(multiplier=ASYMMETRIC, rows=2, columns=2),
    CrossbarSpec(multiplier=CONSTANT, rows=3, columns=1),
    CrossbarSpec(multiplier=KulkarniSpec(width=4, signed=False), rows=1, columns=3),
]


def test_sums_by_hand():
    spec = CrossbarSpec(multiplier=ExactSpec(), rows=2, columns=3)
    assert spec.name == "exact8s_xb2x3"
    assert spec.sum_shape.width == 17
    assert spec.reference([2, -3], [[1, 10, 100], [4, 50, -128]]).tolist() == [2 - 12, 20 - 150, 200 + 384]


def test_activations_are_operand_a():
    spec = CrossbarSpec(multiplier=ASYMMETRIC, rows=1, columns=1)
    low, high = ASYMMETRIC.operand_range
    codes = np.arange(low, high + 1)
    sums = spec.reference(codes[:, None, None], codes[None, :, None, None])[..., 0]
    table = ASYMMETRIC.reference(codes[:, None], codes)
    np.testing.assert_array_equal(sums, table)
    assert (table != table.T).any()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_component_follows_the_golden_model(spec, run_cycles):
    rng = np.random.default_rng(61)
    cycles = 120
    low, high = spec.multiplier.operand_range
    codes = rng.integers(low, high, (cycles, spec.rows), endpoint=True)
    values = rng.integers(low, high, (cycles, spec.columns), endpoint=True)
    row = rng.integers(0, spec.rows, cycles)
    write, enable = rng.random((2, cycles)) < 0.6
    inputs = {"enable": enable, "write": write, "row": row}
    inputs |= {f"codes[{index}]": codes[:, index] for index in range(spec.rows)}
    inputs |= {f"values[{index}]": values[:, index] for index in range(spec.columns)}
    sums = [f"sums[{column}]" for column in range(spec.columns)]
    # A reset leaves weights alone.
    found = run_cycles(spec, sums, inputs, (rng.random(cycles) < 0.1).astype(np.int64))
    weights = np.zeros((spec.rows, spec.columns), np.int64)
    for cycle in range(cycles):
        expected = spec.reference(codes[cycle], weights) if enable[cycle] else np.zeros(spec.columns)
        np.testing.assert_array_equal([found[name][cycle] for name in sums], expected)
        if write[cycle]:
            weights[row[cycle]] = values[cycle]


def test_a_macro_has_the_same_ports():
    spec = CrossbarSpec(multiplier=ExactSpec(width=4), rows=2, columns=1)
    digital, macro = spec.component(), CrossbarMacro(spec, module="bank")
    assert macro.signature.members == digital.signature.members
    script = "read_rtlil source.il; write_verilog -noattr design.v"
    rtlil = to_rtlil(macro, name="wrapper") + to_rtlil(digital, name="digital")
    verilog = run_script(find_engine(), script, inputs={"source.il": rtlil}, outputs=("design.v",))["design.v"]
    instance = re.search(r"bank macro \((.*?)\);", verilog, re.DOTALL)
    assert instance is not None
    connected = set(re.findall(r"\.(\w+)\(", instance.group(1)))
    assert connected == {"clk", "rst", *input_widths(macro.signature), *output_widths(macro.signature)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rows": 0}, "Expected rows from 1 to 32 for a crossbar, found 0."),
        ({"columns": 33}, "Expected columns from 1 to 32 for a crossbar, found 33."),
        ({"columns": True}, "Expected columns from 1 to 32 for a crossbar, found True."),
        ({"multiplier": None}, "Expected a multiplier spec for the cells of a crossbar, found None."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        CrossbarSpec(**{"multiplier": ExactSpec(), "rows": 2, "columns": 2} | parameters)
    assert str(caught.value) == message


def test_vectors_of_another_length():
    with pytest.raises(AxhwError, match=r"^Expected codes of shape \(\.\.\., 2\) .* found \(3,\) and \(2, 2\)\.$"):
        CrossbarSpec(multiplier=ExactSpec(), rows=2, columns=2).reference([1, 2, 3], [[1, 2], [3, 4]])
