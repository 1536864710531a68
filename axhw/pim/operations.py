"""Operations of a program as arrays: what each needs, how long it takes, what it costs, and which wait for it.

One entry is a whole vector times a whole matrix (a product), a vector in a digital unit, an attention, a transfer of
DRAM, or a time that passes. A product stands for all that its tiles do, with tiles in `rows` x `columns`:

    a crossing into each tile, an MVM of each, a crossing out of each, and, for every column of tiles,
    rows - 1 additions of partial sums in digital units, one after the other

All tiles of a matrix have the same past, so that they begin together; additions are simulated one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

PS_PER_NS = 1000
"""Time is in whole ps, so that what ends at the same time does so exactly."""


class Kind(IntEnum):
    """Where an operation runs."""

    PRODUCT = 0
    """On the crossbars of its resource, then in digital units."""
    DIGITAL = 1
    """In one of the digital units."""
    SHARED = 2
    """In one of the places of its resource: attention units, DRAM."""
    DELAY = 3
    """Nowhere: it takes time alone."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """All operations of some passes through a model.

    Attributes
    ----------
    names : tuple of str
        Of the nodes of the model's graph.
    categories : tuple of str
        What the energy of a node's own operation is booked under; that of products is "mvm".
    passes : int
    digital_units : int
    mvm_ps, crossing_ps, partial_ps : int
        Of an MVM, of a crossing of a tile's input or output, and of an addition of partial sums.
    crossing_nj, partial_nj : float
        Energies of these.
    node : (operations,) int array
        Into `names`.
    kind, token, pass_index : (operations,) int arrays
        `Kind`; its place among tokens, which is its priority: low ones go first; and the pass it belongs to.
    rows, columns : (operations,) int arrays
        Tiles of products, 0 of others.
    enters : (operations,) bool array
        Whether the input of a product crosses into its tiles.
    entering : (operations,) int array
        Crossings into tiles that are paid for: none where others have paid.
    resource : (operations,) int array
        Crossbars of a product, or what it shares; -1 for none.
    capacity : (resources,) int array
        How many operations, all tiles of a product being one, run on a resource at once.
    duration_ps : (operations,) int array
        Of others than products.
    energy_nj : (operations,) float array
        Of its own: of all MVMs of a product, without crossings and additions.
    moved_bytes : (operations,) float array
        Of DRAM.
    successor_start, successors : int arrays
        Operations that wait for operation i: successors[successor_start[i] : successor_start[i + 1]].
    waits_for : (operations,) int array
        How many operations it waits for.
    """

    names: tuple[str, ...]
    categories: tuple[str, ...]
    passes: int
    digital_units: int
    mvm_ps: int
    crossing_ps: int
    partial_ps: int
    crossing_nj: float
    partial_nj: float
    node: IntArray
    kind: IntArray
    token: IntArray
    pass_index: IntArray
    rows: IntArray
    columns: IntArray
    enters: npt.NDArray[np.bool_]
    entering: IntArray
    resource: IntArray
    capacity: IntArray
    duration_ps: IntArray
    energy_nj: FloatArray
    moved_bytes: FloatArray
    successor_start: IntArray
    successors: IntArray
    waits_for: IntArray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def mvms(self) -> IntArray:
        """MVMs of each operation."""
        return self.rows * self.columns

    @property
    def partial_sums(self) -> IntArray:
        """Additions of partial sums of each operation."""
        return self.columns * np.maximum(self.rows - 1, 0)

    @property
    def crossings(self) -> IntArray:
        """Crossings of each operation that are paid for; a delay may pay for those of products."""
        return self.entering + self.mvms

    @property
    def simulated(self) -> int:
        """How many MVMs, crossings, additions, and others have a time of their own."""
        products = self.kind == Kind.PRODUCT
        tiles = self.mvms[products]
        each = tiles * (2 + self.enters[products]) + self.partial_sums[products]
        return int(each.sum()) + int((~products).sum())

    def per_pass(self, values: npt.ArrayLike) -> FloatArray:
        """Sums over the operations of each pass."""
        return np.bincount(self.pass_index, np.asarray(values, dtype=np.float64), self.passes).astype(np.float64)

    def energies(self) -> Mapping[str, FloatArray]:
        """Energy of each pass in nJ, by category; passive power is not in it."""
        found = {
            "communication": self.per_pass(self.crossings) * self.crossing_nj,
            "add": self.per_pass(self.partial_sums) * self.partial_nj,
        }
        of_node = np.asarray(self.categories)
        for category in dict.fromkeys(self.categories):
            own = np.where((of_node == category)[self.node], self.energy_nj, 0.0)
            found[category] = found.get(category, np.zeros(self.passes)) + self.per_pass(own)
        return found
