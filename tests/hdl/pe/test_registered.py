"""The registered multiplier: cycle model by hand, component against cycle model, messages."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.drum import DrumSpec
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.mitchell import MitchellSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.registered import RegisteredSpec

MULTIPLIERS = [
    RoupSpec(p=2, r=3),
    RoupSpec(signed=False, p=1, r=8, rule="symmetric"),
    TruncatedSpec(width=5, signed=False, k=4, correction="constant"),
    DrumSpec(width=6, k=3),
    MitchellSpec(width=4, signed=False),
]


def test_name_and_latency():
    spec = RegisteredSpec(multiplier=RoupSpec(p=2, r=3))
    assert spec.name == "roup8s_p2_r3_reg"
    assert spec.latency == 2


def test_cycle_model_by_hand():
    spec = RegisteredSpec(multiplier=ExactSpec())
    a, b = np.array([2, 3, -4, 5, 6, 7, 8]), np.array([10, 10, 10, 10, 10, 10, 10])
    #   cycle      0  1  2  3  4  5  6
    valid = np.array([1, 0, 1, 1, 1, 1, 0])
    reset = np.array([0, 0, 0, 0, 1, 0, 0])
    o, valid_o = spec.simulate(a, b, valid=valid, reset=reset)
    assert o.tolist() == [0, 0, 20, 30, -40, 50, 60]
    # The pair of cycle 1 was not valid; the reset in cycle 4 drops those of the cycles 3 and 4.
    assert valid_o.tolist() == [False, False, True, False, True, False, False]


@pytest.mark.parametrize("multiplier", MULTIPLIERS, ids=lambda spec: spec.name)
def test_component_follows_the_cycle_model(multiplier, run_cycles, operands):
    spec = RegisteredSpec(multiplier=multiplier)
    a, b = operands(spec, 200, seed=11)
    rng = np.random.default_rng(12)
    valid, reset = rng.random(200) < 0.7, rng.random(200) < 0.1
    found = run_cycles(spec, ("o", "valid_o"), {"a": a, "b": b, "valid_i": valid}, reset)
    o, valid_o = spec.simulate(a, b, valid=valid, reset=reset)
    np.testing.assert_array_equal(found["o"], o)
    np.testing.assert_array_equal(found["valid_o"], valid_o)
    assert 50 < valid_o.sum() < 180


def test_every_valid_product_comes_out_once(operands):
    spec = RegisteredSpec(multiplier=RoupSpec(p=1, r=2))
    a, b = operands(spec, 50, seed=13)
    valid = np.arange(50) % 3 != 0
    o, valid_o = spec.simulate(a, b, valid=valid)
    taken = valid[:-2]
    np.testing.assert_array_equal(o[valid_o], spec.multiplier.reference(a, b)[:-2][taken])


@pytest.mark.parametrize("cycles", [0, 1, 2])
def test_streams_shorter_than_the_latency(cycles):
    zeros = np.zeros(cycles, np.int64)
    o, valid_o = RegisteredSpec(multiplier=ExactSpec()).simulate(zeros, zeros, valid=np.ones(cycles, np.int64))
    assert o.shape == valid_o.shape == (cycles,)
    assert not valid_o.any()


def test_impossible_multiplier():
    with pytest.raises(AxhwError) as caught:
        RegisteredSpec(multiplier="roup")
    assert str(caught.value) == "Expected a multiplier spec inside the element registered, found 'roup'."


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (
            {"valid": [1, 2, 1]},
            r"^Expected a row of zeros and ones for valid of exact8s_reg, found array\(\[1, 2, 1\]\)\.$",
        ),
        ({"valid": 1}, r"^Expected a row of zeros and ones for valid of exact8s_reg, found array\(1\)\.$"),
        (
            {"valid": [0.0, 1.0]},
            r"^Expected a row of zeros and ones for valid of exact8s_reg, found array\(\[0\., 1\.\]\)\.$",
        ),
        (
            {"valid": [1, 1, 1], "reset": [0]},
            r"^Expected signals of one length for exact8s_reg, found \[1, 3\] cycles\.$",
        ),
        (
            {"valid": [1, 1]},
            r"^Expected 2 operands for exact8s_reg like its control signals, found shapes \(3,\) and \(3,\)\.$",
        ),
    ],
)
def test_messages_of_the_cycle_model(signals, message):
    with pytest.raises(AxhwError, match=message):
        RegisteredSpec(multiplier=ExactSpec()).simulate([1, 2, 3], [4, 5, 6], **signals)
