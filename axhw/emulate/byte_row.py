"""Look-ups in registers for few rows: the products of one activation held in AVX-512 registers, lanes along columns.

The mirror image of `axhw.emulate.byte_plane`: for row m and term k the registers hold the products of activation a[m,
k] with all 256 weights, and the weights of the row's columns, 64 at a time, look theirs up. Nothing is built or
transposed, so a single row is as cheap as its look-ups; the registers are filled anew for each row and term.

Limit: the eight registers of an activation come from the level-2 cache, and for one row the weights from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import column_blocks
from axhw.emulate.byte_plane import add_bytes, byte_sources, byte_sums, joined
from axhw.emulate.calls import Call, Kernel, fixed
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.lookup import VBMI_LANES, load_plane
from axhw.emulate.product import Compiled, Operand, Target
from axhw.emulate.tables import WeightColumns

_PLANES = 2
_MOST_TERMS = 256
_WIDEST = 512
_VECTORS = 4


class ByteRow(Compiled):
    """A product [M, K] by [K, N] per group through one table, its rows in registers.

    Needs AVX-512 VBMI and products of one weight within 16 bits of each other.
    """

    def __init__(self, weights: WeightColumns) -> None:
        groups, _, columns = weights.column.shape
        self.blocks = column_blocks(groups, columns, widest=_WIDEST, narrowest=VBMI_LANES)
        products = weights.by_raw_code().astype(np.int64)
        lowest = products.min(axis=0)
        self._sources = fixed(byte_sources((products - lowest).T, _PLANES))
        # Even lanes come out in the first half of a vector of sums, odd ones in the second.
        lane = np.concatenate([np.arange(0, VBMI_LANES, 2), np.arange(1, VBMI_LANES, 2)])
        self._prepared = []
        for block in self.blocks:
            chosen = weights.column[block.group, :, block.first : block.first + block.count]
            dense = np.zeros((len(chosen), block.width), np.uint8)
            dense[:, : block.count] = chosen
            by_lane = np.empty_like(dense).reshape(len(dense), -1, VBMI_LANES)
            by_lane[:, :, lane] = dense.reshape(by_lane.shape)
            constant = np.zeros(block.width, np.int64)
            constant[: block.count] = lowest[chosen].sum(axis=0)
            wrapped = (constant & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
            self._prepared.append((fixed(by_lane), fixed(wrapped)))

    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows."""
        (codes,) = sources
        found = self.blocks[block]
        column, constant = self._prepared[block]
        offset = codes.places.offset_of(found.group)
        read = (codes.address, codes.places.base_address(rows), rows.stop - rows.start, offset, codes.places.terms)
        weights = (self._sources, column, constant, found.width)
        return [byte_row_kernel().call(*read, *weights, out.address, out.stride)]


@lru_cache(maxsize=1)
def byte_row_kernel() -> Kernel:
    """Compile the loops over vectors of columns, rows and terms."""
    function = v.Builder(
        "byte_row",
        [
            ("codes", v.pointer(8)),
            ("base", v.pointer(64)),
            ("rows", v.integer()),
            ("offset", v.pointer(64)),
            ("terms", v.integer()),
            ("sources", v.pointer(8)),
            ("column", v.pointer(8)),
            ("constant", v.pointer(32)),
            ("width", v.integer()),
            ("out", v.pointer(32)),
            ("out_stride", v.integer()),
        ],
    )
    b = function.ir
    done = v.constant(0)
    for vectors in (_VECTORS, 1):
        last = b.sub(function["width"], v.constant((vectors - 1) * VBMI_LANES))
        with (
            function.loop(done, last, step=vectors * VBMI_LANES) as first,
            function.loop(v.constant(0), function["rows"]) as row,
        ):
            _add_row(function, row.index, first.index, vectors)
        done = first.index
    return function.compiled()


def _add_row(function: v.Builder, row: Any, first: Any, vectors: int) -> None:
    """Sum all terms of some vectors of columns of one row."""
    b = function.ir
    numbers = v.lanes(32, VBMI_LANES // 2)
    out = function.at(function["out"], b.mul(row, function["out_stride"]), first)
    halves = [(vector, i) for vector in range(vectors) for i in range(2)]
    for vector, i in halves:
        place = vector * VBMI_LANES + i * VBMI_LANES // 2
        constant = function.load(function.at(function["constant"], first, place), vector=numbers)
        function.store(constant, function.at(out, place))
    codes = function.at(function["codes"], function.load(function.at(function["base"], row)))
    with function.loop(v.constant(0), function["terms"], step=_MOST_TERMS) as block:
        rest = b.add(block.index, v.constant(_MOST_TERMS))
        last = b.select(b.icmp_signed("<", rest, function["terms"]), rest, function["terms"])
        with function.loop(block.index, last, carried=byte_sums(vectors, _PLANES)) as term:
            code = function.load(function.at(codes, function.load(function.at(function["offset"], term.index))))
            activation = b.zext(code, v.integer())
            source = function.at(function["sources"], b.mul(activation, v.constant(_PLANES * CODE_COUNT)))
            planes = [load_plane(function, function.at(source, CODE_COUNT * i)) for i in range(_PLANES)]
            weights = function.at(function["column"], b.mul(term.index, function["width"]), first)
            term.carry(add_bytes(function, planes, weights, term.values))
        sums = [joined(function, term.values[2 * _PLANES * i :][: 2 * _PLANES]) for i in range(vectors)]
        for vector, i in halves:
            place = function.at(out, vector * VBMI_LANES + i * VBMI_LANES // 2)
            function.store(b.add(function.load(place, vector=numbers), sums[vector][i]), place)
