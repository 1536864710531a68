"""Predicted errors of layers and networks: from a table and the activations that its layers see, without a run.

Output n of a layer adds up the errors e(a_k, w_kn), table less exact product, of its terms k: the codes a_k of the
activations vary, the weights w_kn are fixed. All means are over the positions of a layer in the images of the sample:

    mean        sum over k of mean(e(a_k, w_kn))
    slope       b_kn = cov(e(a_k, w_kn), a_k) / var(a_k), so that e = mean + b_kn (a_k - mean(a_k)) + remainder
    variance    sum over k, l of b_kn b_ln cov(a_k, a_l) + sum over k of var(remainder_kn)
    covariance  sum over k, l of b_kn (w_ln - z_n) cov(a_k, a_l), of the error with the signal: the exact sum over l of
                a_l (w_ln - z_n), with the zero point z_n of the weights

The mean is exact. The variance is so for independent activations, where all cov(a_k, a_l) of two terms are 0, and for
errors linear in a; otherwise it neglects how remainders of different terms go together. Without products of terms
(`OperandStatistics.products`) it neglects all that terms have in common, which is still exact for independent ones.

Errors that follow the activation are no noise but a gain: a circuit that drops low bits of a makes all sums smaller.
They add up coherently over the terms, as activations of neighbouring pixels are alike, and over the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, code_index, code_values
from axhw.emulate.tables import exact_products
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables, Tables, assign
from axhw.nn.executor import Value
from axhw.nn.graph import Node
from axhw.nn.layer_sums import SumExecutor, SumMoments
from axhw.nn.layers.base import WeightLayer
from axhw.nn.network import Images
from axhw.nn.operand_statistics import FloatArray, OperandStatistics, check_sample, observe_all
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.sim.product_table import ProductTable

Removed: TypeAlias = Literal["nothing", "bias", "affine"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerError:
    """Error of a layer's sums by output, in units of the sums; arrays of shape (outputs,).

    Attributes
    ----------
    mean, variance : float64 array
        Of table sums less exact ones.
    signal_variance : float64 array
        Of the exact sums.
    covariance : float64 array
        Of error and exact sum.
    step : float64 array
        Codes of the layer's output for 1 in the sums; real values where it has no codes.
    """

    mean: FloatArray
    variance: FloatArray
    signal_variance: FloatArray
    covariance: FloatArray
    step: FloatArray

    @property
    def gain(self) -> FloatArray:
        """Slope of the sums over the exact ones, 1 where these don't vary."""
        varies = self.signal_variance > 0
        return 1 + np.divide(self.covariance, self.signal_variance, out=np.zeros_like(self.mean), where=varies)

    @property
    def noise_variance(self) -> FloatArray:
        """Variance of what is neither bias nor gain."""
        noise: FloatArray = np.maximum(self.variance - (self.gain - 1) * self.covariance, 0)
        return noise

    def power(self, *, removed: Removed = "nothing") -> FloatArray:
        """Mean squared error of what is left.

        Parameters
        ----------
        removed : str
            What a compensation has taken out.
        """
        if removed == "affine":
            return self.noise_variance
        power: FloatArray = self.variance + (self.mean**2 if removed == "nothing" else 0)
        return power

    def noise_to_signal(self, *, removed: Removed = "nothing") -> float:
        """Mean squared error over variance of the exact sums, both in output codes and added up over all outputs."""
        squared = self.step**2
        signal = float((squared * self.signal_variance).sum())
        noise = float((squared * self.power(removed=removed)).sum())
        return noise / signal if signal else 0.0


