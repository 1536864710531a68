"""Arithmetic of two tensors that networks seldom have: what is left of a layer norm in a graph taken apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Shape
from axhw.nn.layers.joins import Multiply


@dataclass(frozen=True, kw_only=True)
class Pairwise(RealLayer):
    """One of the `FUNCTIONS` of two tensors, element by element; sides of 1 are repeated."""

    arity: ClassVar[int] = 2

    function: str

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise AxhwError(f"Expected a function out of {', '.join(FUNCTIONS)}, found {self.function!r}.")

    def output_shape(self, *shapes: Shape) -> Shape:
        return Multiply().output_shape(*shapes)

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        return FUNCTIONS[self.function](*inputs)


FUNCTIONS: Mapping[str, Callable[[Reals, Reals], Reals]] = {
    "add": np.add,
    "subtract": np.subtract,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
"""Functions by name."""
