"""Energy, time and area of weights on crossbar tiles.

What was published is one core: HERMES (Khaddam-Aljameh et al., IEEE J. Solid-State Circuits 57, 2022), 256 x 256 cells
of phase-change memory in 14 nm with 256 ADCs of 8 bits: 1.59 TOPS/mm2 and 10.5 TOPS/W at 130 ns for a matrix times a
vector (MVM), which is 12.5 nJ an MVM and 0.634 mm2. That converters and all else at the edge of the cells take 80 % of
a core, and what additions and transfers take, are figures of arXiv 2602.10254.

Other tiles are scaled from it. This is a model, for which nothing was published; it gives the core back exactly:

    inputs are pulses as long as their code, and ADCs count as long as pulses last; converters have one ADC a column
    time of an MVM      mvm_ns x 2^(max(DAC bits, ADC bits) - 8)
    energy of an MVM    mvm_nj x [(1 - s) x (rows / 256) x (columns / 256) x 2^(DAC bits - 8)
                                  + s x (columns / 256) x 2^(ADC bits - 8)]
    area                area_mm2 x [(1 - s) x (rows / 256) x (columns / 256) + s x (columns / 256) / g]

where s is the share of the converters, and g tiles share one bank of them: they compute one after the other, each MVM
for the same energy. A tile that a matrix fills in part costs what a full one does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError

_VALUES = 256
"""In a transfer or an addition as it was published."""

_NJ_PER_PJ = 1e-3


@dataclass(frozen=True, kw_only=True)
class TiledMatrix:
    """A matrix on tiles of its own.

    Attributes
    ----------
    tiles : int
        That hold it, slices included; a row of activations takes one MVM of each.
    energy_nj : float
        Of a row of activations.
    busy_ns : float
        Time until its tiles can take the next row.
    latency_ns : float
        From a row's inputs to its outputs.
    area_mm2 : float
    """

    tiles: int
    energy_nj: float
    busy_ns: float
    latency_ns: float
    area_mm2: float


@dataclass(frozen=True, kw_only=True)
class TileCosts:
    """A crossbar core and what is around it; other tiles are scaled from it as the module says.

    Attributes
    ----------
    rows, columns : int
        Of the core.
    bits : int
        Of its DACs and ADCs.
    mvm_ns, mvm_nj : float
        Of an MVM.
    area_mm2 : float
    converter_share : float
        Part of the energy and of the area that grows with the columns.
    transfer_ns, transfer_pj : float
        Of 256 values into tiles or out of them.
    addition_ns, addition_start_ns, addition_pj : float
        Of 256 sums of two: ns for each 256, and once.

    Raises
    ------
    AxhwError
        For sizes and figures that are not above 0, and a share outside 0 to 1.
    """

    rows: int = 256
    columns: int = 256
    bits: int = 8
    mvm_ns: float = 130.0
    mvm_nj: float = 12.5
    area_mm2: float = 0.634
    converter_share: float = 0.8
    transfer_ns: float = 12.0
    transfer_pj: float = 12.93
    addition_ns: float = 8.0
    addition_start_ns: float = 4.0
    addition_pj: float = 9.43

    def __post_init__(self) -> None:
        for name in ("rows", "columns", "bits", "mvm_ns", "mvm_nj", "area_mm2"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise AxhwError(f"Expected {name} of a crossbar core above 0, found {value}.")
        for name in ("transfer_ns", "transfer_pj", "addition_ns", "addition_start_ns", "addition_pj"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise AxhwError(f"Expected {name} of a crossbar core of at least 0, found {value}.")
        if not 0 <= self.converter_share <= 1:
            raise AxhwError(f"Expected a share of the converters from 0 to 1, found {self.converter_share}.")

    def tile_mvm_ns(self, tiles: TileSpec) -> float:
        """Time of an MVM of a tile."""
        return self.mvm_ns * 2.0 ** (max(_bits(tiles)) - self.bits)

    def tile_mvm_nj(self, tiles: TileSpec) -> float:
        """Energy of an MVM of a tile."""
        dac, adc = (2.0 ** (bits - self.bits) for bits in _bits(tiles))
        share, columns = self.converter_share, tiles.columns / self.columns
        return self.mvm_nj * columns * ((1 - share) * tiles.rows / self.rows * dac + share * adc)

    def tile_mm2(self, tiles: TileSpec, *, sharing: int = 1) -> float:
        """Area of a tile, with its part of the converters that `sharing` tiles share."""
        share, columns = self.converter_share, tiles.columns / self.columns
        return self.area_mm2 * columns * ((1 - share) * tiles.rows / self.rows + share / _checked(sharing))

    def matrix(self, outputs: int, inputs: int, tiles: TileSpec, *, sharing: int = 1) -> TiledMatrix:
        """A matrix [outputs, inputs].

        Inputs are sent once: all tiles of a row of tiles hear them. Sums of tiles are added up behind their ADCs in a
        tree, slices too, and leave once. All tiles work at the same time, but for those that share converters.

        Parameters
        ----------
        outputs, inputs : int
        tiles : TileSpec
        sharing : int
            Tiles of the matrix with one bank of converters.

        Raises
        ------
        AxhwError
            For ideal converters, which cost nothing known, and for less than one tile at a bank.
        """
        count = tiles.tile_count(outputs=outputs, inputs=inputs)
        summands = count // len(tiles.output_spans(outputs))
        moved, added = inputs + outputs, (summands - 1) * outputs
        busy = min(_checked(sharing), count) * self.tile_mvm_ns(tiles)
        most_in, most_out = min(inputs, tiles.rows) / _VALUES, min(outputs, tiles.columns) / _VALUES
        additions = (summands - 1).bit_length() * (self.addition_start_ns + self.addition_ns * most_out)
        return TiledMatrix(
            tiles=count,
            energy_nj=count * self.tile_mvm_nj(tiles)
            + _NJ_PER_PJ * (self.transfer_pj * moved + self.addition_pj * added) / _VALUES,
            busy_ns=busy,
            latency_ns=self.transfer_ns * (most_in + most_out) + busy + additions,
            area_mm2=count * self.tile_mm2(tiles, sharing=sharing),
        )


HERMES = TileCosts()
"""The published core."""


def _bits(tiles: TileSpec) -> tuple[int, int]:
    """Of DACs and ADCs."""
    if tiles.dac_bits is None or tiles.adc_bits is None:
        raise AxhwError("Expected converters with a number of bits to cost tiles, found ideal ones (None).")
    return tiles.dac_bits, tiles.adc_bits


def _checked(sharing: int) -> int:
    if sharing < 1:
        raise AxhwError(f"Expected at least 1 tile for a bank of converters, found {sharing}.")
    return sharing
