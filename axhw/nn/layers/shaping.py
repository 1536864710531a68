"""Layers that move values about without changing them."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.layers.base import CodeLayer, Parameters, Reals, Scalar, Shape
from axhw.nn.quantize import Quantization


class _Moving(CodeLayer):
    """The same on real values and codes."""

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        return self.move(inputs[0])

    def on_codes(self, x: Codes, coding: Quantization) -> Codes:
        return self.move(x)

    @abstractmethod
    def move(self, x: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """The output for a batch of anything."""


@dataclass(frozen=True)
class Flatten(_Moving):
    """All axes to one, channels first."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (math.prod(shapes[0]),)

    def move(self, x: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        return x.reshape(len(x), -1)


@dataclass(frozen=True, kw_only=True)
class Reshape(_Moving):
    """Another shape for the same number of values; one axis may be -1."""

    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        size = math.prod(shapes[0])
        known = math.prod(side for side in self.shape if side != -1)
        if self.shape.count(-1) > 1 or (size % known if -1 in self.shape else size != known):
            raise AxhwError(f"Expected {shapes[0]} to fit into the shape {self.shape}, found {size} values.")
        return tuple(size // known if side == -1 else side for side in self.shape)

    def move(self, x: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        return x.reshape(len(x), *self.output_shape(x.shape[1:]))


@dataclass(frozen=True, kw_only=True)
class Transpose(_Moving):
    """Axes in another order, counted from 0 without the batch."""

    axes: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        if sorted(self.axes) != list(range(len(shapes[0]))):
            raise AxhwError(f"Expected each axis of {shapes[0]} once to transpose, found {self.axes}.")
        return tuple(shapes[0][axis] for axis in self.axes)

    def move(self, x: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        moved: npt.NDArray[Scalar] = x.transpose(0, *(axis + 1 for axis in self.axes))
        return moved


@dataclass(frozen=True, kw_only=True)
class Slice(_Moving):
    """Places `start` to `stop` of an axis, every `step`th; a single one may drop the axis.

    Attributes
    ----------
    axis : int
        Counted from 0 without the batch.
    drop : bool
        Remove the axis, which must have one place left.
    """

    axis: int
    start: int
    stop: int
    step: int = 1
    drop: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not 0 <= self.axis < len(shape) or not 0 <= self.start < self.stop <= shape[self.axis] or self.step < 1:
            raise AxhwError(f"Expected a part of the shape {shape} to slice, found {self}.")
        length = len(range(self.start, self.stop, self.step))
        if self.drop and length != 1:
            raise AxhwError(f"Expected one place on an axis to drop, found {length}.")
        kept = () if self.drop else (length,)
        return (*shape[: self.axis], *kept, *shape[self.axis + 1 :])

    def move(self, x: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        places = slice(self.start, self.stop, self.step)
        part: npt.NDArray[Scalar] = x[(slice(None),) * (self.axis + 1) + (places,)]
        return part.squeeze(self.axis + 1) if self.drop else part


@dataclass(frozen=True, kw_only=True)
class Pad(CodeLayer):
    """Zeros around: `before` and `after` give their number for each axis, without the batch."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not len(self.before) == len(self.after) == len(shape) or min((*self.before, *self.after), default=0) < 0:
            raise AxhwError(f"Expected a padding of at least 0 for each axis of {shape}, found {self}.")
        return tuple(low + side + high for low, side, high in zip(self.before, shape, self.after))

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        return self._padded(inputs[0], 0)

    def on_codes(self, x: Codes, coding: Quantization) -> Codes:
        return self._padded(x, int(coding.zero_point))

    def _padded(self, x: npt.NDArray[Scalar], zero: int) -> npt.NDArray[Scalar]:
        return np.pad(x, ((0, 0), *zip(self.before, self.after)), constant_values=zero)
