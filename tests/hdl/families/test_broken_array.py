"""Broken arrays: the published table of biases and variances, cell by cell definition, hardware, range."""

from __future__ import annotations

import itertools

import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.broken_array import BrokenArraySpec


def by_definition(spec, a, b):
    """a * b less the dropped cells; bits of Python integers, signs from the two's complement weights."""

    def weight(i):
        return -(2**i) if spec.signed and i == spec.width - 1 else 2**i

    dropped = 0
    for i, j in itertools.product(range(spec.width), repeat=2):
        if i < spec.ha or j < spec.hb or i + j < spec.v:
            dropped += weight(i) * weight(j) * ((a >> i) % 2) * ((b >> j) % 2)
    return a * b - dropped


@pytest.mark.parametrize("signed", [True, False])
def test_golden_model_is_the_definition(signed, pairs):
    for ha, hb, v in [(0, 0, 0), (0, 0, 5), (1, 2, 0), (4, 0, 0), (0, 4, 3), (3, 3, 6), (1, 1, 7), (2, 0, 4)]:
        spec = BrokenArraySpec(width=4, signed=signed, ha=ha, hb=hb, v=v)
        a, b = pairs(spec)
        expected = [by_definition(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]
        assert spec.reference(a, b).tolist() == expected, spec.name


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [8, 12, 16])
def test_golden_model_is_the_definition_on_random_pairs(width, signed, pairs):
    for ha, hb, v in [(1, 1, 0), (2, 0, 5), (3, 1, 2 * width - 3)]:
        spec = BrokenArraySpec(width=width, signed=signed, ha=ha, hb=hb, v=v)
        a, b = pairs(spec, 250)
        expected = [by_definition(spec, x, y) for x, y in zip(a.tolist(), b.tolist())]
        assert spec.reference(a, b).tolist() == expected, spec.name


@pytest.mark.parametrize("width", range(4, 9))
@pytest.mark.parametrize("signed", [True, False])
def test_product_fits_for_every_cut(signed, width):
    low, high = (-(1 << (2 * width - 1)), (1 << (2 * width - 1)) - 1) if signed else (0, (1 << (2 * width)) - 1)
    step = 1 if width < 7 else 3
    for ha, hb, v in itertools.product(range(0, width + 1, step), range(0, width + 1, step), range(2 * width)):
        spec = BrokenArraySpec(width=width, signed=signed, ha=ha, hb=hb, v=v)
        codes = spec.operand_codes()
        products = spec.reference(codes[:, None], codes)
        assert low <= products.min() <= products.max() <= high, spec.name


@pytest.mark.parametrize("signed", [True, False])
def test_hardware(signed, check_hardware):
    check_hardware(
        [
            BrokenArraySpec(width=width, signed=signed, ha=ha, hb=hb, v=v, tree=tree, adder=adder)
            for width, ha, hb, v, tree, adder in [
                (5, 0, 0, 4, "wallace", "sklansky"),
                (5, 5, 0, 0, "dadda", "ripple"),
                (5, 1, 0, 9, "dadda", "ripple"),
                (6, 1, 2, 3, "array", "kogge_stone"),
                (7, 0, 3, 0, "dadda", "brent_kung"),
                (8, 2, 2, 0, "dadda", "brent_kung"),
                (8, 1, 0, 4, "wallace", "ripple"),
                (8, 0, 0, 8, "array", "brent_kung"),
                (8, 3, 5, 11, "dadda", "kogge_stone"),
                (8, 7, 7, 0, "dadda", "brent_kung"),
            ]
        ]
    )


@pytest.mark.parametrize("signed", [True, False])
def test_wide_hardware(signed, check_hardware):
    specs = [BrokenArraySpec(width=12, signed=signed, ha=1, v=9), BrokenArraySpec(width=16, signed=signed, hb=3, v=18)]
    check_hardware(specs, count=3000)


@pytest.mark.parametrize("signed", [True, False])
def test_factors_are_as_few_as_possible(signed, table_rank):
    for ha, hb, v in [*((0, 0, v) for v in range(16)), (2, 0, 5), (1, 3, 6), (8, 0, 0), (6, 6, 10)]:
        spec = BrokenArraySpec(signed=signed, ha=ha, hb=hb, v=v)
        assert spec.factors().rank == table_rank(spec), spec.name


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ha": 9}, "Expected ha from 0 to 8 for bam with 8-bit operands, found 9."),
        ({"hb": -1}, "Expected hb from 0 to 8 for bam with 8-bit operands, found -1."),
        ({"v": 16}, "Expected v from 0 to 15 for bam with 8-bit operands, found 16."),
        ({"v": "2"}, "Expected v from 0 to 15 for bam with 8-bit operands, found '2'."),
        ({"v": 8, "width": 4}, "Expected v from 0 to 7 for bam with 4-bit operands, found 8."),
    ],
)
def test_impossible_parameters(parameters, message):
    with pytest.raises(AxhwError) as caught:
        BrokenArraySpec(**parameters)
    assert str(caught.value) == message
