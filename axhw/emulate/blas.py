"""Mapped products through floating-point BLAS: where the processor has no integer dot products, or nothing compiles.

The products of weight column c are ``sum over i of left[i][a] * right[i][c]`` with integers left and right; the exact
table is the case of one term that maps every code to itself. A float32 product is exact as long as the sum of
magnitudes stays within 2**24: the terms k are cut into chunks that keep to it, and chunks are added as integers. Where
a chunk would be shorter than a few dozen terms float64 is used instead.

Limit: the floating-point units for large products; copying overlapping patches for narrow ones.
"""

from __future__ import annotations

import numpy as np

from axhw.emulate.blocks import column_blocks
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.factors import Maps
from axhw.emulate.patches import Patches
from axhw.emulate.product import Interpreted, Sums
from axhw.emulate.tables import WeightColumns

FLOAT32_EXACT = 2**24
_SHORTEST_CHUNK = 48
_BLOCK_BYTES = 1 << 23
_WIDEST = 1 << 20


class Blas(Interpreted):
    """A product [M, K] by [K, N] per group, by BLAS on mapped operands."""

    def __init__(self, weights: WeightColumns, maps: Maps) -> None:
        groups, self.terms, columns = weights.column.shape
        self.blocks = column_blocks(groups, columns, widest=_WIDEST, narrowest=1, exact=True)
        rank = maps.left.shape[1]
        largest = int(sum(np.abs(maps.left[:, i]).max() * np.abs(maps.right[:, i]).max() for i in range(rank)))
        chunk = FLOAT32_EXACT // max(largest, 1)
        self.real: type[np.float32] | type[np.float64] = np.float32
        if chunk < min(self.terms, _SHORTEST_CHUNK):
            self.real = np.float64
            chunk = 2**53 // max(largest, 1)
        self._ends = [*range(0, self.terms, min(chunk, max(self.terms, 1))), self.terms]
        roll = CODE_COUNT // 2 if weights.a_dtype == np.int8 else 0
        self._left = np.ascontiguousarray(np.roll(maps.left, roll, axis=0).astype(self.real))
        self._right = [
            [np.ascontiguousarray(maps.right[weights.column[group], i].astype(self.real)) for i in range(rank)]
            for group in range(groups)
        ]

    def add(self, sources: tuple[Patches, ...], rows: slice, block: int, out: Sums) -> None:
        """Write the sums of a group for some rows to `out`, shape (rows, N)."""
        (patches,) = sources
        found = self.blocks[block]
        first, last, _ = rows.indices(patches.rows)
        step = max(1, _BLOCK_BYTES // (max(self.terms, 1) * np.dtype(self.real).itemsize))
        for start in range(first, last, step):
            some = slice(start, min(start + step, last))
            sums = out[some.start - first : some.stop - first]
            sums[...] = 0
            codes = patches.matrix(some, found.group)
            for i, right in enumerate(self._right[found.group]):
                left = np.take(self._left[:, i], codes)
                for begin, end in zip(self._ends, self._ends[1:]):
                    product = left[:, begin:end] @ right[begin:end, found.first : found.first + found.count]
                    # Sums beyond int32 wrap, as all kernels' do.
                    sums += product.astype(np.int64).astype(np.int32)
