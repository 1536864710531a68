"""Truncated array: an array multiplier without its least significant columns, optionally with a constant for them.

M(a, b) = a*b - sum over i + j < k of s_ij a_i b_j 2**(i+j) + C, with s_ij as in the broken array, of which this is
the case ha = hb = 0, v = k. The correction C is the mean of what was dropped for uniform operands,
sum over i + j < k of s_ij 2**(i+j) / 4 (Schulte and Swartzlander, "Truncated multiplication with correction constant",
1993). They round it to the kept columns, because their product ends there; here the product has all 2 * width
bits, those of C below column k are wires, and C is rounded to the nearest integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.hdl.array import add_partial_products, is_negative
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.families.broken_array import BrokenArraySpec
from axhw.hdl.families.tree import TreeMultiplierSpec, require_choice, require_range
from axhw.hdl.spec import Factors, IntegerArray, parameter

Correction = Literal["none", "constant"]


@dataclass(frozen=True, kw_only=True)
class TruncatedSpec(TreeMultiplierSpec):
    """An array multiplier without its k least significant columns.

    Attributes
    ----------
    k : int
        Columns dropped, 0 to ``2 * width - 1`` (all of them).
    correction : {"none", "constant"}
        ``none`` is plain truncation, whose error has one sign for unsigned operands; ``constant`` adds the rounded
        mean of the dropped cells, which leaves a mean error of -1/4 for every k > 0.
    """

    family: ClassVar[str] = "truncated"
    summary: ClassVar[str] = "array multiplier without its k low columns, plain or with a correction constant"

    k: int = parameter(0, help="columns dropped from the least significant")
    correction: Correction = parameter("none", help="for the dropped columns: none or constant")

    def validate(self) -> None:
        super().validate()
        require_range("k", self.k, 0, 2 * self.width - 1, family=self.family, width=self.width)
        require_choice("correction", self.correction, get_args(Correction))

    @property
    def array(self) -> BrokenArraySpec:
        """The same array without the correction."""
        return BrokenArraySpec(width=self.width, signed=self.signed, v=self.k, tree=self.tree, adder=self.adder)

    @property
    def constant(self) -> int:
        """C: the correction, 0 without one."""
        if self.correction == "none":
            return 0
        sum_of_weights = sum(
            -(1 << (i + j)) if is_negative(i, j, width=self.width, signed=self.signed) else 1 << (i + j)
            for i in range(self.width)
            for j in range(self.width)
            if not self.array.keeps(i, j)
        )
        # Each cell is 1 for a quarter of all pairs. The columns 0 and 1 weigh 1 + 2 * 2, all others a multiple of 4:
        # the mean is an integer and a quarter, and the floor is the nearest integer.
        return sum_of_weights // 4

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The broken array's product plus the correction."""
        return self.array.reference(*self.operands(a, b)) + self.constant

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """The kept cells and the correction into the tree."""
        heap = BitHeap(self.product_width)
        add_partial_products(heap, a, b, signed=self.signed, keep=self.array.keeps)
        heap.add_constant(self.constant)
        return heap.sum(m, tree=self.tree, adder=self.adder)

    def factors(self) -> Factors:
        """Those of the broken array and, where there is a correction, a constant column."""
        factors = self.array.factors()
        if not self.constant:
            return factors
        ones = np.ones((len(self.operand_codes()), 1), np.int64)
        return Factors(
            left=np.hstack([factors.left, ones]),
            right=np.hstack([factors.right, self.constant * ones]),
        )
