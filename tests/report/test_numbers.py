"""Numbers as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.report.numbers import accuracy_decimals, decimals_for, fixed, ratio


@pytest.mark.parametrize(
    ("values", "digits", "decimals"),
    [
        ([1859.8, 627.6], 3, 0),
        ([0.0, 0.018692, 0.40604], 4, 5),
        ([2.1819, 1.4905], 3, 2),
        ([-0.25, 3.75, -12.25], 4, 2),
        ([49, 1224, 0], 3, 0),
        ([12.25, 73.2421875], 4, 2),
        ([math.nan, 2.5], 3, 1),
        ([0.0, math.nan], 3, 0),
        ([1e-12], 3, 5),
        ([], 3, 0),
    ],
)
def test_decimals_show_the_smallest_value(values: list[float], digits: int, decimals: int) -> None:
    assert decimals_for(values, digits=digits) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (1859.806, 1, False, "1859.8"),
        (65536, 0, False, "65,536"),
        (9999.9, 0, False, "10,000"),
        (-12.25, 2, False, "\N{MINUS SIGN}12.25"),
        (3.75, 2, True, "+3.75"),
        (0.0, 2, True, "0.00"),
        (-0.0, 2, True, "0.00"),
        (0.00001, 2, False, "1.0e\N{MINUS SIGN}05"),
        (0.0000379, 5, False, "3.8e\N{MINUS SIGN}05"),
        (math.nan, 2, False, "\N{EN DASH}"),
    ],
)
def test_fixed(value: float, decimals: int, signed: bool, text: str) -> None:
    assert fixed(value, decimals, signed=signed) == text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), st.booleans())
def test_text_keeps_three_digits_of_every_value(values: list[float], signed: bool) -> None:
    decimals = decimals_for(values)
    for value in values:
        read = float(fixed(value, decimals, signed=signed).replace("\N{MINUS SIGN}", "-").replace(",", ""))
        # Half of the third digit; below the fifth decimal, scientific notation keeps two digits.
        assert read == pytest.approx(value, rel=0.051 if abs(value) < 0.01 else 0.0051, abs=0)


def test_ratio() -> None:
    assert ratio(0.3374) == "0.34\N{MULTIPLICATION SIGN}"
    assert ratio(math.nan) == "\N{EN DASH}"


@pytest.mark.parametrize(("images", "decimals"), [(1, 0), (100, 0), (500, 1), (1000, 1), (10_000, 2)])
def test_accuracy_shows_single_images(images: int, decimals: int) -> None:
    assert accuracy_decimals(images) == decimals
    written = {fixed(100 * right / images, decimals) for right in range(images + 1)}
    assert len(written) == images + 1
