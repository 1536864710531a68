"""Look-ups one by one: compiled, on any processor, for what wider kernels do badly there.

Every product is one load from the table, addressed by the activation's row and the weight's column. It takes a
nanosecond where the others take a fiftieth, but costs nothing per column or row: without AVX-512 VBMI this computes
single rows and depthwise convolutions.

Limit: three loads a product.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import Block, column_blocks
from axhw.emulate.patches import Patches
from axhw.emulate.tables import WeightColumns

_WIDEST = 256


class Gather:
    """A product [M, K] by [K, N] per group, one load a product."""

    def __init__(self, weights: WeightColumns) -> None:
        groups, terms, columns = weights.column.shape
        # The columns of all groups side by side.
        self.blocks: tuple[Block, ...] = column_blocks(1, groups * columns, widest=_WIDEST, narrowest=1, exact=True)
        self._products = np.ascontiguousarray(weights.by_raw_code())
        by_column = weights.column.transpose(0, 2, 1).reshape(groups * columns, terms)
        self._column = np.ascontiguousarray(by_column)
        self._group = np.arange(groups * columns, dtype=np.int64) // max(columns, 1)

    def sources(self, patches: Patches, threads: int) -> tuple[Patches, ...]:
        """The patches as they are."""
        return (patches,)

    def add(self, sources: tuple[Patches, ...], rows: slice, block: int, out: npt.NDArray[np.int32]) -> None:
        """Write the sums of a block of columns for some rows to `out`, shape (rows, width of the block)."""
        (patches,) = sources
        found = self.blocks[block]
        base = patches.base[rows]
        columns = slice(found.first, found.first + found.count)
        gather_kernel()(
            *(patches.codes, base, len(base), patches.offset, self._group[columns] * patches.group_step),
            *(self._products, self._products.shape[1], self._column[columns], len(patches.offset), found.count),
            *(out, out.strides[0] // out.itemsize),
        )


@lru_cache(maxsize=1)
def gather_kernel() -> v.Kernel:
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
