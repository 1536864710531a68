"""ROUP: oracles of the reference, an independent integer model, hardware, width of the product."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.roup import RoupSpec

RULES = ("aligned", "absolute", "symmetric")

# (p, r): MAE, WCE, EP %, MRE %, MSE
ALIGNED = {
    (0, 1): (0.5000, 2, 37.5000, 0.1088, 0.7500),
    (0, 4): (6.3750, 28, 84.3750, 1.0718, 70.2500),
    (0, 6): (32.0762, 164, 94.9219, 4.2096, 1678.2500),
    (0, 8): (149.3062, 860, 98.4375, 13.6741, 35726.2500),
    (1, 0): (64.0000, 256, 74.7070, 4.5301, 8192.2500),
    (1, 2): (65.0938, 268, 88.7695, 4.8288, 8230.2500),
    (1, 4): (73.2422, 356, 95.8008, 6.5056, 9358.2500),
    (2, 0): (256.0000, 1024, 93.3838, 14.7839, 117422.2500),
    (2, 3): (266.1021, 1224, 98.0713, 17.0939, 122766.2500),
    (3, 0): (1024.0000, 4096, 98.0530, 42.9323, 1865102.2500),
}
# (p, r): MAE, WCE, MRE %
SYMMETRIC = {(0, 2): (64.000, 256, 4.530), (1, 2): (98.680, 508, 7.949), (2, 3): (298.453, 1504, 19.636)}


@pytest.mark.parametrize(("p", "r"), ALIGNED)
def test_oracle_aligned(p, r, error_metrics):
    mae, wce, ep, mre, mse = ALIGNED[p, r]
    found = error_metrics(RoupSpec(p=p, r=r))
    assert found["wce"] == wce
    # Half a unit of the last printed digit.
    assert found["mae"] == pytest.approx(mae, abs=5.001e-5)
    assert found["ep"] == pytest.approx(ep, abs=5.001e-5)
    assert found["mre"] == pytest.approx(mre, abs=5.001e-5)
    assert found["mse"] == pytest.approx(mse, abs=5.001e-5)


@pytest.mark.parametrize(("p", "r"), SYMMETRIC)
def test_oracle_symmetric(p, r, error_metrics):
    mae, wce, mre = SYMMETRIC[p, r]
    found = error_metrics(RoupSpec(p=p, r=r, rule="symmetric"))
    assert found["wce"] == wce
    assert found["mae"] == pytest.approx(mae, abs=5.001e-4)
    assert found["mre"] == pytest.approx(mre, abs=5.001e-4)


@pytest.mark.parametrize("rule", RULES)
def test_bias_is_a_quarter_for_signed_operands(rule, error_metrics):
    for p, r in itertools.product(range(4), range(9)):
        spec = RoupSpec(p=p, r=r, rule=rule)
        exact = p == 0 and all(spec.rounding(row) == 0 for row in range(4))
        assert error_metrics(spec)["bias"] == (0 if exact else -0.25), spec.name


def rounded(x, bits):
    """x / 2**bits to the nearest integer, halves up, times 2**bits, on Python integers."""
    return ((2 * x + 2**bits) // 2 ** (bits + 1)) * 2**bits


def by_definition(spec, a, b):
    """The product from rounded weights: row j of b is what rounding to 2j bits keeps and to 2j + 2 bits does not.

    That is the Booth digit times 4**j, written without looking at bits.
    """
    total = 0
    for j in range(spec.p, spec.rows):
        strength = {"aligned": spec.r - 2 * (j - spec.p), "absolute": spec.r - 2 * j, "symmetric": spec.r}[spec.rule]
        last = j == spec.rows - 1
        row = rounded(b, 2 * j) - (0 if last else rounded(b, 2 * j + 2)) if j else b - rounded(b, 2)
        total += row * rounded(a, max(0, strength))
    return total


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 5])
def test_golden_model_is_the_definition(width, signed, rule, pairs):
    rows = RoupSpec(width=width, signed=signed).rows
    for p, r in itertools.product(range(rows + 1), range(width + 1)):
        spec = RoupSpec(width=width, signed=signed, p=p, r=r, rule=rule)
        a, b = pairs(spec)
        expected = [by_definition(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]
        assert spec.reference(a, b).tolist() == expected, spec.name


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [8, 16])
def test_golden_model_is_the_definition_on_random_pairs(width, signed, pairs):
    for p, r, rule in [
        (0, 3, "aligned"),
        (1, 4, "aligned"),
        (2, 3, "absolute"),
        (2, 7, "symmetric"),
        (3, 8, "aligned"),
    ]:
        spec = RoupSpec(width=width, signed=signed, p=p, r=r, rule=rule)
        a, b = pairs(spec, 1500)
        expected = [by_definition(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]
        assert spec.reference(a, b).tolist() == expected, spec.name


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_hardware(rule, signed, check_hardware):
    check_hardware(
        [
            RoupSpec(width=width, signed=signed, p=p, r=r, rule=rule, tree=tree, adder=adder)
            for width, p, r, tree, adder in [
                (5, 0, 5, "dadda", "brent_kung"),
                (5, 1, 3, "wallace", "sklansky"),
                (5, 3, 2, "dadda", "ripple"),
                (7, 1, 7, "array", "kogge_stone"),
                (7, 2, 2, "dadda", "brent_kung"),
                (8, 0, 1, "wallace", "brent_kung"),
                (8, 0, 8, "dadda", "brent_kung"),
                (8, 1, 4, "array", "ripple"),
                (8, 2, 3, "dadda", "sklansky"),
                (8, 3, 8, "wallace", "kogge_stone"),
                (8, 4, 3, "dadda", "brent_kung"),
            ]
        ]
    )


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    check_hardware(
        [
            RoupSpec(width=width, signed=signed, p=p, r=r, rule=rule)
            for width, p, r, rule in [(12, 2, 5, "aligned"), (13, 1, 13, "symmetric"), (16, 3, 16, "absolute")]
        ],
        count=3000,
    )


@pytest.mark.parametrize("width", range(4, 9))
def test_unsigned_product_width_is_as_small_as_possible(width, pairs):
    rows = RoupSpec(width=width, signed=False).rows
    for p, r, rule in itertools.product(range(rows + 1), range(width + 1), RULES):
        spec = RoupSpec(width=width, signed=False, p=p, r=r, rule=rule)
        a, b = pairs(spec) if width < 7 else extremes(spec)
        products = spec.reference(a, b)
        assert products.min() >= 0, spec.name
        assert max(2 * width, int(products.max()).bit_length()) == spec.product_width, spec.name


@pytest.mark.parametrize("width", range(4, 9))
def test_signed_product_fits(width, pairs):
    rows = RoupSpec(width=width).rows
    for p, r, rule in itertools.product(range(rows + 1), range(width + 1), RULES):
        spec = RoupSpec(width=width, p=p, r=r, rule=rule)
        products = spec.reference(*(pairs(spec) if width < 7 else extremes(spec)))
        assert spec.product_width == 2 * width
        assert -(1 << (2 * width - 1)) <= products.min() <= products.max() < 1 << (2 * width - 1), spec.name


def extremes(spec):
    """All b with the extreme and the odd a: enough for the range, which is monotone in the rounded a."""
    codes = spec.operand_codes()
    a = np.concatenate([codes[:3], codes[-3:], codes[::7]])
    return np.repeat(a, len(codes)), np.tile(codes, len(a))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("aligned", [0, 5, 3, 1]), ("absolute", [5, 3, 1, 0]), ("symmetric", [5, 5, 5, 5])],
)
def test_rounding_of_each_row(rule, expected):
    spec = RoupSpec(p=1, r=5, rule=rule)
    kept = [spec.rounding(row) for row in range(spec.rows)]
    assert kept[1:] == expected[1:]
    assert spec.rows == 4


@pytest.mark.parametrize("rule", RULES)
def test_rank_is_at_most_four(rule):
    ranks = {(p, r): RoupSpec(p=p, r=r, rule=rule).factors().rank for p, r in itertools.product(range(5), range(9))}
    assert max(ranks.values()) <= 4
    assert all(ranks[p, 0] == 1 for p in range(4))
    assert all(ranks[4, r] == 0 for r in range(9))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"p": 5}, "Expected p from 0 to 4 for roup with 8-bit operands, found 5."),
        ({"p": 6, "signed": False}, "Expected p from 0 to 5 for roup with 8-bit operands, found 6."),
        ({"p": -1}, "Expected p from 0 to 4 for roup with 8-bit operands, found -1."),
        ({"r": 9}, "Expected r from 0 to 8 for roup with 8-bit operands, found 9."),
        ({"r": 1.5}, "Expected r from 0 to 8 for roup with 8-bit operands, found 1.5."),
        ({"r": True}, "Expected r from 0 to 8 for roup with 8-bit operands, found True."),
        ({"rule": "best"}, "Expected rule to be one of aligned, absolute, symmetric, found 'best'."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        RoupSpec(**parameters)
    assert str(caught.value) == message
