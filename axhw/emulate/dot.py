"""Integer dot products: multiplication proper, for exact tables and for those that are products of mapped operands.

Activations and weights of 8 bits go four terms at a time through ``vpdpbusd`` where the processor has it (AVX-512 VNNI
or AVX-VNNI), operands of 16 bits two at a time through ``vpdpwssd`` or ``vpmaddwd``: 64 or 32 products an instruction
and register of 512 bits, against 16 of float32. Sums are 32-bit integers modulo 2**32, so no bound limits K. Patches
are read in place: the terms of a kernel row lie next to each other in an image with channels last, and the last four
of a run are filled up by weights of zero.

vpdpbusd wants unsigned by signed bytes: signed activations have 128 added, by a flip of their top bit on the way, and
128 times the sum of the weights is taken off again.

Limit: two such instructions a cycle while the block of weights, 64 columns, stays in the level-2 cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import Block
from axhw.emulate.calls import Call, Fixed, Kernel, fixed
from axhw.emulate.patches import Patches
from axhw.emulate.product import Operand, Target
from axhw.emulate.scratch import aligned

# Bytes of activations, read as one 32-bit number.
_GROUP_BYTES = 4
_FLIP = -0x7F7F7F80


@dataclass(frozen=True, kw_only=True)
class DotCode:
    """Which kernel.

    Attributes
    ----------
    bits : int
        8 or 16, of the operands.
    vectors : int
        Registers for the columns.
    rows : int
        Rows of activations taken together.
    vector_bits : int
    fused : bool
        Whether one instruction multiplies and adds.
    """

    bits: int
    vectors: int
    rows: int
    vector_bits: int
    fused: bool

    @property
    def columns(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.vector_bits // 32


def operand_bits() -> tuple[int, ...]:
    """Widths of operands for which this processor multiplies integers at least as fast as float32."""
    features = v.processor().features
    if _has_vnni():
        return (8, 16)
    return (16,) if "avx2" in features else ()


class Dot:
    """Sums of products of integers for the blocks of another product.

    Parameters
    ----------
    weights : int64 array, shape (groups, K, N)
        Within the range of `bits`, signed.
    blocks : tuple of Block
    bits : int
        Of the operands.
    flip : bool
        Whether 8-bit activations are int8 and are to be read as uint8 of 128 more.
    lowest : int
        What an activation that reads as 0 stands for.
    run : int
        So many terms lie next to each other in memory; it divides K.
    """

    def __init__(
        self,
        weights: npt.NDArray[np.int64],
        blocks: tuple[Block, ...],
        *,
        bits: int,
        flip: bool,
        lowest: int,
        run: int,
    ) -> None:
        self._bits = bits
        self._run = max(run, 1)
        self._flip = _FLIP if flip else 0
        self._lowest = lowest
        self._parts = [self._prepared(weights, block) for block in blocks]

    def source(self, patches: Patches) -> Patches:
        """The patches with codes that may be read four bytes at a time."""
        return patches if self._run * self._bits // 8 % _GROUP_BYTES == 0 else patches.with_slack()

    def calls(self, codes: Operand, rows: slice, block: int, out: Target, *, group: int, onto: bool) -> list[Call]:
        """What writes the sums of a block for some rows to `out`, or adds them to it.

        Parameters
        ----------
        codes : Operand
            As `source` gives them, or mapped.
        """
        per_group = _GROUP_BYTES * 8 // self._bits
        offset = codes.places.offset_of(group, run=self._run, step=per_group)
        read = (codes.address, codes.places.base_address(rows), rows.stop - rows.start, offset, len(offset.array))
        calls = []
        for part in self._parts[block]:
            target = out.column(part.columns.start)
            start, start_stride = (target, out.stride) if onto else (part.zero, 0)
            written = (part.constant, start, start_stride, target, out.stride)
            calls.append(part.kernel.call(*read, part.weights, part.panels, self._flip, *written))
        return calls

    def _prepared(self, weights: npt.NDArray[np.int64], block: Block) -> list[_Part]:
        chosen = weights[block.group, :, block.first : block.first + block.count]
        terms = len(chosen)
        per_group = _GROUP_BYTES * 8 // self._bits
        filled = -(-self._run // per_group) * per_group
        dense = np.zeros((terms // self._run, filled, block.width), f"i{self._bits // 8}")
        dense[:, : self._run, : block.count] = chosen.reshape(-1, self._run, block.count)
        grouped = dense.reshape(-1, per_group, block.width)
        constant = np.zeros(block.width, np.int64)
        constant[: block.count] = self._lowest * chosen.sum(axis=0)
        parts = []
        first = 0
        while first < block.width:
            code = _code(self._bits, block.width - first)
            panels = (block.width - first) // code.columns
            columns = slice(first, first + panels * code.columns)
            by_panel = grouped[:, :, columns].reshape(-1, per_group, panels, code.columns).transpose(2, 0, 3, 1)
            laid_out = aligned(by_panel.shape, dense.dtype)
            laid_out[...] = by_panel
            parts.append(
                _Part(
                    columns=columns,
                    panels=panels,
                    kernel=dot_kernel(code),
                    weights=fixed(laid_out),
                    constant=fixed(_wrapped(constant[columns])),
                    zero=fixed(np.zeros(columns.stop - first, np.int32)),
                )
            )
            first = columns.stop
        return parts


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """Panels of one width: weights [panels, K / group, columns of a panel, group], a constant and a zero per column."""

    columns: slice
    panels: int
    kernel: Kernel
    weights: Fixed
    constant: Fixed
    zero: Fixed


def _wrapped(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def _has_vnni() -> bool:
    features = v.processor().features
    return "avxvnni" in features or {"avx512vnni", "avx512vl"} <= features


def _code(bits: int, columns: int) -> DotCode:
    """The widest panel within so many columns."""
    processor = v.processor()
    lanes = processor.vector_bits // 32
    vector_bits = processor.vector_bits
    if columns < lanes:
        # Half registers for the narrowest blocks.
        vector_bits, lanes = columns * 32, columns
    vectors = min(4 if processor.registers == 32 else 2, columns // lanes)
    rows = 6 if vectors == 4 else 8 if processor.registers == 32 else 4
    return DotCode(bits=bits, vectors=vectors, rows=rows, vector_bits=vector_bits, fused=_has_vnni())


@lru_cache(maxsize=64)
def dot_kernel(code: DotCode) -> Kernel:
    """Compile the kernel of one panel."""
    function = v.Builder(
        "dot",
        [
            ("codes", v.pointer(code.bits)),
            ("base", v.pointer(64)),
            ("rows", v.integer()),
            ("offset", v.pointer(64)),
            ("terms", v.integer()),
            ("weights", v.pointer(32)),
            ("panels", v.integer()),
            ("flip", v.integer(32)),
            ("constant", v.pointer(32)),
            ("start", v.pointer(32)),
            ("start_stride", v.integer()),
            ("out", v.pointer(32)),
            ("out_stride", v.integer()),
        ],
        aliased=("start", "out"),
    )
    b = function.ir
    last = b.sub(function["rows"], v.constant(code.rows - 1))
    with function.loop(v.constant(0), function["panels"]) as panel:
        column = b.mul(panel.index, v.constant(code.columns))
        places = _Places(
            weights=function.at(function["weights"], b.mul(column, function["terms"])),
            constant=function.at(function["constant"], column),
            start=function.at(function["start"], column),
            out=function.at(function["out"], column),
        )
        with function.loop(v.constant(0), last, step=code.rows) as together:
            _add_rows(function, code, code.rows, together.index, places)
        with function.loop(together.index, function["rows"]) as single:
            _add_rows(function, code, 1, single.index, places)
    return function.compiled()


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Addresses of a panel."""

    weights: Any
    constant: Any
    start: Any
    out: Any


