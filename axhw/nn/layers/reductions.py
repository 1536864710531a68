"""Means over any axes; those of images and tokens are pools."""

from __future__ import annotations

from dataclasses import dataclass

from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Shape


@dataclass(frozen=True, kw_only=True)
class Mean(RealLayer):
    """The mean over some axes, which keep one place; counted from 0 without the batch."""

    axes: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not self.axes or not set(self.axes) <= set(range(len(shape))):
            raise AxhwError(f"Expected axes of the shape {shape} for a mean, found {self.axes}.")
        return tuple(1 if axis in self.axes else side for axis, side in enumerate(shape))

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        mean: Reals = x.mean(axis=tuple(axis + 1 for axis in self.axes), keepdims=True)
        return mean
