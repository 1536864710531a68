"""Row tables: one contiguous load and one addition for the products of one activation with 32 or 64 weights.

For a block of terms k and one block of columns n the kernel lays out ``T[k][a][n] = M[a, w[k, n]] - lowest[w[k, n]]``,
the products of every possible activation with the weights of a row, less the least product of each weight. One
row T[k][a] is one cache line: 32 columns of 16 bits or 64 of 8. Then for every row of activations ``sum += T[k][a[m,
k]]``: no gathers, only aligned loads, so any instruction set does.

Sums stay in lanes of the width of the entries while a bound over the layer's own weights allows it (`flush_points`),
two to ten terms for 16-bit entries of usual weights; then they are added to lanes twice as wide, twice: once whole,
which sums the even lane and 2**bits times the odd one, and once shifted, which sums the odd lane alone. The even
sum is the difference, modulo the width. Sums over a block of terms end in 32 bits, modulo 2**32: exact whenever
the result fits.

Limit: the tables of a block of terms, 256 KiB, lie in the level-2 cache, so one line of 64 bytes comes from there per
row and term. Building them by transposition costs as much as using them for some 800 rows, which is less than to
read them from memory: they are built anew for each call and block of rows.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import Block, column_blocks
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.patches import Patches
from axhw.emulate.tables import WeightColumns
from axhw.emulate.threads import aligned, scratch
from axhw.emulate.transpose import transposed

LINE_BITS = 512
_WORK_BYTES = 1 << 18
_MOST_ROWS = 8
_ENTRY: dict[int, type[np.uint8] | type[np.uint16]] = {8: np.uint8, 16: np.uint16}
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


class RowTable:
    """A product [M, K] by [K, N] per group, through row tables.

    Parameters
    ----------
    weights : WeightColumns
        With columns of shape (groups, K, N).
    bits : int
        Of the entries: `entry_bits` of the weights, or 8 or 16 if that is more.
    """

    def __init__(self, weights: WeightColumns, *, bits: int) -> None:
        groups, self.terms, columns = weights.column.shape
        self.bits = bits
        self.blocks = column_blocks(groups, columns, widest=LINE_BITS // bits, narrowest=128 // bits)
        products = weights.by_raw_code().astype(np.int64)
        lowest = products.min(axis=0)
        # Only columns in use say how wide entries are.
        spread = np.zeros_like(products)
        spread[:, weights.used] = (products - lowest)[:, weights.used]
        # Wider entries go in planes of 16 bits, the highest first; sums are shifted up in between.
        shifts = (0,) if int(spread.max(initial=0)) < 1 << bits else (16, 0)
        self._planes = [v.fixed(_sources(spread >> shift, bits)) for shift in shifts]
        ranges = np.minimum(spread.max(axis=0), (1 << bits) - 1)
        chosen = [_chosen(weights.column, block) for block in self.blocks]
        ends = _all_flush_points(chosen, ranges, bits)
        self._prepared = [
            _prepare(column, points, lowest, bits, planes=len(shifts)) for column, points in zip(chosen, ends)
        ]

    def sources(self, patches: Patches, threads: int) -> tuple[Patches, ...]:
        """The patches as they are."""
        return (patches,)

    def add(self, sources: tuple[Patches, ...], rows: slice, block: int, out: npt.NDArray[np.int32]) -> None:
        """Write the sums of a block of columns for some rows to `out`, shape (rows, width of the block)."""
        (patches,) = sources
        found, prepared = self.blocks[block], self._prepared[block]
        base = patches.base[rows]
        offset = patches.offset_of(found.group)
        work = scratch.array("row tables", (_WORK_BYTES,), np.uint8)
        stride = out.strides[0] // out.itemsize
        for plane, columns in enumerate(self._planes):
            if plane:
                np.left_shift(out, 16, out=out)
                out += prepared.constant
            start, start_stride = (out, stride) if plane else (prepared.start, 0)
            prepared.kernel(
                *(patches.codes, base, len(base), offset, columns, prepared.column, prepared.flush, prepared.first),
                *(prepared.term_blocks, work, start, start_stride, out, stride),
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class _PreparedBlock:
    """What the kernel reads of a block: columns in the order of lanes [K, width], flush points, of which those of the
    block b of terms are ``flush[first[b]]`` to ``flush[first[b + 1]]``, and what the sums of a column start from: the
    constant, or 0 if the constant comes in with a later plane."""

    kernel: v.Kernel
    column: ctypes.c_void_p
    flush: ctypes.c_void_p
    first: ctypes.c_void_p
    term_blocks: int
    constant: npt.NDArray[np.int32]
    start: ctypes.c_void_p


def entry_bits(weights: WeightColumns) -> int:
    """Bits of the largest difference of two products of one weight: 8, 16, or 32 where two planes are needed."""
    used = weights.products[:, weights.used].astype(np.int64)
    largest = int((used.max(axis=0) - used.min(axis=0)).max(initial=0))
    return 8 if largest < 1 << 8 else 16 if largest < 1 << 16 else 32


def flush_points(
    column: npt.NDArray[np.int32], ranges: npt.NDArray[np.int64], *, bits: int, most_terms: int
) -> list[list[int]]:
    """Ends of the runs of terms whose sums fit in lanes of `bits`, of several blocks at once.

    Parameters
    ----------
    column : int32 array, shape (K, blocks, width)
        Weight columns.
    ranges : int64 array
        Largest entry of each weight column.
    most_terms : int
        A run ends at every multiple of it.

    Returns
    -------
    list of lists of int
        For each block 0 first, K last, increasing.
    """
    limit = (1 << bits) - 1
    terms, blocks, _ = column.shape
    ends = np.zeros((terms + 1, blocks), bool)
    total = np.zeros(column.shape[1:], np.int64)
    for k in range(terms):
        row = ranges[column[k]]
        total += row
        full = (total > limit).any(axis=1) | (k % most_terms == 0)
        total[full] = row[full]
        ends[k] = full
    ends[terms] = True
    return [np.flatnonzero(block).tolist() for block in ends.T]


def _all_flush_points(chosen: list[npt.NDArray[np.int32]], ranges: npt.NDArray[np.int64], bits: int) -> list[list[int]]:
    """Flush points of all blocks, those of one width together."""
    found: dict[int, list[int]] = {}
    for width in {column.shape[1] for column in chosen}:
        alike = [i for i, column in enumerate(chosen) if column.shape[1] == width]
        stacked = np.stack([chosen[i] for i in alike], axis=1)
        most = _terms_together(len(stacked), width, bits)
        found.update(zip(alike, flush_points(stacked, ranges, bits=bits, most_terms=most)))
    return [found[i] for i in range(len(chosen))]


def _terms_together(terms: int, width: int, bits: int) -> int:
    """Terms of a block whose tables fit in the work space, all blocks but the last as long."""
    blocks = -(-terms // (_WORK_BYTES // (CODE_COUNT * width * bits // 8)))
    return -(-terms // blocks)


def _chosen(column: npt.NDArray[np.int32], block: Block) -> npt.NDArray[np.int32]:
    """Weight columns of a block [K, width]; those beyond the last repeat others, and their sums are thrown away."""
    found = column[block.group, :, block.first : block.first + block.count]
    return found[:, np.arange(block.width) % block.count]


def _sources(entries: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.generic]:
    """Entries of one plane by column, each a line of 256."""
    unsigned = (entries & ((1 << bits) - 1)).T
    result = aligned(unsigned.shape, _ENTRY[bits])
    result[...] = unsigned
    return result


def _prepare(
    column: npt.NDArray[np.int32], points: list[int], lowest: npt.NDArray[np.int64], bits: int, *, planes: int
) -> _PreparedBlock:
    terms, width = column.shape
    processor = v.processor()
    code = RowTableCode(columns=width, bits=bits, vector_bits=processor.vector_bits, registers=processor.registers)
    constant = (lowest[column].sum(axis=0) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    most = _terms_together(terms, width, bits)
    first = [i for i, point in enumerate(points) if point % most == 0 or point == terms]
    by_lane = np.empty_like(column)
    by_lane[:, lane_order(code)] = column
    return _PreparedBlock(
        kernel=row_table_kernel(code),
        column=v.fixed(by_lane),
        flush=v.fixed(np.array(points, np.int64)),
        first=v.fixed(np.array(first, np.int64)),
        term_blocks=len(first) - 1,
        constant=constant,
        start=v.fixed(constant if planes == 1 else np.zeros_like(constant)),
    )


def lane_order(code: RowTableCode) -> npt.NDArray[np.intp]:
    """Lane of each column: the sums of even lanes come out in the first half of a register, those of odd ones in the
    second."""
    lane = np.concatenate([np.arange(0, code.lanes, 2), np.arange(1, code.lanes, 2)])
    order: npt.NDArray[np.intp] = np.arange(code.vectors)[:, None] * code.lanes + lane
    return order.reshape(-1)


@lru_cache(maxsize=64)
def row_table_kernel(code: RowTableCode) -> v.Kernel:
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
