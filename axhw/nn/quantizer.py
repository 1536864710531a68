"""From a float network to an integer one: codes for every tensor and weight.

A tensor made by a product or a real layer gets a scale of its own; layers that only move or cut values keep that of
their input. What is cut off at once by a ReLU or clip needs no codes, so a range is measured behind it. Experts of
which one is chosen share the range of what they make together, so that choosing is free of rounding. Weights are
quantised per output channel, or per tensor, and symmetric where they are signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.calibrate import Calibration, measure_ranges
from axhw.nn.fold import fold_batch_norms
from axhw.nn.graph import INPUT, Graph, Node
from axhw.nn.layers.activations import Clip
from axhw.nn.layers.base import CodeLayer, WeightLayer
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.network import Images, Network
from axhw.nn.quantize import Float32Array, Quantization
from axhw.nn.quantized import ACCUMULATOR_BITS, QuantizedNetwork, QuantizedProduct

_LARGEST_BIAS = 1 << (ACCUMULATOR_BITS - 2)


def quantize_network(
    network: Network,
    images: Images,
    *,
    signed: bool,
    symmetric: bool | None = None,
    per_channel: bool = True,
    calibration: Calibration | None = None,
) -> QuantizedNetwork:
    """The integer network for multipliers of signed or unsigned operands.

    Parameters
    ----------
    network : Network
        Batch norms are folded; ranges that it fixes are kept.
    images : float array, shape (B, *input_shape)
        Calibration images.
    signed : bool
        int8 codes when true, uint8 codes when false; see `axhw.nn.quantize`.
    symmetric : bool, optional
        Whether the zero point of signed activations is 0; it is by default.
    per_channel : bool
        One scale for the weights of each output channel, or one for all of a layer.
    calibration : Calibration, optional
        Minimum and maximum by default.

    Raises
    ------
    AxhwError
        Without images, for images of another shape or with NaN, and when a tensor is 0 for all of them.
    """
    folded = fold_batch_norms(network)
    graph = folded.graph
    sources = range_sources(graph)
    measured = sorted(set(sources.values()) - set(folded.ranges))
    ranges = dict(folded.ranges)
    if measured:
        ranges |= measure_ranges(
            folded,
            images,
            tensors=measured,
            calibration=calibration if calibration is not None else Calibration(),
            signed=signed,
            symmetric=symmetric,
        )
    codings = {
        tensor: Quantization.from_range(*ranges[source], signed=signed, symmetric=symmetric)
        for tensor, source in sources.items()
    }
    return quantize_with(folded, codings, per_channel=per_channel)


def quantize_with(
    network: Network, codings: Mapping[str, Quantization], *, per_channel: bool = True
) -> QuantizedNetwork:
    """The integer network for a network without batch norms and the codings of its tensors."""
    products = {
        name: _quantize_layer(network, name, layer, codings, per_channel=per_channel)
        for name, layer in network.graph.weight_layers.items()
    }
    return QuantizedNetwork(
        graph=network.graph,
        codings=codings,
        products=products,
        parameters={name: np.asarray(array, np.float32) for name, array in network.parameters.items()},
        network=network,
    )


def signed_products(network: Network) -> Mapping[str, QuantizedProduct]:
    """The weights of all layers as int8 codes, of a network without batch norms and with all ranges.

    Raises
    ------
    AxhwError
        If ranges are missing.
    """
    sources = range_sources(network.graph)
    if missing := sorted(set(sources.values()) - set(network.ranges)):
        raise AxhwError(
            "Expected a network without batch norms and with the ranges of all activations to take int8 codes of, "
            f"found none of {missing[0]}."
        )
    codings = {name: Quantization.from_range(*network.ranges[of], signed=True) for name, of in sources.items()}
    return quantize_with(network, codings).products


def with_code_weights(network: Network) -> Network:
    """The network with each weight at the real value of its int8 code; the integer network is the same bit for bit.

    Scales have 16 significant bits, so a code times its step is exact in float32, and quantising it again gives the
    very same code and step.

    Raises
    ------
    AxhwError
        As `signed_products`.
    """
    weights = {
        f"{name}.weight": decoded_weights(product.codes, product.weights.scale)
        for name, product in signed_products(network).items()
    }
    return replace(network, parameters={**network.parameters, **weights})


def decoded_weights(codes: Codes, scale: Float32Array) -> Float32Array:
    """Real values of int8 codes, outputs first, with a scale for each output."""
    return codes.astype(np.float32) * scale.reshape(-1, *(1,) * (codes.ndim - 1))


def range_sources(graph: Graph) -> dict[str, str]:
    """For each tensor that is held in codes, the tensor whose range decides its coding.

    Not held in codes are the output and what only moved or cut it, or what experts made for it: it stays real.
    """
    real = _real_tensors(graph)
    sources = {INPUT: INPUT}
    for node in graph:
        if node.name in real:
            continue
        sources[node.name] = (
            sources[node.inputs[0]] if isinstance(node.layer, CodeLayer) else _behind_clips(graph, node.name)
        )
    return sources


def _real_tensors(graph: Graph) -> set[str]:
    found: set[str] = set()
    left = [graph.output]
    while left:
        node = graph[left.pop()]
        found.add(node.name)
        if isinstance(node.layer, Combine):
            left += node.inputs[1:]
        elif isinstance(node.layer, CodeLayer) and node.inputs[0] != INPUT:
            left.append(node.inputs[0])
    return found


def _behind_clips(graph: Graph, tensor: str) -> str:
    """The tensor itself, or what clips behind it leave, or a choice of one expert takes, when nothing else takes it."""
    while len(graph.consumers[tensor]) == 1:
        behind = graph.consumers[tensor][0]
        if not isinstance(behind.layer, Clip) and not _picks(graph, behind, tensor):
            break
        tensor = behind.name
    return tensor


def _picks(graph: Graph, node: Node, tensor: str) -> bool:
    """Whether a node gives on what one of its experts makes, as it is."""
    if not isinstance(node.layer, Combine) or tensor == node.inputs[0]:
        return False
    gate = graph[node.inputs[0]].layer
    return isinstance(gate, Gate) and gate.k == 1


def _quantize_layer(
    network: Network, name: str, layer: WeightLayer, codings: Mapping[str, Quantization], *, per_channel: bool
) -> QuantizedProduct:
    parameters = network.layer_parameters(name, np.float64)
    by_output = parameters["weight"].reshape(layer.outputs, -1).T
    bias = parameters.get("bias", np.zeros(layer.outputs))
    source = codings[network.graph[name].inputs[0]]
    low, high = by_output.min(axis=0), by_output.max(axis=0)
    if not per_channel:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    # A channel whose weights all but vanish would have steps so fine that its bias overflows the accumulator.
    smallest_scale = np.abs(bias) / (source.scale * _LARGEST_BIAS)
    weights = Quantization.from_range(low, high, signed=source.signed, smallest_scale=smallest_scale)
    unit = source.scale.astype(np.float64) * weights.scale
    return QuantizedProduct(
        codes=np.ascontiguousarray(weights.encode(by_output).T).reshape(layer.weight_shape),
        source=source,
        weights=weights,
        bias=np.rint(bias / unit).astype(np.int64),
    )
