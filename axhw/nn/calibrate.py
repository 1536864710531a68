"""From a float network to an integer one: value ranges measured on calibration images, then codes for everything.

Weights are quantised per output channel, activations per tensor. Calibrate on training images, never on those that
are tested afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.layers import ProductLayer, Relu
from axhw.nn.network import FloatArray, Images, Network
from axhw.nn.quantize import Quantization
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct
from axhw.nn.requantize import ACCUMULATOR_BITS, Requantizer

Method: TypeAlias = Literal["minmax", "percentile"]

_BATCH = 256
_LARGEST_BIAS = 1 << (ACCUMULATOR_BITS - 2)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the range of an activation is taken from its values.

    Attributes
    ----------
    method : {"minmax", "percentile"}
        All values, or those between the percentiles ``100 - percentile`` and `percentile`; what lies outside
        saturates.
    percentile : float
        Above 50, at most 100; used by ``percentile`` only.
    """

    method: Method = "minmax"
    percentile: float = 99.99

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise AxhwError(f"Expected a calibration method out of {get_args(Method)}, found {self.method!r}.")
        if not 50 < self.percentile <= 100:
            raise AxhwError(f"Expected a percentile above 50 and at most 100, found {self.percentile}.")

    def range(self, values: FloatArray) -> tuple[float, float]:
        """Lowest and highest value to be represented."""
        if self.method == "minmax":
            return float(values.min()), float(values.max())
        low, high = np.percentile(values, [100 - self.percentile, self.percentile])
        return float(low), float(high)


def quantize_network(
    network: Network, images: Images, *, signed: bool, calibration: Calibration | None = None
) -> QuantizedNetwork:
    """The integer network for multipliers of signed or unsigned operands.

    Parameters
    ----------
    network : Network
    images : float array, shape (B, *input_shape)
        Calibration images. The values of all activations for all of them are held in memory at once.
    signed : bool
        Symmetric int8 codes when true, affine uint8 codes when false; see `axhw.nn.quantize`.
    calibration : Calibration, optional
        Minimum and maximum by default.

    Raises
    ------
    AxhwError
        Without images, for images of another shape or with NaN, and when an activation is 0 for all of them.
    """
    if not len(images):
        raise AxhwError("Expected at least one calibration image, found none.")
    chosen = calibration if calibration is not None else Calibration()
    activations = _activations(network, images, signed=signed, calibration=chosen)
    products = {
        layer.name: _quantize_layer(network, layer, source)
        for layer, source in zip(network.architecture.product_layers, activations)
    }
    # The input of each layer is the output of the one before it.
    requantizers = {
        product.layer.name: Requantizer.from_scale(product.unit, target=target)
        for product, target in zip(products.values(), activations[1:])
    }
    return QuantizedNetwork(network=network, input=activations[0], products=products, requantizers=requantizers)


def _activations(network: Network, images: Images, *, signed: bool, calibration: Calibration) -> list[Quantization]:
    """Quantisation of the input of each product layer, in order."""
    layers = network.architecture.layers
    # The codes of a product layer's output serve all layers up to the next product layer. A ReLU right behind it
    # cuts negative values off, so the range is measured behind the ReLU and no code is spent on them.
    observed = [
        index + 1 if isinstance(layers[index + 1], Relu) else index
        for index, layer in enumerate(layers[:-1])
        if isinstance(layer, ProductLayer)
    ]
    values: dict[int, list[FloatArray]] = {index: [] for index in observed}

    def observe(index: int, x: FloatArray) -> None:
        if index in values:
            values[index].append(x.ravel())

    for start in range(0, len(images), _BATCH):
        network.forward(images[start : start + _BATCH], observe=observe)

    result = [_activation("the input", images.astype(np.float64), signed=signed, calibration=calibration)]
    for layer, index in zip(network.architecture.product_layers, observed):
        where = f"the output of {layer.name}"
        result.append(_activation(where, np.concatenate(values[index]), signed=signed, calibration=calibration))
    return result


def _activation(where: str, values: FloatArray, *, signed: bool, calibration: Calibration) -> Quantization:
    low, high = calibration.range(values)
    if max(-low, high) <= 0:
        raise AxhwError(
            f"Expected calibration images that give {where} a range above 0, found {low:g} to {high:g}: "
            "use more images, or a higher percentile."
        )
    return Quantization.from_range(low, high, signed=signed)


def _quantize_layer(network: Network, layer: ProductLayer, source: Quantization) -> QuantizedProduct:
    weight = layer.weight_matrix(network.parameters[f"{layer.name}.weight"].astype(np.float64))
    bias = network.parameters[f"{layer.name}.bias"].astype(np.float64)
    # A channel whose weights all but vanish would have steps so fine that its bias overflows the accumulator.
    smallest_scale = np.abs(bias) / (source.scale * _LARGEST_BIAS)
    weights = Quantization.from_range(
        weight.min(axis=0), weight.max(axis=0), signed=source.signed, smallest_scale=smallest_scale
    )
    return QuantizedProduct(
        layer=layer,
        codes=weights.encode(weight),
        source=source,
        weights=weights,
        bias=np.rint(bias / (source.scale * weights.scale)).astype(np.int64),
    )
