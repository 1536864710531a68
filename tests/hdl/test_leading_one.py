"""Leading ones: golden model against int.bit_length, detector and normaliser against the golden model."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.leading_one import leading_one, leading_one_position, normalise

WIDTHS = (1, 2, 3, 4, 5, 7, 8, 11)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_position_is_bit_length_less_one(width):
    x = np.arange(1, 1 << width)
    expected = [int(value).bit_length() - 1 for value in x]
    assert leading_one_position(x, width=width).tolist() == expected


def test_position_of_zero_is_zero():
    assert leading_one_position(np.zeros((2, 3), np.int64), width=8).tolist() == [[0, 0, 0]] * 2


class Detector(wiring.Component):
    """The one-hot row with the flag on top."""

    def __init__(self, width):
        super().__init__({"a": In(width), "o": Out(width + 1)})

    def elaborate(self, platform):
        m = Module()
        one_hot, found = leading_one(m, [self.a[i] for i in range(len(self.a))])
        m.d.comb += self.o.eq(Cat(*one_hot, found))
        return m


class Normaliser(wiring.Component):
    """The shifted number with the count of zeros on top."""

    def __init__(self, width):
        super().__init__({"a": In(width), "o": Out(width + (width - 1).bit_length())})

    def elaborate(self, platform):
        m = Module()
        shifted, zeros = normalise(m, [self.a[i] for i in range(len(self.a))])
        m.d.comb += self.o.eq(Cat(*shifted, *zeros))
        return m


def test_detector(synthesise):
    circuits = synthesise([Detector(width) for width in WIDTHS], signed=[False] * len(WIDTHS))
    for width, circuit in zip(WIDTHS, circuits):
        expected = [(1 << width) + (1 << (x.bit_length() - 1)) if x else 0 for x in range(1 << width)]
        assert circuit(a=np.arange(1 << width)).tolist() == expected


def test_normaliser(synthesise):
    circuits = synthesise([Normaliser(width) for width in WIDTHS[1:]], signed=[False] * len(WIDTHS[1:]))
    for width, circuit in zip(WIDTHS[1:], circuits):
        result = circuit(a=np.arange(1 << width))
        assert result[0] % (1 << width) == 0
        zeros = [width - x.bit_length() for x in range(1, 1 << width)]
        expected = [(x << shift) + (shift << width) for x, shift in enumerate(zeros, start=1)]
        assert result[1:].tolist() == expected
