"""Look-ups by numpy alone: what runs where kernels can not be compiled, and the plain statement of what they compute.

For each term k the columns of its weights are taken from the table, shape [256, N], and from them one row per
activation. Limit: two random reads and two writes of 4 bytes per product, some eight times float32 BLAS.
"""

from __future__ import annotations

import numpy as np

from axhw.emulate.blocks import column_blocks
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.patches import Patches
from axhw.emulate.product import Interpreted, Sums
from axhw.emulate.tables import WeightColumns

# Sums and looked-up rows of one block stay in the level-2 cache for the usual 16 to 64 columns.
_BLOCK_ROWS = 8192
_WIDEST = 1 << 20


class Take(Interpreted):
    """A product [M, K] by [K, N] per group, by ``numpy.take``."""

    def __init__(self, weights: WeightColumns) -> None:
        groups, _, columns = weights.column.shape
        self.blocks = column_blocks(groups, columns, widest=_WIDEST, narrowest=1, exact=True)
        self._products = weights.by_raw_code()
        self._column = weights.column.astype(np.intp)

    def add(self, sources: tuple[Patches, ...], rows: slice, block: int, out: Sums) -> None:
        """Write the sums of a group for some rows to `out`, shape (rows, N)."""
        (patches,) = sources
        found = self.blocks[block]
        column = self._column[found.group, :, found.first : found.first + found.count]
        base = patches.places.base[rows]
        offset = patches.places.offset_of(found.group).array
        products = np.empty((CODE_COUNT, found.count), np.int32)
        out[...] = 0
        for start in range(0, len(base), _BLOCK_ROWS):
            sums = out[start : start + _BLOCK_ROWS]
            places = base[start : start + _BLOCK_ROWS]
            taken = np.empty(sums.shape, np.int32)
            for k in range(len(column)):
                # mode="clip" only spares take the buffer it needs to raise on a bad index; there is none.
                np.take(self._products, column[k], axis=1, out=products, mode="clip")
                activations = patches.codes[places + offset[k]].astype(np.intp)
                np.take(products, activations, axis=0, out=taken, mode="clip")
                sums += taken
