"""What a network is before it has weights: an input shape and a sequence of layers that fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers import ProductLayer, Shape, ValueLayer


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A named sequence of layers, used by the numpy evaluator and by the trainer alike.

    Attributes
    ----------
    name : str
    input_shape : tuple of int
        Shape of one image, e.g. (1, 8, 8).
    hidden_layers : tuple of Layer
        All layers but the last.
    output_layer : ProductLayer
        The last layer: its sums are the logits.

    Raises
    ------
    AxhwError
        For layers that don't fit each other, product layers of equal name, or an output that is no row of logits.
    """

    name: str
    input_shape: Shape
    hidden_layers: tuple[ProductLayer | ValueLayer, ...]
    output_layer: ProductLayer

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.product_layers]
        if len(set(names)) < len(names):
            raise AxhwError(f"Expected a name of its own for each product layer of {self.name}, found {names}.")
        if len(self.shapes[-1]) != 1:
            raise AxhwError(f"Expected one axis of logits out of {self.name}, found the shape {self.shapes[-1]}.")

    @property
    def layers(self) -> tuple[ProductLayer | ValueLayer, ...]:
        """All layers in order."""
        return (*self.hidden_layers, self.output_layer)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of the input of each layer and, last, of the output, for one image."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return tuple(shapes)

    @property
    def product_layers(self) -> tuple[ProductLayer, ...]:
        """The layers that multiply, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, ProductLayer))

    @cached_property
    def multiplications(self) -> Mapping[str, int]:
        """Multiplications for one image by product layer."""
        return {
            layer.name: layer.multiplications(shape)
            for layer, shape in zip(self.layers, self.shapes)
            if isinstance(layer, ProductLayer)
        }

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Names and shapes of the weights and biases."""
        shapes: dict[str, Shape] = {}
        for layer in self.product_layers:
            shapes[f"{layer.name}.weight"] = layer.weight_shape
            shapes[f"{layer.name}.bias"] = (layer.outputs,)
        return shapes

    def check_images(self, images: npt.NDArray[np.floating]) -> None:
        """Refuse anything but a batch of finite images of the input shape."""
        if images.ndim != 1 + len(self.input_shape) or images.shape[1:] != self.input_shape:
            raise AxhwError(
                f"Expected images of shape {self.input_shape} for {self.name}, found an array of shape {images.shape}."
            )
        if images.dtype.kind != "f":
            raise AxhwError(f"Expected normalised images as real values for {self.name}, found {images.dtype}.")
        if not np.isfinite(images).all():
            raise AxhwError(f"Expected finite pixel values for {self.name}, found NaN or infinity.")