def predict_errors(
    network: QuantizedNetwork, statistics: Mapping[str, OperandStatistics], tables: Tables
) -> dict[str, LayerError]:
    """The errors that tables make in the layers of a network.

    Parameters
    ----------
    network : QuantizedNetwork
    statistics : mapping of str to OperandStatistics
        By layer, from `axhw.nn.operand_statistics`.
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables

    Returns
    -------
    dict of node name to LayerError
        Of the layers with weights that have tables; nothing is said of products of two activations.

    Raises
    ------
    AxhwError
        For tables that don't fit the network, and layers without statistics or with those of another network.
    """
    assigned = assign(tables, graph=network.graph, signed=network.signed)
    layers = {name: layer for name, layer in network.graph.weight_layers.items() if name in assigned}
    for name, layer in layers.items():
        if name not in statistics:
            raise AxhwError(f"Expected operand statistics of {name}, found those of {', '.join(statistics) or 'none'}.")
        _check_statistics(name, statistics[name], layer, network.products[name])
    return {
        name: _layer_error(network, name, layer, statistics[name], assigned[name]) for name, layer in layers.items()
    }


def kernel_errors(
    network: QuantizedNetwork, name: str, statistics: OperandStatistics, table: ProductTable
) -> tuple[FloatArray, FloatArray]:
    """Error of each kernel of a layer alone, from the products of one output with one input channel.

    Returns
    -------
    mean : float64 array, shape (outputs, channels)
        Sums of these over the channels are the `LayerError.mean` of a layer with this table.
    variance : float64 array, shape (outputs, channels)
        As if all terms were independent.

    Raises
    ------
    AxhwError
        For statistics of another network.
    """
    layer, product = network.graph.weight_layers[name], network.products[name]
    _check_statistics(name, statistics, layer, product)
    mean, second, _ = _moments(layer, product, statistics, LayerTables.uniform(table))
    # Where each weight went in the matrices tells the way back.
    place = layer.weight_matrices(np.arange(product.codes.size).reshape(product.codes.shape)).ravel()
    by_kernel = []
    for moment in (mean, second - mean**2):
        weights = np.empty(product.codes.size)
        weights[place] = moment.ravel()
        by_kernel.append(weights.reshape(layer.outputs, layer.channels, -1).sum(axis=2))
    return by_kernel[0], by_kernel[1]


def noise_to_signal(errors: Mapping[str, LayerError], *, removed: Removed = "nothing") -> float:
    """The errors of all layers in one number that ranks tables: their ratios of noise to signal, added up.

    A layer passes on the ratio of its inputs and adds its own, as long as these are small and errors of different
    layers independent. Shortcuts around a layer and the cut of a ReLU make less of both: it ranks tables on a network
    and is no logit error.
    """
    return sum(error.noise_to_signal(removed=removed) for error in errors.values())


def measured_errors(
    network: QuantizedNetwork, images: Images, tables: Tables, *, batch: int = 16, threads: int | None = None
) -> dict[str, LayerError]:
    """What `predict_errors` predicts, measured: each layer with its tables on the activations of exact products.

    Raises
    ------
    AxhwError
        Without images, for images of another shape, for tables that don't fit the network, and a batch below 1.
    """
    check_sample(images, batch)
    assigned = assign(tables, graph=network.graph, signed=network.signed)
    exact = SumExecutor(network, threads=threads)
    approximate = SumExecutor(network, tables, threads=threads)
    moments: dict[str, SumMoments] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        part = SumMoments.of(approximate.sums(node, inputs[0]), exact.sums(node, inputs[0]))
        moments[node.name] = moments[node.name] + part if node.name in moments else part

    layers = tuple(name for name in assigned if name in network.products)
    observe_all(exact, images, observe, layers=layers, batch=batch)
    return {
        name: LayerError(
            mean=found.mean_error,
            variance=found.variance + found.reference_variance - 2 * found.covariance,
            signal_variance=found.reference_variance,
            covariance=found.covariance - found.reference_variance,
            step=_step(network, name),
        )
        for name, found in moments.items()
    }


