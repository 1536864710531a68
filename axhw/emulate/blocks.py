"""Columns of a product cut into blocks as wide as a kernel's rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Block:
    """Neighbouring columns of one group.

    Attributes
    ----------
    group : int
    first, count : int
        Columns of the group.
    width : int
        Columns the kernel computes; those beyond `count` are thrown away.
    """

    group: int
    first: int
    count: int
    width: int


def column_blocks(groups: int, columns: int, *, widest: int, narrowest: int, exact: bool = False) -> tuple[Block, ...]:
    """Blocks of the widest size, and one for the rest of each group of the least power of two that holds it, or
    just as wide as it."""
    blocks = []
    for group in range(groups):
        for first in range(0, columns, widest):
            count = min(widest, columns - first)
            width = count if exact else max(narrowest, 1 << (count - 1).bit_length())
            blocks.append(Block(group=group, first=first, count=count, width=width))
    return tuple(blocks)
