"""Partial products of an array multiplier: a_i b_j, with Baugh-Wooley signs for two's complement."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Value

from axhw.hdl.bit_heap import BitHeap


def is_negative(i: int, j: int, *, width: int, signed: bool) -> bool:
    """Whether cell (i, j) is subtracted: exactly one of its bits is a sign bit (Baugh and Wooley 1973)."""
    return signed and (i == width - 1) != (j == width - 1)


def add_partial_products(
    heap: BitHeap, a: Value, b: Value, *, signed: bool, keep: Callable[[int, int], bool] = lambda i, j: True
) -> None:
    """Add every cell ``a_i b_j 2**(i + j)`` with ``keep(i, j)``, subtracting those of negative weight."""
    width = len(a)
    for i in range(width):
        for j in range(width):
            if not keep(i, j):
                continue
            if is_negative(i, j, width=width, signed=signed):
                heap.subtract_bit(a[i] & b[j], i + j)
            else:
                heap.add_bit(a[i] & b[j], i + j)
