"""Constant factors before and behind products of activations, which need no layer of their own."""

from __future__ import annotations

from dataclasses import replace

from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.products import MatMul
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.fuse.match import real_layer


def fuse_scales(draft: Draft, output: str) -> str:
    """Take constant factors into the matrix products."""
    for node in list(draft.nodes.values()):
        if not isinstance(node.layer, MatMul):
            continue
        layer, inputs = node.layer, list(draft.nodes[node.name].inputs)
        for place, source in enumerate(inputs):
            factor = _factor(draft, source)
            while factor is not None:
                layer = replace(layer, scale=layer.scale * factor)
                (inputs[place],) = draft.nodes[inputs[place]].inputs
                factor = _factor(draft, inputs[place])
        output = _behind(draft, node.name, layer, tuple(inputs), output)
    return output


def _behind(draft: Draft, name: str, layer: MatMul, inputs: tuple[str, ...], output: str) -> str:
    """The product with the factor behind it, if nothing else takes what it makes."""
    takers = draft.consumers()[name]
    if name != output and name not in draft.codings and len(takers) == 1:
        taker = takers[0]
        scale = taker.layer
        if isinstance(scale, Elementwise) and scale.function == "scale" and not scale.offset and scale.factor > 0:
            layer = replace(layer, scale=layer.scale * scale.factor)
            output = draft.absorb(taker.name, name, output)
    draft.change(name, layer, *inputs)
    return output


def _factor(draft: Draft, name: str) -> float | None:
    """The factor that a tensor is another one times."""
    layer = real_layer(draft, name)
    if isinstance(layer, Elementwise) and layer.function == "scale" and not layer.offset and layer.factor > 0:
        return layer.factor
    return None
