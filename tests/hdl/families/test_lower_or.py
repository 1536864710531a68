"""Lower OR: columns from counts of ones, ranks of the reference, closed-form bias, range, hardware."""

from __future__ import annotations

import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.lower_or import LowerOrSpec


def largest(spec):
    return spec.width - 1 if spec.signed else 2 * spec.width - 1


def by_definition(spec, a, b):
    """a * b, where a low column that counts n ones weighs min(n, 1) instead of n."""
    excess = 0
    for column in range(spec.k):
        ones = sum((a >> i) & (b >> (column - i)) & 1 for i in range(spec.width) if 0 <= column - i < spec.width)
        excess += max(ones - 1, 0) << column
    return a * b - excess


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [4, 5])
def test_golden_model_is_the_definition(width, signed, pairs):
    for k in range(largest(LowerOrSpec(width=width, signed=signed)) + 1):
        spec = LowerOrSpec(width=width, signed=signed, k=k)
        a, b = pairs(spec)
        assert spec.reference(a, b).tolist() == [by_definition(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [8, 12, 16])
def test_golden_model_is_the_definition_on_random_pairs(width, signed, pairs):
    for k in (1, width // 2, largest(LowerOrSpec(width=width, signed=signed))):
        spec = LowerOrSpec(width=width, signed=signed, k=k)
        a, b = pairs(spec, 500)
        assert spec.reference(a, b).tolist() == [by_definition(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(4, 9))
def test_product_fits_and_bias_has_a_closed_form(width, signed):
    low, high = (-(1 << (2 * width - 1)), (1 << (2 * width - 1)) - 1) if signed else (0, (1 << (2 * width)) - 1)
    for k in range(largest(LowerOrSpec(width=width, signed=signed)) + 1):
        spec = LowerOrSpec(width=width, signed=signed, k=k)
        codes = spec.operand_codes()
        products = spec.reference(codes[:, None], codes)
        assert low <= products.min() <= products.max() <= high, spec.name
        assert spec.mean_error() == pytest.approx((products - codes[:, None] * codes).mean(), abs=1e-9), spec.name


def test_ranks_of_the_unsigned_8_bit_tables(table_rank):
    ranks = [table_rank(LowerOrSpec(signed=False, k=k)) for k in range(16)]
    assert ranks == [1, 1, 2, 5, 12, 27, 58, 121, 248, 185, 154, 139, 132, 129, 128, 128]
    assert LowerOrSpec(k=4).factors() is None


@pytest.mark.parametrize("signed", [True, False])
def test_hardware(signed, check_hardware):
    check_hardware(
        [
            LowerOrSpec(width=width, signed=signed, k=k, tree=tree, adder=adder)
            for width, k, tree, adder in [
                (5, 4, "dadda", "ripple"),
                (6, 3, "array", "sklansky"),
                (7, 6, "wallace", "kogge_stone"),
                (8, 1, "dadda", "brent_kung"),
                (8, 5, "wallace", "brent_kung"),
                (8, 7, "array", "ripple"),
            ]
        ]
    )


def test_unsigned_hardware_of_high_columns(check_hardware):
    check_hardware([LowerOrSpec(signed=False, k=k) for k in (8, 11, 14, 15)])


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    check_hardware([LowerOrSpec(width=width, signed=signed, k=width - 1) for width in (12, 16)], count=3000)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 8}, "Expected k from 0 to 7 for signed lower_or with 8-bit operands, found 8."),
        ({"k": 16, "signed": False}, "Expected k from 0 to 15 for unsigned lower_or with 8-bit operands, found 16."),
        ({"k": -1}, "Expected k from 0 to 7 for signed lower_or with 8-bit operands, found -1."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        LowerOrSpec(**parameters)
    assert str(caught.value) == message
