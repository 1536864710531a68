"""Look-ups in registers: the products of one weight, 256 entries by byte, held in AVX-512 registers.

Of one weight the low bytes of its products are four registers and the high bytes four more. Two ``vpermi2b`` and a
blend look up the bytes of 64 activations (`axhw.emulate.lookup`). Lanes run along pixels, which therefore lie by
channel: the image, padding included, is transposed once per call, term k is a shift within the plane of its channel,
and outputs are computed for every place of the padded image and kept where there is one. Sums of bytes stay in 16
bits, even and odd lanes apart as in `axhw.emulate.row_table`, for 256 terms, then are joined in 32 bits.

There is nothing to build for a call, and a column costs the same alone as among others: this is the kernel for some
hundred rows, and for convolutions with few filters per group, depthwise ones above all, whose columns of all groups
form one block.

Limit: thirteen operations for 64 products, half of that for one plane of bytes, two or three of them a cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import Block, column_blocks
from axhw.emulate.calls import Call, Fixed, Kernel, fixed, within
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.lookup import VBMI_LANES, load_plane, permuted
from axhw.emulate.patches import Patches, Places
from axhw.emulate.product import Compiled, Operand, Target
from axhw.emulate.scratch import aligned, scratch
from axhw.emulate.tables import WeightColumns
from axhw.emulate.transpose import transpose_bytes, transposed

_MOST_TERMS = 256
_COLUMNS = 16
_WIDEST = 256
# Vectors of pixels that share the loads of a weight's registers.
_VECTORS = 4
_CHUNK = _VECTORS * VBMI_LANES


class BytePlane(Compiled):
    """A product [M, K] by [K, N] per group, through tables in registers.

    Needs AVX-512 VBMI.

    Parameters
    ----------
    planes : int
        Bytes that hold the differences of products of one weight, 1 or 2.
    """

    work_bytes = 4 * _COLUMNS * _CHUNK

    def __init__(self, weights: WeightColumns, *, planes: int) -> None:
        groups, terms, columns = weights.column.shape
        self._columns = columns
        # The columns of all groups side by side.
        self.blocks = tuple(
            Block(group=0, first=block.first, count=block.count, width=-(-block.count // _COLUMNS) * _COLUMNS)
            for block in column_blocks(1, groups * columns, widest=_WIDEST, narrowest=_COLUMNS, exact=True)
        )
        products = weights.by_raw_code().astype(np.int64)
        lowest = products.min(axis=0)
        self._kernel = byte_plane_kernel(planes)
        self._sources = fixed(byte_sources(products - lowest, planes))
        by_column = weights.column.transpose(0, 2, 1).reshape(groups * columns, terms)
        self._column = np.ascontiguousarray(by_column)
        self._constant = (lowest[by_column].sum(axis=1) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)

    def sources(self, patches: Patches, threads: int) -> tuple[Patches, ...]:
        """The codes by channel: `base` then counts pixels, `offset` says where a term begins among all planes."""
        there = patches.places
        channels = max(there.channels, 1)
        pixels = len(patches.codes) // channels
        groups = max(len(self._column) // max(self._columns, 1), 1)
        plane, places = _by_channel(there, pixels, groups)
        planes = scratch.array("planes", (there.channels, plane), np.uint8)
        transpose_bytes(patches.codes.reshape(pixels, there.channels), planes[:, :pixels])
        return (Patches(codes=planes.reshape(-1), places=places),)

    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows."""
        (codes,) = sources
        found = self.blocks[block]
        first, count, row_of = _rows_of_pixels(codes.places, rows.start, rows.stop)
        columns = np.arange(found.first, found.first + found.width) % max(len(self._column), 1)
        columns[found.count :] = found.first
        terms = self._column.shape[1]
        group = columns // max(self._columns, 1)
        read = (codes.address, first, count, row_of, codes.places.offset, group)
        weights = (self._sources, self._column[columns], terms, self._constant[columns])
        return [self._kernel.call(*read, *weights, found.width, within(0), out.address, out.stride)]


