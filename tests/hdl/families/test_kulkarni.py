"""Kulkarni: the recursive construction of the paper, published errors, rank, hardware."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.kulkarni import KulkarniSpec


def recursive(a, b, width):
    """Four half-width products from 2 x 2 blocks; odd halves are split unevenly, in whole digits."""
    if width == 2:
        return 7 if a == b == 3 else a * b
    low = width // 4 * 2
    high = width - low
    a1, a0, b1, b0 = a >> low, a % 2**low, b >> low, b % 2**low
    crossed = rectangle(a1, b0, high, low) + rectangle(a0, b1, low, high)
    return (recursive(a1, b1, high) << 2 * low) + (crossed << low) + recursive(a0, b0, low)


def rectangle(a, b, width_a, width_b):
    """Blocks of two numbers of different widths, one digit of a after the other."""
    if width_a == width_b:
        return recursive(a, b, width_a)
    if width_a > width_b:
        return rectangle(b, a, width_b, width_a)
    low = rectangle(a, b % 2**width_a, width_a, width_a)
    return low + (rectangle(a, b >> width_a, width_a, width_b - width_a) << width_a)


def by_definition(a, b, width):
    sign = -1 if (a < 0) != (b < 0) else 1
    return sign * recursive(abs(a), abs(b), width)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 6])
def test_golden_model_is_the_recursion(width, signed, pairs):
    spec = KulkarniSpec(width=width, signed=signed)
    a, b = pairs(spec)
    assert spec.reference(a, b).tolist() == [by_definition(x, y, width) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [8, 16])
def test_golden_model_is_the_recursion_on_random_pairs(width, signed, pairs):
    spec = KulkarniSpec(width=width, signed=signed)
    a, b = pairs(spec, 2000)
    assert spec.reference(a, b).tolist() == [by_definition(x, y, width) for x, y in zip(a.tolist(), b.tolist())]


def test_errors_of_the_unsigned_8_bit_multiplier(error_metrics):
    """Worst case 2/9 of the product, at all digits 3; wrong where both operands hold a digit 3."""
    found = error_metrics(KulkarniSpec(signed=False))
    assert found["wce"] == 2 * 85**2 == 255**2 * 2 / 9
    assert found["ep"] == 100 * (1 - 0.75**4) ** 2


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 6, 8])
def test_magnitude_never_exceeds_the_exact_product(width, signed, pairs):
    spec = KulkarniSpec(width=width, signed=signed)
    a, b = pairs(spec)
    exact, product = a * b, spec.reference(a, b)
    assert (np.sign(product) == np.sign(exact)).all()
    assert (9 * (np.abs(exact) - np.abs(product)) <= 2 * np.abs(exact)).all()
    assert (np.abs(product) <= np.abs(exact)).all()


@pytest.mark.parametrize("signed", [True, False])
def test_rank_is_two(signed, table_rank):
    spec = KulkarniSpec(signed=signed)
    assert spec.factors().rank == table_rank(spec) == 2


@pytest.mark.parametrize("signed", [True, False])
def test_hardware(signed, check_hardware):
    check_hardware(
        [
            KulkarniSpec(width=width, signed=signed, tree=tree, adder=adder)
            for width, tree, adder in [
                (4, "dadda", "brent_kung"),
                (6, "array", "sklansky"),
                (8, "dadda", "brent_kung"),
                (8, "wallace", "kogge_stone"),
                (8, "array", "ripple"),
            ]
        ]
    )


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    check_hardware([KulkarniSpec(width=width, signed=signed) for width in (10, 16)], count=3000)


def test_odd_width():
    with pytest.raises(AxhwError) as caught:
        KulkarniSpec(width=7)
    assert str(caught.value) == "Expected an even width for kulkarni, found 7: its blocks take two bits."