def error_of_histogram(histogram: npt.NDArray[np.integer], table: ProductTable, *, terms: int) -> tuple[float, float]:
    """Mean and variance of a layer's error from nothing but how often it multiplies each pair of codes.

    Parameters
    ----------
    histogram : int array, shape (256, 256)
        As `axhw.nn.histograms.operand_histograms` takes it.
    table : ProductTable
    terms : int
        Products added up in each sum.

    Returns
    -------
    mean : float
        Exact as the mean over all outputs.
    variance : float
        As if every product drew its pair, weight included, from all of the layer: it holds what differs from output to
        output, where `LayerError` has another mean.

    Raises
    ------
    AxhwError
        For a histogram of another shape or without any pair, and a table of other than 8-bit operands.
    """
    if histogram.shape != (CODE_COUNT, CODE_COUNT) or table.values.shape != histogram.shape:
        raise AxhwError(
            f"Expected a histogram and a table of shape (256, 256), found {histogram.shape} and {table.values.shape}."
        )
    pairs = int(histogram.sum())
    if not pairs:
        raise AxhwError("Expected a histogram of at least one pair of operands, found none.")
    dtype = np.int8 if table.signed else np.uint8
    errors = (table.values - exact_products(dtype, dtype)).astype(np.float64)
    mean = float((histogram * errors).sum()) / pairs
    return terms * mean, terms * (float((histogram * errors**2).sum()) / pairs - mean**2)


def _step(network: QuantizedNetwork, name: str) -> FloatArray:
    target = network.codings.get(name)
    unit = network.products[name].unit.astype(np.float64)
    return unit if target is None else unit / float(target.scale)


def _check_statistics(name: str, found: OperandStatistics, layer: WeightLayer, product: QuantizedProduct) -> None:
    groups, terms, _ = found.counts.shape
    if (groups, terms, found.dtype) != (layer.groups, layer.terms, product.source.dtype):
        raise AxhwError(
            f"Expected statistics of {product.source.dtype} codes in {layer.groups} groups of {layer.terms} terms for "
            f"{name}, found {found.dtype} codes in {groups} of {terms}: take those of this network."
        )


def _layer_error(
    network: QuantizedNetwork, name: str, layer: WeightLayer, statistics: OperandStatistics, tables: LayerTables
) -> LayerError:
    product = network.products[name]
    mean, second, cross = _moments(layer, product, statistics, tables)
    covariances = statistics.covariances
    alone = np.diagonal(covariances, axis1=1, axis2=2)[:, :, None]
    along = cross - mean * statistics.means[:, :, None]
    slope = np.divide(along, alone, out=np.zeros_like(mean), where=alone > 0)
    remainder = np.maximum(second - mean**2 - slope * along, 0)
    spread = covariances @ slope
    zero = product.zero_points.reshape(-1, *(1,) * (product.codes.ndim - 1))
    signal = layer.weight_matrices(product.codes - zero.astype(np.float64))
    return LayerError(
        mean=mean.sum(axis=1).ravel(),
        variance=((slope * spread).sum(axis=1) + remainder.sum(axis=1)).ravel(),
        signal_variance=(signal * (covariances @ signal)).sum(axis=1).ravel(),
        covariance=(signal * spread).sum(axis=1).ravel(),
        step=_step(network, name),
    )


def _moments(
    layer: WeightLayer, product: QuantizedProduct, statistics: OperandStatistics, tables: LayerTables
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means of e, e^2 and a e by weight, each of shape (groups, terms, outputs of a group)."""
    weights = layer.weight_matrices(code_index(product.codes))
    shape = weights.shape
    weights = weights.reshape(-1, shape[-1])
    table_of = np.broadcast_to(tables.for_weights(product.codes.shape), product.codes.shape)
    chosen = layer.weight_matrices(table_of).reshape(weights.shape)
    # Behind a ReLU half of the codes never occur.
    occurring = statistics.counts.any(axis=(0, 1))
    counts = statistics.counts[:, :, occurring].reshape(len(weights), -1).astype(np.float64)
    a = code_values(statistics.dtype)[occurring, None]
    exact = exact_products(product.source.dtype, product.weights.dtype)
    totals = np.empty((3, *weights.shape))
    for number, table in enumerate(tables.tables):
        term, output = np.nonzero(chosen == number)
        e = (table.values - exact)[occurring].astype(np.float64)
        # Whole numbers, exact as long as they are below 2**53.
        by_code = (counts @ np.concatenate([e, e * e, a * e], axis=1)).reshape(-1, 3, CODE_COUNT)
        totals[:, term, output] = by_code[term, :, weights[term, output]].T
    mean, second, cross = totals.reshape(3, *shape) / statistics.positions
    return mean, second, cross
