"""Where the leading one of a number is: golden model, one-hot detector, and normalisation by a logarithmic shifter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from axhw.hdl.spec import IntegerArray


def leading_one_position(x: IntegerArray, *, width: int) -> IntegerArray:
    """floor(log2(x)) of integers from 0 to ``2**width - 1``; 0 for x = 0."""
    position = np.zeros_like(x)
    for bit in range(1, width):
        position += x >> bit != 0
    return position


def leading_one(m: Module, bits: Sequence[Value]) -> tuple[list[Value], Value]:
    """Mark the most significant set bit.

    A parallel-prefix OR (Sklansky) from the top says which bits have a set bit above them.

    Parameters
    ----------
    bits : least significant first

    Returns
    -------
    one_hot : list of bits
        All zero when no bit is set.
    found : bit
        Whether any bit is set.
    """
    if not bits:
        return [], Const(0, 1)
    from_top = list(reversed(bits))
    span = 1
    while span < len(from_top):
        for i in range(len(from_top)):
            if i & span:
                seen = Signal(name="seen")
                m.d.comb += seen.eq(from_top[i] | from_top[(i | (span - 1)) - span])
                from_top[i] = seen
        span *= 2
    # seen[i]: any of bits[i:] is set.
    seen_from = list(reversed(from_top))
    one_hot: list[Value] = []
    for bit, above in zip(bits, [*seen_from[1:], Const(0, 1)]):
        marked = Signal(name="lead")
        m.d.comb += marked.eq(bit & ~above)
        one_hot.append(marked)
    return one_hot, seen_from[0]


def normalise(m: Module, bits: Sequence[Value]) -> tuple[list[Value], list[Value]]:
    """Shift a number left until its leading one is the top bit.

    Each stage tests whether the upper 2**s bits are empty and shifts them out, largest s first, so that
    the tests are the binary count of leading zeros.

    Parameters
    ----------
    bits : least significant first

    Returns
    -------
    shifted : list of bits, as many as `bits`
        The top bit is 0 only for the number 0.
    zeros : list of bits
        Leading zeros in binary, least significant first (meaningless for the number 0).
    """
    value = Cat(*bits)
    width = len(bits)
    zeros: list[Value] = []
    for stage in reversed(range((width - 1).bit_length())):
        distance = 1 << stage
        empty, shifted = Signal(name=f"empty_{distance}"), Signal(width, name=f"normal_{distance}")
        m.d.comb += [
            empty.eq(~value[width - distance :].any()),
            shifted.eq(Mux(empty, value.shift_left(distance), value)),
        ]
        value = shifted
        zeros.insert(0, empty)
    return [value[i] for i in range(width)], zeros
