"""Look-ups one by one: compiled, on any processor, for what wider kernels do badly there.

Every product is one load from the table, addressed by the activation's row and the weight's column. It takes a
nanosecond where the others take a fiftieth, but costs nothing per column or row: without AVX-512 VBMI this computes
single rows and depthwise convolutions.

Limit: three loads a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import Block, column_blocks
from axhw.emulate.calls import Call, Kernel
from axhw.emulate.product import Compiled, Operand, Target
from axhw.emulate.tables import WeightColumns

_WIDEST = 256


class Gather(Compiled):
    """A product [M, K] by [K, N] per group, one load a product."""

    def __init__(self, weights: WeightColumns) -> None:
        groups, terms, columns = weights.column.shape
        # The columns of all groups side by side.
        self.blocks: tuple[Block, ...] = column_blocks(1, groups * columns, widest=_WIDEST, narrowest=1, exact=True)
        self._products = np.ascontiguousarray(weights.by_raw_code())
        by_column = weights.column.transpose(0, 2, 1).reshape(groups * columns, terms)
        self._column = np.ascontiguousarray(by_column)
        self._group = np.arange(groups * columns, dtype=np.int64) // max(columns, 1)

    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows."""
        (codes,) = sources
        found = self.blocks[block]
        columns = slice(found.first, found.first + found.count)
        shift = self._group[columns] * codes.places.group_step
        read = (
            codes.address,
            codes.places.base_address(rows),
            rows.stop - rows.start,
            codes.places.offset_of(0),
            shift,
        )
        table = (self._products, self._products.shape[1], self._column[columns], codes.places.terms)
        return [gather_kernel().call(*read, *table, found.count, out.address, out.stride)]


@lru_cache(maxsize=1)
def gather_kernel() -> Kernel:
    """Compile the loops over rows, columns and terms."""
    function = v.Builder(
        "gather",
        [
            ("codes", v.pointer(8)),
            ("base", v.pointer(64)),
            ("rows", v.integer()),
            ("offset", v.pointer(64)),
            ("shift", v.pointer(64)),
            ("products", v.pointer(32)),
            ("products_stride", v.integer()),
            ("column", v.pointer(32)),
            ("terms", v.integer()),
            ("width", v.integer()),
            ("out", v.pointer(32)),
            ("out_stride", v.integer()),
        ],
    )
    b = function.ir
    with (
        function.loop(v.constant(0), function["rows"]) as row,
        function.loop(v.constant(0), function["width"]) as column,
    ):
        shift = function.load(function.at(function["shift"], column.index))
        codes = function.at(function["codes"], function.load(function.at(function["base"], row.index)), shift)
        columns = function.at(function["column"], b.mul(column.index, function["terms"]))
        with function.loop(v.constant(0), function["terms"], carried=[v.constant(0, 32)]) as term:
            code = function.load(function.at(codes, function.load(function.at(function["offset"], term.index))))
            line = b.mul(b.zext(code, v.integer()), function["products_stride"])
            place = b.zext(function.load(function.at(columns, term.index)), v.integer())
            product = function.load(function.at(function["products"], line, place))
            term.carry([b.add(term.values[0], product)])
        target = function.at(function["out"], b.mul(row.index, function["out_stride"]), column.index)
        function.store(term.values[0], target)
    return function.compiled()
