"""The compiled kernel of `axhw.emulate.row_table`: tables of a block of terms built by transposition, rows summed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import Kernel
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.transpose import transposed

_MOST_ROWS = 8
# A tile of the transposition of the source columns; larger ones compile slower and run no faster.
_TILE = 8


@dataclass(frozen=True, kw_only=True)
class RowTableCode:
    """Which kernel.

    Attributes
    ----------
    columns : int
        Columns of the block, a power of two.
    bits : int
        8 or 16, of the entries.
    vector_bits, registers : int
        Of the processor.
    """

    columns: int
    bits: int
    vector_bits: int
    registers: int

    @property
    def lanes(self) -> int:
        """Entries in a register."""
        return min(self.columns, self.vector_bits // self.bits)

    @property
    def vectors(self) -> int:
        """Registers for the columns."""
        return self.columns // self.lanes

    @property
    def rows(self) -> int:
        """Rows of activations taken together: half the registers hold their sums."""
        return max(1, min(_MOST_ROWS, self.registers // 2 // self.vectors))


def lane_order(code: RowTableCode) -> npt.NDArray[np.intp]:
    """Lane of each column: the sums of even lanes come out in the first half of a register, those of odd ones in the
    second."""
    lane = np.concatenate([np.arange(0, code.lanes, 2), np.arange(1, code.lanes, 2)])
    order: npt.NDArray[np.intp] = np.arange(code.vectors)[:, None] * code.lanes + lane
    return order.reshape(-1)


@lru_cache(maxsize=64)
def row_table_kernel(code: RowTableCode) -> Kernel:
    """Compile the kernel that builds the tables of each block of terms and adds up their rows."""
    bits = code.bits
    function = v.Builder(
        "row_table",
        [
            ("codes", v.pointer(8)),
            ("base", v.pointer(64)),
            ("rows", v.integer()),
            ("offset", v.pointer(64)),
            ("sources", v.pointer(bits)),
            ("column", v.pointer(32)),
            ("flush", v.pointer(64)),
            ("first", v.pointer(64)),
            ("blocks", v.integer()),
            ("work", v.pointer(bits)),
            ("start", v.pointer(32)),
            ("start_stride", v.integer()),
            ("out", v.pointer(32)),
            ("out_stride", v.integer()),
        ],
        aliased=("start", "out"),
    )
    b = function.ir
    with function.loop(v.constant(0), function["blocks"]) as blocks:
        is_first = b.icmp_signed("==", blocks.index, v.constant(0))
        begin = b.select(is_first, function["start"], function["out"])
        begin_stride = b.select(is_first, function["start_stride"], function["out_stride"])
        runs = (
            function.load(function.at(function["first"], blocks.index)),
            function.load(function.at(function["first"], blocks.index, 1)),
        )
        terms = [function.load(function.at(function["flush"], run)) for run in runs]
        _build(function, code, terms)
        last = b.sub(function["rows"], v.constant(code.rows - 1))
        with function.loop(v.constant(0), last, step=code.rows) as together:
            _add_rows(function, code, code.rows, together.index, runs, terms[0], begin, begin_stride)
        with function.loop(together.index, function["rows"]) as single:
            _add_rows(function, code, 1, single.index, runs, terms[0], begin, begin_stride)
    return function.compiled()


def _build(function: v.Builder, code: RowTableCode, terms: list[Any]) -> None:
    """Transpose the source columns of each term's weights into the rows of its table."""
    b = function.ir
    tile = v.lanes(code.bits, _TILE)
    with function.loop(terms[0], terms[1]) as term:
        table = b.mul(b.sub(term.index, terms[0]), v.constant(CODE_COUNT * code.columns))
        for first in range(0, code.columns, _TILE):
            sources = []
            for lane in range(first, first + _TILE):
                place = function.at(function["column"], b.mul(term.index, v.constant(code.columns)), lane)
                column = b.zext(function.load(place), v.integer())
                sources.append(function.at(function["sources"], b.mul(column, v.constant(CODE_COUNT))))
            with function.loop(v.constant(0), v.constant(CODE_COUNT), step=_TILE) as activation:
                columns = [function.load(function.at(source, activation.index), vector=tile) for source in sources]
                target = function.at(function["work"], table, b.mul(activation.index, v.constant(code.columns)), first)
                for i, row in enumerate(transposed(function, columns)):
                    function.store(row, function.at(target, i * code.columns), aligned=True)


def _add_rows(
    function: v.Builder,
    code: RowTableCode,
    rows: int,
    first_row: Any,
    runs: tuple[Any, Any],
    first_term: Any,
    begin: Any,
    begin_stride: Any,
) -> None:
    """Sum a block of terms for some rows, and add the sums to what those rows began with."""
    b = function.ir
    bits, lanes = code.bits, code.lanes
    narrow, wide = v.lanes(bits, lanes), v.lanes(2 * bits, lanes // 2)
    shift = v.vector([bits] * (lanes // 2), 2 * bits)
    count = rows * code.vectors
    starts = [
        function.at(function["codes"], function.load(function.at(function["base"], first_row, row)))
        for row in range(rows)
    ]
    with function.loop(runs[0], runs[1], carried=[v.zeros(2 * bits, lanes // 2)] * (2 * count)) as run:
        ends = [function.load(function.at(function["flush"], run.index, i)) for i in (0, 1)]
        with function.loop(ends[0], ends[1], carried=[v.zeros(bits, lanes)] * count) as term:
            offset = function.load(function.at(function["offset"], term.index))
            table = function.at(
                function["work"], b.mul(b.sub(term.index, first_term), v.constant(CODE_COUNT * code.columns))
            )
            sums = []
            for row in range(rows):
                activation = b.zext(function.load(function.at(starts[row], offset)), v.integer())
                entries = function.at(table, b.mul(activation, v.constant(code.columns)))
                for vector in range(code.vectors):
                    loaded = function.load(function.at(entries, vector * lanes), vector=narrow, aligned=True)
                    sums.append(b.add(term.values[row * code.vectors + vector], loaded))
            term.carry(sums)
        widened = []
        for i, narrow_sum in enumerate(term.values):
            both = b.bitcast(narrow_sum, wide)
            widened += [b.add(run.values[2 * i], both), b.add(run.values[2 * i + 1], b.lshr(both, shift))]
        run.carry(widened)
    full = v.lanes(32, lanes // 2)
    for row in range(rows):
        place = b.add(first_row, v.constant(row))
        for vector in range(code.vectors):
            both, odd = run.values[2 * (row * code.vectors + vector)], run.values[2 * (row * code.vectors + vector) + 1]
            even = b.sub(both, b.shl(odd, shift))
            for half, total in enumerate((even, odd)):
                column = vector * lanes + half * (lanes // 2)
                source = function.at(begin, b.mul(place, begin_stride), column)
                target = function.at(function["out"], b.mul(place, function["out_stride"]), column)
                value = total if bits == 16 else b.zext(total, full)
                function.store(b.add(function.load(source, vector=full), value), target)
