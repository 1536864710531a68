"""What every design would do to a network, filter by filter and kernel by kernel, predicted without a run.

For each layer, design and filter the error theory (`axhw.nn.error_theory`) gives the power of the error, and the
importance of the filter (`axhw.nn.importance`) what that power does to the logits:

    noise[d, n] = importance_noise[n] * variance[d, n] + importance_shift[n] * mean[d, n]**2

in squared logits; a compensation takes the mean, or mean and gain, out. Errors of different filters and layers add up
as if they were independent, so the noise of a configuration is a sum over its filters. A filter's noise is divided
among its kernels in proportion to what each would make alone: exact for filters of one design, and what ranks kernels
in others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from axhw.nn.compensation import LARGEST_FACTOR
from axhw.nn.error_theory import LayerError, Removed, kernel_errors, predict_errors
from axhw.nn.importance import Importance
from axhw.nn.operand_statistics import FloatArray, OperandStatistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.search.assignment import Ids
from axhw.search.configuration import Choice
from axhw.sim.product_table import ProductTable


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseModel:
    """Predicted noise at the logits.

    Attributes
    ----------
    filters : mapping of str to float64 array, shape (designs, outputs)
        Of the layers with weights, in squared logits.
    kernels : mapping of str to float64 array, shape (designs, outputs, channels)
        The same by kernel; sums over channels are `filters`.
    """

    filters: Mapping[str, FloatArray]
    kernels: Mapping[str, FloatArray]

    def layer(self, name: str, ids: Ids) -> float:
        """Noise of one layer for a choice of designs."""
        if name not in self.filters:
            return 0.0
        if ids.ndim < 2:
            filters = self.filters[name]
            return float(filters[np.broadcast_to(ids, filters.shape[1:]), np.arange(filters.shape[1])].sum())
        kernels = self.kernels[name]
        return float(np.take_along_axis(kernels, ids[None], axis=0).sum())

    def noise(self, choice: Choice) -> float:
        """Noise of a configuration."""
        return sum(self.layer(name, ids) for name, ids in choice.items())


def noise_model(
    network: QuantizedNetwork,
    statistics: Mapping[str, OperandStatistics],
    importance: Mapping[str, Importance],
    tables: Mapping[str, Sequence[ProductTable]],
    *,
    removed: Removed = "nothing",
    progress: Callable[[int, int], None] | None = None,
) -> NoiseModel:
    """The noise of all designs in all layers with weights.

    Parameters
    ----------
    network : QuantizedNetwork
    statistics : mapping of str to OperandStatistics
    importance : mapping of str to Importance
    tables : mapping of str to sequence of ProductTable
        For each layer the tables of all designs, equally many.
    removed : {"nothing", "bias", "affine"}
        What a compensation takes out.
    progress : callable, optional
        Called with the layers done and their number.
    """
    filters, kernels = {}, {}
    for done, name in enumerate(network.products):
        matters = importance[name]
        by_filter, by_kernel = [], []
        for table in tables[name]:
            error = predict_errors(network, {name: statistics[name]}, {name: table})[name]
            by_filter.append(_filter_noise(error, matters, removed))
            alone = kernel_noise(network, name, statistics[name], matters, table, removed=removed)
            total = alone.sum(axis=1, keepdims=True)
            even = np.full(alone.shape, 1 / alone.shape[1])
            by_kernel.append(by_filter[-1][:, None] * np.divide(alone, total, out=even, where=total > 0))
        filters[name], kernels[name] = np.stack(by_filter), np.stack(by_kernel)
        if progress is not None:
            progress(done + 1, len(network.products))
    return NoiseModel(filters=filters, kernels=kernels)


def kernel_noise(
    network: QuantizedNetwork,
    name: str,
    statistics: OperandStatistics,
    matters: Importance,
    table: ProductTable,
    *,
    removed: Removed = "nothing",
) -> FloatArray:
    """Noise of each kernel of a layer if it alone has this table, shape (outputs, channels), in squared logits.

    Parameters
    ----------
    network : QuantizedNetwork
    name : str
        Of the layer.
    statistics : OperandStatistics
    matters : Importance
    table : ProductTable
    removed : {"nothing", "bias", "affine"}
        What a compensation takes out; of a gain no more than of a mean.
    """
    mean, variance = kernel_errors(network, name, statistics, table)
    alone: FloatArray = matters.noise[:, None] * variance
    return alone + matters.shift[:, None] * mean**2 if removed == "nothing" else alone


def _filter_noise(error: LayerError, matters: Importance, removed: Removed) -> FloatArray:
    """Of each filter, shape (outputs,)."""
    if removed == "affine":
        # A factor that restores the signal enlarges the noise with it, and is limited.
        factor = 1 / np.clip(error.gain, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
        left = factor**2 * error.noise_variance + (1 - factor * error.gain) ** 2 * error.signal_variance
        return matters.noise * left
    noise = matters.noise * error.variance
    return noise if removed == "bias" else noise + matters.shift * error.mean**2
