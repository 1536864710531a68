"""Normalisations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Shape


@dataclass(frozen=True, kw_only=True)
class BatchNorm2d(RealLayer):
    """Channels normalised with the statistics of the training images; `axhw.nn.fold` puts it into a convolution.

    Attributes
    ----------
    epsilon : float
        Added to the variance.
    """

    channels: int
    epsilon: float = 1e-5

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (self.channels,))

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not shape or shape[0] != self.channels:
            raise AxhwError(f"Expected {self.channels} channels for a batch norm, found the shape {shape}.")
        return shape

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        factor, offset = self.affine(parameters)
        sides = (-1, *(1,) * (x.ndim - 2))
        normal: Reals = x * factor.astype(x.dtype).reshape(sides) + offset.astype(x.dtype).reshape(sides)
        return normal

    def affine(self, parameters: Parameters) -> tuple[Reals, Reals]:
        """Factor and offset of each channel, float64."""
        weight, bias, mean, variance = (parameters[name].astype(np.float64) for name in self.parameter_shapes)
        factor: Reals = weight / np.sqrt(variance + self.epsilon)
        return factor, bias - mean * factor


@dataclass(frozen=True, kw_only=True)
class LayerNorm(RealLayer):
    """The last axis of `features` with mean 0 and variance 1, then a learnt factor and offset."""

    features: int
    epsilon: float = 1e-6

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        return dict.fromkeys(("weight", "bias"), (self.features,))

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not shape or shape[-1] != self.features:
            raise AxhwError(f"Expected {self.features} features to normalise, found the shape {shape}.")
        return shape

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        normal: Reals = centred / np.sqrt(variance + x.dtype.type(self.epsilon))
        return normal * parameters["weight"] + parameters["bias"]


@dataclass(frozen=True, kw_only=True)
class Softmax(RealLayer):
    """exp(x) over its sum on the last axis."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        # The largest exponent is 0, so nothing overflows.
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        shares: Reals = powers / powers.sum(axis=-1, keepdims=True)
        return shares


@dataclass(frozen=True, kw_only=True)
class LogSoftmax(RealLayer):
    """The logarithm of a softmax on the last axis."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        below = x - x.max(axis=-1, keepdims=True)
        logarithms: Reals = below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
        return logarithms
