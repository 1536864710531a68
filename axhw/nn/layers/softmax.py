"""Softmax, and its powers of codes from a table.

On codes a power exp(x - largest x) only depends on how many codes x is below the largest. A table has all of them, in
float32 and in multiples of 2**-36, so that float64 has their sum whatever the order they are added in: codes have the
same bits on every machine. That is also how hardware does it: a table, an adder, and a division.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from axhw.emulate.codes import CODE_COUNT, Codes
from axhw.nn.layers.base import Parameters, RealLayer, Reals, Shape
from axhw.nn.quantize import Float32Array, Quantization

# 2**17 powers add up to whole multiples of 2**-36 that a float64 has.
_STEPS = 1 << 36


@dataclass(frozen=True, kw_only=True)
class Softmax(RealLayer):
    """exp(x) over its sum on the last axis; on codes as `shares_of_powers`."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        # The largest exponent is 0, so nothing overflows.
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        shares: Reals = powers / powers.sum(axis=-1, keepdims=True)
        return shares

    def on_codes(
        self, codings: tuple[Quantization, ...], output: Quantization, *inputs: Codes, parameters: Parameters
    ) -> Codes:
        return output.encode(shares_of_powers(powers_of_codes(inputs[0], codings[0])))


@dataclass(frozen=True, kw_only=True)
class LogSoftmax(RealLayer):
    """The logarithm of a softmax on the last axis."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def forward(self, *inputs: Reals, parameters: Parameters) -> Reals:
        (x,) = inputs
        below = x - x.max(axis=-1, keepdims=True)
        logarithms: Reals = below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
        return logarithms


def power_table(coding: Quantization) -> Float32Array:
    """exp(-distance scale) by how many codes an element is below the largest, shape (256,)."""
    distance = np.arange(CODE_COUNT, dtype=np.float64)
    whole = np.rint(np.exp(-distance * np.float64(coding.scale)) * _STEPS)
    powers: Float32Array = whole.astype(np.float32) / np.float32(_STEPS)
    return powers


def powers_of_codes(x: Codes, coding: Quantization) -> Float32Array:
    """Powers of all elements relative to the largest of the last axis."""
    # Differences of codes are those of their bytes: they wrap around to 0 to 255.
    distance = x.max(axis=-1, keepdims=True).view(np.uint8) - x.view(np.uint8)
    powers: Float32Array = np.take(power_table(coding), distance)
    return powers


def shares_of_powers(powers: Float32Array) -> Float32Array:
    """Powers over their sum on the last axis, which is rounded once to float32, as is each share."""
    shares: Float32Array = powers / powers.sum(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    return shares
