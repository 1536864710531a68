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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import Block, column_blocks
from axhw.emulate.calls import Call, Fixed, Kernel, fixed, within
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.product import Compiled, Operand, Target
from axhw.emulate.row_table_kernel import RowTableCode, lane_order, row_table_kernel
from axhw.emulate.rows import rows_kernel
from axhw.emulate.scratch import aligned
from axhw.emulate.tables import WeightColumns

LINE_BITS = 512
_WORK_BYTES = 1 << 18
_ENTRY: dict[int, type[np.uint8] | type[np.uint16]] = {8: np.uint8, 16: np.uint16}


class RowTable(Compiled):
    """A product [M, K] by [K, N] per group, through row tables.

    Parameters
    ----------
    weights : WeightColumns
        With columns of shape (groups, K, N).
    bits : int
        Of the entries: `entry_bits` of the weights, or 8 or 16 if that is more.
    """

    work_bytes = _WORK_BYTES

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
        self._planes = [fixed(_sources(spread >> shift, bits)) for shift in shifts]
        ranges = np.minimum(spread.max(axis=0), (1 << bits) - 1)
        chosen = [_chosen(weights.column, block) for block in self.blocks]
        ends = _all_flush_points(chosen, ranges, bits)
        self._prepared = [
            _prepare(column, points, lowest, bits, planes=len(shifts)) for column, points in zip(chosen, ends)
        ]

    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows."""
        (codes,) = sources
        found, prepared = self.blocks[block], self._prepared[block]
        count = rows.stop - rows.start
        read = (codes.address, codes.places.base_address(rows), count, codes.places.offset_of(found.group))
        weights = (prepared.column, prepared.flush, prepared.first, prepared.term_blocks)
        calls = []
        for plane, columns in enumerate(self._planes):
            start, start_stride = (out.address, out.stride) if plane else (prepared.start, 0)
            if plane:
                written = (prepared.constant, *out)
                calls.append(rows_kernel().call(*out, count, found.width, 16, *written))
            sums = (within(0), start, start_stride, *out)
            calls.append(prepared.kernel.call(*read, columns, *weights, *sums))
        return calls


@dataclass(frozen=True, kw_only=True, eq=False)
class _PreparedBlock:
    """What the kernel reads of a block: columns in the order of lanes [K, width], flush points, of which those of the
    block b of terms are ``flush[first[b]]`` to ``flush[first[b + 1]]``, and what the sums of a column start from: the
    constant, or 0 if the constant comes in with a later plane."""

    kernel: Kernel
    column: Fixed
    flush: Fixed
    first: Fixed
    term_blocks: int
    constant: Fixed
    start: Fixed


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
        column=fixed(by_lane),
        flush=fixed(np.array(points, np.int64)),
        first=fixed(np.array(first, np.int64)),
        term_blocks=len(first) - 1,
        constant=fixed(constant),
        start=fixed(constant if planes == 1 else np.zeros_like(constant)),
    )
