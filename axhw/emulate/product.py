"""What every kernel provides: a right operand prepared for products with batch after batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from axhw.emulate.blocks import Block
from axhw.emulate.calls import Call, address_of, within
from axhw.emulate.patches import Patches, Places
from axhw.emulate.program import Program
from axhw.emulate.threads import run

_SUM_BYTES = 4

Sums = npt.NDArray[np.int32]


class Target(NamedTuple):
    """Where sums of 32 bits go.

    Attributes
    ----------
    address : int
        Of the first sum; negative for one that is `axhw.emulate.calls.within` a base.
    stride : int
        Sums from one row to the next.
    """

    address: int
    stride: int

    def column(self, index: int) -> int:
        """Address of a column of the first row."""
        return self.address + (_SUM_BYTES * index if self.address >= 0 else -_SUM_BYTES * index)


class Operand(NamedTuple):
    """What a kernel reads: the address of codes, perhaps within a base, and their places."""

    address: int
    places: Places


class Product(ABC):
    """A prepared right operand.

    Attributes
    ----------
    blocks : tuple of Block
        Columns that are computed together, as the kernel cuts them.
    """

    blocks: tuple[Block, ...]

    def sources(self, patches: Patches, threads: int) -> tuple[Patches, ...]:
        """What the kernel reads: the patches, or forms of them made once for all blocks and rows. They last until the
        calling thread asks for others."""
        return (patches,)


class Compiled(Product):
    """A product by compiled code alone, which any thread can run.

    Attributes
    ----------
    work_bytes : int
        Of the work space that `calls` take.
    """

    work_bytes = 0

    @abstractmethod
    def calls(self, sources: Sequence[Operand], rows: slice, block: int, out: Target) -> list[Call]:
        """What writes the sums of a block of columns for some rows, modulo 2**32, as many columns as the block is
        wide."""


class Interpreted(Product):
    """A product by numpy."""

    @abstractmethod
    def add(self, sources: tuple[Patches, ...], rows: slice, block: int, out: Sums) -> None:
        """Write the sums of a block of columns for some rows to `out`, shape (rows, width of the block), modulo
        2**32."""


def block_sums(product: Product, sources: tuple[Patches, ...], rows: slice, block: int) -> Sums:
    """The sums of a block of columns for some rows, computed by this thread: shape (rows, width of the block)."""
    width = product.blocks[block].width
    out = np.empty((rows.stop - rows.start, width), np.int32)
    if isinstance(product, Interpreted):
        product.add(sources, rows, block, out)
    elif isinstance(product, Compiled):
        task = product.calls(operands([source.places for source in sources]), rows, block, Target(within(1), width))
        run(Program([task], work_bytes=product.work_bytes), 1, bases=bases(address_of(out), sources))
    return out


def operands(places: Sequence[Places]) -> list[Operand]:
    """Sources in whichever arrays they will be: from base 2 on."""
    return [Operand(within(2 + i), each) for i, each in enumerate(places)]


def bases(output: int, sources: Sequence[Patches]) -> list[int]:
    """The bases from the first on: the address of the output, and those of the sources."""
    return [output, *[address_of(source.codes) for source in sources]]
