"""The systolic array: cycle model by hand and register by register, component against cycle model, messages."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.kulkarni import KulkarniSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.pe.systolic import SystolicSpec

CONSTANT = TruncatedSpec(width=5, signed=False, k=4, correction="constant")
SPECS = [
    SystolicSpec(multiplier=RoupSpec(p=2, r=3), rows=2, columns=2),
    SystolicSpec(multiplier=CONSTANT, rows=3, columns=2, terms=3),
    SystolicSpec(multiplier=KulkarniSpec(width=4, signed=False), rows=1, columns=3, terms=1),
    SystolicSpec(multiplier=ExactSpec(width=4), rows=2, columns=1, terms=2),
    SystolicSpec(multiplier=ExactSpec(width=4), rows=1, columns=1),
    MixedSystolicSpec.of((ExactSpec(width=4), RoupSpec(width=4, p=1, r=2), RoupSpec(width=4, p=2)), rows=2),
]


def random_ports(spec, cycles, seed, *, load=0.2, reset=0.05):
    rng = np.random.default_rng(seed)
    low, high = spec.multiplier.operand_range
    half = 1 << (spec.sum_width - 1)
    least, most = (-half, half - 1) if spec.multiplier.signed else (0, 2 * half - 1)
    return {
        "a": rng.integers(low, high, (cycles, spec.rows), endpoint=True),
        "w": rng.integers(low, high, (cycles, spec.columns), endpoint=True),
        "s_i": rng.integers(least, most, (cycles, spec.columns), endpoint=True),
        "valid": rng.random(cycles) < 0.7,
        "load": rng.random(cycles) < load,
        "reset": rng.random(cycles) < reset,
    }


def by_registers(spec, *, a, w, s_i, valid, load, reset):
    """The array one register at a time, as the module's drawing says."""
    rows, columns = spec.rows, spec.columns
    a_r, weight, s_r, load_r, valid_r = (np.zeros((rows + 1, columns + 1), np.int64) for _ in range(5))
    outputs, bits, last = [], [], np.zeros(columns, np.int64)
    for t in range(len(valid)):
        outputs.append(s_r[rows - 1, :columns].copy())
        bits.append(last.copy())
        old_a, old_s, old_load, old_valid = a_r.copy(), s_r.copy(), load_r.copy(), valid_r.copy()
        last = np.where(reset[t], 0, old_valid[rows - 1, :columns])
        for row in range(rows):
            for column in range(columns):
                # A wave's bits come from the left or, in column 0, from above.
                behind = (row, column - 1) if column else (row - 1, 0)
                bit = load[t] if row == column == 0 else old_load[behind]
                passing = valid[t] if row == column == 0 else old_valid[behind]
                above = s_i[t, column] if row == 0 else old_s[row - 1, column]
                product = spec.column_multipliers[column].reference(old_a[row, column], weight[row, column])
                s_r[row, column] = spec.wrap(np.array(above + product))
                a_r[row, column] = a[t, row] if column == 0 else old_a[row, column - 1]
                if bit:
                    weight[row, column] = w[t, column]
                load_r[row, column] = bit and not reset[t]
                valid_r[row, column] = passing and not reset[t]
    return np.array(outputs), np.array(bits, np.bool_)


@pytest.mark.parametrize(
    ("spec", "name", "width"),
    [
        (SPECS[0], "roup8s_p2_r3_sa2x2", 22),
        (SPECS[1], "truncated5u_k4_constant_sa3x2_t3", 12),
        (SPECS[2], "kulkarni4u_sa1x3_t1", 8),
        (SystolicSpec(multiplier=ExactSpec()), "exact8s_sa4x4", 22),
        (SystolicSpec(multiplier=ExactSpec(), terms=65), "exact8s_sa4x4_t65", 23),
    ],
)
def test_name_and_width(spec, name, width):
    assert spec.name == name
    assert spec.sum_width == width
    assert spec.latency == spec.rows + 1
    assert spec.operations == spec.rows * spec.columns