def byte_sources(entries: npt.NDArray[np.int64], planes: int) -> npt.NDArray[np.generic]:
    """Entries [256, columns] by column and byte: shape (columns, planes, 256)."""
    result = aligned((entries.shape[1], planes, CODE_COUNT), np.uint8)
    for plane in range(planes):
        result[:, plane] = (entries >> 8 * plane & 0xFF).T
    return result


@lru_cache(maxsize=64)
def _by_channel(places: Places, pixels: int, groups: int) -> tuple[int, Places]:
    """Codes of a plane, and where the codes of planes lie."""
    channels = max(places.channels, 1)
    # A chunk may begin at the last pixel, and the last term reaches as far behind it as it is shifted.
    plane = pixels + int(places.offset.max(initial=0)) // channels + _CHUNK
    of_terms = places.offset + places.group_step * np.arange(groups)[:, None]
    offset = of_terms % channels * plane + of_terms // channels
    return plane, Places(base=places.base // channels, offset=offset, group_step=0, channels=1)


@lru_cache(maxsize=64)
def _rows_of_pixels(places: Places, start: int, stop: int) -> tuple[int, int, Fixed]:
    """The first pixel of some rows of the output, how many pixels there are, and the row at each, counted from the
    first one, or -1 where there is none."""
    pixels = places.base[start:stop]
    first, last = int(pixels[0]), int(pixels[-1]) + 1
    row_of = np.full(-(-(last - first) // VBMI_LANES) * VBMI_LANES, -1, np.int64)
    row_of[pixels - first] = np.arange(len(pixels))
    return first, last - first, fixed(row_of)


@lru_cache(maxsize=2)
def byte_plane_kernel(planes: int) -> Kernel:
    """Compile the loops over chunks of pixels, sixteen columns, and terms."""
    function = v.Builder(
        "byte_plane",
        [
            ("codes", v.pointer(8)),
            ("first", v.integer()),
            ("count", v.integer()),
            ("places", v.pointer(64)),
            ("offset", v.pointer(64)),
            ("group", v.pointer(64)),
            ("sources", v.pointer(8)),
            ("column", v.pointer(32)),
            ("terms", v.integer()),
            ("constant", v.pointer(32)),
            ("width", v.integer()),
            ("work", v.pointer(32)),
            ("out", v.pointer(32)),
            ("out_stride", v.integer()),
        ],
    )
    b = function.ir
    done = v.constant(0)
    for vectors in (_VECTORS, 1):
        last = b.sub(function["count"], v.constant((vectors - 1) * VBMI_LANES))
        with function.loop(done, last, step=vectors * VBMI_LANES) as chunk:
            pixel = function.at(function["codes"], function["first"], chunk.index)
            with function.loop(v.constant(0), function["width"], step=_COLUMNS) as columns:
                with function.loop(v.constant(0), v.constant(_COLUMNS)) as column:
                    place = b.add(columns.index, column.index)
                    line = function.at(function["work"], b.mul(column.index, v.constant(_CHUNK)))
                    _add_column(function, pixel, place, line, vectors, planes)
                _write_rows(function, chunk.index, columns.index, vectors)
        done = chunk.index
    return function.compiled()


def _add_column(function: v.Builder, pixel: Any, column: Any, line: Any, vectors: int, planes: int) -> None:
    """Sum all terms of a column for a chunk of pixels, in the order of `_write_rows`."""
    b = function.ir
    numbers = v.lanes(32, VBMI_LANES // 4)
    constant = function.broadcast(function.load(function.at(function["constant"], column)), VBMI_LANES // 4)
    for place in range(0, vectors * VBMI_LANES, VBMI_LANES // 4):
        function.store(constant, function.at(line, place), aligned=True)
    first = b.mul(column, function["terms"])
    group = b.mul(function.load(function.at(function["group"], column)), function["terms"])
    with function.loop(v.constant(0), function["terms"], step=_MOST_TERMS) as block:
        rest = b.add(block.index, v.constant(_MOST_TERMS))
        last = b.select(b.icmp_signed("<", rest, function["terms"]), rest, function["terms"])
        with function.loop(block.index, last, carried=byte_sums(vectors, planes)) as term:
            weight = b.zext(function.load(function.at(function["column"], first, term.index)), v.integer())
            source = function.at(function["sources"], b.mul(weight, v.constant(planes * CODE_COUNT)))
            tables = [load_plane(function, function.at(source, CODE_COUNT * i)) for i in range(planes)]
            codes = function.at(pixel, function.load(function.at(function["offset"], group, term.index)))
            term.carry(add_bytes(function, tables, codes, term.values))
        for vector in range(vectors):
            for i, total in enumerate(joined(function, term.values[2 * planes * vector :][: 2 * planes])):
                for half in range(2):
                    place = function.at(line, vector * VBMI_LANES + i * 32 + half * 16)
                    order = v.vector(range(half * 16, half * 16 + 16))
                    part = b.shuffle_vector(total, total, order)
                    function.store(b.add(function.load(place, vector=numbers, aligned=True), part), place, aligned=True)


def byte_sums(vectors: int, planes: int) -> list[Any]:
    """Zeros for `add_bytes`: two sums for each vector and plane."""
    return [v.zeros(16, VBMI_LANES // 2)] * (2 * planes * vectors)


def add_bytes(function: v.Builder, planes: list[list[Any]], codes: Any, sums: list[Any]) -> list[Any]:
    """Add the entries of vectors of 64 codes to sums in 16 bits: by vector and byte of both lanes and of the odd."""
    b = function.ir
    shift = v.vector([8] * (VBMI_LANES // 2), 16)
    result = []
    for vector in range(len(sums) // (2 * len(planes))):
        index = function.load(function.at(codes, vector * VBMI_LANES), vector=v.lanes(8, VBMI_LANES))
        for i, plane in enumerate(planes):
            both = b.bitcast(permuted(function, plane, index), v.lanes(16, VBMI_LANES // 2))
            total, odd = sums[2 * (vector * len(planes) + i) :][:2]
            result += [b.add(total, both), b.add(odd, b.lshr(both, shift))]
    return result


def joined(function: v.Builder, sums: list[Any]) -> tuple[Any, Any]:
    """Sums of the even and of the odd lanes of a vector of codes in 32 bits, of the two sums of each plane."""
    b = function.ir
    half = VBMI_LANES // 2
    wide = v.lanes(32, half)
    totals = [v.zeros(32, half), v.zeros(32, half)]
    for i, (total, odd) in enumerate(zip(sums[::2], sums[1::2])):
        even = b.sub(total, b.shl(odd, v.vector([8] * half, 16)))
        for lane, found in enumerate((even, odd)):
            shifted = b.shl(b.zext(found, wide), v.vector([8 * i] * half))
            totals[lane] = b.add(totals[lane], shifted)
    return totals[0], totals[1]


def _write_rows(function: v.Builder, chunk: Any, columns: Any, vectors: int) -> None:
    """Turn sixteen columns of a chunk into rows of the output, those that there are."""
    b = function.ir
    lines = VBMI_LANES // 4
    with function.loop(v.constant(0), v.constant(vectors * VBMI_LANES // lines)) as part:
        first = b.mul(part.index, v.constant(lines))
        loaded = [
            function.load(function.at(function["work"], first, i * _CHUNK), vector=v.lanes(32, lines), aligned=True)
            for i in range(_COLUMNS)
        ]
        # A chunk holds per vector of 64 pixels the 32 even ones, then the 32 odd ones.
        vector = b.mul(b.lshr(part.index, v.constant(2)), v.constant(VBMI_LANES))
        odd = b.and_(b.lshr(part.index, v.constant(1)), v.constant(1))
        upper = b.mul(b.and_(part.index, v.constant(1)), v.constant(2 * lines))
        pixel = b.add(b.add(chunk, vector), b.add(odd, upper))
        for i, row in enumerate(transposed(function, loaded)):
            place = function.load(function.at(function["places"], pixel, 2 * i))
            with b.if_then(b.icmp_signed(">=", place, v.constant(0))):
                target = function.at(function["out"], b.mul(place, function["out_stride"]), columns)
                function.store(row, target)
