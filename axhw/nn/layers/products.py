"""Layers whose products a table can do: convolution, linear layer, and product of two activations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, ProductLayer, Reals, Scalar, Shape, WeightLayer

Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Conv2d(WeightLayer):
    """A two-dimensional convolution (cross-correlation) with zero padding.

    Attributes
    ----------
    in_channels, out_channels : int
        Multiples of `groups`.
    kernel, stride, dilation : pair of int
        Height and width.
    padding : four int
        Pixels of zeros at the top, left, bottom and right (the order of ONNX).
    groups : int
        Outputs of a group see the inputs of that group only; `in_channels` groups make a depthwise convolution.
    """

    in_channels: int
    out_channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        if min(self.in_channels, self.out_channels, *self.kernel, *self.stride, *self.dilation, self.groups) < 1:
            raise AxhwError(f"Expected channels, kernel, stride, dilation and groups of at least 1, found {self}.")
        if min(self.padding) < 0:
            raise AxhwError(f"Expected a padding of at least 0 pixels, found {self.padding}.")
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise AxhwError(
                f"Expected channels in multiples of the {self.groups} groups, found {self.in_channels} in and "
                f"{self.out_channels} out."
            )

    @classmethod
    def square(
        cls,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> Conv2d:
        """A square kernel of odd side, padded so that stride 1 keeps the size of the image."""
        margin = kernel // 2
        return cls(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel=(kernel, kernel),
            stride=(stride, stride),
            padding=(margin, margin, margin, margin),
            groups=groups,
            bias=bias,
        )

    @property
    def weight_shape(self) -> Shape:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel)

    @property
    def reach(self) -> Pair:
        """Height and width of the pixels that one output sees."""
        height, width = ((side - 1) * step + 1 for side, step in zip(self.kernel, self.dilation))
        return height, width

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        top, left, bottom, right = self.padding
        smallest = (self.reach[0] - top - bottom, self.reach[1] - left - right)
        if len(shape) != 3 or shape[0] != self.in_channels or shape[1] < smallest[0] or shape[2] < smallest[1]:
            raise AxhwError(
                f"Expected an image of {self.in_channels} channels and at least {max(smallest[0], 1)}x"
                f"{max(smallest[1], 1)} pixels for a convolution, found the shape {shape}."
            )
        height = (shape[1] - smallest[0]) // self.stride[0] + 1
        width = (shape[2] - smallest[1]) // self.stride[1] + 1
        return (self.out_channels, height, width)

    def rows(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        top, left, bottom, right = self.padding
        last = x.transpose(0, 2, 3, 1)
        if any(self.padding):
            last = np.pad(last, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=zero)
        # Views all the way to the last line, which copies whole pixels.
        grouped = last.reshape(*last.shape[:3], self.groups, -1)
        windows = np.lib.stride_tricks.sliding_window_view(grouped, self.reach, axis=(1, 2))
        strided = windows[:, :: self.stride[0], :: self.stride[1], :, :, :: self.dilation[0], :: self.dilation[1]]
        rows: npt.NDArray[Scalar] = strided.transpose(0, 1, 2, 3, 5, 6, 4).reshape(-1, self.groups, self.terms)
        return rows

    def weight_matrices(self, weight: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        grouped = weight.reshape(self.groups, -1, *self.weight_shape[1:])
        matrices: npt.NDArray[Scalar] = grouped.transpose(0, 3, 4, 2, 1).reshape(self.groups, self.terms, -1)
        return matrices

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        matrices = self.weight_matrices(parameters["weight"])
        _, height, width = self.output_shape(x.shape[1:])
        sums = _grouped_product(self.rows(x, zero=0), matrices)
        if self.bias:
            sums += parameters["bias"]
        images: Reals = sums.reshape(len(x), height, width, self.out_channels).transpose(0, 3, 1, 2)
        return images


@dataclass(frozen=True, kw_only=True)
class Linear(WeightLayer):
    """A fully connected layer on the last axis."""

    in_features: int
    out_features: int
    bias: bool = True

    @property
    def weight_shape(self) -> Shape:
        return (self.out_features, self.in_features)

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not shape or shape[-1] != self.in_features:
            raise AxhwError(f"Expected {self.in_features} features on the last axis, found the shape {shape}.")
        return (*shape[:-1], self.out_features)

    def rows(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        return x.reshape(-1, 1, self.in_features)

    def weight_matrices(self, weight: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        matrix: npt.NDArray[Scalar] = weight.T[None]
        return matrix

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        sums: Reals = x @ parameters["weight"].T
        if self.bias:
            sums += parameters["bias"]
        return sums


@dataclass(frozen=True, kw_only=True)
class MatMul(ProductLayer):
    """The matrix product of two activations on their last two axes, times a constant.

    Attributes
    ----------
    scale : float
        Factor of every result, 1 / sqrt(d) in attention; it costs nothing on codes, as it goes into their scale.
    """

    arity: ClassVar[int] = 2

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise AxhwError(f"Expected a finite scale above 0 for a matrix product, found {self.scale}.")

    def output_shape(self, *shapes: Shape) -> Shape:
        first, second = shapes
        if len(first) < 2 or len(first) != len(second) or first[:-2] != second[:-2] or first[-1] != second[-2]:
            raise AxhwError(f"Expected two stacks of matrices [..., M, K] and [..., K, N], found {first} and {second}.")
        return (*first[:-1], second[-1])

    def multiplications(self, *shapes: Shape) -> int:
        return math.prod(self.output_shape(*shapes)) * shapes[0][-1]

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        first, second = inputs
        product: Reals = np.matmul(first, second) * first.dtype.type(self.scale)
        return product


def _grouped_product(rows: Reals, matrices: Reals) -> Reals:
    """[M, groups, terms] times [groups, terms, outputs] as [M, groups * outputs]."""
    if len(matrices) == 1:
        product: Reals = rows[:, 0] @ matrices[0]
        return product
    grouped: Reals = np.einsum("mgt,gto->mgo", rows, matrices)
    return grouped.reshape(len(rows), -1)
