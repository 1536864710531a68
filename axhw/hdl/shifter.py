"""A logarithmic shifter whose result is never wider than the distance shifted so far requires."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Shape, Signal, Value


def shift_left(m: Module, value: Value, distance: Sequence[Value]) -> Value:
    """``value * 2**distance`` without loss; a signed value stays signed.

    Parameters
    ----------
    value : bits of any shape
    distance : bits of an unsigned number, least significant first
        The stages with short distances come first, while the number is narrow.
    """
    for stage, select in enumerate(distance):
        shape = value.shape()
        moved = Signal(Shape(shape.width + (1 << stage), signed=shape.signed), name=f"shift_{1 << stage}")
        m.d.comb += moved.eq(Mux(select, value.shift_left(1 << stage), value))
        value = moved
    return value
