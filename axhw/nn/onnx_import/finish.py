"""From a finished draft to a network."""

from __future__ import annotations

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT
from axhw.nn.layers.base import ProductLayer, WeightLayer
from axhw.nn.network import Network
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.quantised import SAME
from axhw.nn.onnx_import.values import Codes
from axhw.nn.quantize import Float32Array, IntArray, Quantization
from axhw.nn.quantized import QuantizedNetwork, QuantizedProduct

_UNIT_TOLERANCE = 1e-6


def float_network(draft: Draft) -> Network:
    """The network of a draft whose activations are real values."""
    return Network(graph=draft.graph(), parameters=draft.parameters)


def quantized_network(draft: Draft, output: str) -> QuantizedNetwork:
    """The network of a draft whose activations are codes: unsigned ones if all codes in the file are, else signed.

    Raises
    ------
    AxhwError
        If products take real values, or the images don't become codes first.
    """
    real = _real_products(draft)
    if real:
        raise AxhwError(
            f"Expected a network whose convolutions and matrix products are all quantised, found {draft.name} with "
            f"real values in {', '.join(real)}: quantise these as well, or import the float network."
        )
    if INPUT not in draft.codings:
        raise AxhwError(
            f"Expected the images of {draft.name} to go into one QuantizeLinear and nowhere else, found other "
            "operators: take the normalisation out of the network."
        )
    weights = [_weight_coding(codes) for codes in draft.weights.values()]
    signed = any(coding.signed for coding in (*draft.codings.values(), *weights))
    if output in draft.codings:
        # A network gives real values.
        draft.add(f"{output}_real", SAME, output)
    codings = {name: coding.with_signedness(signed) for name, coding in draft.codings.items()}
    graph = draft.graph()
    products = {
        name: _product(draft, name, source=codings[graph[name].inputs[0]], signed=signed)
        for name in graph.weight_layers
    }
    return QuantizedNetwork(graph=graph, codings=codings, products=products, parameters=draft.parameters)


def _real_products(draft: Draft) -> list[str]:
    """Products of which an operand is no codes."""
    real = []
    for name, node in draft.nodes.items():
        coded = all(source in draft.codings for source in node.inputs)
        if isinstance(node.layer, WeightLayer):
            coded = coded and name in draft.weights
        if isinstance(node.layer, ProductLayer) and not coded:
            real.append(name)
    return real


def _weight_coding(codes: Codes) -> Quantization:
    assert codes.coding is not None
    return codes.coding


def _product(draft: Draft, name: str, *, source: Quantization, signed: bool) -> QuantizedProduct:
    codes = draft.weights[name]
    coding = _weight_coding(codes)
    values = codes.values
    if coding.signed != signed:
        values = (values.astype(np.int16) + (-128 if signed else 128)).astype(np.int8 if signed else np.uint8)
    outputs = len(values)
    weights = coding.with_signedness(signed)
    unit: Float32Array = np.broadcast_to(source.scale * weights.scale, (outputs,))
    return QuantizedProduct(
        codes=np.ascontiguousarray(values), source=source, weights=weights, bias=_bias(draft, name, unit)
    )


def _bias(draft: Draft, name: str, unit: Float32Array) -> IntArray:
    """The bias in units of the sums: the codes of the file if they are that, else the nearest whole numbers."""
    codes = draft.biases.get(name)
    if codes is not None and np.allclose(codes.scale, unit, rtol=_UNIT_TOLERANCE, atol=0):
        return np.broadcast_to(codes.values.reshape(-1), unit.shape).astype(np.int64)
    bias = draft.parameters.get(f"{name}.bias", np.zeros(unit.shape))
    return np.rint(bias / unit.astype(np.float64)).astype(np.int64)
