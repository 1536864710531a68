"""Broken array: an array multiplier with cells removed by row, by column and by weight.

M(a, b) = a*b - sum over dropped (i, j) of s_ij a_i b_j 2**(i+j), where s_ij = -1 iff exactly one of i, j is a
sign bit, and (i, j) is dropped iff i < ha or j < hb or i + j < v. Unsigned it is the broken-array
multiplier (BAM) of Mahdiani et al. 2010 with both operands cut; signed, on Baugh-Wooley cells, it
gives the signed circuits of EvoApproxLib v2022 bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.hdl.array import add_partial_products, is_negative
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.families.tree import TreeMultiplierSpec, require_range
from axhw.hdl.spec import Factors, IntegerArray, parameter


@dataclass(frozen=True, kw_only=True)
class BrokenArraySpec(TreeMultiplierSpec):
    """An array multiplier without the cells i < ha, j < hb or i + j < v.

    Attributes
    ----------
    ha, hb : int
        Low bits of a and b whose cells are dropped, 0 to `width`.
    v : int
        Columns dropped from the least significant, 0 to ``2 * width - 1`` (all of them).
    """

    family: ClassVar[str] = "bam"
    summary: ClassVar[str] = "broken array: cells of low bits of a (ha), of b (hb) and of low columns (v) removed"

    ha: int = parameter(0, help="low bits of a whose cells are dropped")
    hb: int = parameter(0, help="low bits of b whose cells are dropped")
    v: int = parameter(0, help="columns dropped from the least significant")

    def validate(self) -> None:
        super().validate()
        for name, value, high in (("ha", self.ha, self.width), ("hb", self.hb, self.width)):
            require_range(name, value, 0, high, family=self.family, width=self.width)
        require_range("v", self.v, 0, 2 * self.width - 1, family=self.family, width=self.width)

    def keeps(self, i: int, j: int) -> bool:
        """Whether cell a_i b_j is there."""
        return i >= self.ha and j >= self.hb and i + j >= self.v

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The sum of the kept cells, one row (bit of a) at a time."""
        first, second = self.operands(a, b)
        product = np.zeros(np.broadcast_shapes(first.shape, second.shape), np.int64)
        for i in range(self.width):
            product += (first >> i & 1) * self._row(i, second)
        return product

    def _row(self, i: int, b: IntegerArray) -> IntegerArray:
        """What bit i of a is multiplied by."""
        row = np.zeros(b.shape, np.int64)
        for j in range(self.width):
            if self.keeps(i, j):
                sign = -1 if is_negative(i, j, width=self.width, signed=self.signed) else 1
                row += sign * (b >> j & 1) << (i + j)
        return row

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """The kept cells into the tree."""
        heap = BitHeap(self.product_width)
        add_partial_products(heap, a, b, signed=self.signed, keep=self.keeps)
        return heap.sum(m, tree=self.tree, adder=self.adder)

    def factors(self) -> Factors:
        """One column for all rows that keep the same bits of b, and one for each other row."""
        codes = self.operand_codes()
        groups: dict[int, list[int]] = {}
        for i in range(self.ha, self.width):
            groups.setdefault(max(self.hb, self.v - i), []).append(i)
        left, right = [], []
        for cut, rows in groups.items():
            if cut >= self.width:
                continue
            low_bits = sum((codes >> i & 1) << i for i in rows if not (self.signed and i == self.width - 1))
            sign_bit = (codes >> (self.width - 1) & 1) << (self.width - 1)
            top = self.signed and self.width - 1 in rows
            # Two's complement weight: the sign bit of a counts negative, and b >> cut << cut keeps its sign.
            left.append(low_bits - sign_bit if top else low_bits + np.zeros_like(codes))
            right.append(codes >> cut << cut)
        shape = (len(codes), 0)
        return Factors(
            left=np.stack(left, axis=1) if left else np.zeros(shape, np.int64),
            right=np.stack(right, axis=1) if right else np.zeros(shape, np.int64),
        )
