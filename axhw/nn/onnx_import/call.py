"""What a function that makes layers of an operator is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers.base import Layer, Reals, Shape
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.operation import Operation, as_floats
from axhw.nn.onnx_import.values import Constant, Tensor, Value, free_axis, without


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """An operator with its inputs.

    Attributes
    ----------
    draft : Draft
        Where the layers go.
    operation : Operation
    inputs : tuple of Value or None
        None for an optional input that is left out.
    """

    draft: Draft
    operation: Operation
    inputs: tuple[Value | None, ...]

    def part(self, role: str) -> Call:
        """For a layer that does a part of what the operator does."""
        return replace(self, operation=replace(self.operation, name=f"{self.operation.name}_{role}"))

    def given(self, index: int) -> bool:
        """Whether an optional input is there."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def tensor(self, index: int, *, codes: bool = False) -> Tensor:
        """An input that depends on the image; integer codes only where they are allowed."""
        value = self.inputs[index] if self.given(index) else None
        if not isinstance(value, Tensor):
            found = "none" if value is None else "a constant"
            raise AxhwError(f"Expected activations for input {index + 1}, found {found}.")
        if value.coded and not codes:
            raise AxhwError(f"Expected real values for input {index + 1}, found codes without a DequantizeLinear.")
        return value

    def constant(self, index: int) -> Constant:
        """An input that does not depend on the image."""
        value = self.inputs[index] if self.given(index) else None
        if not isinstance(value, Constant):
            raise AxhwError(
                f"Expected a constant for input {index + 1}, found {'none' if value is None else 'activations'}."
            )
        return value

    def floats(self, index: int) -> npt.NDArray[np.float32]:
        """The values of a constant as float32."""
        return as_floats(self.constant(index).values)

    def number(self, index: int, default: float) -> float:
        """A constant with one value."""
        if not self.given(index):
            return default
        values = self.constant(index).values
        if values.size != 1:
            raise AxhwError(f"Expected one value for input {index + 1}, found the shape {values.shape}.")
        return float(values.reshape(()))

    def integers(self, index: int, attribute: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Whole numbers that older operator sets have as an attribute, newer ones as an input."""
        if self.given(index):
            return tuple(int(value) for value in self.constant(index).values.reshape(-1))
        return self.operation.integers(attribute, default)

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= axis < rank:
            raise AxhwError(f"Expected an axis of {rank}, found axis {axis}.")
        return axis % rank

    def add(
        self,
        layer: Layer,
        *tensors: Tensor,
        shape: Shape,
        unit: int | None,
        parameters: Mapping[str, Reals] | None = None,
    ) -> Tensor:
        """The tensor that a layer makes: its shape in ONNX and the axis of it that the layer leaves out."""
        node = self.draft.add(self.operation.name, layer, *(tensor.node for tensor in tensors), parameters=parameters)
        assert self.draft.shapes[node] == without(shape, unit), "layer and operator make the same shape"
        return Tensor(node=node, shape=shape, unit=unit, coded=any(tensor.coded for tensor in tensors))

    def apply(self, layer: Layer, tensor: Tensor, parameters: Mapping[str, Reals] | None = None) -> Tensor:
        """The tensor that a layer makes which keeps the shape."""
        return self.add(layer, tensor, shape=tensor.shape, unit=tensor.unit, parameters=parameters)

    def reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """The tensor in another shape."""
        return self.draft.reshape(f"{self.operation.name}_reshape", tensor, shape)

    def leave_out(self, tensor: Tensor, axis: int | None) -> Tensor:
        """The tensor with another axis left out."""
        return self.draft.leave_out(f"{self.operation.name}_reshape", tensor, axis)

    def image(self, tensor: Tensor, sides: int | None = None) -> Tensor:
        """The tensor as channels and pixels behind the batch axis."""
        rank = len(tensor.shape)
        if rank < 2 or tensor.shape[0] != 1 or (sides is not None and rank != sides + 2):
            expected = "channels and pixels" if sides is None else f"channels and {sides} sides"
            raise AxhwError(f"Expected a batch of {expected}, found the shape {tensor.shape}.")
        return self.leave_out(tensor, 0)

    def aligned(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Tensors of the same number of axes, with the same one left out, as numpy broadcasts them."""
        rank = max(len(tensor.shape) for tensor in tensors)
        padded = [self.reshape(tensor, (1,) * (rank - len(tensor.shape)) + tensor.shape) for tensor in tensors]
        choices = (free_axis(padded[0].shape, padded[0].unit), *(tensor.unit for tensor in padded))
        for axis in choices:
            if axis is not None and all(tensor.shape[axis] == 1 for tensor in padded):
                return tuple(self.leave_out(tensor, axis) for tensor in padded)
        return tuple(self.leave_out(tensor, None) for tensor in padded)


Handler: TypeAlias = Callable[[Call], tuple[Value, ...]]
"""Makes layers of an operator and says what its outputs are."""
