"""Quantisation: real values as 8-bit codes, value = scale * (code - zero_point), in the float32 arithmetic of ONNX.

Schemes, after the operands that the multiplier takes:

signed    int8 codes. Symmetric: zero point 0, codes -127 to 127, scale = largest magnitude / 127. Affine: codes -128
          to 127, as below with the zero point 128 lower
unsigned  uint8 codes 0 to 255, affine: scale = (high - low) / 255, zero_point = round(-low / scale), where
          [low, high] is the range widened to hold 0, so that 0 has a code
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.emulate.add import Affine
from axhw.emulate.codes import Codes

Float32Array: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]

_SCALE_BITS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantization:
    """Scale and zero point of a tensor, one of each or one per channel (last axis of what is encoded).

    Attributes
    ----------
    scale : float32 array, shape () or (channels,)
        Real value of one code step, above 0.
    zero_point : int32 array, same shape
        The code of 0.
    signed : bool
        int8 codes when true, uint8 codes when false.
    narrow : bool
        Whether the lowest code of the dtype is left out: -127 to 127.
    """

    scale: Float32Array
    zero_point: npt.NDArray[np.int32]
    signed: bool
    narrow: bool = False

    @classmethod
    def from_range(
        cls,
        low: npt.ArrayLike,
        high: npt.ArrayLike,
        *,
        signed: bool,
        symmetric: bool | None = None,
        smallest_scale: npt.ArrayLike = 0.0,
    ) -> Quantization:
        """The quantisation that holds values from `low` to `high` (scalars, or one of each per channel).

        Parameters
        ----------
        low, high : array-like
        signed : bool
        symmetric : bool, optional
            By default signed codes are symmetric. Unsigned codes can't be.
        smallest_scale : array-like
            Lower scales are raised to it; a channel whose values are all 0 gets scale 1. Scales are rounded to 16
            significant bits: ranges measured on activations differ between machines in their last bits, because BLAS
            libraries sum in different orders, and codes must not.
        """
        bottom = np.minimum(np.asarray(low, np.float64), 0.0)
        top = np.maximum(np.asarray(high, np.float64), 0.0)
        narrow = signed and symmetric is not False
        step = np.maximum(-bottom, top) / 127 if narrow else (top - bottom) / 255
        step = np.maximum(_round_significant(step), _round_significant(np.asarray(smallest_scale, np.float64)))
        scale = np.where(step > 0, step, 1.0)
        zero_point = np.zeros_like(scale) if narrow else np.clip(np.rint(-bottom / scale), 0, 255)
        if signed and not narrow:
            zero_point = zero_point - 128
        return cls(scale=scale.astype(np.float32), zero_point=zero_point.astype(np.int32), signed=signed, narrow=narrow)

    @property
    def dtype(self) -> np.dtype[np.int8] | np.dtype[np.uint8]:
        """Of the codes."""
        return np.dtype(np.int8) if self.signed else np.dtype(np.uint8)

    @property
    def code_range(self) -> tuple[int, int]:
        """Smallest and largest code used."""
        if self.signed:
            return (-127 if self.narrow else -128, 127)
        return (0, 255)

    @cached_property
    def affine(self) -> Affine:
        """One scale and zero point, as kernels take them."""
        low, high = self.code_range
        return Affine(scale=float(self.scale), zero_point=int(self.zero_point), low=low, high=high, dtype=self.dtype)

    def encode(self, values: npt.NDArray[np.floating] | np.float32) -> Codes:
        """Nearest codes of real values, ties to even, saturating."""
        # In place and in float32: what is too large for whole numbers in it is beyond all codes.
        steps = np.asarray(np.asarray(values, np.float32) / self.scale)
        np.rint(steps, out=steps)
        steps += self.zero_point.astype(np.float32)
        codes: Codes = np.clip(steps, *self.code_range, out=steps).astype(self.dtype)
        return codes

    def saturate(self, codes: npt.NDArray[np.floating | np.integer]) -> Codes:
        """Whole numbers cut to the code range, as int8 or uint8."""
        saturated: Codes = np.clip(codes, *self.code_range).astype(self.dtype)
        return saturated

    def decode(self, codes: Codes) -> Float32Array:
        """Real values of codes."""
        values: Float32Array = (codes.astype(np.int32) - self.zero_point).astype(np.float32) * self.scale
        return values

    def with_signedness(self, signed: bool) -> Quantization:
        """The same real values for codes of the other dtype: code and zero point move by 128 together."""
        if signed == self.signed:
            return self
        moved = self.zero_point - 128 if signed else self.zero_point + 128
        return replace(self, zero_point=moved.astype(np.int32), signed=signed, narrow=False)


def _round_significant(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mantissa, exponent = np.frexp(values)
    rounded: npt.NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(mantissa, _SCALE_BITS)), exponent - _SCALE_BITS)
    return rounded
