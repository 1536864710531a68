"""Booth digits and rounding, golden model and hardware, against their definitions on plain integers."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.booth import add_row, digit_count, digits, recode, round_half_up
from axhw.hdl.families.exact import ExactSpec


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", range(4, 17))
def test_digits_are_those_of_the_truth_table_and_sum_to_the_operand(width, signed):
    table = {(0, 0, 0): 0, (0, 0, 1): 1, (0, 1, 0): 1, (0, 1, 1): 2, (1, 0, 0): -2, (1, 0, 1): -1, (1, 1, 0): -1}
    codes = ExactSpec(width=width, signed=signed).operand_codes()
    codes = codes if width <= 8 else np.random.default_rng(3).choice(codes, 300)
    count = digit_count(width, signed=signed)
    recoded = digits(codes, count)
    assert recoded.shape == (count, len(codes))
    np.testing.assert_array_equal(sum(recoded[j] * 4**j for j in range(count)), codes)
    for column, b in enumerate(codes.tolist()):
        # Python integers continue with their sign for ever, as the sign extension does.
        bits = [0, *((b >> i) & 1 for i in range(2 * count + 1))]
        expected = [table.get((bits[2 * j + 2], bits[2 * j + 1], bits[2 * j]), 0) for j in range(count)]
        assert recoded[:, column].tolist() == expected


@pytest.mark.parametrize(
    ("width", "signed", "count"),
    [(4, True, 2), (5, True, 3), (8, True, 4), (8, False, 5), (7, False, 4), (16, True, 8)],
)
def test_digit_count(width, signed, count):
    assert digit_count(width, signed=signed) == count


@pytest.mark.parametrize("bit", range(9))
def test_rounding_halves_up(bit):
    codes = np.arange(-128, 256)
    expected = [floor(Fraction(code, 2**bit) + Fraction(1, 2)) for code in codes.tolist()]
    assert round_half_up(codes, bit).tolist() == expected


class Row(wiring.Component):
    """One Booth row: digit `row` of b times the rounded a, at weight 0."""

    def __init__(self, width, signed, row, rounding):
        self.signed, self.row, self.rounding = signed, row, rounding
        super().__init__({"a": In(width), "b": In(width), "o": Out(width + 4)})

    def elaborate(self, platform):
        m = Module()
        heap = BitHeap(len(self.o))
        digit = recode(m, self.b, signed=self.signed)[self.row]
        add_row(m, heap, self.a, digit, signed=self.signed, weight=0, rounding=self.rounding)
        m.d.comb += self.o.eq(heap.sum(m, tree="dadda", adder="ripple"))
        return m


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [5, 6])
def test_row_is_digit_times_rounded_operand(width, signed, synthesise, pairs):
    spec = ExactSpec(width=width, signed=signed)
    shapes = [(row, rounding) for row in range(digit_count(width, signed=signed)) for rounding in range(width + 1)]
    circuits = synthesise([Row(width, signed, *shape) for shape in shapes], signed=[True] * len(shapes))
    a, b = pairs(spec)
    for (row, rounding), circuit in zip(shapes, circuits):
        expected = digits(b, row + 1)[row] * round_half_up(a, rounding) << rounding
        np.testing.assert_array_equal(circuit(a=a, b=b), expected, err_msg=f"row {row}, rounding {rounding}")
