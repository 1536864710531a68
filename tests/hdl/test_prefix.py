"""Carry-propagate adders against integer addition, for every length and every missing bit of the second row."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.prefix import ADDERS, add_rows


class RowAdder(wiring.Component):
    def __init__(self, length, adder, missing):
        self.adder, self.missing = adder, missing
        super().__init__({"a": In(length), "b": In(length), "o": Out(length)})

    def elaborate(self, platform):
        m = Module()
        first = [self.a[i] for i in range(len(self.a))]
        second = [None if i in self.missing else self.b[i] for i in range(len(self.b))]
        m.d.comb += self.o.eq(Cat(*add_rows(m, first, second, adder=self.adder)))
        return m


@pytest.mark.parametrize("adder", ADDERS)
def test_sum_of_every_length(adder, synthesise):
    components = [RowAdder(length, adder, ()) for length in range(1, 10)]
    for component, circuit in zip(components, synthesise(components, signed=[False] * len(components))):
        size = 1 << len(component.a)
        a, b = np.repeat(np.arange(size), size), np.tile(np.arange(size), size)
        np.testing.assert_array_equal(circuit(a=a, b=b), (a + b) % size)


@pytest.mark.parametrize("adder", ADDERS)
def test_random_sums_of_long_rows(adder, synthesise):
    components = [RowAdder(length, adder, ()) for length in (16, 23, 32)]
    rng = np.random.default_rng(1)
    for component, circuit in zip(components, synthesise(components, signed=[False] * len(components))):
        size = 1 << len(component.a)
        a, b = rng.integers(0, size, (2, 5000))
        np.testing.assert_array_equal(circuit(a=a, b=b), (a + b) % size)


def test_bits_that_do_not_exist_count_as_zero(synthesise):
    length = 5
    subsets = [set(c) for n in range(length + 1) for c in itertools.combinations(range(length), n)]
    components = [RowAdder(length, "brent_kung", missing) for missing in subsets]
    a, b = np.repeat(np.arange(32), 32), np.tile(np.arange(32), 32)
    for missing, circuit in zip(subsets, synthesise(components, signed=[False] * len(components))):
        mask = sum(1 << i for i in range(length) if i not in missing)
        np.testing.assert_array_equal(circuit(a=a, b=b), (a + (b & mask)) % 32)
