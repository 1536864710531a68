"""Truncated arrays: definition by columns, correction from the mean of what is dropped, range, hardware."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.truncated import TruncatedSpec


def columns_from(spec, a, b):
    """The sum of the columns k and above, from the operands' bits as text."""
    x, y = (format(value % 2**spec.width, f"0{spec.width}b")[::-1] for value in (a, b))
    total = 0
    for column in range(spec.k, 2 * spec.width - 1):
        for i in range(spec.width):
            j = column - i
            if 0 <= j < spec.width and x[i] == y[j] == "1":
                sign = -1 if spec.signed and (i == spec.width - 1) + (j == spec.width - 1) == 1 else 1
                total += sign * 2**column
    return total


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 5])
def test_every_truncation_by_its_definition(width, signed, pairs):
    for k in range(2 * width):
        spec = TruncatedSpec(width=width, signed=signed, k=k)
        a, b = pairs(spec)
        kept = [columns_from(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]
        assert spec.reference(a, b).tolist() == kept, spec.name
        mean_dropped = Fraction(sum(x * y - z for x, y, z in zip(a.tolist(), b.tolist(), kept)), len(kept))
        corrected = TruncatedSpec(width=width, signed=signed, k=k, correction="constant")
        assert corrected.constant == floor(mean_dropped + Fraction(1, 2)), corrected.name
        assert (corrected.reference(a, b) - spec.reference(a, b) == corrected.constant).all()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(4, 9))
def test_product_fits_and_mean_error_is_small(width, signed):
    low, high = (-(1 << (2 * width - 1)), (1 << (2 * width - 1)) - 1) if signed else (0, (1 << (2 * width)) - 1)
    for k, correction in itertools.product(range(2 * width), ("none", "constant")):
        spec = TruncatedSpec(width=width, signed=signed, k=k, correction=correction)
        codes = spec.operand_codes()
        products = spec.reference(codes[:, None], codes)
        assert low <= products.min() <= products.max() <= high, spec.name
        bias = (products - codes[:, None] * codes).mean()
        assert spec.mean_error() == pytest.approx(bias, abs=1e-9), spec.name
        if correction == "constant":
            assert bias == (-0.25 if k else 0), spec.name


def test_plain_truncation_is_a_broken_array():
    for signed, k in itertools.product((True, False), range(16)):
        spec = TruncatedSpec(signed=signed, k=k)
        codes = spec.operand_codes()
        array = BrokenArraySpec(signed=signed, v=k)
        np.testing.assert_array_equal(spec.reference(codes[:, None], codes), array.reference(codes[:, None], codes))


@pytest.mark.parametrize(("k", "constant"), [(0, 0), (4, 12), (6, 80), (8, 448), (15, 16256)])
def test_constants_of_the_unsigned_8_bit_array(k, constant):
    """Columns 0 .. k - 1 hold c + 1 cells up to column 7: the sum of (c + 1) 2**c / 4, rounded."""
    assert TruncatedSpec(signed=False, k=k, correction="constant").constant == constant


@pytest.mark.parametrize("signed", [True, False])
def test_hardware(signed, check_hardware):
    check_hardware(
        [
            TruncatedSpec(width=width, signed=signed, k=k, correction=correction, tree=tree, adder=adder)
            for (width, k, tree, adder), correction in itertools.product(
                [
                    (5, 9, "dadda", "ripple"),
                    (6, 4, "array", "sklansky"),
                    (7, 8, "wallace", "kogge_stone"),
                    (8, 5, "wallace", "ripple"),
                    (8, 8, "dadda", "brent_kung"),
                    (8, 12, "array", "brent_kung"),
                ],
                ("none", "constant"),
            )
        ]
    )


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    specs = [TruncatedSpec(width=width, signed=signed, k=width + 1, correction="constant") for width in (12, 16)]
    check_hardware(specs, count=3000)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 16}, "Expected k from 0 to 15 for truncated with 8-bit operands, found 16."),
        ({"k": -1}, "Expected k from 0 to 15 for truncated with 8-bit operands, found -1."),
        ({"correction": "variable"}, "Expected correction to be one of none, constant, found 'variable'."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        TruncatedSpec(**parameters)
    assert str(caught.value) == message
