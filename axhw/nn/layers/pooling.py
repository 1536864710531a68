"""Pools: the largest or the mean value of each window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.layers.base import CodeLayer, Parameters, RealLayer, Reals, Scalar, Shape
from axhw.nn.layers.products import Pair, Sides
from axhw.nn.quantize import Quantization


@dataclass(frozen=True, kw_only=True)
class _Pool2d:
    """Windows over an image.

    Attributes
    ----------
    kernel, stride : pair of int
        Height and width.
    padding : four int
        Pixels at the top, left, bottom and right.
    """

    kernel: Pair
    stride: Pair
    padding: Sides = (0, 0, 0, 0)

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        top, left, bottom, right = self.padding
        smallest = (self.kernel[0] - top - bottom, self.kernel[1] - left - right)
        if len(shape) != 3 or shape[1] < smallest[0] or shape[2] < smallest[1]:
            raise AxhwError(
                f"Expected an image of at least {smallest[0]}x{smallest[1]} pixels to pool, found the shape {shape}."
            )
        height = (shape[1] - smallest[0]) // self.stride[0] + 1
        width = (shape[2] - smallest[1]) // self.stride[1] + 1
        return (shape[0], height, width)

    def _windows(self, x: npt.NDArray[Scalar], *, fill: float) -> npt.NDArray[Scalar]:
        """[B, H, W, C, kernel height, kernel width]; the padding holds `fill`."""
        top, left, bottom, right = self.padding
        last = x.transpose(0, 2, 3, 1)
        if any(self.padding):
            last = np.pad(last, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(last, self.kernel, axis=(1, 2))
        return windows[:, :: self.stride[0], :: self.stride[1]]

    def _largest(self, x: npt.NDArray[Scalar], *, lowest: float) -> npt.NDArray[Scalar]:
        windows = self._windows(x, fill=lowest)
        # One maximum over the whole image for each place in the window: reducing small windows is much slower.
        largest: npt.NDArray[Scalar] = np.array(windows[..., 0, 0], order="C")
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                np.maximum(largest, windows[..., row, column], out=largest)
        images: npt.NDArray[Scalar] = largest.transpose(0, 3, 1, 2)
        return images


@dataclass(frozen=True, kw_only=True)
class MaxPool2d(_Pool2d, CodeLayer):
    """The largest value of each window; padding is never the largest."""

    @classmethod
    def square(cls, size: int) -> MaxPool2d:
        """Squares of `size` pixels that do not overlap."""
        return cls(kernel=(size, size), stride=(size, size))

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        return self._largest(inputs[0], lowest=-math.inf)

    def on_codes(self, x: Codes, coding: Quantization) -> Codes:
        return self._largest(x, lowest=np.iinfo(x.dtype).min)


@dataclass(frozen=True, kw_only=True)
class AvgPool2d(_Pool2d, RealLayer):
    """The mean of each window.

    Attributes
    ----------
    count_padding : bool
        Whether pixels of the padding count as zeros, or not at all.
    """

    count_padding: bool = False

    @classmethod
    def square(cls, size: int) -> AvgPool2d:
        """Squares of `size` pixels that do not overlap."""
        return cls(kernel=(size, size), stride=(size, size))

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        total = self._total(x)
        if self.count_padding or not any(self.padding):
            counts = np.full((1, 1, 1, 1), math.prod(self.kernel), x.dtype)
        else:
            counts = self._total(np.ones((1, 1, *x.shape[2:]), x.dtype))
        mean: Reals = total / counts
        return mean

    def _total(self, x: Reals) -> Reals:
        windows = self._windows(x, fill=0)
        total: Reals = np.array(windows[..., 0, 0], order="C")
        for place in range(1, math.prod(self.kernel)):
            total += windows[..., place // self.kernel[1], place % self.kernel[1]]
        images: Reals = total.transpose(0, 3, 1, 2)
        return images


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool(RealLayer):
    """The mean over all pixels of a channel, [C, H, W] to [C, 1, 1], or over tokens, [T, D] to [D].

    On codes the sum is exact and scaled once.
    """

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) == 3:
            return (shape[0], 1, 1)
        if len(shape) == 2:
            return (shape[1],)
        raise AxhwError(f"Expected an image [C, H, W] or tokens [T, D] to average, found the shape {shape}.")

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        mean: Reals = x.mean(axis=(2, 3), keepdims=True) if x.ndim == 4 else x.mean(axis=1)
        return mean

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes:
        (coding,), (x,) = codings, inputs
        count = math.prod(x.shape[2:]) if x.ndim == 4 else x.shape[1]
        total = x.sum(axis=(2, 3), keepdims=True, dtype=np.int32) if x.ndim == 4 else x.sum(axis=1, dtype=np.int32)
        centred = (total - count * coding.zero_point).astype(np.float32)
        ratio = coding.scale / (output.scale * np.float32(count))
        return output.saturate(np.rint(centred * ratio) + output.zero_point)
