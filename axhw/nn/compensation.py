"""Errors of multipliers taken back by numbers that a layer has anyway.

A layer turns its sums into codes with a constant and a factor of its own for each output: bias and requantisation. What
is wrong with an output on average, and what is wrong with it in proportion, therefore costs nothing to correct: no
gate, no cycle, no training. Both are learnt from images without labels, layer by layer in order, so that each layer is
corrected for the inputs that the corrected layers before it will give it.

bias     -round(mean error) is added to each output; the error is that of the layer alone, against exact products of the
         same activations
affine   each output also gets a factor, so that over the same images its sums have slope 1 over those of the network
         with exact products, and their mean. That takes back what the layers before have done to its inputs, too

Where all outputs share one factor, as with one weight scale for a layer, only the bias is free. Experts learn from the
rows chosen for them, on the way with tables; one that no image chooses stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.assignment import Tables
from axhw.nn.error_theory import LayerError
from axhw.nn.executor import Value, channels_last
from axhw.nn.graph import INPUT, Node
from axhw.nn.layer_sums import SumExecutor, SumMoments
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.routing import Gate
from axhw.nn.network import Images
from axhw.nn.operand_statistics import check_sample
from axhw.nn.quantize import IntArray
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct

Compensation: TypeAlias = Literal["bias", "affine"]
COMPENSATIONS: tuple[Compensation, ...] = get_args(Compensation)

LARGEST_FACTOR = 2.0
"""Sums whose slope is further from 1 have lost their signal: a larger factor would restore noise."""

Batches: TypeAlias = dict[str, list[Value]]
"""Tensors of several batches by name."""


def compensated(
    network: QuantizedNetwork,
    images: Images,
    tables: Tables,
    *,
    method: Compensation = "affine",
    batch: int = 32,
    threads: int | None = None,
) -> QuantizedNetwork:
    """The network with biases, or biases and scales of its weights, that make up for the errors of its tables.

    Parameters
    ----------
    network : QuantizedNetwork
    images : float array, shape (B, *input_shape)
        Some 64 of the train split; their labels aren't needed. What the network holds of them at any one layer is kept
        in memory as codes.
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables
        Those that the network will run with.
    method : str
        ``bias`` or ``affine``, as above.
    batch : int
        Images at a time. Means over the same images don't depend on it.
    threads : int, optional
        All processors by default.

    Raises
    ------
    AxhwError
        For another method, without images, for images of another shape, for tables that don't fit the network, and a
        batch below 1.
    """
    if method not in COMPENSATIONS:
        raise AxhwError(f"Expected a compensation out of {', '.join(COMPENSATIONS)}, found {method!r}.")
    check_sample(images, batch)
    network.graph.check_images(images)
    walk = _Walk(network, tables, affine=method == "affine", threads=threads)
    return walk.through([images[start : start + batch] for start in range(0, len(images), batch)])


def corrected(product: QuantizedProduct, moments: SumMoments, *, method: Compensation) -> QuantizedProduct:
    """A layer with the bias, or bias and scales of its weights, that make its sums what they should be.

    Parameters
    ----------
    product : QuantizedProduct
        As it was without tables.
    moments : SumMoments
        Of the sums with tables, beside those they should be.
    method : {"bias", "affine"}
    """
    if not moments.positions:
        return product
    return _affine(product, moments) if method == "affine" else _biased(product, moments)


def predicted_corrections(errors: Mapping[str, LayerError]) -> dict[str, IntArray]:
    """-round(mean error) of each layer, for `QuantizedNetwork.with_bias_added`.

    From predicted errors (`axhw.nn.error_theory`) this is the compensation of biases in one shot, without a run: each
    layer is corrected for the activations of the exact network.
    """
    return {name: -np.rint(error.mean).astype(np.int64) for name, error in errors.items()}


class _Walk(SumExecutor):
    """Goes through the network with all images, node by node, and corrects each layer before it runs."""

    def __init__(self, network: QuantizedNetwork, tables: Tables, *, affine: bool, threads: int | None) -> None:
        super().__init__(network, tables, threads=threads)
        self._exact = SumExecutor(network, threads=threads)
        self._affine = affine

    def through(self, images: list[Images]) -> QuantizedNetwork:
        """The corrected network, from batches of images."""
        codes = [channels_last(self.network.input.encode(batch)) for batch in images]
        values: Batches = {INPUT: codes}
        references: Batches = {INPUT: codes} if self._affine else values
        for node in self.network.graph:
            if isinstance(node.layer, WeightLayer) and (self._affine or node.name in self._assigned):
                moments = self._moments(node, values, references)
                product = self.network.products[node.name]
                self.correct(node.name, corrected(product, moments, method="affine" if self._affine else "bias"))
            _advance(self, node, values)
            if self._affine:
                _advance(self._exact, node, references)
                if isinstance(node.layer, Gate):
                    # Sums are compared row by row, so experts have to get the same rows on both ways.
                    references[node.name] = values[node.name]
        return self.network

    def _moments(self, node: Node, values: Batches, references: Batches) -> SumMoments:
        """Of the sums with tables on `values`, and with exact products on `references`."""
        first, *others = (
            SumMoments.of(self.sums(node, x), self._exact.sums(node, reference))
            for (x,), (reference,) in zip(batch_inputs(self, node, values), batch_inputs(self._exact, node, references))
        )
        return sum(others, first)


def batch_inputs(executor: SumExecutor, node: Node, values: Batches) -> list[tuple[Value, ...]]:
    """What a node takes of each batch."""
    batches = zip(*(values[name] for name in node.sources))
    return [executor.inputs(node, dict(zip(node.sources, tensors))) for tensors in batches]


def _advance(executor: SumExecutor, node: Node, values: Batches) -> None:
    """Run a node on all batches, and let go of what no later one takes."""
    values[node.name] = [executor.run(node, inputs) for inputs in batch_inputs(executor, node, values)]
    for name in executor.network.graph.last_use[node.name]:
        del values[name]


def _biased(product: QuantizedProduct, moments: SumMoments) -> QuantizedProduct:
    return replace(product, bias=product.bias - np.rint(moments.mean_error).astype(np.int64))


def _affine(product: QuantizedProduct, moments: SumMoments) -> QuantizedProduct:
    signal = moments.reference_variance
    slope = np.divide(moments.covariance, signal, out=np.ones_like(signal), where=signal > 0)
    factor = 1 / np.clip(slope, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
    scale = (product.weights.scale * factor).astype(np.float32)
    weights = replace(product.weights, scale=scale, zero_point=product.zero_points.astype(np.int32))
    # factor (sum + constant) has the mean of reference + constant as it was.
    wanted = (moments.reference / moments.positions + product.constant) / factor
    change = np.rint(wanted - moments.sums / moments.positions - product.constant).astype(np.int64)
    return replace(product, weights=weights, bias=product.bias + change)
