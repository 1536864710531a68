"""Requantisation against rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.nn.quantize import Quantization
from axhw.nn.requantize import Requantizer

SUM_LIMIT = 2**31

sums = st.integers(-SUM_LIMIT, SUM_LIMIT - 1)


def target(*, signed: bool, zero_point: int) -> Quantization:
    return Quantization(scale=np.array(1.0), zero_point=np.array(zero_point), signed=signed)


@given(ratio=st.floats(1e-15, 2.0**29), total=sums, signed=st.booleans())
def test_the_fixed_point_product_is_rounded_half_up(ratio: float, total: int, signed: bool) -> None:
    zero_point = 0 if signed else 40
    requantize = Requantizer.from_scale(np.array([ratio]), target=target(signed=signed, zero_point=zero_point))
    fixed = Fraction(int(requantize.multiplier[0]), 2 ** int(requantize.shift[0]))
    low, high = (-127, 127) if signed else (0, 255)
    expected = min(max(floor(fixed * total + Fraction(1, 2)) + zero_point, low), high)
    assert requantize(np.array([[total]])).tolist() == [[expected]]


@given(ratio=st.floats(2.0**-31, 2.0**29))
def test_the_multiplier_holds_31_bits_of_the_ratio(ratio: float) -> None:
    requantize = Requantizer.from_scale(np.array([ratio]), target=target(signed=True, zero_point=0))
    assert 2**30 <= requantize.multiplier[0] <= 2**31
    fixed = Fraction(int(requantize.multiplier[0]), 2 ** int(requantize.shift[0]))
    assert abs(fixed / Fraction(ratio) - 1) <= Fraction(1, 2**31)


def test_halves_round_up_on_both_sides_of_zero() -> None:
    requantize = Requantizer.from_scale(np.array([0.5]), target=target(signed=True, zero_point=0))
    assert requantize(np.array([[-3], [-1], [1], [3]])).ravel().tolist() == [-1, 0, 1, 2]


def test_channels_have_their_own_scales_and_saturate() -> None:
    requantize = Requantizer.from_scale(np.array([1.0, 0.25]), target=target(signed=True, zero_point=0))
    assert requantize(np.array([[1000, 1000], [-128, -128]])).tolist() == [[127, 127], [-127, -32]]


def test_a_ratio_too_large_is_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected a unit of the sums below 2\*\*30 output codes, found 2.15e\+09"):
        Requantizer.from_scale(np.array([2.0**31]), target=target(signed=True, zero_point=0))
