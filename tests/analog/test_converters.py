from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.analog.converters import Converter
from axhw.errors import AxhwError

BITS = st.integers(2, 16)
BOUNDS = st.floats(2**-20, 2**20, width=32)
SHARES = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=30)


def test_grid_by_hand() -> None:
    converter = Converter(bits=8)
    values = [0.49, 0.5, 1.5, 2.5, -0.5, -1.5, 126.4, 127.0, 127.4, 1e30, -1e30, np.inf]
    expected = [0, 0, 2, 2, 0, -2, 126, 127, 127, 127, -127, 127]
    assert converter.largest_code == 127
    assert converter.quantize(values, 127.0).tolist() == expected
    assert converter.quantize(np.array(values) / 64, 127 / 64).tolist() == (np.array(expected) / 64).tolist()


@given(SHARES, BOUNDS, BITS)
def test_values_are_on_the_grid(shares: list[float], bound: float, bits: int) -> None:
    converter = Converter(bits=bits)
    values = (np.array(shares) * bound).astype(np.float32)
    largest, step = 2 ** (bits - 1) - 1, bound / (2 ** (bits - 1) - 1)
    quantized = converter.quantize(values, bound)
    assert quantized.dtype == np.float32
    codes = np.rint(quantized / step)
    np.testing.assert_allclose(quantized, codes * step, rtol=3e-7)
    assert np.abs(codes).max() <= largest
    inside = np.abs(values) <= bound
    # Half a step, and the rounding of values in float32.
    assert (np.abs(quantized - values)[inside] <= step / 2 + 3e-7 * bound).all()
    assert (np.abs(codes)[~inside] == largest).all()
    assert (np.sign(quantized) * np.sign(values) >= 0).all()


@given(SHARES, BOUNDS, BITS)
def test_quantizing_again_changes_nothing(shares: list[float], bound: float, bits: int) -> None:
    converter = Converter(bits=bits)
    once = converter.quantize(np.array(shares) * bound, bound)
    assert np.array_equal(converter.quantize(once, bound), once)
    assert np.array_equal(converter.quantize(-once, bound), -once)


@given(BOUNDS, BITS)
def test_all_codes_occur(bound: float, bits: int) -> None:
    converter = Converter(bits=bits)
    codes = np.arange(-converter.largest_code, converter.largest_code + 1, dtype=np.float32)
    steps = (codes * np.float32(converter.step(bound))) * np.float32(converter.per_unit(bound))
    assert np.array_equal(converter.encode(steps), codes)


def test_ranges_of_0_and_of_each_column() -> None:
    values = np.ones((2, 3), np.float32)
    assert Converter(bits=3).quantize(values, [0.0, 3.0, 0.75]).tolist() == [[0.0, 1.0, 0.75]] * 2


def test_ideal_converters_pass_values_as_they_are() -> None:
    values = np.random.default_rng(0).normal(0, 100, 50).astype(np.float32)
    assert Converter(bits=None).ideal
    assert not Converter().ideal
    assert np.array_equal(Converter(bits=None).quantize(values, 1.0), values)


@pytest.mark.parametrize("bits", [1, 0, -8, 17, 8.0, True])
def test_what_is_refused(bits: int) -> None:
    with pytest.raises(
        AxhwError, match=f"^Expected a converter of 2 to 16 bits, or None for an ideal one, found {bits!r}.$"
    ):
        Converter(bits=bits)
