"""How conductances hold weights: with a sign or as pairs, whole or in slices of a few bits.

A weight comes as a relative one, w / max |w| of its tile's column, from -1 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from axhw.analog.converters import Float32Array
from axhw.errors import AxhwError

MOST_WEIGHT_BITS = 16


class Cells(Protocol):
    """What holds one signed number: one or several conductances, on the first axis of the arrays."""

    def split(self, targets: Float32Array) -> Float32Array:
        """Targets of the conductances, shape (conductances, *targets.shape), from signed targets."""

    def join(self, conductances: Float32Array) -> Float32Array:
        """The signed numbers that conductances are read as."""

    def limit(self, conductances: Float32Array) -> Float32Array:
        """Conductances that cells can have, in place."""


@dataclass(frozen=True)
class SignedCells:
    """One conductance with a sign for each weight: noise belongs to the weight, as the noise models are stated.

    It is a pair of which the idle cell is ideal, and whose noise may take a weight across 0.
    """

    def split(self, targets: Float32Array) -> Float32Array:
        return targets[None]

    def join(self, conductances: Float32Array) -> Float32Array:
        joined: Float32Array = conductances[0]
        return joined

    def limit(self, conductances: Float32Array) -> Float32Array:
        return conductances


@dataclass(frozen=True)
class DifferentialPairs:
    """Two conductances for each weight, w = g+ - g-: the positive or the negative part in one, 0 in the other.

    Both are programmed, drift and are noisy, and neither falls below 0. The idle cell's noise is cut at 0, so that
    its mean is sigma(0) / sqrt(2 pi): weights move towards 0 by so much, as in aihwkit. A pair belongs to one place of
    the crossbar: it needs no further rows or columns.
    """

    def split(self, targets: Float32Array) -> Float32Array:
        return self.limit(np.stack([targets, -targets]))

    def join(self, conductances: Float32Array) -> Float32Array:
        joined: Float32Array = conductances[0] - conductances[1]
        return joined

    def limit(self, conductances: Float32Array) -> Float32Array:
        np.maximum(conductances, 0, out=conductances)
        return conductances


@dataclass(frozen=True, kw_only=True)
class BitSlicing:
    """Weights of a few bits, cut into slices that are held in tiles of their own.

    Code round(M w / max |w|) with M = 2^(weight_bits - 1) - 1 has a sign and weight_bits - 1 magnitude bits. These are
    cut from the lowest up into digits of cell_bits; the highest slice may have fewer. A slice holds its digit with the
    weight's sign, its largest digit at g_max. Each slice has its own ADC, and sums of slices are added digitally with
    factors 2^(cell_bits slice).

    Attributes
    ----------
    weight_bits : int
        2 to 16, sign included.
    cell_bits : int
        1 to weight_bits - 1: what a conductance holds. At weight_bits - 1 there is one slice, and weights are merely
        quantised.

    Raises
    ------
    AxhwError
        For any others.
    """

    weight_bits: int = 8
    cell_bits: int = 4

    def __post_init__(self) -> None:
        if not 2 <= self.weight_bits <= MOST_WEIGHT_BITS:
            raise AxhwError(f"Expected weights of 2 to {MOST_WEIGHT_BITS} bits, found {self.weight_bits}.")
        if not 1 <= self.cell_bits < self.weight_bits:
            raise AxhwError(
                f"Expected cells of 1 to {self.weight_bits - 1} bits for weights of {self.weight_bits} bits with their "
                f"sign, found {self.cell_bits}."
            )

    @property
    def largest_code(self) -> int:
        """M."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each slice, from the lowest slice up."""
        bits = self.weight_bits - 1
        return tuple(min(self.cell_bits, bits - low) for low in range(0, bits, self.cell_bits))

    @property
    def factors(self) -> tuple[float, ...]:
        """What a relative conductance of 1 is worth in each slice, in units of the largest weight."""
        return tuple(
            ((1 << width) - 1) * (1 << (self.cell_bits * place)) / self.largest_code
            for place, width in enumerate(self.widths)
        )

    def slices(self, relative: Float32Array) -> Float32Array:
        """Targets of the slices.

        Parameters
        ----------
        relative : float32 array
            Weights from -1 to 1.

        Returns
        -------
        float32 array, shape (slices, *relative.shape)
            Relative conductances with signs: `factors` times them, added up, are code / M.
        """
        codes = np.rint(np.abs(relative) * np.float32(self.largest_code)).astype(np.int32)
        signs = np.sign(relative)
        slices = np.empty((len(self.widths), *relative.shape), np.float32)
        for place, width in enumerate(self.widths):
            digits = (codes >> (self.cell_bits * place)) & ((1 << width) - 1)
            np.divide(digits, (1 << width) - 1, out=slices[place], casting="same_kind")
            slices[place] *= signs
        return slices
