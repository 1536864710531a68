"""Radix-4 modified Booth recoding, and rows that round the multiplicand without an adder.

b = sum_j d_j 4**j with d_j = -2 b_{2j+1} + b_{2j} + b_{2j-1}, b_{-1} = 0 (Booth 1951, MacSorley 1961).

A row that rounds a half up at bit r uses a~ = (a >> r) + a_{r-1}. No adder is needed: where
a_{r-1} = 1, (a >> r) + 1 = -(NOT (a >> r)), so d * a~ = (-d) * (NOT (a >> r)). The hardware therefore
XORs the kept bits and the row's sign with a_{r-1} and is an ordinary Booth row otherwise. This also
absorbs the overflow of the largest operand when it rounds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Const, Module, Signal, Value

from axhw.hdl.bit_heap import BitHeap
from axhw.hdl.spec import IntegerArray


def digit_count(width: int, *, signed: bool) -> int:
    """Booth digits of a `width`-bit operand; an unsigned one needs a digit more for its zero sign."""
    return (width + 1) // 2 if signed else width // 2 + 1


def digits(b: IntegerArray, count: int) -> IntegerArray:
    """Booth digits of integers.

    Parameters
    ----------
    b : int64 array of any shape
    count : int

    Returns
    -------
    (count, *b.shape) int64 array with values -2 .. 2, least significant digit first
    """
    doubled = b << 1
    triples = np.stack([(doubled >> (2 * j)) & 7 for j in range(count)])
    recoded: IntegerArray = -2 * (triples >> 2) + (triples >> 1 & 1) + (triples & 1)
    return recoded


def round_half_up(a: IntegerArray, bit: int) -> IntegerArray:
    """(a >> bit) + a_{bit-1}: a / 2**bit rounded to the nearest integer, halves up."""
    return a if bit == 0 else (a >> bit) + (a >> (bit - 1) & 1)


@dataclass(frozen=True)
class Digit:
    """A Booth digit in hardware: |d| = 1, |d| = 2, d < 0."""

    one: Value
    two: Value
    negative: Value


def recode(m: Module, b: Value, *, signed: bool) -> list[Digit]:
    """Booth digits of the bits of `b`, least significant first."""
    return recode_gated(m, b, [Const(1, 1)] * digit_count(len(b), signed=signed), signed=signed)


def recode_gated(m: Module, b: Value, enables: Sequence[Value], *, signed: bool) -> list[Digit]:
    """Booth digits that are 0 where the row's enable is 0: its recoder then sees zeros only and does not switch."""
    width = len(b)
    extension = b[width - 1] if signed else Const(0, 1)
    bits = [Const(0, 1), *(b[i] for i in range(width)), extension, extension]
    result = []
    for j, enable in enumerate(enables):
        low, middle, high = (_gated(bit, enable) for bit in bits[2 * j : 2 * j + 3])
        one, two, negative = (Signal(name=f"d{j}_{part}") for part in ("one", "two", "neg"))
        m.d.comb += [
            one.eq(middle ^ low),
            two.eq((high & ~middle & ~low) | (~high & middle & low)),
            negative.eq(high & ~(middle & low)),
        ]
        result.append(Digit(one, two, negative))
    return result


def _gated(bit: Value, enable: Value) -> Value:
    return bit if isinstance(enable, Const) and enable.value else bit & enable


def add_row(m: Module, heap: BitHeap, a: Value, digit: Digit, *, signed: bool, weight: int, rounding: int) -> None:
    """Add ``digit * round_half_up(a, rounding) * 2**(weight + rounding)`` to the heap.

    The row is only as wide as the kept bits of the multiplicand.
    """
    width = len(a)
    bits = [a[i] for i in range(width)] + ([] if signed else [Const(0, 1)])
    negative = digit.negative
    if rounding >= len(bits) or (not signed and rounding > width):
        # a >> rounding is -1 or 0 and rounding adds it back to 0.
        return
    kept = bits[rounding:]
    if rounding:
        mask = a[rounding - 1]
        kept = [bit ^ mask for bit in kept]
        # Without the last factor a digit of zero gives ones plus one, which is 0 too, but costs area and switching.
        negative = (digit.negative ^ mask) & (digit.one | digit.two)
    sign = Signal(name="row_neg")
    m.d.comb += sign.eq(negative)
    row = []
    for position in range(len(kept) + 1):
        single = kept[min(position, len(kept) - 1)]
        shifted = kept[position - 1] if position else Const(0, 1)
        bit = Signal(name="row")
        m.d.comb += bit.eq(((single & digit.one) | (shifted & digit.two)) ^ sign)
        row.append(bit)
    heap.add_signed(row, weight + rounding)
    heap.add_bit(sign, weight + rounding)
