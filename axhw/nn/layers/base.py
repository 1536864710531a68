"""Kinds of layers, by what they need to work on codes.

Images are [B, C, H, W] and tokens [B, T, D]; shapes given to and by layers are those of one image, without B. Arrays
are logically channels-first and preferably channels-last in memory, so that a convolution's operands lie together.

`ProductLayer`   multiplies and adds: a product table can do its products, and its sums are requantised
`CodeLayer`      keeps the values it is given (or cuts them off), so it works on codes as they are
`RealLayer`      anything else: on codes it decodes, computes in float32 and encodes, as ONNX defines for QDQ graphs, or
                 has a rule of its own that differs by less than that rounds
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Codes
from axhw.nn.quantize import Quantization

Shape: TypeAlias = tuple[int, ...]
Reals: TypeAlias = npt.NDArray[np.floating]
Parameters: TypeAlias = Mapping[str, Reals]
Scalar = TypeVar("Scalar", bound=np.number)


class Layer(ABC):
    """A step of a network without its parameters: frozen, comparable, and usable by evaluator and trainer alike."""

    arity: ClassVar[int] = 1
    """Tensors it takes; 0 for one or more."""

    fixed_range: ClassVar[tuple[float, float] | None] = None
    """Lowest and highest value of its output, where they are known beforehand and needn't be measured."""

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Local names and shapes of its parameters."""
        return {}

    @abstractmethod
    def output_shape(self, *shapes: Shape) -> Shape:
        """Shape of the output for inputs of these shapes; an AxhwError says what the layer can't take."""

    @abstractmethod
    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        """The output for a batch of real values, in the dtype of the inputs."""


class CodeLayer(Layer):
    """A layer whose output has the scale and zero point of its input."""

    @abstractmethod
    def on_codes(self, x: Codes, coding: Quantization) -> Codes:
        """The output for a batch of codes of `coding`."""


class RealLayer(Layer):
    """A layer that computes in real values."""

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes | None:
        """The output codes where there is another way than decoding, `forward` and encoding, else None.

        It is faster, or in whole numbers: the same bits on every machine.

        Parameters
        ----------
        codings : tuple of Quantization
            Of the inputs.
        output : Quantization
            Of the codes to be made.
        inputs : arrays of codes
        parameters : mapping of str to array
        """
        return None


class ProductLayer(Layer):
    """A layer of multiplications and sums."""

    @abstractmethod
    def multiplications(self, *shapes: Shape) -> int:
        """Multiplications for one image; those with padding are looked up like any other, so they count."""


class WeightLayer(ProductLayer):
    """A product layer with weights: activations are the first operand of its products, weights the second.

    Its weights fall into `groups`: outputs of a group see only the inputs of that group.
    """

    bias: bool
    groups: int = 1

    @property
    @abstractmethod
    def weight_shape(self) -> Shape:
        """Shape of the weights, outputs first, then inputs of a group, as PyTorch and ONNX store them."""

    @abstractmethod
    def rows(self, x: npt.NDArray[Scalar], *, zero: float) -> npt.NDArray[Scalar]:
        """Operands of each output position, shape (M, groups, terms); padding is filled with `zero`."""

    @abstractmethod
    def weight_matrices(self, weight: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Weights of `weight_shape` as (groups, terms, outputs of a group), terms in the order of `rows`."""

    @property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        shapes = {"weight": self.weight_shape}
        if self.bias:
            shapes["bias"] = (self.outputs,)
        return shapes

    @property
    def outputs(self) -> int:
        """Output channels or features."""
        return self.weight_shape[0]

    @property
    def channels(self) -> int:
        """Input channels or features that each output sees."""
        return self.weight_shape[1]

    @property
    def terms(self) -> int:
        """Products summed into one output."""
        return math.prod(self.weight_shape[1:])

    def multiplications(self, *shapes: Shape) -> int:
        return math.prod(self.output_shape(*shapes)) * self.terms
