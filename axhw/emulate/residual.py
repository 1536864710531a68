"""Residual look-ups: a line through each column of the table is multiplied, only the rest is looked up, in bytes.

``M[a, w] = slope[w] * a + rest[a, w]``: most multipliers stay so close to some multiple of the activation that the
rest spreads over less than 256 values, where the products need 16 bits. Row tables of bytes hold twice the columns in
a line, tables in registers take half the operations, and a dot product of 8-bit integers costs a tenth of the look-ups
it saves.

Limit: that of the look-ups, for half the bytes a product.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from axhw.emulate.byte_plane import BytePlane
from axhw.emulate.calls import Call
from axhw.emulate.codes import CODE_COUNT, code_values
from axhw.emulate.dot import Dot
from axhw.emulate.factors import Integers
from axhw.emulate.patches import Patches
from axhw.emulate.product import Compiled, Operand, Target
from axhw.emulate.row_table import RowTable
from axhw.emulate.tables import WeightColumns


class Residual(Compiled):
    """A product [M, K] by [K, N] per group, by `line_fit` and look-ups of the rest.

    Parameters
    ----------
    slope : int64 array, shape (columns,)
        Multiples of the activation, int8, that leave a spread below 256.
    run : int
        So many terms k lie next to each other in memory.
    in_registers : bool
        Whether to look up in registers, which takes AVX-512 VBMI and a single group, instead of row tables.
    """

    def __init__(self, weights: WeightColumns, slope: Integers, *, run: int, in_registers: bool) -> None:
        activations = code_values(weights.a_dtype).astype(np.int64)
        rest = np.zeros(weights.products.shape, np.int64)
        used = weights.used
        rest[:, used] = weights.products[:, used] - np.multiply.outer(activations, slope[used])
        rests = dataclasses.replace(weights, products=rest.astype(np.int32))
        self._look_up = BytePlane(rests, planes=1) if in_registers else RowTable(rests, bits=8)
        self.blocks = self._look_up.blocks
        self.work_bytes = self._look_up.work_bytes
        flip = weights.a_dtype == np.int8
        lowest = -CODE_COUNT // 2 if flip else 0
        self._dot = Dot(slope[weights.column], self.blocks, bits=8, flip=flip, lowest=lowest, run=run)

    def sources(self, patches: Patches, threads: int) -> tuple[Patches, ...]:
        """The patches as they are, then what the look-ups read."""
        return (self._dot.source(patches), *self._look_up.sources(patches, threads))

    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows."""
        group = self.blocks[block].group
        looked_up = self._look_up.calls(sources[1:], rows, block, out)
        return looked_up + self._dot.calls(sources[0], rows, block, out, group=group, onto=True)
