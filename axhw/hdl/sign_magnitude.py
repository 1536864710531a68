"""Two's complement operands for multipliers that are defined on magnitudes.

The magnitude of the lowest operand, 2**(width - 1), needs all `width` bits and is exact: nothing saturates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from amaranth.hdl import Const, Module, Signal, Value

from axhw.hdl.prefix import Adder, add_rows
from axhw.hdl.spec import IntegerArray


def on_magnitudes(
    product: Callable[[IntegerArray, IntegerArray], IntegerArray], a: IntegerArray, b: IntegerArray
) -> IntegerArray:
    """sign(a) sign(b) product(abs(a), abs(b)); for unsigned operands simply their product."""
    return np.sign(a) * np.sign(b) * product(np.abs(a), np.abs(b))


def magnitude(m: Module, x: Value, *, signed: bool, adder: Adder) -> list[Value]:
    """The bits of abs(x), least significant first, as many as x has."""
    bits = [x[i] for i in range(len(x))]
    return negate_if(m, bits, bits[-1], adder=adder) if signed else bits


def is_negative(m: Module, a: Value, b: Value, *, signed: bool) -> Value:
    """Whether the signs of the operands differ. A product of zero may be marked negative: -0 = 0."""
    if not signed:
        return Const(0, 1)
    negative = Signal(name="product_neg")
    m.d.comb += negative.eq(a[-1] ^ b[-1])
    return negative


def negate_if(m: Module, bits: Sequence[Value], negative: Value, *, adder: Adder) -> list[Value]:
    """Two's complement of a row of bits where `negative` is set: -x = NOT x + 1, an XOR row and an incrementer."""
    flipped = []
    for bit in bits:
        inverted = Signal(name="flipped")
        m.d.comb += inverted.eq(bit ^ negative)
        flipped.append(inverted)
    return add_rows(m, flipped, [negative] + [None] * (len(bits) - 1), adder=adder)
