"""Codes, scales and zero points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.nn.quantize import Quantization

bounds = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(low=bounds, high=bounds, signed=st.booleans(), seed=st.integers(0, 1000))
def test_values_within_the_range_come_back_within_half_a_step(low: float, high: float, signed: bool, seed: int) -> None:
    low, high = min(low, high), max(low, high)
    coding = Quantization.from_range(low, high, signed=signed)
    values = np.random.default_rng(seed).uniform(low, high, 100)
    codes = coding.encode(values)
    assert codes.dtype == (np.int8 if signed else np.uint8)
    # The rounded scale may be smaller than the exact one by 2**-16, and the zero point is rounded.
    worst = np.abs(coding.decode(codes) - values).max()
    assert worst <= coding.scale * (0.5 if signed else 1.0) + 255 * coding.scale * 2.0**-16


@given(low=bounds, high=bounds, signed=st.booleans())
def test_zero_has_a_code(low: float, high: float, signed: bool) -> None:
    coding = Quantization.from_range(min(low, high), max(low, high), signed=signed)
    assert coding.encode(np.zeros(1)).tolist() == [int(coding.zero_point)]
    assert coding.decode(coding.encode(np.zeros(1))).tolist() == [0.0]


def test_signed_codes_are_symmetric() -> None:
    coding = Quantization.from_range(-1.0, 0.5, signed=True)
    assert coding.zero_point == 0
    assert coding.encode(np.array([-9.0, -1.0, 0.5, 9.0])).tolist() == [-127, -127, 64, 127]


def test_unsigned_codes_are_affine() -> None:
    coding = Quantization.from_range(-1.0, 3.0, signed=False)
    assert coding.zero_point == 64
    assert coding.encode(np.array([-9.0, -1.0, 3.0, 9.0])).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(("low", "high", "zero_point"), [(2.0, 4.0, 0), (-4.0, -2.0, 255)])
def test_a_range_without_zero_is_widened_to_it(low: float, high: float, zero_point: int) -> None:
    coding = Quantization.from_range(low, high, signed=False)
    assert coding.zero_point == zero_point
    assert coding.scale == pytest.approx(4 / 255, rel=1e-4)


def test_ties_go_to_even() -> None:
    coding = Quantization(scale=np.array(1.0), zero_point=np.array(0), signed=True)
    assert coding.encode(np.array([0.5, 1.5, -0.5, -2.5])).tolist() == [0, 2, 0, -2]


def test_channels_have_their_own_scales() -> None:
    coding = Quantization.from_range([-1.0, 0.0, -2.0], [1.0, 0.0, 254.0], signed=False)
    assert coding.scale == pytest.approx([2 / 255, 1.0, 256 / 255], rel=1e-4)
    assert coding.zero_point.tolist() == [127, 0, 2]


def test_differences_in_the_last_bits_do_not_change_the_scale() -> None:
    high = 0.7310585786300049
    assert (
        Quantization.from_range(0.0, high, signed=True).scale
        == Quantization.from_range(0.0, np.nextafter(np.nextafter(high, 1), 1), signed=True).scale
    )


def test_small_scales_are_raised() -> None:
    coding = Quantization.from_range([-1e-9, -1.0], [1e-9, 1.0], signed=True, smallest_scale=[0.5, 1e-6])
    assert coding.scale[0] == 0.5
    assert coding.scale[1] == pytest.approx(1 / 127, rel=1e-4)
