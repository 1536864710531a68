"""The logarithmic shifter against integer shifts."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.shifter import shift_left


class Shifter(wiring.Component):
    def __init__(self, width, stages, signed):
        self.signed = signed
        super().__init__({"a": In(width), "b": In(stages), "o": Out(width + (1 << stages) - 1)})

    def elaborate(self, platform):
        m = Module()
        value = self.a.as_signed() if self.signed else self.a
        m.d.comb += self.o.eq(shift_left(m, value, [self.b[i] for i in range(len(self.b))]))
        return m


@pytest.mark.parametrize("signed", [True, False])
def test_shift_loses_nothing(signed, synthesise):
    shapes = [(width, stages) for width in (1, 3, 6) for stages in (1, 2, 3, 4)]
    circuits = synthesise([Shifter(*shape, signed) for shape in shapes], signed=[signed] * len(shapes))
    for (width, stages), circuit in zip(shapes, circuits):
        codes, distances = np.arange(1 << width), np.arange(1 << stages)
        a, b = np.repeat(codes, len(distances)), np.tile(distances, len(codes))
        value = a - (a >> (width - 1) << width) if signed else a
        np.testing.assert_array_equal(circuit(a=a, b=b), value << b)


def test_no_distance_is_no_shift():
    value = Signal(5)
    assert shift_left(None, value, []) is value