def _add_rows(function: v.Builder, code: DotCode, rows: int, first_row: Any, panel: _Places) -> None:
    b = function.ir
    lanes = code.vector_bits // 32
    numbers = v.lanes(32, lanes)
    places = [b.add(first_row, v.constant(row)) for row in range(rows)]
    codes = [function.at(function["codes"], function.load(function.at(function["base"], place))) for place in places]
    flip = function.broadcast(function["flip"], lanes) if code.bits == 8 else None
    constants = [function.load(function.at(panel.constant, i * lanes), vector=numbers) for i in range(code.vectors)]
    starts = []
    for place in places:
        for i, constant in enumerate(constants):
            start = function.at(panel.start, b.mul(place, function["start_stride"]), i * lanes)
            starts.append(b.add(constant, function.load(start, vector=numbers)))
    with function.loop(v.constant(0), function["terms"], carried=starts) as term:
        offset = function.load(function.at(function["offset"], term.index))
        line = b.mul(term.index, v.constant(code.columns))
        weights = [
            function.load(function.at(panel.weights, line, i * lanes), vector=numbers, aligned=True)
            for i in range(code.vectors)
        ]
        sums = []
        for row in range(rows):
            group = b.load(b.bitcast(function.at(codes[row], offset), v.pointer(32)))
            group.align = code.bits // 8
            activations = function.broadcast(group, lanes)
            if flip is not None:
                activations = b.xor(activations, flip)
            for i in range(code.vectors):
                sums.append(_multiply_add(function, code, term.values[row * code.vectors + i], activations, weights[i]))
        term.carry(sums)
    for row, place in enumerate(places):
        for i in range(code.vectors):
            target = function.at(panel.out, b.mul(place, function["out_stride"]), i * lanes)
            function.store(term.values[row * code.vectors + i], target)


def _multiply_add(function: v.Builder, code: DotCode, total: Any, activations: Any, weights: Any) -> Any:
    """Products of neighbouring operands added to the lane of 32 bits that they share."""
    if code.fused:
        name = "vpdpbusd" if code.bits == 8 else "vpdpwssd"
        return function.call(f"llvm.x86.avx512.{name}.{code.vector_bits}", total.type, [total, activations, weights])
    name = {512: "avx512.pmaddw.d.512", 256: "avx2.pmadd.wd", 128: "sse2.pmadd.wd"}[code.vector_bits]
    halves = v.lanes(16, code.vector_bits // 16)
    operands = [function.ir.bitcast(operand, halves) for operand in (activations, weights)]
    return function.ir.add(total, function.call(f"llvm.x86.{name}", total.type, operands))
