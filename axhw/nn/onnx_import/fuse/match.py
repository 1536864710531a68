"""Questions to a draft."""

from __future__ import annotations

import math
from dataclasses import dataclass

from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.base import Layer
from axhw.nn.layers.joins import Multiply
from axhw.nn.onnx_import.draft import Draft

_TOLERANCE = 1e-4
"""Relative; exporters write constants like 1/sqrt(2) with different numbers of digits."""

_REPEATED_FACTORS = (2.0, 3.0)


def close(value: float, expected: float) -> bool:
    """Whether a constant is meant to be another."""
    return math.isclose(value, expected, rel_tol=_TOLERANCE)


def real_layer(draft: Draft, name: str) -> Layer | None:
    """The layer that makes a tensor, None where it is the image or is rounded to codes."""
    return draft.nodes[name].layer if name in draft.nodes and name not in draft.codings else None


def function_of(draft: Draft, name: str, function: str) -> str | None:
    """What the tensor is the `function` of, None if it is something else."""
    layer = real_layer(draft, name)
    if isinstance(layer, Elementwise) and layer.function == function:
        return draft.nodes[name].inputs[0]
    return None


def scaled_of(draft: Draft, name: str, *, factor: float = 1.0, offset: float = 0.0) -> str | None:
    """The tensor that this one is `factor` times, plus `offset`; None if it is something else."""
    layer = real_layer(draft, name)
    source = function_of(draft, name, "scale")
    if source is None or not isinstance(layer, Elementwise):
        return None
    return source if close(layer.factor, factor) and close(layer.offset, offset) else None


@dataclass(frozen=True, kw_only=True)
class Factors:
    """A tensor as a product: a number times tensors, in the order of their names."""

    number: float
    tensors: tuple[str, ...]

    def same(self, number: float, tensors: tuple[str, ...]) -> bool:
        """Whether the product is that of other factors."""
        return close(self.number, number) and self.tensors == tuple(sorted(tensors))


def factors(draft: Draft, name: str, *, top: bool = True) -> Factors:
    """The factors of a tensor; those of the product itself are looked at even if it is rounded to codes."""
    layer = draft.nodes[name].layer if top and name in draft.nodes else real_layer(draft, name)
    inputs = draft.nodes[name].inputs if layer is not None else ()
    if isinstance(layer, Elementwise) and layer.function == "scale" and layer.offset == 0:
        inner = factors(draft, inputs[0], top=False)
        return Factors(number=inner.number * layer.factor, tensors=inner.tensors)
    if isinstance(layer, Elementwise) and layer.function == "power" and layer.factor in _REPEATED_FACTORS:
        inner = factors(draft, inputs[0], top=False)
        return Factors(number=inner.number**layer.factor, tensors=tuple(sorted(inner.tensors * int(layer.factor))))
    if isinstance(layer, Multiply):
        first, second = (factors(draft, source, top=False) for source in inputs)
        return Factors(number=first.number * second.number, tensors=tuple(sorted((*first.tensors, *second.tensors))))
    return Factors(number=1.0, tensors=(name,))