def test_cycle_model_by_hand():
    spec = SystolicSpec(multiplier=ExactSpec(), rows=2, columns=2)
    # Wave 0 loads [[1, 2], [3, 4]] and carries (5, 6), wave 1 is a bubble, wave 2 loads [[-1, 0], [0, 1]] with (7, 8).
    a = [[5, 0], [0, 6], [7, 0], [0, 8], [0, 0], [0, 0], [0, 0]]
    w = [[1, 0], [3, 2], [-1, 4], [0, 0], [0, 1], [0, 0], [0, 0]]
    s_i = [[0, 0], [100, 0], [0, 200], [0, 0], [0, 1000], [0, 0], [0, 0]]
    s_o, valid_o = spec.simulate(a, w, s_i, valid=[1, 0, 1, 0, 0, 0, 0], load=[1, 0, 1, 0, 0, 0, 0])
    assert (s_o[3, 0], s_o[4, 1]) == (100 + 5 * 1 + 6 * 3, 200 + 5 * 2 + 6 * 4)
    assert (s_o[5, 0], s_o[6, 1]) == (7 * -1 + 8 * 0, 1000 + 7 * 0 + 8 * 1)
    assert valid_o.tolist() == [[False] * 2] * 3 + [[True, False], [False, True], [True, False], [False, True]]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_cycle_model_register_by_register(spec):
    ports = random_ports(spec, 120, seed=31)
    expected, bits = by_registers(spec, **ports)
    s_o, valid_o = spec.simulate(**ports)
    np.testing.assert_array_equal(s_o, expected)
    np.testing.assert_array_equal(valid_o, bits)
    assert valid_o.any()
    assert not valid_o.all()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_component_follows_the_cycle_model(spec, run_cycles):
    ports = random_ports(spec, 150, seed=32)
    inputs = {"load": ports["load"], "valid_i": ports["valid"]}
    for name in ("a", "w", "s_i"):
        inputs |= {f"{name}[{index}]": ports[name][:, index] for index in range(ports[name].shape[1])}
    sums = [f"s_o[{column}]" for column in range(spec.columns)]
    found = run_cycles(spec, (*sums, "valid_o"), inputs, ports["reset"])
    s_o, valid_o = spec.simulate(**ports)
    np.testing.assert_array_equal(np.stack([found[name] for name in sums], axis=1), s_o)
    np.testing.assert_array_equal(found["valid_o"], (valid_o << np.arange(spec.columns)).sum(axis=1))


def test_sums_wrap_around_beyond_their_terms():
    spec = SystolicSpec(multiplier=ExactSpec(width=4), rows=1, columns=1, terms=1)
    s_o, _ = spec.simulate([[7]] * 4, [[7]] * 4, [[127]] * 4, valid=[1] * 4, load=[1] * 4)
    assert s_o[:, 0].tolist() == [0, 127, 127 + 49 - 256, 127 + 49 - 256]


@pytest.mark.parametrize("cycles", [0, 1, 2])
def test_streams_shorter_than_the_latency(cycles):
    spec = SystolicSpec(multiplier=ExactSpec(), rows=3, columns=2)
    s_o, valid_o = spec.simulate(**random_ports(spec, cycles, seed=33))
    assert s_o.shape == valid_o.shape == (cycles, 2)
    assert not s_o.any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rows": 0}, "Expected rows from 1 to 32 for the element systolic, found 0."),
        ({"columns": 33}, "Expected columns from 1 to 32 for the element systolic, found 33."),
        ({"columns": "4"}, "Expected columns from 1 to 32 for the element systolic, found '4'."),
        ({"rows": True}, "Expected rows from 1 to 32 for the element systolic, found True."),
        ({"rows": 4, "terms": 3}, "Expected terms from 4 to 65536 for the element systolic, found 3."),
        ({"multiplier": None}, "Expected a multiplier spec inside the element systolic, found None."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        SystolicSpec(**{"multiplier": ExactSpec()} | parameters)
    assert str(caught.value) == message


def test_ports_of_another_shape():
    spec = SystolicSpec(multiplier=ExactSpec(), rows=2, columns=2)
    ports = random_ports(spec, 5, seed=34)
    with pytest.raises(
        AxhwError, match=r"^Expected integers of shape \(5, 2\) for w of exact8s_sa2x2 .* int64 of shape \(5, 1\)\.$"
    ):
        spec.simulate(**ports | {"w": ports["w"][:, :1]})
