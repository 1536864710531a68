"""Mitchell: piecewise linear logarithms in exact fractions, error bounds of the paper, rank, hardware."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.mitchell import MitchellSpec
from axhw.hdl.prefix import ADDERS


@cache
def logarithm(x):
    """The chord of log2 between powers of two."""
    power = 1
    count = 0
    while 2 * power <= x:
        power, count = 2 * power, count + 1
    return count + Fraction(x - power, power)


def antilogarithm(y):
    """The chord of 2**y between integers."""
    whole = y.numerator // y.denominator
    return 2**whole * (1 + y - whole)


def by_definition(a, b):
    if a == 0 or b == 0:
        return 0
    sign = -1 if (a < 0) != (b < 0) else 1
    return sign * antilogarithm(logarithm(abs(a)) + logarithm(abs(b)))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 5, 6])
def test_golden_model_is_the_definition(width, signed, pairs):
    spec = MitchellSpec(width=width, signed=signed)
    a, b = pairs(spec)
    assert spec.reference(a, b).tolist() == [by_definition(x, y) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [8, 12, 16])
def test_golden_model_is_the_definition_on_random_pairs(width, signed, pairs):
    spec = MitchellSpec(width=width, signed=signed)
    a, b = pairs(spec, 3000)
    assert spec.reference(a, b).tolist() == [by_definition(x, y) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(4, 9))
def test_error_bounds(width, signed, pairs):
    """Mitchell 1962: never too large in magnitude, and at most 1/9 too small (x1 = x2 = 1/2), so it fits."""
    spec = MitchellSpec(width=width, signed=signed)
    a, b = pairs(spec)
    exact, product = a * b, spec.reference(a, b)
    shortfall = np.abs(exact) - np.abs(product)
    assert (np.sign(product) == np.sign(exact)).all()
    assert shortfall.min() == 0
    assert (9 * shortfall <= np.abs(exact)).all()
    assert int(spec.reference(3, 3)) == 8


@pytest.mark.parametrize(("signed", "rank"), [(False, 128), (True, 64)])
def test_rank_of_the_8_bit_table(signed, rank, table_rank):
    spec = MitchellSpec(signed=signed)
    assert table_rank(spec) == rank
    assert spec.factors() is None
    assert spec.mean_error() is None


@pytest.mark.parametrize("signed", [True, False])
def test_hardware(signed, check_hardware):
    check_hardware([MitchellSpec(width=width, signed=signed) for width in (4, 5, 6, 7)])
    check_hardware([MitchellSpec(signed=signed, adder=adder) for adder in ADDERS])


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    check_hardware([MitchellSpec(width=width, signed=signed) for width in (9, 12, 15, 16)], count=3000)


def test_impossible_parameters():
    with pytest.raises(AxhwError) as caught:
        MitchellSpec(adder="carry")
    assert str(caught.value) == "Expected adder to be one of ripple, brent_kung, sklansky, kogge_stone, found 'carry'."
