"""What the tensors of an ONNX graph are while layers are made of its operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from axhw.nn.layers.base import Shape
from axhw.nn.onnx_import.operation import Array
from axhw.nn.quantize import Quantization


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes:
    """Where the real values of a constant come from.

    Attributes
    ----------
    values : int8, uint8 or int32 array
    coding : Quantization or None
        Of 8-bit codes.
    scale : float32 array, shape () or (channels,)
    axis : int or None
        That of the channels; None for one scale.
    """

    values: Array
    coding: Quantization | None
    scale: Array
    axis: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A tensor that does not depend on the image.

    Attributes
    ----------
    values : array
    codes : Codes or None
        What a DequantizeLinear made the values of.
    """

    values: Array
    codes: Codes | None = None


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that depends on the image.

    ONNX has the batch as an axis among the others; layers don't. So the graph is read for a batch of one image, and
    the layers compute the same for each image of any batch. Which of the axes with one place is left out is free:
    where a layer needs another one to be, a reshape stands between.

    Attributes
    ----------
    node : str
        Of the draft; it makes this tensor.
    shape : tuple of int
        In ONNX, for a batch of one image.
    unit : int or None
        The axis, with one place, that the node's output does not have.
    coded : bool
        Whether ONNX holds integer codes here, which no DequantizeLinear has decoded yet.
    """

    node: str
    shape: Shape
    unit: int | None
    coded: bool = False

    @property
    def image_shape(self) -> Shape:
        """Shape of the node's output."""
        return without(self.shape, self.unit)

    def image_axis(self, axis: int) -> int:
        """Where the node's output has an axis that is not left out."""
        return axis - (self.unit is not None and self.unit < axis)


@dataclass(frozen=True)
class Unknown:
    """What an operator without a layer makes; reading goes on, so that all such operators are found."""


Value: TypeAlias = Constant | Tensor | Unknown


def without(shape: Shape, axis: int | None) -> Shape:
    """A shape without one of its axes."""
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


def free_axis(shape: Shape, previous: int | None = None) -> int | None:
    """The axis to leave out: the first, else the previous one, where they have one place."""
    for axis in (0, previous):
        if axis is not None and axis < len(shape) and shape[axis] == 1:
            return axis
    return None
