"""What a layer's weights are multiplied by: the activations of each term, alone and in pairs.

The terms of a layer are the products that one of its sums adds up, e.g. 9 x 16 in a 3x3 convolution of 16 channels; the
positions at which it computes, of all images, are the sample. These statistics don't depend on any table, so they are
taken once for a network: `axhw.nn.error_theory` tells from them the errors of any table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, CodeDtype, Codes, code_index, code_values
from axhw.errors import AxhwError
from axhw.nn.assignment import Tables
from axhw.nn.executor import Executor, Observer, Value
from axhw.nn.graph import Node
from axhw.nn.layers.base import WeightLayer
from axhw.nn.network import Images
from axhw.nn.quantize import IntArray
from axhw.nn.quantized import QuantizedNetwork

FloatArray: TypeAlias = npt.NDArray[np.float64]

MOST_TERMS = 2304
"""Those of a 3x3 convolution of 256 channels: 42 MB of products."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OperandStatistics:
    """The activations of a layer with weights.

    Attributes
    ----------
    counts : int64 array, shape (groups, terms, 256)
        Positions at which a term's activation is each code, from the lowest one of `dtype`.
    products : float64 array, shape (groups, terms, terms), or None
        Sum over the positions of the product of the codes of two terms, whole numbers; None where it was not taken.
    dtype : dtype
        int8 or uint8, of the activations.
    """

    counts: IntArray
    products: FloatArray | None
    dtype: CodeDtype

    @property
    def positions(self) -> int:
        """Size of the sample: sums that the layer computed for each output."""
        return int(self.counts[0, 0].sum())

    @property
    def shares(self) -> FloatArray:
        """Share of the positions at which a term's activation is each code, shape (groups, terms, 256)."""
        shares: FloatArray = self.counts / self.positions
        return shares

    @property
    def means(self) -> FloatArray:
        """Mean code of each term, shape (groups, terms)."""
        means: FloatArray = self.counts @ code_values(self.dtype) / self.positions
        return means

    @property
    def covariances(self) -> FloatArray:
        """Covariance of the codes of each two terms, shape (groups, terms, terms): 0 off the diagonal if not taken."""
        means = self.means
        if self.products is not None:
            taken: FloatArray = self.products / self.positions - means[:, :, None] * means[:, None, :]
            return taken
        variances = self.counts @ code_values(self.dtype) ** 2 / self.positions - means**2
        alone: FloatArray = variances[:, :, None] * np.eye(means.shape[1])
        return alone

    def without_products(self) -> OperandStatistics:
        """The same activations as if all terms were independent."""
        return replace(self, products=None)


def operand_statistics(
    network: QuantizedNetwork,
    images: Images,
    tables: Tables | None = None,
    *,
    most_terms: int = MOST_TERMS,
    batch: int = 16,
    threads: int | None = None,
) -> dict[str, OperandStatistics]:
    """The activations of all layers with weights.

    Parameters
    ----------
    network : QuantizedNetwork
    images : float array, shape (B, *input_shape)
        A few dozen will do: each gives as many samples as a layer has positions.
    tables : ProductTable or mapping, optional
        With approximate tables, later layers see what those make of the activations.
    most_terms : int
        Products of terms are taken in layers with at most so many, as they take most of the time, and 8 groups terms^2
        bytes a layer. 0 for none.
    batch : int
        Images at a time: of each, a layer's operands are written out, 8 positions groups terms bytes.
    threads : int, optional
        All processors by default.

    Returns
    -------
    dict of node name to OperandStatistics
        Experts see the rows chosen for them; one that is never chosen, all rows.

    Raises
    ------
    AxhwError
        Without images, for images of another shape, for tables that don't fit the network, and a batch below 1.
    """
    check_sample(images, batch)
    found: dict[str, OperandStatistics] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        layer = network.graph.weight_layers[node.name]
        zero = int(network.products[node.name].source.zero_point)
        part = _statistics(layer.rows(inputs[0], zero=zero), products=layer.terms <= most_terms)
        found[node.name] = _joined(found[node.name], part) if node.name in found else part

    run = Executor(network, tables, threads=threads)
    observe_all(run, images, observe, layers=tuple(network.products), batch=batch)
    return {name: found[name] for name in network.products}


def observe_all(run: Executor, images: Images, observe: Observer, *, layers: Sequence[str], batch: int) -> None:
    """Show an observer some layers on all images; a layer of an expert that none of them chooses, on all rows.

    Parameters
    ----------
    run : Executor
    images : float array, shape (B, *input_shape)
    observe : callable
        As for the executor; gets the nodes named only.
    layers : sequence of str
    batch : int
        Images at a time.
    """
    seen: set[str] = set()

    def note(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if node.name in wanted:
            seen.add(node.name)
            observe(node, inputs, output)

    wanted = frozenset(layers)
    for start in range(0, len(images), batch):
        run(images[start : start + batch], observe=note)
    wanted = frozenset(layers) - seen
    if wanted:
        for start in range(0, len(images), batch):
            run(images[start : start + batch], observe=note, dense=True)


def check_sample(images: Images, batch: int) -> None:
    """Refuse to learn from no images, or none at a time.

    Raises
    ------
    AxhwError
    """
    if not len(images):
        raise AxhwError("Expected at least one image to learn the errors of a network from, found none.")
    if batch < 1:
        raise AxhwError(f"Expected a batch of at least 1 image, found {batch}.")


def weight_index(network: QuantizedNetwork, name: str) -> npt.NDArray[np.uint8]:
    """The weights of a layer, counted from the lowest code, shape (groups, terms, outputs of a group)."""
    layer: WeightLayer = network.graph.weight_layers[name]
    return layer.weight_matrices(code_index(network.products[name].codes))


def _statistics(rows: Codes, *, products: bool) -> OperandStatistics:
    """Of operands [positions, groups, terms]."""
    _, groups, terms = rows.shape
    place = CODE_COUNT * np.arange(groups * terms).reshape(groups, terms)
    counts = np.bincount((code_index(rows) + place).ravel(), minlength=CODE_COUNT * groups * terms)
    sums: FloatArray | None = None
    if products:
        # Whole numbers below 2**53: exact in float64, hence through BLAS.
        by_group = np.ascontiguousarray(rows.transpose(1, 0, 2), np.float64)
        sums = by_group.transpose(0, 2, 1) @ by_group
    dtype = np.dtype(np.int8) if rows.dtype == np.int8 else np.dtype(np.uint8)
    return OperandStatistics(
        counts=counts.reshape(groups, terms, CODE_COUNT).astype(np.int64), products=sums, dtype=dtype
    )


def _joined(first: OperandStatistics, second: OperandStatistics) -> OperandStatistics:
    products = None
    if first.products is not None and second.products is not None:
        products = first.products + second.products
    return replace(first, counts=first.counts + second.counts, products=products)
