"""A network on systolic arrays: area, time and energy of an image, where every layer has an array with its multiplier.

Layers run in the order of the graph. One begins when all that it needs is there and its array is free, so that layers
on different arrays overlap where the network lets them: experts of one gate, or a gate beside other layers. Nothing
else takes time: pooling, norms, activation functions and routing keep up with the arrays. All arrays have the clock of
the slowest. The energy is, over the arrays,

    products * energy of a product, with its addition, registers and clock
    + (cells * busy cycles - products) * energy of a cell's clock pins in a cycle
    + leakage * time of the whole image

Arrays that wait have their clock stopped. PEs without a product are those that a tile leaves empty, and all while the
array fills, drains or waits for weights. Activations, sums and weights that pass through them are left out: held
against timed simulation of the gates of a 4 x 4 array of exact 8-bit multipliers over seven shapes of uniform operands,
products and clock pins together are 2 % above to 4 % below, but 9 % below with one of four rows in use, and 24 % below
with two vectors a tile, when weights change with every other product.

Memories, additions of sums of more terms than an array has room for, and everything that is no product are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.moe.arrays import Array, MatrixWork
from axhw.moe.normalized_cost import by_approximated_layer
from axhw.moe.rows import ExpertRows
from axhw.nn.graph import INPUT, Graph

IntArray = npt.NDArray[np.int64]

_NJ_PER_FJ = 1e-6
# nW times ns is 1e-18 J.
_NJ_PER_NW_NS = 1e-9
_US_PER_NS = 1e-3


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """A layer on its array, means over the images.

    Attributes
    ----------
    layer, array, multiplier : str
    products : float
    cycles : float
        0 for images that give it no rows.
    cells : int
        PEs of the array.
    product_fj : float
        Energy of a product with everything around it.
    """

    layer: str
    array: str
    multiplier: str
    products: float
    cycles: float
    cells: int
    product_fj: float

    @property
    def utilisation(self) -> float:
        """Products by those that all PEs could make in its cycles; 0 without any."""
        return self.products / (self.cells * self.cycles) if self.cycles else 0.0


@dataclass(frozen=True, kw_only=True)
class ArrayUse:
    """An array during an image, means over the images.

    Attributes
    ----------
    array : Array
    products : float
    cycles : float
        In which it works on a layer.
    product_nj : float
        Energy of products with everything around them.
    idle_nj : float
        Of the clock pins of PEs without a product while the array works.
    leakage_nj : float
        During the whole image.
    """

    array: Array
    products: float
    cycles: float
    product_nj: float
    idle_nj: float
    leakage_nj: float

    @property
    def utilisation(self) -> float:
        """Products by those that its PEs could make in its cycles; 0 without any."""
        return self.products / (self.array.cells * self.cycles) if self.cycles else 0.0

    @property
    def energy_nj(self) -> float:
        return self.product_nj + self.idle_nj + self.leakage_nj


@dataclass(frozen=True, kw_only=True)
class HardwareCost:
    """A network on arrays.

    Attributes
    ----------
    network : str
    layers : tuple of LayerRun
        Every product layer, in order.
    arrays : tuple of ArrayUse
        All that there are, used or not.
    cycles : float
        From an image's first activation to its last sum, the mean over the images.
    worst_cycles : int
        The most of all images.
    period_ns : float
        Of the common clock.
    """

    network: str
    layers: tuple[LayerRun, ...]
    arrays: tuple[ArrayUse, ...]
    cycles: float
    worst_cycles: int
    period_ns: float

    @property
    def area_um2(self) -> float:
        """Of all arrays."""
        return sum(use.array.area_um2 for use in self.arrays)

    @property
    def latency_us(self) -> float:
        """Time of an image, the mean."""
        return _US_PER_NS * self.period_ns * self.cycles

    @property
    def product_nj(self) -> float:
        return sum(use.product_nj for use in self.arrays)

    @property
    def idle_nj(self) -> float:
        return sum(use.idle_nj for use in self.arrays)

    @property
    def leakage_nj(self) -> float:
        return sum(use.leakage_nj for use in self.arrays)

    @property
    def energy_nj(self) -> float:
        """Of an image."""
        return self.product_nj + self.idle_nj + self.leakage_nj

    @property
    def utilisation(self) -> float:
        """Products by those that the PEs of all arrays could make in the time of the image."""
        cells = sum(use.array.cells for use in self.arrays)
        return sum(use.products for use in self.arrays) / (cells * self.cycles)


def hardware_cost(
    rows: ExpertRows,
    arrays: Sequence[Array],
    *,
    multipliers: Mapping[str, str],
    exact: str,
    product_fj: Mapping[str, float] | None = None,
) -> HardwareCost:
    """A network on arrays.

    Parameters
    ----------
    rows : ExpertRows
        Balanced for plans, executed for reports.
    arrays : sequence of Array
        Each multiplier in one of them.
    multipliers : mapping of layer name to str
        Name of the multiplier of each layer that has one of its own.
    exact : str
        That of all other product layers: gates, products of activations, and what else is exact.
    product_fj : mapping of layer name to float, optional
        Energy of a product in a layer with everything around it, over the layer's own operands; by default that of
        uniform operands, from the array.

    Raises
    ------
    AxhwError
        For a layer that the network does not have, a multiplier that no array or more than one has, energies that are
        not finite or below 0, and arrays measured in different libraries.
    """
    graph = rows.graph
    machine = _by_multiplier(arrays)
    given = {} if product_fj is None else by_approximated_layer(product_fj, graph)
    if unknown := [name for name in multipliers if name not in graph.multiplications]:
        raise AxhwError(
            f"Expected product layers of {graph.name} out of {', '.join(graph.multiplications)}, found {unknown[0]!r}."
        )
    layers: list[LayerRun] = []
    taken: dict[str, tuple[str, IntArray]] = {}
    for name in graph.multiplications:
        multiplier = multipliers.get(name, exact)
        if multiplier not in machine:
            raise AxhwError(
                f"Expected a multiplier of the arrays ({', '.join(machine)}), found {multiplier} for {name}."
            )
        array = machine[multiplier]
        cycles = array.cycles(MatrixWork.of(graph, name), rows.of(name), multiplier=multiplier)
        taken[name] = (array.name, cycles)
        layers.append(
            LayerRun(
                layer=name,
                array=array.name,
                multiplier=multiplier,
                products=rows.multiplications[name],
                cycles=float(cycles.mean()),
                cells=array.cells,
                product_fj=given.get(name, array.columns_of(multiplier).product_fj),
            )
        )
    finished = _finish(graph, taken, images=rows.images)
    mean, period = float(finished.mean()), max(array.period_ns for array in arrays)
    return HardwareCost(
        network=graph.name,
        layers=tuple(layers),
        arrays=tuple(_use(array, layers, image_ns=mean * period) for array in arrays),
        cycles=mean,
        worst_cycles=int(finished.max()),
        period_ns=period,
    )


def _by_multiplier(arrays: Sequence[Array]) -> dict[str, Array]:
    if not arrays:
        raise AxhwError("Expected at least one array to run a network on, found none.")
    found: dict[str, Array] = {}
    for array in arrays:
        if array.library_sha256 != arrays[0].library_sha256:
            raise AxhwError(f"Expected {array.name} measured in the library of {arrays[0].name}, found another.")
        for own in array.columns:
            if own.multiplier in found:
                raise AxhwError(
                    f"Expected each multiplier in one array, found {own.multiplier} in {found[own.multiplier].name} "
                    f"and {array.name}."
                )
            found[own.multiplier] = array
    return found


def _finish(graph: Graph, taken: Mapping[str, tuple[str, IntArray]], *, images: int) -> IntArray:
    """The cycle in which the output of each image is there, from the array and the cycles of each product layer."""
    ready = {INPUT: np.zeros(images, np.int64)}
    free: dict[str, IntArray] = {}
    for node in graph:
        start = np.max([ready[name] for name in node.sources], axis=0)
        if node.name not in taken:
            ready[node.name] = start
            continue
        array, cycles = taken[node.name]
        end = np.maximum(start, free.get(array, ready[INPUT])) + cycles
        # An expert without rows passes nothing through the array.
        ready[node.name] = np.where(cycles > 0, end, start)
        free[array] = np.where(cycles > 0, end, free.get(array, ready[INPUT]))
    return ready[graph.output]


def _use(array: Array, layers: Sequence[LayerRun], *, image_ns: float) -> ArrayUse:
    own = [layer for layer in layers if layer.array == array.name]
    products, cycles = (sum(getattr(layer, what) for layer in own) for what in ("products", "cycles"))
    return ArrayUse(
        array=array,
        products=products,
        cycles=cycles,
        product_nj=_NJ_PER_FJ * sum(layer.products * layer.product_fj for layer in own),
        idle_nj=_NJ_PER_FJ * (array.cells * cycles - products) * array.clock_fj,
        leakage_nj=_NJ_PER_NW_NS * array.leakage_nw * image_ns,
    )
