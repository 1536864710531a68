"""Summing many weighted bits: carry-save reduction trees and carry-propagate adders.

A `BitHeap` collects the partial-product bits of a multiplier by weight. `BitHeap.sum` compresses the
columns to at most two bits with full and half adders, in the order the chosen tree prescribes,
and adds the remaining two rows with the chosen carry-propagate adder. Everything is modulo 2**width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from amaranth.hdl import Cat, Const, Module, Signal, Value

from axhw.hdl.prefix import Adder, add_rows

Tree = Literal["dadda", "wallace", "array"]
TREES: tuple[Tree, ...] = get_args(Tree)

Columns = list[list[Value]]


class BitHeap:
    """Bits and constants waiting to be summed modulo ``2**width``.

    Parameters
    ----------
    width : int
        Bits of the sum; anything of higher weight is discarded.
    """

    def __init__(self, width: int) -> None:
        self._columns: Columns = [[] for _ in range(width)]
        self._constant = 0

    @property
    def width(self) -> int:
        return len(self._columns)

    def add_bit(self, bit: Value, weight: int) -> None:
        """Add ``bit * 2**weight``."""
        if weight < self.width:
            self._columns[weight].append(bit)

    def add_constant(self, value: int) -> None:
        """Add an integer of any sign."""
        self._constant += value

    def subtract_bit(self, bit: Value, weight: int) -> None:
        """Subtract ``bit * 2**weight``: -x = (1 - x) - 1."""
        self.add_bit(~bit, weight)
        self.add_constant(-(1 << weight))

    def add_signed(self, bits: Sequence[Value], weight: int) -> None:
        """Add a two's complement number, least significant bit first, times ``2**weight``."""
        for position, bit in enumerate(bits[:-1]):
            self.add_bit(bit, weight + position)
        self.subtract_bit(bits[-1], weight + len(bits) - 1)

    def add_unsigned(self, bits: Iterable[Value], weight: int) -> None:
        """Add an unsigned number, least significant bit first, times ``2**weight``."""
        for position, bit in enumerate(bits):
            self.add_bit(bit, weight + position)

    def sum(self, m: Module, *, tree: Tree, adder: Adder) -> Value:
        """The sum of everything added so far, `width` bits, unsigned."""
        columns = [list(column) for column in self._columns]
        for weight in range(self.width):
            if self._constant >> weight & 1:
                columns[weight].append(Const(1, 1))
        columns = _compress(m, columns, tree)
        first = [column[0] if column else Const(0, 1) for column in columns]
        second = [column[1] if len(column) > 1 else None for column in columns]
        return Cat(*add_rows(m, first, second, adder=adder))


def _full_adder(m: Module, x: Value, y: Value, z: Value) -> tuple[Value, Value]:
    half, total, carry = Signal(name="fa_p"), Signal(name="fa_s"), Signal(name="fa_c")
    m.d.comb += [half.eq(x ^ y), total.eq(half ^ z), carry.eq((x & y) | (half & z))]
    return total, carry


def _half_adder(m: Module, x: Value, y: Value) -> tuple[Value, Value]:
    total, carry = Signal(name="ha_s"), Signal(name="ha_c")
    m.d.comb += [total.eq(x ^ y), carry.eq(x & y)]
    return total, carry


def _compress(m: Module, columns: Columns, tree: Tree) -> Columns:
    """Apply stages of `tree` until no column holds more than two bits."""
    while (height := max((len(column) for column in columns), default=0)) > 2:
        if tree == "wallace":
            columns = _wallace_stage(m, columns)
        else:
            limit = _dadda_limit(height) if tree == "dadda" else height - 1
            columns = _limited_stage(m, columns, limit, newest_first=tree == "array")
    return columns


def _dadda_limit(height: int) -> int:
    """Largest member of Dadda's sequence 2, 3, 4, 6, 9, 13, ... below `height` (Dadda 1965)."""
    limit = 2
    while limit * 3 // 2 < height:
        limit = limit * 3 // 2
    return limit


def _wallace_stage(m: Module, columns: Columns) -> Columns:
    """Compress every group of three bits, and every left-over pair in a column above two (Wallace 1964)."""
    following: Columns = [[] for _ in range(len(columns) + 1)]
    for weight, column in enumerate(columns):
        groups = len(column) // 3 * 3
        for start in range(0, groups, 3):
            total, carry = _full_adder(m, *column[start : start + 3])
            following[weight].append(total)
            following[weight + 1].append(carry)
        rest = column[groups:]
        if len(rest) == 2 and groups:
            total, carry = _half_adder(m, *rest)
            following[weight].append(total)
            following[weight + 1].append(carry)
        else:
            following[weight] += rest
    return following[: len(columns)]


def _limited_stage(m: Module, columns: Columns, limit: int, *, newest_first: bool) -> Columns:
    """Bring every column down to `limit` bits with as few adders as possible.

    Adders take bits from the front. Sums go to the back for a balanced tree; `newest_first` puts them
    in front, so that with the limit lowered by one a stage each sum meets one more row per stage:
    a carry-save array.
    """
    columns = [list(column) for column in columns] + [[]]
    fresh: Columns = [[] for _ in columns]
    for weight in range(len(columns) - 1):
        column = columns[weight]
        while len(column) + len(fresh[weight]) > limit:
            if len(column) < 2:
                # Carries of this very stage fill the column: they have to be compressed at once.
                column += fresh[weight]
                fresh[weight] = []
            if len(column) + len(fresh[weight]) == limit + 1 or len(column) == 2:
                total, carry = _half_adder(m, column.pop(0), column.pop(0))
            else:
                total, carry = _full_adder(m, column.pop(0), column.pop(0), column.pop(0))
            fresh[weight].append(total)
            fresh[weight + 1].append(carry)
    if newest_first:
        return [new + column for column, new in zip(columns, fresh)][:-1]
    return [column + new for column, new in zip(columns, fresh)][:-1]
