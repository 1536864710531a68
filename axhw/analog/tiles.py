"""Crossbar tiles: their size, converters and cells, and how a matrix is cut into them.

A weight [outputs, inputs] lies in a crossbar with its inputs as rows and its outputs as columns. Tiles that share
inputs share a DAC range; the sums of tiles below one another are added digitally, after the ADC of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from axhw.analog.cells import BitSlicing, Cells, SignedCells
from axhw.analog.converters import Converter
from axhw.errors import AxhwError

Cut: TypeAlias = Literal["full", "even"]
Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class TileSpec:
    """A kind of crossbar tile.

    Attributes
    ----------
    rows, columns : int
        Inputs and outputs of a tile.
    dac_bits, adc_bits : int or None
        Of the converters, None for ideal ones (`axhw.analog.converters`).
    output_range : float
        lambda: the ADC's bound of a column is lambda times the DAC's times the column's largest |w|.
    cut : {"full", "even"}
        Tiles filled one after the other, the last one in part; or as few tiles of sizes that differ by 1 at most, as
        aihwkit cuts.
    cells : Cells
    slicing : BitSlicing, optional
        By default conductances hold whole weights, of any value.

    Raises
    ------
    AxhwError
        For sizes below 1, a lambda that is not above 0, an unknown cut, and what converters refuse.
    """

    rows: int = 512
    columns: int = 512
    dac_bits: int | None = 8
    adc_bits: int | None = 8
    output_range: float = 14.0
    cut: Cut = "full"
    cells: Cells = field(default_factory=SignedCells)
    slicing: BitSlicing | None = None

    def __post_init__(self) -> None:
        for what, value in (("rows", self.rows), ("columns", self.columns)):
            if value < 1:
                raise AxhwError(f"Expected tiles of at least 1 {what[:-1]}, found {value} {what}.")
        if not (math.isfinite(self.output_range) and self.output_range > 0):
            raise AxhwError(f"Expected an output range lambda above 0, found {self.output_range}.")
        if self.cut not in get_args(Cut):
            raise AxhwError(f"Expected tiles cut {' or '.join(get_args(Cut))}, found {self.cut!r}.")
        for bits in (self.dac_bits, self.adc_bits):
            Converter(bits=bits)

    @cached_property
    def dac(self) -> Converter:
        return Converter(bits=self.dac_bits)

    @cached_property
    def adc(self) -> Converter:
        return Converter(bits=self.adc_bits)

    @property
    def needs_ranges(self) -> bool:
        """Whether any converter has a range."""
        return not (self.dac.ideal and self.adc.ideal)

    def input_spans(self, inputs: int) -> tuple[Span, ...]:
        """First input of each row of tiles, and the one behind its last."""
        return _spans(inputs, self.rows, self.cut)

    def output_spans(self, outputs: int) -> tuple[Span, ...]:
        """The same of each column of tiles."""
        return _spans(outputs, self.columns, self.cut)

    def tile_count(self, *, outputs: int, inputs: int) -> int:
        """Tiles that hold a matrix, those of all slices."""
        slices = 1 if self.slicing is None else len(self.slicing.widths)
        return slices * len(self.input_spans(inputs)) * len(self.output_spans(outputs))


def _spans(size: int, capacity: int, cut: Cut) -> tuple[Span, ...]:
    count = -(-size // capacity)
    if cut == "full":
        return tuple((start, min(start + capacity, size)) for start in range(0, size, capacity))
    share, larger = divmod(size, count)
    starts = [number * share + min(number, larger) for number in range(count + 1)]
    return tuple(pairwise(starts))
