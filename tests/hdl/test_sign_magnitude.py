"""Signs and magnitudes, golden model and hardware."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.prefix import ADDERS
from axhw.hdl.sign_magnitude import is_negative, magnitude, negate_if, on_magnitudes


class Magnitude(wiring.Component):
    def __init__(self, width, signed, adder):
        self.signed, self.adder = signed, adder
        super().__init__({"a": In(width), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(Cat(*magnitude(m, self.a, signed=self.signed, adder=self.adder)))
        return m


class Negation(wiring.Component):
    """a, negated where exactly one of the top bits of a and b is set."""

    def __init__(self, signed):
        self.signed = signed
        super().__init__({"a": In(4), "b": In(4), "o": Out(4)})

    def elaborate(self, platform):
        m = Module()
        negative = is_negative(m, self.a, self.b, signed=self.signed)
        m.d.comb += self.o.eq(Cat(*negate_if(m, [self.a[i] for i in range(4)], negative, adder="ripple")))
        return m


@pytest.mark.parametrize("adder", ADDERS)
def test_magnitude(adder, synthesise):
    widths = range(4, 10)
    for width, circuit in zip(widths, synthesise([Magnitude(width, True, adder) for width in widths], signed=[0] * 6)):
        codes = np.arange(-(1 << (width - 1)), 1 << (width - 1))
        np.testing.assert_array_equal(circuit(a=codes), np.abs(codes))


def test_unsigned_magnitude_is_the_operand(synthesise):
    (circuit,) = synthesise([Magnitude(6, False, "ripple")], signed=[False])
    np.testing.assert_array_equal(circuit(a=np.arange(64)), np.arange(64))


def test_negation_follows_the_signs(synthesise):
    signed, unsigned = synthesise([Negation(True), Negation(False)], signed=[False, False])
    a, b = np.repeat(np.arange(16), 16), np.tile(np.arange(16), 16)
    np.testing.assert_array_equal(signed(a=a, b=b), np.where((a > 7) != (b > 7), -a, a) % 16)
    np.testing.assert_array_equal(unsigned(a=a, b=b), a)


def test_golden_model_multiplies_magnitudes():
    a, b = np.array([-128, -3, 0, 5]), np.array([-128, 4, -7, -6])
    seen = []

    def product(x, y):
        seen.append((x.tolist(), y.tolist()))
        return x * y + 1

    assert on_magnitudes(product, a, b).tolist() == [16385, -13, 0, -31]
    assert seen == [([128, 3, 0, 5], [128, 4, 7, 6])]
