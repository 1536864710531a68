"""ROUP: radix-4 Booth with perforated rows and asymmetrically rounded multiplicands.

P = sum_{j >= p} d_j * round_half_up(a, r_j) * 2**r_j * 4**j, with d_j the Booth digits of b.
Perforation alone is r = 0; PR (perforation and rounding of the multiplicand once) is the rule ``symmetric``.
Perforation and rounding: Leon et al., "Approximate hybrid high radix encoding" and the cooperative approximation
techniques of the same group; the bit index of each row is a parameter here because no source fixes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.booth import add_row, digit_count, digits, recode, round_half_up
from axhw.hdl.families.tree import TreeMultiplierSpec, require_choice, require_range
from axhw.hdl.spec import Factors, IntegerArray, parameter

Rule = Literal["aligned", "absolute", "symmetric"]


@dataclass(frozen=True, kw_only=True)
class RoupSpec(TreeMultiplierSpec):
    """Perforation of p Booth rows and rounding of the multiplicand in the others.

    Attributes
    ----------
    p : int
        Least significant Booth rows left out, 0 to all of them.
    r : int
        Rounding strength, 0 to `width`.
    rule : {"aligned", "absolute", "symmetric"}
        Bits r_j that row j >= p rounds away: ``aligned`` max(0, r - 2 (j - p)) (all columns below
        2p + r vanish), ``absolute`` max(0, r - 2 j) (all columns below r vanish),
        ``symmetric`` r in every row.
    """

    family: ClassVar[str] = "roup"
    summary: ClassVar[str] = "radix-4 Booth with p rows perforated and each kept row rounded (ROUP, PR, perforation)"

    p: int = parameter(0, help="perforated Booth rows, from the least significant")
    r: int = parameter(0, help="rounding strength in bits of the multiplicand")
    rule: Rule = parameter("aligned", help="rounding of each row: aligned, absolute or symmetric")

    def validate(self) -> None:
        super().validate()
        require_range("p", self.p, 0, self.rows, family=self.family, width=self.width)
        require_range("r", self.r, 0, self.width, family=self.family, width=self.width)
        require_choice("rule", self.rule, get_args(Rule))

    @property
    def rows(self) -> int:
        """Booth rows of the exact multiplier."""
        return digit_count(self.width, signed=self.signed)

    def rounding(self, row: int) -> int:
        """r_j: how many low bits of the multiplicand row j rounds away."""
        if self.rule == "symmetric":
            return self.r
        if self.rule == "absolute":
            return max(0, self.r - 2 * row)
        return max(0, self.r - 2 * (row - self.p))

    @property
    def product_width(self) -> int:
        """2 * width, and one more where an unsigned product can round up to 2**(2 * width).

        That takes the largest recoded weight, 2**width (a perforated row), times the largest multiplicand
        rounded up in the top row.
        """
        overflows = not self.signed and 0 < self.p < self.rows and self.rounding(self.rows - 1) > 0
        return 2 * self.width + int(overflows)

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """The sum over kept rows of digit times rounded multiplicand."""
        first, second = self.operands(a, b)
        recoded = digits(second, self.rows)
        product = np.zeros(np.broadcast_shapes(first.shape, second.shape), np.int64)
        for j in range(self.p, self.rows):
            r = self.rounding(j)
            product += recoded[j] * round_half_up(first, r) << (r + 2 * j)
        return product

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """Rows of the kept digits, each as wide as the bits it keeps."""
        heap = BitHeap(self.product_width)
        for j, digit in enumerate(recode(m, b, signed=self.signed)):
            if j >= self.p:
                add_row(m, heap, a, digit, signed=self.signed, weight=2 * j, rounding=self.rounding(j))
        return heap.sum(m, tree=self.tree, adder=self.adder)

    def factors(self) -> Factors:
        """One column per distinct rounding among the kept rows."""
        codes = self.operand_codes()
        recoded = digits(codes, self.rows)
        weights: dict[int, IntegerArray] = {}
        for j in range(self.p, self.rows):
            weights[self.rounding(j)] = weights.get(self.rounding(j), 0) + (recoded[j] << (2 * j))
        shape = (len(codes), 0)
        left = [round_half_up(codes, r) << r for r in weights]
        return Factors(
            left=np.stack(left, axis=1) if left else np.zeros(shape, np.int64),
            right=np.stack(list(weights.values()), axis=1) if left else np.zeros(shape, np.int64),
        )
