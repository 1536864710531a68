"""Lower OR: an array multiplier whose least significant columns are ORed instead of added.

M(a, b) = sum over i + j >= k of s_ij a_i b_j 2**(i+j) + sum over c < k of 2**c OR_{i+j=c} a_i b_j, with s_ij as in the
broken array. An ORed column sends no carry on. It is the lower-part OR of Mahdiani et al. 2010 ("Bio-inspired
imprecise computational blocks") taken from their adder to the columns of an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Module, Signal, Value

from axhw.hdl.array import add_partial_products
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.tree import TreeMultiplierSpec, require_range
from axhw.hdl.spec import IntegerArray, parameter


@dataclass(frozen=True, kw_only=True)
class LowerOrSpec(TreeMultiplierSpec):
    """An array multiplier with OR gates in its k least significant columns.

    Attributes
    ----------
    k : int
        ORed columns: 0 to ``2 * width - 1`` unsigned, 0 to ``width - 1`` signed, where the higher
        columns hold cells of negative weight, which an OR cannot stand for.
    """

    family: ClassVar[str] = "lower_or"
    summary: ClassVar[str] = "array multiplier whose k low columns are ORed instead of added"

    k: int = parameter(0, help="ORed columns from the least significant")

    def validate(self) -> None:
        super().validate()
        family = f"{'signed' if self.signed else 'unsigned'} {self.family}"
        high = self.width - 1 if self.signed else 2 * self.width - 1
        require_range("k", self.k, 0, high, family=family, width=self.width)

    @property
    def array(self) -> BrokenArraySpec:
        """The columns that are added."""
        return BrokenArraySpec(width=self.width, signed=self.signed, v=self.k, tree=self.tree, adder=self.adder)

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The broken array's product plus the ORed columns."""
        first, second = self.operands(a, b)
        product = self.array.reference(first, second)
        for column in range(self.k):
            ored = np.zeros_like(product)
            for i, j in self._cells(column):
                ored |= (first >> i & 1) & (second >> j & 1)
            product += ored << column
        return product

    def _cells(self, column: int) -> list[tuple[int, int]]:
        """The cells (i, j) with i + j = column."""
        last = self.width - 1
        return [(i, column - i) for i in range(max(0, column - last), min(column, last) + 1)]

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """ORed columns as single bits, the others into the tree."""
        heap = BitHeap(self.product_width)
        for column in range(self.k):
            ored = Signal(name=f"or_{column}")
            m.d.comb += ored.eq(Cat(*(a[i] & b[j] for i, j in self._cells(column))).any())
            heap.add_bit(ored, column)
        add_partial_products(heap, a, b, signed=self.signed, keep=self.array.keeps)
        return heap.sum(m, tree=self.tree, adder=self.adder)

    def mean_error(self) -> float:
        """Sum over ORed columns of 2**c (1 - (3/4)**h - h/4): the h cells of a column share no operand bit."""
        heights = [len(self._cells(column)) for column in range(self.k)]
        return sum(((1 - 0.75**height - height / 4) * 2**column for column, height in enumerate(heights)), 0.0)
