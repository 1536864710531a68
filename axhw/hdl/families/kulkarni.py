"""Kulkarni: an array of 2 x 2 blocks that are exact but for 3 * 3 = 7.

M(a, b) = a*b - 2 T(a) T(b), T(x) = sum of 4**i over the base-4 digits of x that are 3: a block drops 2 where
both its digits are 3, which saves the fourth output bit (Kulkarni, Gupta and Ercegovac, "Trading accuracy
for power with an underdesigned multiplier architecture", VLSI Design 2011). The blocks are added exactly.
Signed operands are multiplied by sign and magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.errors import AxhwError
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.families.tree import TreeMultiplierSpec
from axhw.hdl.sign_magnitude import is_negative, magnitude
from axhw.hdl.spec import Factors, IntegerArray


@dataclass(frozen=True, kw_only=True)
class KulkarniSpec(TreeMultiplierSpec):
    """The underdesigned multiplier of 2 x 2 blocks; the width is even."""

    family: ClassVar[str] = "kulkarni"
    summary: ClassVar[str] = "2 x 2 blocks with 3 * 3 = 7, added exactly (Kulkarni et al. 2011)"

    def validate(self) -> None:
        super().validate()
        if self.width % 2:
            raise AxhwError(f"Expected an even width for {self.family}, found {self.width}: its blocks take two bits.")

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """a*b - 2 T(a) T(b)."""
        first, second = self.operands(a, b)
        return first * second - 2 * self._threes(first) * self._threes(second)

    def _threes(self, x: IntegerArray) -> IntegerArray:
        """T of the magnitude, with the operand's sign."""
        size = np.abs(x)
        total = np.zeros_like(size)
        for i in range(self.width // 2):
            total += (size >> 2 * i & 3 == 3).astype(np.int64) << 2 * i
        return np.sign(x) * total

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """Three gates and an OR a block, all blocks into one tree.

        A negative product is -P = NOT (P - 1), and the tree subtracts the 1.
        """
        x = magnitude(m, a, signed=self.signed, adder=self.adder)
        y = magnitude(m, b, signed=self.signed, adder=self.adder)
        heap = BitHeap(self.product_width)
        for i in range(0, self.width, 2):
            for j in range(0, self.width, 2):
                heap.add_bit(x[i] & y[j], i + j)
                heap.add_bit((x[i + 1] & y[j]) | (x[i] & y[j + 1]), i + j + 1)
                heap.add_bit(x[i + 1] & y[j + 1], i + j + 2)
        if not self.signed:
            return heap.sum(m, tree=self.tree, adder=self.adder)
        negative = is_negative(m, a, b, signed=True)
        heap.subtract_bit(negative, 0)
        return heap.sum(m, tree=self.tree, adder=self.adder) ^ negative.replicate(heap.width)

    def factors(self) -> Factors:
        """Rank 2: the codes, and T of them."""
        codes = self.operand_codes()
        threes = self._threes(codes)
        return Factors(left=np.stack([codes, -2 * threes], axis=1), right=np.stack([codes, threes], axis=1))
