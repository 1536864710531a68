"""Reduction trees and final adders: heaps of arbitrary shape sum to the right number."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.hdl.bit_heap import TREES, BitHeap, _dadda_limit
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.prefix import ADDERS

WIDTH = 9


class Heap(wiring.Component):
    """Bit i of the input a is added at weight heap[i] with the given sign."""

    def __init__(self, weights, constant, tree, adder):
        self.weights, self.constant, self.tree, self.adder = weights, constant, tree, adder
        super().__init__({"a": In(len(weights)), "o": Out(WIDTH)})

    def elaborate(self, platform):
        m = Module()
        heap = BitHeap(WIDTH)
        heap.add_constant(self.constant)
        for i, (weight, negative) in enumerate(self.weights):
            (heap.subtract_bit if negative else heap.add_bit)(self.a[i], weight)
        m.d.comb += self.o.eq(heap.sum(m, tree=self.tree, adder=self.adder))
        return m


heaps = st.tuples(
    st.lists(st.tuples(st.integers(0, WIDTH + 1), st.booleans()), min_size=1, max_size=30),
    st.integers(-600, 600),
    st.sampled_from(TREES),
    st.sampled_from(ADDERS),
)


@settings(max_examples=8, derandomize=True)
@given(st.lists(heaps, min_size=15, max_size=15))
def test_sum_of_arbitrary_heaps(synthesise, shapes):
    components = [Heap(*shape) for shape in shapes]
    rng = np.random.default_rng(2)
    for (weights, constant, _, _), circuit in zip(shapes, synthesise(components, signed=[False] * len(components))):
        a = np.concatenate([[0, (1 << len(weights)) - 1], rng.integers(0, 1 << len(weights), 500)])
        expected = constant + sum(
            (a >> i & 1) * (-(1 << weight) if negative else 1 << weight) for i, (weight, negative) in enumerate(weights)
        )
        np.testing.assert_array_equal(circuit(a=a), expected % (1 << WIDTH))


@pytest.mark.parametrize("adder", ADDERS)
@pytest.mark.parametrize("width", [5, 6, 7, 8])
def test_every_tree_multiplies_exactly(width, adder, check_hardware):
    check_hardware(
        [
            ExactSpec(width=width, signed=signed, encoding=encoding, tree=tree, adder=adder)
            for signed, encoding, tree in itertools.product((True, False), ("booth", "baugh_wooley"), TREES)
        ]
    )


def test_dadda_sequence():
    limits = [_dadda_limit(height) for height in range(3, 20)]
    assert limits == [2, 3, 4, 4, 6, 6, 6, 9, 9, 9, 9, 13, 13, 13, 13, 13, 13]


@pytest.mark.parametrize("width", [4, 5, 8, 12, 16])
def test_dadda_needs_the_fewest_adders(width):
    """Dadda 1965: n**2 - 4 n + 3 full adders and n - 1 half adders for n rows of n bits."""
    component = ExactSpec(width=width, signed=False, encoding="baugh_wooley", tree="dadda").component()
    text = rtlil.convert(component, emit_src=False)
    assert len(re.findall(r"wire .*\\fa_s(\$\d+)?$", text, re.MULTILINE)) == width**2 - 4 * width + 3
    assert len(re.findall(r"wire .*\\ha_s(\$\d+)?$", text, re.MULTILINE)) == width - 1


def test_signed_and_unsigned_rows(synthesise):
    class Rows(wiring.Component):
        def __init__(self, signed):
            self.signed = signed
            super().__init__({"a": In(4), "b": In(4), "o": Out(WIDTH)})

        def elaborate(self, platform):
            m = Module()
            heap = BitHeap(WIDTH)
            add = heap.add_signed if self.signed else heap.add_unsigned
            add([self.a[i] for i in range(4)], 2)
            add([self.b[i] for i in range(4)], 0)
            m.d.comb += self.o.eq(heap.sum(m, tree="dadda", adder="ripple"))
            return m

    signed, unsigned = synthesise([Rows(True), Rows(False)], signed=[True, False])
    a, b = np.repeat(np.arange(16), 16), np.tile(np.arange(16), 16)
    np.testing.assert_array_equal(unsigned(a=a, b=b), 4 * a + b)
    np.testing.assert_array_equal(signed(a=a, b=b), 4 * (a - 16 * (a > 7)) + b - 16 * (b > 7))
