"""Mitchell: the sum of piecewise linear logarithms.

With a = 2**k1 (1 + x1) and b = 2**k2 (1 + x2), 0 <= x < 1, and log2(1 + x) taken for x:
M(a, b) = 2**(k1 + k2) (1 + x1 + x2) where x1 + x2 < 1, else 2**(k1 + k2 + 1) (x1 + x2); zero where an operand is zero
(Mitchell, "Computer multiplication and division using binary logarithms", 1962). Both cases are integers, no bit of a
fraction is dropped, and the product is at most the exact one. Signed operands are multiplied by sign and magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Const, Module, Value

from axhw.hdl.families.tree import require_choice
from axhw.hdl.leading_one import leading_one_position, normalise
from axhw.hdl.prefix import ADDERS, Adder, add_rows
from axhw.hdl.shifter import shift_left
from axhw.hdl.sign_magnitude import is_negative, magnitude, negate_if, on_magnitudes
from axhw.hdl.spec import IntegerArray, MultiplierSpec, parameter


@dataclass(frozen=True, kw_only=True)
class MitchellSpec(MultiplierSpec):
    """Mitchell's logarithmic multiplier.

    Attributes
    ----------
    adder : {"ripple", "brent_kung", "sklansky", "kogge_stone"}
        The adder of the two logarithms.
    """

    family: ClassVar[str] = "mitchell"
    summary: ClassVar[str] = "logarithmic multiplier with piecewise linear logarithms (Mitchell 1962)"

    adder: Adder = parameter("brent_kung", help="adder of the logarithms: ripple, brent_kung, sklansky or kogge_stone")

    def validate(self) -> None:
        require_choice("adder", self.adder, ADDERS)

    def reference(self, a: npt.ArrayLike, b: npt.ArrayLike) -> IntegerArray:
        """Mitchell's formula on magnitudes."""
        return on_magnitudes(self._product, *self.operands(a, b))

    def _product(self, a: IntegerArray, b: IntegerArray) -> IntegerArray:
        k1 = leading_one_position(a, width=self.width)
        k2 = leading_one_position(b, width=self.width)
        one = np.int64(1) << (k1 + k2)
        # x1 + x2, scaled by 2**(k1 + k2); a zero operand is masked by its sign.
        fractions = ((a << k2) - one) + ((b << k1) - one)
        product: IntegerArray = np.where(fractions < one, one + fractions, 2 * fractions)
        return product

    def build(self, m: Module, a: Value, b: Value) -> Value:
        """Two normalising shifters, one adder of logarithms, one shifter for the antilogarithm.

        A logarithm is the fraction behind the leading one below the inverted count z of leading zeros:
        NOT z is the position of the leading one plus a constant, which the final wiring takes out again. The carry of
        the fractions into the position is Mitchell's second case.
        """
        logarithms, present = [], []
        for operand in (a, b):
            bits, zeros = normalise(m, magnitude(m, operand, signed=self.signed, adder=self.adder))
            logarithms.append([*bits[:-1], *(~zero for zero in zeros)])
            present.append(bits[-1])
        first, second = logarithms
        total = add_rows(m, [*first, Const(0, 1)], [*second, None], adder=self.adder)
        fraction, position = total[: self.width - 1], total[self.width - 1 :]
        nonzero = present[0] & present[1]
        # Negated before the shift, while it is short; what the final wiring drops is zero.
        mantissa: list[Value] = [bit & nonzero for bit in (*fraction, Const(1, 1))]
        if self.signed:
            negative = is_negative(m, a, b, signed=True)
            mantissa = negate_if(m, [*mantissa, Const(0, 1)], negative, adder=self.adder)
        row = Cat(*mantissa)
        shifted = shift_left(m, row.as_signed() if self.signed else row, position)
        # The leading one of the largest position, all ones, is bit 2 * width - 1 of the product.
        dropped = (self.width - 1) + ((1 << len(position)) - 1) - (2 * self.width - 1)
        return shifted[dropped : dropped + self.product_width]
