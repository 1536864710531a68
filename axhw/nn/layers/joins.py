"""Layers that bring tensors, or a tensor and learnt values, together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from axhw.emulate.add import add_codes
from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Shape
from axhw.nn.quantize import Quantization


def _equal(shapes: tuple[Shape, ...], verb: str) -> Shape:
    if len(set(shapes)) != 1:
        raise AxhwError(f"Expected tensors of one shape to {verb}, found {' and '.join(map(str, shapes))}.")
    return shapes[0]


@dataclass(frozen=True)
class Add(RealLayer):
    """The sum of two tensors: the end of a residual block."""

    arity: ClassVar[int] = 2

    def output_shape(self, *shapes: Shape) -> Shape:
        return _equal(shapes, "add")

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        total: Reals = inputs[0] + inputs[1]
        return total

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes:
        return add_codes(*inputs, a_coding=codings[0].affine, b_coding=codings[1].affine, output=output.affine)


@dataclass(frozen=True)
class Multiply(RealLayer):
    """The product of two tensors, element by element; sides of 1 are repeated. A gate, not counted as products."""

    arity: ClassVar[int] = 2

    def output_shape(self, *shapes: Shape) -> Shape:
        first, second = shapes
        if len(first) != len(second) or any(a != b and 1 not in (a, b) for a, b in zip(first, second)):
            raise AxhwError(f"Expected tensors of one shape, or sides of 1, to multiply, found {first} and {second}.")
        return tuple(max(a, b) for a, b in zip(first, second))

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        product: Reals = inputs[0] * inputs[1]
        return product


@dataclass(frozen=True, kw_only=True)
class Concat(RealLayer):
    """Tensors behind each other on an axis, counted from 0 without the batch."""

    arity: ClassVar[int] = 0

    axis: int = 0

    def output_shape(self, *shapes: Shape) -> Shape:
        rest = {shape[: self.axis] + shape[self.axis + 1 :] for shape in shapes}
        if len(rest) != 1 or any(not 0 <= self.axis < len(shape) for shape in shapes):
            raise AxhwError(f"Expected tensors that differ in axis {self.axis} only, found {shapes} to concatenate.")
        total = sum(shape[self.axis] for shape in shapes)
        return (*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :])

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        return np.concatenate(inputs, axis=self.axis + 1)


@dataclass(frozen=True, kw_only=True)
class _Learned(RealLayer):
    """Every image together with learnt values of `shape`, whose sides of 1 are repeated."""

    shape: Shape

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {"value": self.shape}

    def output_shape(self, *shapes: Shape) -> Shape:
        return Multiply().output_shape(shapes[0], self.shape)


@dataclass(frozen=True, kw_only=True)
class AddLearned(_Learned):
    """Learnt values of `shape` added to every image: position embeddings. Sides of 1 are repeated."""

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        total: Reals = inputs[0] + parameters["value"]
        return total


@dataclass(frozen=True, kw_only=True)
class ScaleLearned(_Learned):
    """Every image times learnt values of `shape`; sides of 1 are repeated. Not counted as products."""

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        product: Reals = inputs[0] * parameters["value"]
        return product


@dataclass(frozen=True, kw_only=True)
class PrependToken(RealLayer):
    """A learnt token of `features` in front of the tokens [T, features]: the class token of a ViT."""

    features: int

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return {"value": (self.features,)}

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != 2 or shape[1] != self.features:
            raise AxhwError(f"Expected tokens of {self.features} features, found the shape {shape}.")
        return (shape[0] + 1, self.features)

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        token = np.broadcast_to(parameters["value"].astype(x.dtype), (len(x), 1, self.features))
        return np.concatenate([token, x], axis=1)
