"""A weight-stationary array of PEs as a machine for layers: its figures from a record, and its cycles for a layer.

The time of a layer is that of `axhw.hdl.pe.tiling`: it is a product [m, k] x [k, n], or `groups` of them behind each
other, cut into tiles of the array's rows and columns, and

    cycles = (tiles - 1) * max(m, rows) + m - 1 + rows + columns

where m are the output positions of the rows that an image gives the layer; without rows it takes no time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.mixed.record import MixedRecord
from axhw.nn.graph import Graph
from axhw.nn.layers.base import WeightLayer
from axhw.record import DesignRecord
from axhw.synth.cost import Cost

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of an array with one multiplier.

    Attributes
    ----------
    multiplier : str
        Its name.
    count : int
    product_fj : float
        Dynamic energy of a product with its addition, registers and clock, at full throughput.
    """

    multiplier: str
    count: int
    product_fj: float


@dataclass(frozen=True, kw_only=True)
class Array:
    """Figures of an array.

    Attributes
    ----------
    name : str
    rows : int
    columns : tuple of Columns
        One for each multiplier; a layer uses the columns of its own and leaves the others idle.
    area_um2, leakage_nw : float
        Of the whole array.
    period_ns : float
        Shortest clock period.
    clock_fj : float
        What the clock pins of a PE spend in a cycle: all that a PE without a product does.
    library_sha256 : str
        Of the cell library that it was measured in.
    """

    name: str
    rows: int
    columns: tuple[Columns, ...]
    area_um2: float
    leakage_nw: float
    period_ns: float
    clock_fj: float
    library_sha256: str

    @classmethod
    def of(cls, record: DesignRecord | MixedRecord) -> Array:
        """That of a systolic array with one multiplier (`axhw gen --element systolic`) or several (`axhw mixed`).

        Raises
        ------
        AxhwError
            For another design.
        """
        spec = record.spec
        if isinstance(record, MixedRecord) and isinstance(spec, MixedSystolicSpec):
            columns = tuple(
                Columns(multiplier=own.name, count=len(spec.columns_of(own)), product_fj=way.energy_fj)
                for own, way in zip(record.multipliers, record.ways)
            )
            return cls._of_cost(spec, columns, record.costs[0])
        if isinstance(record, DesignRecord) and isinstance(spec, SystolicSpec):
            cost = record.circuit_cost
            own = Columns(multiplier=spec.multiplier.name, count=spec.columns, product_fj=cost.energy_fj)
            return cls._of_cost(spec, (own,), cost)
        raise AxhwError(f"Expected a systolic array to run layers on, found {record.name}.")

    @classmethod
    def _of_cost(cls, spec: SystolicSpec, columns: tuple[Columns, ...], cost: Cost) -> Array:
        return cls(
            name=spec.name,
            rows=spec.rows,
            columns=columns,
            area_um2=cost.area_um2,
            leakage_nw=cost.leakage_nw,
            period_ns=cost.delay_ns,
            # Costs are by product, and at full throughput every PE makes one a cycle.
            clock_fj=cost.clock_fj,
            library_sha256=cost.library_sha256,
        )

    @property
    def width(self) -> int:
        """Columns of all multipliers."""
        return sum(own.count for own in self.columns)

    @property
    def cells(self) -> int:
        """PEs."""
        return self.rows * self.width

    def columns_of(self, multiplier: str) -> Columns:
        """The columns with that multiplier.

        Raises
        ------
        AxhwError
            If it has none.
        """
        for own in self.columns:
            if own.multiplier == multiplier:
                return own
        known = ", ".join(own.multiplier for own in self.columns)
        raise AxhwError(f"Expected a multiplier of {self.name} ({known}), found {multiplier}.")

    def cycles(self, work: MatrixWork, rows: IntArray, *, multiplier: str) -> IntArray:
        """Cycles that a layer takes of each image.

        Parameters
        ----------
        work : MatrixWork
        rows : int64 array, shape (images,)
            Rows that it computes of each image.
        multiplier : str
            Whose columns it uses.

        Returns
        -------
        int64 array, shape (images,)
        """
        columns = self.columns_of(multiplier).count
        tiles = work.groups * -(-work.k // self.rows) * -(-work.n // columns)
        m = rows * work.positions
        # The last sum may come out of the last column of the array, wherever the multiplier's own are.
        taken = (tiles - 1) * np.maximum(m, self.rows) + m - 1 + self.rows + self.width
        found: IntArray = np.where(m > 0, taken, 0)
        return found


@dataclass(frozen=True, kw_only=True)
class MatrixWork:
    """A product layer as matrix products [rows * positions, k] x [k, n].

    Attributes
    ----------
    positions : int
        Rows of the matrix product for one row of the layer: its image, or a token.
    k, n : int
        Terms of a sum, and sums side by side.
    groups : int
        Products behind each other, with weights of their own: groups of a convolution, heads of an attention.
    """

    positions: int
    k: int
    n: int
    groups: int = 1

    @classmethod
    def of(cls, graph: Graph, name: str) -> MatrixWork:
        """That of a product layer; the second operand of a product of activations stays in the array."""
        layer, products = graph[name].layer, graph.multiplications[name]
        if isinstance(layer, WeightLayer):
            positions = products // (layer.outputs * layer.terms)
            return cls(positions=positions, k=layer.terms, n=layer.outputs // layer.groups, groups=layer.groups)
        *heads, positions, n = graph.shapes[name]
        groups = math.prod(heads)
        return cls(positions=positions, k=products // (groups * positions * n), n=n, groups=groups)

    @property
    def products(self) -> int:
        """Multiplications for one row of the layer."""
        return self.groups * self.positions * self.k * self.n
