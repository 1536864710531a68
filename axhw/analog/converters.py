"""The grid of a DAC or an ADC: symmetric, with a code for 0.

A converter of b bits has L = 2^(b - 1) - 1 codes on either side of 0 (127 for 8 bits). Over a range of +-bound its step
is bound / L: values are rounded to the nearest step, ties to even, and saturate at the bound. This is the converter of
aihwkit-lightning (IBM) and of arXiv 2603.02633; two's-complement hardware has one more code, -L - 1, which is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

Float32Array: TypeAlias = npt.NDArray[np.float32]
FloatArray: TypeAlias = npt.NDArray[np.float64]

MOST_BITS = 16
"""Codes, and sums of a tile's codes, stay exact enough in float32."""


@dataclass(frozen=True, kw_only=True)
class Converter:
    """A DAC or ADC, without its range.

    Attributes
    ----------
    bits : int or None
        2 to 16, sign included. None is an ideal converter: it neither rounds nor saturates, and has no range.

    Raises
    ------
    AxhwError
        For any other number of bits.
    """

    bits: int | None = 8

    def __post_init__(self) -> None:
        bits = self.bits
        if bits is not None and (not isinstance(bits, int) or isinstance(bits, bool) or not 2 <= bits <= MOST_BITS):
            raise AxhwError(f"Expected a converter of 2 to {MOST_BITS} bits, or None for an ideal one, found {bits!r}.")

    @property
    def ideal(self) -> bool:
        """Whether values pass as they are."""
        return self.bits is None

    @property
    def largest_code(self) -> int:
        """L, the largest code; 1 for an ideal converter, whose unit is that of the values."""
        return 1 if self.bits is None else (1 << (self.bits - 1)) - 1

    def encode(self, steps: Float32Array) -> Float32Array:
        """Codes of values given in steps, in place.

        Parameters
        ----------
        steps : float32 array
            Overwritten.

        Returns
        -------
        float32 array
            The same array, whole numbers from -L to L; as it was for an ideal converter.
        """
        if self.bits is not None:
            np.rint(steps, out=steps)
            np.clip(steps, -self.largest_code, self.largest_code, out=steps)
        return steps

    def step(self, bounds: npt.ArrayLike) -> FloatArray:
        """What a code is worth over ranges of +-bounds; 1 for an ideal converter."""
        ranges = np.asarray(bounds, np.float64)
        return np.ones_like(ranges) if self.bits is None else ranges / self.largest_code

    def per_unit(self, bounds: npt.ArrayLike) -> FloatArray:
        """Codes in 1, the inverse of `step`; 0 for a range of 0, which leaves nothing but code 0."""
        steps = self.step(bounds)
        return np.divide(1.0, steps, out=np.zeros_like(steps), where=steps > 0)

    def quantize(self, values: npt.ArrayLike, bounds: npt.ArrayLike) -> Float32Array:
        """Values on the grid.

        Parameters
        ----------
        values : array-like
        bounds : array-like
            Ranges, at least 0; broadcast against `values`.

        Returns
        -------
        float32 array
        """
        codes = self.encode(np.asarray(np.asarray(values, np.float32) * self.per_unit(bounds).astype(np.float32)))
        return np.asarray(codes * self.step(bounds).astype(np.float32))
