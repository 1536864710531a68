"""GELU, SiLU, hard swish and hard sigmoid out of their formulas.

gelu          x * (1 + erf(x / sqrt(2))) / 2
gelu_tanh     x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
silu          x * sigmoid(x)
hard_swish    x * hard_sigmoid(x), slope 1/6, or x * clip(x + 3, 0, 6) / 6
hard_sigmoid  clip(x + 3, 0, 6) / 6

in any order and grouping of the factors.
"""

from __future__ import annotations

import math

from axhw.nn.layers.activations import Clip, Elementwise
from axhw.nn.layers.joins import Add
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.fuse.match import close, factors, function_of, real_layer, scaled_of

_HARD_SIGMOID = Elementwise(function="hard_sigmoid", factor=1 / 6, offset=0.5)
_GELU_CUBIC = 0.044715


def fuse_activations(draft: Draft, output: str) -> str:
    """Put one layer in the place of each formula."""
    for name in list(draft.nodes):
        found = _gated(draft, name) or _hard_sigmoid(draft, name)
        if found is not None:
            layer, source = found
            draft.change(name, layer, source)
    return output


def _gated(draft: Draft, name: str) -> tuple[Elementwise, str] | None:
    """The function and its argument x of a product of x and a gate made of x."""
    product = factors(draft, name)
    for gate in product.tensors:
        found = _gate(draft, gate)
        if found is None:
            continue
        function, source, number = found
        argument = factors(draft, source, top=False)
        if product.same(number * argument.number, (gate, *argument.tensors)):
            return Elementwise(function=function), source
    return None


def _gate(draft: Draft, name: str) -> tuple[str, str, float] | None:
    """The function that a gate makes, its argument, and the number that belongs to the product."""
    source = function_of(draft, name, "sigmoid")
    if source is not None:
        return "silu", source, 1.0
    if _is_hard_sigmoid(draft, name):
        return "hard_swish", draft.nodes[name].inputs[0], 1.0
    source = _clipped_to_6(draft, name)
    if source is not None:
        return "hard_swish", source, 1 / 6
    inner = scaled_of(draft, name, offset=1.0)
    if inner is None:
        return None
    half = function_of(draft, inner, "erf")
    source = scaled_of(draft, half, factor=math.sqrt(0.5)) if half is not None else None
    if source is not None:
        return "gelu", source, 0.5
    bent = function_of(draft, inner, "tanh")
    source = _cubic(draft, bent) if bent is not None else None
    return ("gelu_tanh", source, 0.5) if source is not None else None


def _is_hard_sigmoid(draft: Draft, name: str) -> bool:
    layer = real_layer(draft, name)
    return (
        isinstance(layer, Elementwise)
        and layer.function == _HARD_SIGMOID.function
        and close(layer.factor, _HARD_SIGMOID.factor)
        and close(layer.offset, _HARD_SIGMOID.offset)
    )


def _clipped_to_6(draft: Draft, name: str) -> str | None:
    """x of clip(x + 3, 0, 6)."""
    layer = real_layer(draft, name)
    if isinstance(layer, Clip) and (layer.low, layer.high) == (0, 6):
        return scaled_of(draft, draft.nodes[name].inputs[0], offset=3.0)
    return None


def _hard_sigmoid(draft: Draft, name: str) -> tuple[Elementwise, str] | None:
    product = factors(draft, name)
    if len(product.tensors) == 1 and close(product.number, 1 / 6):
        source = _clipped_to_6(draft, product.tensors[0])
        if source is not None:
            return _HARD_SIGMOID, source
    return None


def _cubic(draft: Draft, name: str) -> str | None:
    """x of sqrt(2 / pi) * (x + 0.044715 x^3)."""
    product = factors(draft, name, top=False)
    if len(product.tensors) != 1 or not close(product.number, math.sqrt(2 / math.pi)):
        return None
    (total,) = product.tensors
    if not isinstance(real_layer(draft, total), Add):
        return None
    for source, other in (draft.nodes[total].inputs, draft.nodes[total].inputs[::-1]):
        x = factors(draft, source, top=False)
        if factors(draft, other, top=False).same(_GELU_CUBIC * x.number**3, x.tensors * 3):
            return source
    return None
