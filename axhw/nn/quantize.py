"""Quantisation: real values as 8-bit codes, value = scale * (code - zero_point).

Two schemes, after the operands that the multiplier takes:

signed    symmetric: zero point 0, codes -127 to 127 of int8, scale = largest magnitude / 127
unsigned  affine: codes 0 to 255 of uint8, scale = (high - low) / 255, zero_point = round(-low / scale), where
          [low, high] is the range widened to hold 0, so that 0 has a code
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.gemm import Codes

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]

_SCALE_BITS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantization:
    """Scale and zero point of an array, one of each or one per channel (last axis).

    Attributes
    ----------
    scale : float64 array, shape () or (channels,)
        Real value of one code step, above 0.
    zero_point : int64 array, same shape
        The code of 0.
    signed : bool
        int8 codes when true, uint8 codes when false.
    """

    scale: FloatArray
    zero_point: IntArray
    signed: bool

    @classmethod
    def from_range(
        cls, low: npt.ArrayLike, high: npt.ArrayLike, *, signed: bool, smallest_scale: npt.ArrayLike = 0.0
    ) -> Quantization:
        """The quantisation that holds values from `low` to `high` (scalars, or one of each per channel).

        Scales below `smallest_scale` are raised to it; a channel whose values are all 0 gets scale 1. Scales are
        rounded to 16 significant bits: ranges measured on activations differ between machines in their last
        bits, because BLAS libraries sum in different orders, and codes must not.
        """
        bottom = np.minimum(np.asarray(low, np.float64), 0.0)
        top = np.maximum(np.asarray(high, np.float64), 0.0)
        step = np.maximum(-bottom, top) / 127 if signed else (top - bottom) / 255
        step = np.maximum(_round_significant(step), smallest_scale)
        scale = np.where(step > 0, step, 1.0)
        zero_point = np.zeros_like(scale) if signed else np.clip(np.rint(-bottom / scale), 0, 255)
        return cls(scale=scale, zero_point=zero_point.astype(np.int64), signed=signed)

    @property
    def code_range(self) -> tuple[int, int]:
        """Smallest and largest code used."""
        return (-127, 127) if self.signed else (0, 255)

    def encode(self, values: npt.NDArray[np.floating]) -> Codes:
        """Nearest codes of real values, ties to even, saturating."""
        return self.saturate(np.rint(values.astype(np.float64) / self.scale) + self.zero_point)

    def saturate(self, codes: FloatArray | IntArray) -> Codes:
        """Whole numbers cut to the code range, as int8 or uint8."""
        return np.clip(codes, *self.code_range).astype(np.int8 if self.signed else np.uint8)

    def decode(self, codes: Codes) -> FloatArray:
        """Real values of codes."""
        values: FloatArray = (codes.astype(np.int64) - self.zero_point) * self.scale
        return values


def _round_significant(values: FloatArray) -> FloatArray:
    mantissa, exponent = np.frexp(values)
    rounded: FloatArray = np.ldexp(np.rint(np.ldexp(mantissa, _SCALE_BITS)), exponent - _SCALE_BITS)
    return rounded
