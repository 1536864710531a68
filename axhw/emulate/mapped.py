"""Mapped products: tables that are sums of few products of functions of one operand each, multiplied as integers.

Every term of the factorisation maps the activations once per call, a byte or two for each, and goes through a dot
product. The exact table is the case of one term that maps every code to itself, and 8-bit codes are then read where
they lie.

Limit: that of the dot products times the number of terms; maps cost one look-up per activation, not per product.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.blocks import column_blocks
from axhw.emulate.codes import CODE_COUNT, code_values
from axhw.emulate.dot import Dot, operand_bits
from axhw.emulate.factors import Integers, Maps
from axhw.emulate.lookup import look_up
from axhw.emulate.patches import Patches
from axhw.emulate.tables import WeightColumns

_WIDEST = 512
_NARROWEST = 8


class Mapped:
    """A product [M, K] by [K, N] per group, of operands mapped by each term of `maps`.

    Parameters
    ----------
    maps : Maps
        With terms of 8 or 16 bits that `can_multiply`.
    run : int
        So many terms k lie next to each other in memory.
    """

    def __init__(self, weights: WeightColumns, maps: Maps, *, run: int) -> None:
        groups, _, columns = weights.column.shape
        self.blocks = column_blocks(groups, columns, widest=_WIDEST, narrowest=_NARROWEST)
        self._terms = [_term(weights, maps, i, self, run) for i in range(maps.rank)]

    def sources(self, patches: Patches, threads: int) -> tuple[Patches, ...]:
        """The patches mapped by each term."""
        return tuple(
            term.dot.source(patches)
            if term.table is None
            else dataclasses.replace(
                patches, codes=look_up(patches.codes, term.table, threads=threads, name=f"map {i}")
            )
            for i, term in enumerate(self._terms)
        )

    def add(self, sources: tuple[Patches, ...], rows: slice, block: int, out: npt.NDArray[np.int32]) -> None:
        """Write the sums of a block of columns for some rows to `out`, shape (rows, width of the block)."""
        if not self._terms:
            out[...] = 0
        for i, (term, patches) in enumerate(zip(self._terms, sources)):
            term.dot.add(patches, rows, block, out, group=self.blocks[block].group, onto=i > 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Term:
    """What to replace codes by, None for nothing, and the product."""

    table: npt.NDArray[np.generic] | None
    dot: Dot


def can_multiply(maps: Maps) -> bool:
    """Whether the processor has dot products for all terms."""
    widest = max(operand_bits(), default=0)
    return all(maps.bits(i) <= widest for i in range(maps.rank))


def reads_codes(maps: Maps, index: int) -> bool:
    """Whether a term takes activations as they are."""
    left: Integers = maps.left[:, index]
    return maps.bits(index) == 8 and bool((np.diff(left) == 1).all())


def _term(weights: WeightColumns, maps: Maps, index: int, product: Mapped, run: int) -> _Term:
    bits = max(maps.bits(index), min(operand_bits()))
    left: Integers = maps.left[:, index]
    table: npt.NDArray[np.generic] | None
    if bits == 8 and np.array_equal(left, code_values(weights.a_dtype)):
        flip = weights.a_dtype == np.int8
        table, lowest = None, -CODE_COUNT // 2 if flip else 0
    else:
        flip = False
        lowest = int(left.min()) if bits == 8 else 0
        roll = CODE_COUNT // 2 if weights.a_dtype == np.int8 else 0
        table = np.roll(left - lowest, roll).astype(np.uint8 if bits == 8 else np.int16)
    right = maps.right[weights.column, index]
    dot = Dot(right, product.blocks, bits=bits, flip=flip, lowest=lowest, run=run)
    return _Term(table=table, dot=dot)
