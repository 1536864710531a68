"""Mixture of experts: a gate weighs experts row by row, and what those make of the rows is brought together again.

A row is an image, or a token where the gate's logits are (tokens, experts). Experts compute only the rows whose weight
is not 0; rows are numbered image by image, and token by token within.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Codes
from axhw.errors import AxhwError
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Scalar, Shape
from axhw.nn.layers.softmax import powers_of_codes, shares_of_powers
from axhw.nn.quantize import Quantization

# A weight that close to 1 changes no code of 8 bits.
_ONE_WITHIN = 1e-3


@dataclass(frozen=True, kw_only=True)
class Gate(RealLayer):
    """Weights of the experts from their logits on the last axis: a softmax over the `k` largest, 0 elsewhere.

    Of equal logits the first counts as the larger. With k = 1 one weight is exactly 1; with all experts it is a
    softmax. On codes the softmax is that of `axhw.nn.layers.softmax`.

    Attributes
    ----------
    k : int
        Experts that each row is given to.
    """

    fixed_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    k: int

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) not in (1, 2):
            raise AxhwError(f"Expected logits (experts) or (tokens, experts) for a gate, found the shape {shape}.")
        if not 1 <= self.k <= shape[-1]:
            raise AxhwError(f"Expected a gate to choose 1 to {shape[-1]} experts, found {self.k}.")
        return shape

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        # The largest exponent is 0, so nothing overflows, and the largest weight of all is never 0.
        powers = np.where(self.chosen(x), np.exp(x - x.max(axis=-1, keepdims=True)), x.dtype.type(0))
        weights: Reals = powers / powers.sum(axis=-1, keepdims=True)
        return weights

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes:
        (coding,), (x,) = codings, inputs
        powers = np.where(self.chosen(x), powers_of_codes(x, coding), np.float32(0))
        return output.encode(shares_of_powers(powers))

    def chosen(self, x: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
        """Whether each expert is chosen, by real values or codes."""
        experts = np.arange(x.shape[-1])
        first, second = x[..., :, None], x[..., None, :]
        larger = (second > first) | ((second == first) & (experts < experts[:, None]))
        among: npt.NDArray[np.bool_] = larger.sum(axis=-1) < self.k
        return among


@dataclass(frozen=True)
class Combine(RealLayer):
    """What experts make of the rows that a gate gave them, times the weights, added up.

    Takes the weights of a gate, then the output of each expert, which holds the chosen rows only. Sums are formed in
    the order of the experts, so that adding what all experts make of all rows gives the same bits.
    """

    arity: ClassVar[int] = 0

    def output_shape(self, *shapes: Shape) -> Shape:
        weights, *experts = shapes
        if not weights or weights[-1] != len(experts):
            raise AxhwError(f"Expected an expert for each weight of the shape {weights}, found {len(experts)}.")
        if len(set(experts)) != 1:
            raise AxhwError(f"Expected experts of one shape to combine, found {' and '.join(map(str, experts))}.")
        return (*weights[:-1], *experts[0])

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        weights, *experts = inputs
        by_row = weights.reshape(-1, weights.shape[-1])
        total = _rows_like(experts[0], len(by_row))
        total[...] = 0
        for expert, x in enumerate(experts):
            rows = chosen_rows(weights, expert)
            weight = by_row[rows, expert].reshape(-1, *(1,) * (x.ndim - 1))
            if len(rows) == len(total):
                total += weight * x
            elif len(rows):
                total[rows] += weight * x
        return total.reshape(*weights.shape[:-1], *total.shape[1:])

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes | None:
        """Codes picked, where each row has one expert of weight 1 whose codes mean what those of the output do."""
        (gate, *others), (weights, *experts) = codings, inputs
        chosen = weights != gate.zero_point
        if not (chosen.sum(axis=-1) == 1).all() or not all(_equal(coding, output) for coding in others):
            return None
        if not (np.abs(gate.decode(weights[chosen]) - 1) <= _ONE_WITHIN).all():
            return None
        picked = _rows_like(experts[0], chosen[..., 0].size)
        for expert, x in enumerate(experts):
            picked[chosen_rows(weights, expert, zero=int(gate.zero_point))] = x
        return picked.reshape(*weights.shape[:-1], *picked.shape[1:])


def chosen_rows(weights: npt.NDArray[np.number], expert: int, *, zero: int = 0) -> npt.NDArray[np.intp]:
    """The rows that a gate gives to an expert.

    Parameters
    ----------
    weights : array, shape (B, experts) or (B, tokens, experts)
        Real values or codes.
    expert : int
    zero : int
        Of codes, that of 0.
    """
    return np.flatnonzero(weights[..., expert] != zero)


def _rows_like(x: npt.NDArray[Scalar], count: int) -> npt.NDArray[Scalar]:
    """Room for so many rows, those of images with the channels of a pixel beside each other."""
    if x.ndim != 4:
        return np.empty((count, *x.shape[1:]), x.dtype)
    channels, height, width = x.shape[1:]
    room: npt.NDArray[Scalar] = np.empty((count, height, width, channels), x.dtype).transpose(0, 3, 1, 2)
    return room


def _equal(first: Quantization, second: Quantization) -> bool:
    same = first.scale == second.scale and first.zero_point == second.zero_point
    return bool(same) and first.code_range == second.code_range
