"""DRUM: bits as text, published error at 16 bits, hardware, range."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.drum import DrumSpec


def selected(x, k):
    """The operand as DRUM sees it, from its binary digits."""
    text = format(abs(x), "b")
    if len(text) > k:
        text = text[: k - 1] + "1" + "0" * (len(text) - k)
    return (1 if x >= 0 else -1) * int(text, 2)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(4, 9))
def test_golden_model_is_the_definition_and_fits(width, signed):
    low, high = (-(1 << (2 * width - 1)), (1 << (2 * width - 1)) - 1) if signed else (0, (1 << (2 * width)) - 1)
    for k in range(3, width + 1):
        spec = DrumSpec(width=width, signed=signed, k=k)
        codes = spec.operand_codes()
        seen = np.array([selected(code, k) for code in codes.tolist()])
        products = spec.reference(codes[:, None], codes)
        np.testing.assert_array_equal(products, seen[:, None] * seen)
        assert low <= products.min() <= products.max() <= high, spec.name


@pytest.mark.parametrize(("k", "mre"), [(3, 11.90), (4, 5.89), (5, 2.94), (6, 1.47)])
def test_published_mean_relative_error_of_the_unsigned_16_bit_multiplier(k, mre):
    """Hashemi et al. 2015, table of DRUM3 to DRUM6: mean absolute relative error in percent."""
    rng = np.random.default_rng(7)
    a, b = rng.integers(1, 1 << 16, (2, 200_000))
    exact = a * b
    error = np.abs(DrumSpec(width=16, signed=False, k=k).reference(a, b) - exact) / exact
    assert 100 * error.mean() == pytest.approx(mre, abs=0.05)


@pytest.mark.parametrize("signed", [True, False])
def test_full_width_is_exact(signed):
    spec = DrumSpec(signed=signed, k=8)
    codes = spec.operand_codes()
    np.testing.assert_array_equal(spec.reference(codes[:, None], codes), codes[:, None] * codes)


def test_lowest_operand():
    # 128 = 1000_0000: three bits 100, the lowest set: 101 << 5.
    assert int(DrumSpec(k=3).reference(-128, -128)) == 160 * 160
    assert int(DrumSpec(k=3).reference(-128, 1)) == -160


@pytest.mark.parametrize("signed", [True, False])
def test_hardware(signed, check_hardware):
    shapes = [(4, 3), (5, 3), (5, 4), (5, 5), (6, 3), (7, 4), (8, 3), (8, 4), (8, 5), (8, 6), (8, 7), (8, 8)]
    check_hardware([DrumSpec(width=width, signed=signed, k=k) for width, k in shapes])
    trees = [("array", "ripple"), ("wallace", "sklansky"), ("dadda", "kogge_stone")]
    check_hardware([DrumSpec(signed=signed, k=5, tree=tree, adder=adder) for tree, adder in trees])


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    check_hardware([DrumSpec(width=width, signed=signed, k=k) for width in (12, 16) for k in (3, 6)], count=3000)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 2}, "Expected k from 3 to 8 for drum with 8-bit operands, found 2."),
        ({"k": 9}, "Expected k from 3 to 8 for drum with 8-bit operands, found 9."),
        ({"k": 5, "width": 4}, "Expected k from 3 to 4 for drum with 4-bit operands, found 5."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        DrumSpec(**parameters)
    assert str(caught.value) == message
