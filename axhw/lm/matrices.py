"""The weight matrices of a language model: where each stands, and what multiplies by it.

A model multiplies by a matrix through an `Operator`. The exact one is a float32 product; an analog tile or an
approximate multiplier is another, made by a `MakeOperator` out of the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Float32Array: TypeAlias = npt.NDArray[np.float32]

Module: TypeAlias = Literal["attention", "router", "expert", "shared_expert", "dense", "head"]
Part: TypeAlias = Literal["q", "k", "v", "o", "gate", "up", "down", "router", "head", "shared_gate"]


@dataclass(frozen=True, kw_only=True)
class MatrixKey:
    """Where a weight matrix stands.

    Attributes
    ----------
    layer : int or None
        Counted from 0; None for the head.
    module : str
        What it belongs to.
    part : str
        Which of the module's matrices.
    expert : int or None
        Counted from 0, for the module "expert" only.
    """

    layer: int | None
    module: Module
    part: Part
    expert: int | None = None


HEAD = MatrixKey(layer=None, module="head", part="head")
"""The matrix that makes logits of the last hidden states."""


class Operator(Protocol):
    """A product with one weight matrix."""

    def __call__(self, rows: Float32Array) -> Float32Array:
        """Rows [n, inputs] times the transposed weight: [n, outputs]. `rows` must not be changed."""
        ...


MakeOperator: TypeAlias = Callable[[MatrixKey, Float32Array], Operator]
"""From where a matrix stands and its weight [outputs, inputs], as in the files, to what multiplies by it."""


def exact(key: MatrixKey, weight: Float32Array) -> Operator:
    """The product in float32."""
    by_input = weight.T

    def multiply(rows: Float32Array) -> Float32Array:
        product: Float32Array = rows @ by_input
        return product

    return multiply
