"""The integer network: 8-bit codes between layers, products from tables, everything else exact.

A layer with weights computes, with the zero points z_a of its input and z_w of each output channel,

    sum over k of (a - z_a) (w - z_w)  =  sum M[a, w] - z_w sum a - z_a sum w + K z_a z_w

where only the products M[a, w] are approximate. The sums of codes are exact: hardware has adders for them. The result
becomes codes by one float32 multiplication (`axhw.emulate.requantize`), as in the QLinearConv of ONNX.
`axhw.nn.executor` runs such networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Graph
from axhw.nn.layers.base import CodeLayer, Reals
from axhw.nn.network import Network
from axhw.nn.quantize import Float32Array, IntArray, Quantization

ACCUMULATOR_BITS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedProduct:
    """The weights of a layer as codes.

    Attributes
    ----------
    codes : int8 or uint8 array
        Of the layer's weight shape, outputs first.
    source : Quantization
        Of the layer's input, one scale.
    weights : Quantization
        One scale per output.
    bias : int64 array, shape (outputs,)
        In units of the sums.
    """

    codes: Codes
    source: Quantization
    weights: Quantization
    bias: IntArray

    @property
    def unit(self) -> Float32Array:
        """Real value of 1 in the sums, shape (outputs,)."""
        value: Float32Array = np.broadcast_to(self.source.scale * self.weights.scale, self.bias.shape)
        return value

    @property
    def zero_points(self) -> IntArray:
        """Code of the weight 0, shape (outputs,)."""
        zeros: IntArray = np.broadcast_to(self.weights.zero_point, self.bias.shape).astype(np.int64)
        return zeros

    @property
    def constant(self) -> IntArray:
        """What is added to the products of each output whatever the activations, shape (outputs,)."""
        by_output = self.codes.reshape(len(self.bias), -1)
        zero_a = int(self.source.zero_point)
        constant: IntArray = self.bias + zero_a * (
            by_output.shape[1] * self.zero_points - by_output.sum(axis=1, dtype=np.int64)
        )
        return constant


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedNetwork:
    """An integer network; `axhw.nn.quantizer.quantize_network` or an ONNX import makes it.

    Attributes
    ----------
    graph : Graph
        Without batch norms.
    codings : mapping of str to Quantization
        Of every tensor that is held in codes; the others are real.
    products : mapping of str to QuantizedProduct
        By the node of each layer with weights.
    parameters : mapping of str to float32 array
        Of the layers that compute in real values.
    network : Network or None
        The float network it was made from.
    """

    graph: Graph
    codings: Mapping[str, Quantization]
    products: Mapping[str, QuantizedProduct]
    parameters: Mapping[str, Reals]
    network: Network | None = None

    def __post_init__(self) -> None:
        if set(self.products) != set(self.graph.weight_layers):
            raise AxhwError(
                f"Expected weights for the layers {', '.join(self.graph.weight_layers)}, "
                f"found {', '.join(self.products) or 'none'}."
            )
        if INPUT not in self.codings:
            raise AxhwError(f"Expected a quantisation of the images of {self.graph.name}, found none.")
        for node in self.graph:
            if isinstance(node.layer, CodeLayer) and node.name in self.codings and node.inputs[0] not in self.codings:
                raise AxhwError(f"Expected codes into {node.name}, whose output is in codes, found real values.")

    @property
    def input(self) -> Quantization:
        """Of the images."""
        return self.codings[INPUT]

    @property
    def signed(self) -> bool:
        """Whether activations are int8 codes and tables must be those of signed multipliers."""
        return self.input.signed

    @property
    def multiplications(self) -> Mapping[str, float]:
        """Multiplications for one image by product node, those of experts as if all were chosen equally often."""
        return self.graph.nominal_multiplications

    def with_signedness(self, signed: bool) -> QuantizedNetwork:
        """The network for multipliers of other operands, equal to this one as long as products are exact.

        Every code, of activations and weights, and its zero point move by 128 together, so all differences between
        them stay. The float network is left out, as it was not calibrated for these codes.
        """
        if signed == self.signed:
            return self
        codings = {name: coding.with_signedness(signed) for name, coding in self.codings.items()}
        products = {}
        for name, product in self.products.items():
            weights = product.weights.with_signedness(signed)
            codes = product.codes
            if product.weights.signed != signed:
                codes = (product.codes.view(np.uint8) ^ np.uint8(0x80)).view(weights.dtype)
            source = codings[self.graph[name].inputs[0]]
            products[name] = replace(product, codes=codes, source=source, weights=weights)
        return replace(self, codings=codings, products=products, network=None)

    def with_bias_added(self, corrections: Mapping[str, IntArray]) -> QuantizedNetwork:
        """The network with integers added to the biases of some layers, shape (outputs,), in units of the sums."""
        products = dict(self.products)
        for name, correction in corrections.items():
            products[name] = replace(products[name], bias=products[name].bias + correction)
        return replace(self, products=products)
