"""Layer definitions. They hold no weights and work alike on floats and on integer codes.

Images are [B, C, H, W]. A product layer is a matrix product between two rearrangements: `rows` gathers the operands
of every output into a row (im2col), `fold` puts the products back. What multiplies the rows by the weights, a BLAS
or a product table, is the caller's choice, and so is the code that stands for zero.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

Shape: TypeAlias = tuple[int, ...]
Scalar = TypeVar("Scalar", bound=np.number)


class Layer(ABC):
    """A step of a network. Shapes are those of one image."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Shape of the output for an input of `shape`, refused when the layer can't take it."""


class ValueLayer(Layer):
    """A layer that keeps the scale of its input, so that it works on codes as on real values."""

    @abstractmethod
    def forward(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        """The output for a batch, dtype as the input.

        Parameters
        ----------
        x : array, shape (B, ...)
            Real values, or integer codes.
        zero : float
            What stands for zero: 0 for real values, the zero point for codes.
        """


@dataclass(frozen=True, kw_only=True)
class ProductLayer(Layer):
    """A layer of multiplications and sums: it has weights, and a table can do its products.

    Attributes
    ----------
    name : str
        Unique in the network; names the weights ``name.weight`` and ``name.bias`` and the layer in assignments.
    """

    name: str

    @property
    @abstractmethod
    def weight_shape(self) -> Shape:
        """Shape of the weights, output channels first, as PyTorch and ONNX store them."""

    @abstractmethod
    def rows(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        """The operands of each output position, shape (M, terms); padding is filled with `zero`."""

    @abstractmethod
    def fold(self, y: npt.NDArray[Scalar], *, batch: int, shape: Shape) -> npt.NDArray[Scalar]:
        """Products of shape (M, outputs) as the output of `batch` images of shape `shape`."""

    @property
    def outputs(self) -> int:
        """Output channels: columns of the weight matrix."""
        return self.weight_shape[0]

    @property
    def terms(self) -> int:
        """Products summed into one output."""
        return math.prod(self.weight_shape[1:])

    def weight_matrix(self, weight: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Weights of `weight_shape` as the matrix (terms, outputs) that `rows` is multiplied by."""
        matrix: npt.NDArray[Scalar] = weight.reshape(self.outputs, self.terms).T
        return matrix

    def multiplications(self, shape: Shape) -> int:
        """Multiplications for one image of `shape`; those with padding are looked up, so they count."""
        return math.prod(self.output_shape(shape)) * self.terms


@dataclass(frozen=True, kw_only=True)
class Conv2d(ProductLayer):
    """A convolution with square kernels, zero padding on all sides, and a bias.

    Attributes
    ----------
    kernel, stride, padding : int
        Side of the kernel, step and width of the padding, in pixels.
    """

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    padding: int = 0

    @property
    def weight_shape(self) -> Shape:
        return (self.out_channels, self.in_channels, self.kernel, self.kernel)

    def output_shape(self, shape: Shape) -> Shape:
        smallest = self.kernel - 2 * self.padding
        if len(shape) != 3 or shape[0] != self.in_channels or min(shape[1:]) < smallest:
            raise AxhwError(
                f"Expected an input of {self.in_channels} channels and at least {max(smallest, 1)} pixels a side "
                f"for {self.name}, found the shape {shape}."
            )
        height, width = ((side + 2 * self.padding - self.kernel) // self.stride + 1 for side in shape[1:])
        return (self.out_channels, height, width)

    def rows(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        sides = (self.padding, self.padding)
        padded = np.pad(x, ((0, 0), (0, 0), sides, sides), constant_values=zero)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (self.kernel, self.kernel), axis=(2, 3))
        strided = windows[:, :, :: self.stride, :: self.stride]
        rows: npt.NDArray[Scalar] = strided.transpose(0, 2, 3, 1, 4, 5).reshape(-1, self.terms)
        return rows

    def fold(self, y: npt.NDArray[Scalar], *, batch: int, shape: Shape) -> npt.NDArray[Scalar]:
        channels, height, width = self.output_shape(shape)
        images: npt.NDArray[Scalar] = y.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
        return images


@dataclass(frozen=True, kw_only=True)
class Linear(ProductLayer):
    """A fully connected layer with a bias, on flat inputs."""

    in_features: int
    out_features: int

    @property
    def weight_shape(self) -> Shape:
        return (self.out_features, self.in_features)

    def output_shape(self, shape: Shape) -> Shape:
        if shape != (self.in_features,):
            raise AxhwError(f"Expected a flat input of {self.in_features} for {self.name}, found the shape {shape}.")
        return (self.out_features,)

    def rows(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        return x

    def fold(self, y: npt.NDArray[Scalar], *, batch: int, shape: Shape) -> npt.NDArray[Scalar]:
        return y


@dataclass(frozen=True)
class Relu(ValueLayer):
    """max(x, 0)."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        positive: npt.NDArray[Scalar] = np.maximum(x, np.asarray(zero, x.dtype))
        return positive


@dataclass(frozen=True, kw_only=True)
class Pool2d(ValueLayer):
    """A pool over squares of `size` pixels that do not overlap."""

    size: int

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or any(side % self.size for side in shape[1:]):
            raise AxhwError(
                f"Expected an image with sides that are multiples of {self.size} to pool, found the shape {shape}."
            )
        return (shape[0], shape[1] // self.size, shape[2] // self.size)

    def _squares(self, x: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Shape (B, C, H, size, W, size)."""
        channels, height, width = self.output_shape(x.shape[1:])
        return x.reshape(len(x), channels, height, self.size, width, self.size)


@dataclass(frozen=True, kw_only=True)
class MaxPool2d(Pool2d):
    """The largest value of each square."""

    def forward(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        largest: npt.NDArray[Scalar] = self._squares(x).max(axis=(3, 5))
        return largest


@dataclass(frozen=True, kw_only=True)
class AvgPool2d(Pool2d):
    """The mean of each square; of codes, the integer nearest to it, halves rounded up."""

    def forward(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        squares = self._squares(x)
        if x.dtype.kind == "f":
            return np.asarray(squares.mean(axis=(3, 5)), x.dtype)
        count = self.size * self.size
        total = squares.sum(axis=(3, 5), dtype=np.int64)
        return np.asarray((2 * total + count) // (2 * count), x.dtype)


@dataclass(frozen=True)
class Flatten(ValueLayer):
    """[C, H, W] to one axis, channels first."""

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        flat: npt.NDArray[Scalar] = x.reshape(len(x), -1)
        return flat
