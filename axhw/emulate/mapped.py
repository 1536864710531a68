"""Mapped products: tables that are sums of few products of functions of one operand each, multiplied as integers.

Every term of the factorisation maps the activations once per call, a byte or two for each, and goes through a dot
product. The exact table is the case of one term that maps every code to itself, and 8-bit codes are then read where
they lie.

Limit: that of the dot products times the number of terms; maps cost one look-up per activation, not per product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from axhw.emulate.blocks import column_blocks
from axhw.emulate.calls import Call, Fixed, fixed
from axhw.emulate.codes import CODE_COUNT, code_values
from axhw.emulate.dot import Dot, operand_bits
from axhw.emulate.factors import Integers, Maps
from axhw.emulate.lookup import LookUp
from axhw.emulate.patches import Patches
from axhw.emulate.product import Compiled, Operand, Target
from axhw.emulate.rows import rows_kernel
from axhw.emulate.tables import WeightColumns

_WIDEST = 512
_NARROWEST = 8


class Mapped(Compiled):
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
            if term.look_up is None
            else Patches(codes=term.look_up(patches.codes, threads=threads, name=f"map {i}"), places=patches.places)
            for i, term in enumerate(self._terms)
        )

    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows."""
        found = self.blocks[block]
        if not self._terms:
            zeros = _zeros(found.width)
            count = rows.stop - rows.start
            return [rows_kernel().call(zeros, 0, count, found.width, 0, zeros, out.address, out.stride)]
        calls = []
        for i, (term, codes) in enumerate(zip(self._terms, sources)):
            calls += term.dot.calls(codes, rows, block, out, group=found.group, onto=i > 0)
        return calls


@dataclass(frozen=True, kw_only=True, eq=False)
class _Term:
    """What to replace codes by, None for nothing, and the product."""

    look_up: LookUp | None
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
        # Of factors of 8 bits only the differences need fit, in 16 bits, too, where the processor has no others.
        lowest = int(left.min()) if maps.bits(index) == 8 else 0
        roll = CODE_COUNT // 2 if weights.a_dtype == np.int8 else 0
        table = np.roll(left - lowest, roll).astype(np.uint8 if bits == 8 else np.int16)
    right = maps.right[weights.column, index]
    dot = Dot(right, product.blocks, bits=bits, flip=flip, lowest=lowest, run=run)
    return _Term(look_up=None if table is None else LookUp(table), dot=dot)


@lru_cache(maxsize=16)
def _zeros(width: int) -> Fixed:
    return fixed(np.zeros(width, np.int32))
