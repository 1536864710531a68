"""The digital side: matrices on systolic arrays of multiply-add cells, whose figures come from gates.

A pool is a number of equal arrays [R, C] (`axhw.moe.arrays`). A product [m, k] x [k, n], m rows of activations in a
batch, has T = ceil(k / R) ceil(n / C) weight tiles, dealt out evenly to the N arrays, which work at the same time:

    time    = [(ceil(T / N) - 1) max(m, R) + m - 1 + R + C] periods                 0 without rows
    busy    = (T - A) max(m, R) + A (m - 1 + R + C) array cycles, A = min(N, T)     of all arrays together
    energy  = m k n x energy of a product + (R C busy - m k n) x energy of a cell's clock pins in a cycle

The first line with N = 1 is `axhw.moe.arrays.Array.cycles`, the last one the energy of `axhw.moe.hardware`, where it
was held against gates: energies of products are those of weights that stay for 64 rows; with two, all that the cells
spend is a third more. Few rows are slow: each weight tile takes R cycles to load.

Which rows an expert gets is known by its use u, the mean number of rows of a token (at most 1): tokens of a batch are
taken to choose on their own, so that m is binomial, and costs are means over it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from axhw.analog.converters import FloatArray
from axhw.analog.technology import MEASURED, Technology
from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.lookup import NamedMultiplier
from axhw.moe.arrays import Array

_NJ_PER_FJ = 1e-6
_MM2_PER_UM2 = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchRows:
    """Rows of a batch of tokens in matrices, each binomial.

    Attributes
    ----------
    batch : int
        Tokens.
    use : float64 array
        Mean rows of a token in each matrix, 0 to 1.

    Raises
    ------
    AxhwError
        For a batch without tokens, and uses outside 0 to 1.
    """

    batch: int
    use: FloatArray

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise AxhwError(f"Expected a batch of at least 1 token, found {self.batch}.")
        if not ((self.use >= 0) & (self.use <= 1)).all():
            raise AxhwError(
                f"Expected from 0 to 1 rows of a token in a matrix, found {self.use.min():g} to {self.use.max():g}."
            )

    @classmethod
    def all(cls, batch: int) -> BatchRows:
        """Of a matrix that every token goes through."""
        return cls(batch=batch, use=np.ones(()))

    @property
    def mean(self) -> FloatArray:
        """E[m]."""
        mean: FloatArray = self.batch * self.use
        return mean

    @property
    def used(self) -> FloatArray:
        """P(m > 0): how many times the weights are needed."""
        used: FloatArray = 1 - self._probability(0)
        return used

    def held(self, least: int) -> FloatArray:
        """E[max(m, least); m > 0]: cycles that an array of so many rows holds a weight tile."""
        held = self.mean
        for m in range(1, min(least, self.batch + 1)):
            held = held + (least - m) * self._probability(m)
        return held

    def _probability(self, m: int) -> FloatArray:
        found: FloatArray = math.comb(self.batch, m) * self.use**m * (1 - self.use) ** (self.batch - m)
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayWork:
    """Matrix products of a batch on a pool of arrays, means; arrays of the shape of the rows' use.

    Attributes
    ----------
    macs : float64 array
        Products, each with an addition.
    energy_nj : float64 array
        Of these and of idle cells' clock pins; leakage is the pool's.
    time_ns : float64 array
        In which the pool does nothing else.
    """

    macs: FloatArray
    energy_nj: FloatArray
    time_ns: FloatArray


@dataclass(frozen=True, kw_only=True)
class ArrayPool:
    """Equal arrays that work on one matrix at a time.

    Attributes
    ----------
    array : Array
        Of one multiplier.
    count : int
    technology : Technology
        In which its figures are asked for.

    Raises
    ------
    AxhwError
        For no arrays, and arrays of several multipliers.
    """

    array: Array
    count: int
    technology: Technology = MEASURED

    def __post_init__(self) -> None:
        if self.count < 1:
            raise AxhwError(f"Expected a pool of at least 1 array, found {self.count}.")
        if len(self.array.columns) != 1:
            raise AxhwError(f"Expected arrays of one multiplier, found {self.array.name} of {len(self.array.columns)}.")

    @classmethod
    def measured(
        cls,
        multiplier: NamedMultiplier,
        *,
        rows: int = 4,
        columns: int = 4,
        count: int,
        flow: Flow,
        technology: Technology = MEASURED,
    ) -> ArrayPool:
        """Arrays of a multiplier, exact or approximate, from the store or synthesised, proved and measured.

        Raises
        ------
        AxhwError
            For multipliers that are not signed, 8 bits wide, with a circuit, and for impossible sides.
        """
        spec = multiplier.spec
        if not (spec.signed and spec.width == 8):
            raise AxhwError(f"Expected a signed 8-bit multiplier for arrays of experts, found {spec.name}.")
        systolic = SystolicSpec(multiplier=spec, rows=rows, columns=columns)
        record = characterize(systolic, flow=flow)
        return cls(array=Array.of(record), count=count, technology=technology)

    @property
    def multiplier(self) -> str:
        """Its name."""
        return self.array.columns[0].multiplier

    @property
    def period_ns(self) -> float:
        return self.array.period_ns * self.technology.delay

    @property
    def product_nj(self) -> float:
        """Of a product with its addition, registers and clock."""
        return _NJ_PER_FJ * self.array.columns[0].product_fj * self.technology.energy

    @property
    def idle_nj(self) -> float:
        """Of a cell without a product in a cycle in which its array works."""
        return _NJ_PER_FJ * self.array.clock_fj * self.technology.energy

    @property
    def area_mm2(self) -> float:
        return _MM2_PER_UM2 * self.count * self.array.area_um2 * self.technology.area

    @property
    def leakage_nw(self) -> float:
        return self.count * self.array.leakage_nw

    def work(self, *, outputs: int, inputs: int, rows: BatchRows, groups: int = 1) -> ArrayWork:
        """A matrix [outputs, inputs], or several of one shape, that get so many rows of a batch.

        Parameters
        ----------
        outputs, inputs : int
            n and k.
        rows : BatchRows
        groups : int
            Products with weights of their own that all get these rows: their tiles are dealt out together.
        """
        side, width = self.array.rows, self.array.width
        tiles = groups * math.ceil(inputs / side) * math.ceil(outputs / width)
        working = min(self.count, tiles)
        used, held = rows.used, rows.held(side)
        last = rows.mean + used * (side + width - 1)
        busy = (tiles - working) * held + working * last
        macs = rows.mean * groups * inputs * outputs
        return ArrayWork(
            macs=macs,
            energy_nj=macs * self.product_nj + (self.array.cells * busy - macs) * self.idle_nj,
            time_ns=((math.ceil(tiles / self.count) - 1) * held + last) * self.period_ns,
        )
