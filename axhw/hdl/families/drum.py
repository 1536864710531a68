"""DRUM: the k bits from the leading one of each operand, multiplied exactly and shifted back.

M(a, b) = f(a) f(b). With t the position of the leading one of a: f(a) = a while t < k; otherwise
f(a) = (2 (a >> (t - k + 2)) + 1) 2**(t - k + 1): bits t .. t - k + 2 are kept, the next one is set to 1 in place of
everything below it, which centres the error (Hashemi, Bahar and Reda, "DRUM: a dynamic range unbiased multiplier for
approximate applications", ICCAD 2015). Signed operands are multiplied by sign and magnitude; the authors' signed
circuit instead takes the ones' complement of negative numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Const, Module, Signal, Value

from axhw.hdl.array import add_partial_products
from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.families.tree import TreeMultiplierSpec, require_range
from axhw.hdl.leading_one import leading_one, leading_one_position
from axhw.hdl.prefix import add_rows
from axhw.hdl.shifter import shift_left
from axhw.hdl.sign_magnitude import is_negative, magnitude
from axhw.hdl.spec import Factors, IntegerArray, parameter


@dataclass(frozen=True, kw_only=True)
class DrumSpec(TreeMultiplierSpec):
    """An exact k x k multiplier between a dynamic range selection and a shifter.

    Attributes
    ----------
    k : int
        Bits kept of each operand, 3 (leading one, one free bit, the set bit) to `width` (exact).
    """

    family: ClassVar[str] = "drum"
    summary: ClassVar[str] = "dynamic range unbiased multiplier: k bits from the leading one of each operand (DRUM-k)"

    k: int = parameter(4, help="bits kept of each operand, from its leading one")

    def validate(self) -> None:
        super().validate()
        require_range("k", self.k, 3, self.width, family=self.family, width=self.width)

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """f(a) f(b)."""
        first, second = self.operands(a, b)
        return self._approximate(first) * self._approximate(second)

    def _approximate(self, x: IntegerArray) -> IntegerArray:
        """f of the magnitude, with the operand's sign."""
        size = np.abs(x)
        cut = np.maximum(leading_one_position(size, width=self.width) - self.k + 1, 0)
        lowest = (cut > 0).astype(np.int64)
        kept: IntegerArray = np.sign(x) * ((size >> cut | lowest) << cut)
        return kept

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """Leading-one detectors, one-hot selection, k x k array, shifter.

        The product of the mantissas is negated before the shift, while it is short: -P = NOT (P - 1), and the
        tree subtracts the 1.
        """
        first, first_cut = self._select(m, magnitude(m, a, signed=self.signed, adder=self.adder))
        second, second_cut = self._select(m, magnitude(m, b, signed=self.signed, adder=self.adder))
        heap = BitHeap(2 * self.k + int(self.signed))
        add_partial_products(heap, Cat(*first), Cat(*second), signed=False)
        negative = is_negative(m, a, b, signed=self.signed)
        if self.signed:
            heap.subtract_bit(negative, 0)
        total = heap.sum(m, tree=self.tree, adder=self.adder) ^ negative.replicate(heap.width)
        distance = add_rows(m, [*first_cut, Const(0, 1)], [*second_cut, None], adder=self.adder)
        return shift_left(m, total.as_signed() if self.signed else total, distance)

    def _select(self, m: Module, bits: list[Value]) -> tuple[list[Value], list[Value]]:
        """The k kept bits of a magnitude and, in binary, how many bits below them were cut."""
        one_hot, cut = leading_one(m, bits[self.k :])
        mantissa = []
        for i in range(self.k):
            # The leading one and the set bit are known; only the bits between them need the selection.
            choice = bits[i] | cut
            if 0 < i < self.k - 1:
                choice = bits[i] & ~cut
                for distance, lead in enumerate(one_hot, start=1):
                    choice |= lead & bits[i + distance]
            selected = Signal(name=f"mantissa_{i}")
            m.d.comb += selected.eq(choice)
            mantissa.append(selected)
        distances = []
        for position in range((self.width - self.k).bit_length()):
            leads = [lead for distance, lead in enumerate(one_hot, start=1) if distance >> position & 1]
            distance_bit = Signal(name=f"cut_{position}")
            m.d.comb += distance_bit.eq(Cat(*leads).any())
            distances.append(distance_bit)
        return mantissa, distances

    def factors(self) -> Factors:
        """Rank 1: f of the codes."""
        column = self._approximate(self.operand_codes())[:, None]
        return Factors(left=column, right=column)
