"""The multiply-accumulate element: cycle model by hand, component against cycle model, overflow, messages."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.evoapprox import EvoApproxSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.kulkarni import KulkarniSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.mac import MacSpec

SPECS = [
    MacSpec(multiplier=RoupSpec(p=2, r=3)),
    MacSpec(multiplier=EvoApproxSpec(circuit="mul8s_1L2L"), terms=1, overflow="saturate"),
    MacSpec(multiplier=RoupSpec(signed=False, p=1, r=8, rule="symmetric"), terms=2),
    MacSpec(multiplier=KulkarniSpec(width=4, signed=False), terms=3, overflow="saturate"),
    MacSpec(multiplier=ExactSpec(width=4), terms=2),
    MacSpec(multiplier=ExactSpec(width=4), terms=2, overflow="saturate"),
]


@pytest.mark.parametrize(
    ("spec", "name", "width"),
    [
        (SPECS[0], "roup8s_p2_r3_mac64", 22),
        (SPECS[1], "evoapprox_v2022_mul8s_1L2L_mac1_saturate", 16),
        (SPECS[2], "roup8u_p1_r8_symmetric_mac2", 18),
        (SPECS[3], "kulkarni4u_mac3_saturate", 10),
        (MacSpec(multiplier=ExactSpec(), terms=65), "exact8s_mac65", 23),
        (MacSpec(multiplier=ExactSpec(), terms=65536), "exact8s_mac65536", 32),
    ],
)
def test_name_and_width(spec, name, width):
    assert spec.name == name
    assert spec.latency == 2
    assert spec.accumulator_width == width


def test_cycle_model_by_hand():
    spec = MacSpec(multiplier=ExactSpec(), terms=8)
    #   cycle  0  1  2  3  4  5  6  7  8
    a = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    b = [1] * 9
    valid = [1, 1, 0, 1, 1, 1, 1, 0, 0]
    clear = [0, 0, 1, 0, 1, 0, 0, 0, 0]
    reset = [0, 0, 0, 0, 0, 0, 1, 0, 0]
    acc, valid_o = spec.simulate(a, b, valid=valid, clear=clear, reset=reset)
    # 1, 1 + 2, nothing (its clear is ignored), 3 + 4, a new sum from 5; the reset drops 6 and 7 and the sum.
    assert acc.tolist() == [0, 0, 1, 3, 3, 7, 5, 0, 0]
    assert valid_o.tolist() == [False, False, True, True, False, True, True, False, False]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_component_follows_the_cycle_model(spec, run_cycles, operands):
    cycles = 250
    a, b = operands(spec, cycles, seed=21)
    rng = np.random.default_rng(22)
    valid, clear, reset = rng.random(cycles) < 0.8, rng.random(cycles) < 0.1, rng.random(cycles) < 0.03
    inputs = {"a": a, "b": b, "valid_i": valid, "clear": clear}
    found = run_cycles(spec, ("acc", "valid_o"), inputs, reset)
    acc, valid_o = spec.simulate(a, b, valid=valid, clear=clear, reset=reset)
    np.testing.assert_array_equal(found["acc"], acc)
    np.testing.assert_array_equal(found["valid_o"], valid_o)


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("operands", [(-8, -8), (-8, 7), (7, 7)])
def test_component_overflows_as_the_cycle_model(operands, signed, overflow, run_cycles):
    spec = MacSpec(multiplier=ExactSpec(width=4, signed=signed), terms=2, overflow=overflow)
    cycles = 24
    a, b = (np.full(cycles, value if signed else value % 16) for value in operands)
    ones, zeros = np.ones(cycles, np.int64), np.zeros(cycles, np.int64)
    found = run_cycles(spec, ("acc",), {"a": a, "b": b, "valid_i": ones, "clear": zeros}, zeros)
    acc, _ = spec.simulate(a, b, valid=ones)
    np.testing.assert_array_equal(found["acc"], acc)
    low, high = spec.accumulator_range
    exact = np.concatenate([[0, 0], np.cumsum(a * b)[:-2]])
    assert exact.min() < low or exact.max() > high, "the stream must overflow"
    if overflow == "saturate":
        np.testing.assert_array_equal(acc, np.clip(exact, low, high))
    else:
        np.testing.assert_array_equal((acc - exact) % (1 << spec.accumulator_width), 0)
        assert low <= acc.min() <= acc.max() <= high


def test_saturation_clamps_every_step():
    spec = MacSpec(multiplier=ExactSpec(width=4), terms=1, overflow="saturate")
    a, b = [-8, -8, -8, 0, 0], [-8, -8, 7, 0, 0]
    acc, _ = spec.simulate(a, b, valid=[1] * 5)
    # 64, then 128 held at 127, then 127 - 56: not 128 - 56.
    assert acc.tolist() == [0, 0, 64, 127, 71]


@pytest.mark.parametrize("multiplier", [ExactSpec(), ExactSpec(signed=False), RoupSpec(signed=False, p=1, r=8)])
@pytest.mark.parametrize("terms", [1, 2, 63, 64, 65])
def test_that_many_terms_never_overflow(terms, multiplier):
    codes = multiplier.operand_codes()
    table = multiplier.reference(codes[:, None], codes)
    low, high = MacSpec(multiplier=multiplier, terms=terms).accumulator_range
    assert low <= terms * int(table.min())
    assert terms * int(table.max()) <= high


def test_dot_product(operands):
    spec = MacSpec(multiplier=RoupSpec(p=1, r=4), terms=32)
    a, b = operands(spec, 66, seed=23)
    clear = np.arange(66) % 32 == 0
    acc, _ = spec.simulate(a, b, valid=np.ones(66, np.int64), clear=clear)
    products = spec.multiplier.reference(a, b)
    assert [acc[33], acc[65]] == [products[:32].sum(), products[32:64].sum()]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"terms": 0}, "Expected terms from 1 to 65536 for the element mac, found 0."),
        ({"terms": 65537}, "Expected terms from 1 to 65536 for the element mac, found 65537."),
        ({"terms": "64"}, "Expected terms from 1 to 65536 for the element mac, found '64'."),
        ({"terms": True}, "Expected terms from 1 to 65536 for the element mac, found True."),
        ({"overflow": "clip"}, "Expected overflow to be one of wrap, saturate, found 'clip'."),
        ({"multiplier": None}, "Expected a multiplier spec inside the element mac, found None."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        MacSpec(**{"multiplier": ExactSpec()} | parameters)
    assert str(caught.value) == message
