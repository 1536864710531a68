"""Normalisations.

Mean and variance of codes are whole numbers over the number of features, so a layer norm of codes has the same bits on
every machine, in whatever order it adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Shape
from axhw.nn.quantize import Quantization


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
    """The last axis of `features` with mean 0 and variance 1, then a learnt factor and offset.

    On codes c with the sums S of c and Q of c squared over n features, zero point taken off, scale s:

        (n c - S) / sqrt(n Q - S S + epsilon n n / (s s))

    the root in float64, its reciprocal rounded to float32, everything after it in float32.
    """

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

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes:
        (coding,), (x,) = codings, inputs
        dtype: type[np.floating] = np.float32 if self.float32_is_exact(coding) else np.float64
        centred = x.astype(dtype) - dtype(coding.zero_point)
        total = centred.sum(axis=-1, keepdims=True)
        squares = np.square(centred).sum(axis=-1, keepdims=True)
        whole = self.features * squares.astype(np.float64) - np.square(total.astype(np.float64))
        factor = (1 / np.sqrt(whole + self.floor(coding))).astype(np.float32)
        normal = (self.features * centred - total).astype(np.float32, copy=False) * factor
        normal *= parameters["weight"]
        normal += parameters["bias"]
        return output.encode(normal)

    def floor(self, coding: Quantization) -> float:
        """epsilon n n / (s s): what is added to the variance, in units of codes times features."""
        return self.epsilon * self.features**2 / float(coding.scale) ** 2

    def float32_is_exact(self, coding: Quantization) -> bool:
        """Whether sums of codes and of their squares are whole numbers that float32 has, whatever the codes are."""
        low, high = coding.code_range
        largest = max(high - int(coding.zero_point), int(coding.zero_point) - low)
        return self.features * max(largest, 2) * largest <= 1 << 24
