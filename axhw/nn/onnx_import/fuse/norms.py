"""Layer norms out of means, differences and roots.

With m the mean and v the variance over the last axis, either (x - m) / sqrt(v + epsilon), or the form of Keras with a
learnt factor g and offset b, x * r + (b - m * r) with r = g / sqrt(v + epsilon).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.joins import Add, AddLearned, Multiply, ScaleLearned
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.pairwise import Pairwise
from axhw.nn.layers.reductions import Mean
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.fuse.match import function_of, real_layer, scaled_of


@dataclass(frozen=True, kw_only=True)
class _Deviation:
    """sqrt(v + epsilon) of a tensor."""

    source: str
    epsilon: float


def fuse_layer_norms(draft: Draft, output: str) -> str:
    """Put a layer norm in the place of each formula; `fuse_affine` adds what is learnt to the plain form."""
    for name, node in list(draft.nodes.items()):
        if isinstance(node.layer, Pairwise | Multiply):
            found = _plain(draft, name)
            learned: tuple[str, str] | None = None
        elif isinstance(node.layer, Add):
            found, learned = _keras(draft, name)
        else:
            continue
        if found is None:
            continue
        features = draft.shapes[name][-1]
        weight, bias = np.ones(features, np.float32), np.zeros(features, np.float32)
        if learned is not None:
            weight, bias = (draft.parameters[place].reshape(-1).astype(np.float32) for place in learned)
        layer = LayerNorm(features=features, epsilon=found.epsilon)
        draft.change(name, layer, found.source, parameters={"weight": weight, "bias": bias})
    return output


def _plain(draft: Draft, name: str) -> _Deviation | None:
    node = draft.nodes[name]
    if isinstance(node.layer, Multiply):
        for centred, inverse in (node.inputs, node.inputs[::-1]):
            root = function_of(draft, inverse, "reciprocal")
            deviation = _deviation(draft, root) if root is not None else None
            if deviation is not None and _centred(draft, centred) == deviation.source:
                return deviation
        return None
    if node.layer != Pairwise(function="divide"):
        return None
    deviation = _deviation(draft, node.inputs[1])
    return deviation if deviation is not None and _centred(draft, node.inputs[0]) == deviation.source else None


def _keras(draft: Draft, name: str) -> tuple[_Deviation | None, tuple[str, str] | None]:
    """The deviation, and the names of the learnt factor and offset."""
    for product, rest in (draft.nodes[name].inputs, draft.nodes[name].inputs[::-1]):
        if not isinstance(real_layer(draft, product), Multiply) or not isinstance(real_layer(draft, rest), AddLearned):
            continue
        subtracted = scaled_of(draft, draft.nodes[rest].inputs[0], factor=-1.0)
        if subtracted is None or not isinstance(real_layer(draft, subtracted), Multiply):
            continue
        for ratio in draft.nodes[product].inputs:
            deviation = _below(draft, ratio)
            source, mean = _other(draft, product, ratio), _other(draft, subtracted, ratio)
            if deviation is None or source != deviation.source or mean is None:
                continue
            learned = (f"{ratio}.value", f"{rest}.value")
            shapes = {draft.parameters[place].shape for place in learned}
            features = draft.shapes[name][-1]
            by_feature = all(shape[-1] == math.prod(shape) == features for shape in shapes)
            if _mean_of(draft, mean) == source and by_feature:
                return deviation, learned
    return None, None


def _below(draft: Draft, ratio: str) -> _Deviation | None:
    """The deviation that a learnt factor is divided by."""
    if not isinstance(real_layer(draft, ratio), ScaleLearned):
        return None
    root = function_of(draft, draft.nodes[ratio].inputs[0], "reciprocal")
    return _deviation(draft, root) if root is not None else None


def _other(draft: Draft, product: str, factor: str) -> str | None:
    """The other factor of a product of two, None if the first is none of them."""
    first, second = draft.nodes[product].inputs
    return {first: second, second: first}.get(factor)


def _deviation(draft: Draft, name: str) -> _Deviation | None:
    """sqrt(mean((x - mean(x))^2) + epsilon)."""
    total = function_of(draft, name, "sqrt")
    layer = real_layer(draft, total) if total is not None else None
    if total is None or not isinstance(layer, Elementwise) or layer.function != "scale" or layer.factor != 1:
        return None
    variance = draft.nodes[total].inputs[0]
    square = _mean_of(draft, variance)
    layer_of_square = real_layer(draft, square) if square is not None else None
    if square is None or layer_of_square != Elementwise(function="power", factor=2.0):
        return None
    source = _centred(draft, draft.nodes[square].inputs[0])
    return _Deviation(source=source, epsilon=layer.offset) if source is not None else None


def _centred(draft: Draft, name: str) -> str | None:
    """x of x - mean(x)."""
    if real_layer(draft, name) != Pairwise(function="subtract"):
        return None
    source, mean = draft.nodes[name].inputs
    return source if _mean_of(draft, mean) == source else None


def _mean_of(draft: Draft, name: str) -> str | None:
    """The tensor that this one is the mean of, over the last axis."""
    layer = real_layer(draft, name)
    if not isinstance(layer, Mean) or layer.axes != (len(draft.shapes[name]) - 1,):
        return None
    return draft.nodes[name].inputs[0]
