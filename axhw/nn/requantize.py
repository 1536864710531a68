"""Requantisation: sums back to 8-bit codes, in integers only.

code = saturate(zero_point + (sum * multiplier + 2**(shift - 1)) >> shift), where multiplier * 2**-shift is the real
ratio of scales with a 31-bit multiplier: gemmlowp's scheme (Jacob et al. 2018), in one rounding. The shift is
arithmetic, so halves round up. Every machine computes the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from axhw.emulate.gemm import Codes
from axhw.errors import AxhwError
from axhw.nn.quantize import FloatArray, IntArray, Quantization

ACCUMULATOR_BITS = 32

_MULTIPLIER_BITS = 31
# A sum of 32 bits times a multiplier of 31 and the rounding term then fit in int64.
_MAX_SHIFT = 62


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantizer:
    """Fixed-point scaling per channel into the codes of `target`.

    Attributes
    ----------
    multiplier : int64 array, shape (channels,)
        At most 2**31.
    shift : int64 array, shape (channels,)
        1 to 62.
    target : Quantization
        Of the codes that come out.
    """

    multiplier: IntArray
    shift: IntArray
    target: Quantization

    @classmethod
    def from_scale(cls, scale: FloatArray, *, target: Quantization) -> Requantizer:
        """For sums whose unit is worth `scale`, shape (channels,).

        Raises
        ------
        AxhwError
            If a sum's unit is worth more than 2**30 codes of the target.
        """
        ratio = scale / target.scale
        _, exponent = np.frexp(ratio)
        shift = np.minimum(_MULTIPLIER_BITS - exponent.astype(np.int64), _MAX_SHIFT)
        if shift.size and int(shift.min()) < 1:
            raise AxhwError(
                f"Expected a unit of the sums below 2**30 output codes, found {float(ratio.max()):.3g}: "
                "the calibration images leave this layer's output almost constant."
            )
        multiplier = np.rint(np.ldexp(ratio, shift)).astype(np.int64)
        return cls(multiplier=multiplier, shift=shift, target=target)

    def __call__(self, sums: IntArray) -> Codes:
        """Codes for int64 sums within 32 bits, shape (M, channels)."""
        half = np.left_shift(1, self.shift - 1)
        return self.target.saturate(((sums * self.multiplier + half) >> self.shift) + self.target.zero_point)
