"""Exact multipliers: radix-4 Booth and Baugh-Wooley array, with any tree and final adder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy.typing as npt
from amaranth.hdl import Module, Value

from axhw.hdl.array import add_partial_products
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.booth import add_row, recode
from axhw.hdl.families.tree import TreeMultiplierSpec, require_choice
from axhw.hdl.spec import Factors, IntegerArray, parameter

Encoding = Literal["booth", "baugh_wooley"]


@dataclass(frozen=True, kw_only=True)
class ExactSpec(TreeMultiplierSpec):
    """The exact product a * b.

    Attributes
    ----------
    encoding : {"booth", "baugh_wooley"}
        How partial products are formed. For unsigned operands ``baugh_wooley`` is the plain AND array.
    """

    family: ClassVar[str] = "exact"
    summary: ClassVar[str] = "exact product: radix-4 Booth or Baugh-Wooley array"

    encoding: Encoding = parameter("booth", help="partial products: booth or baugh_wooley")

    def validate(self) -> None:
        super().validate()
        require_choice("encoding", self.encoding, get_args(Encoding))

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """a * b."""
        first, second = self.operands(a, b)
        return first * second

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """Booth rows or AND cells into the tree."""
        heap = BitHeap(self.product_width)
        if self.encoding == "booth":
            for j, digit in enumerate(recode(m, b, signed=self.signed)):
                add_row(m, heap, a, digit, signed=self.signed, weight=2 * j, rounding=0)
        else:
            add_partial_products(heap, a, b, signed=self.signed)
        return heap.sum(m, tree=self.tree, adder=self.adder)

    def factors(self) -> Factors:
        """Rank 1: the codes themselves."""
        codes = self.operand_codes()[:, None]
        return Factors(left=codes, right=codes)
