"""Random changes of training images that keep what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

Pixel = TypeVar("Pixel", np.uint8, np.float32)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Each image is cut at a random place out of itself with a black margin, and mirrored in half of the cases.

    The usual one for CIFAR has 4 pixels of margin and mirrors (He et al. 2016, section 4.2).

    Attributes
    ----------
    padding : int
        Margin on each side, in pixels.
    flip : bool
        Whether left and right may change places.

    Raises
    ------
    AxhwError
        For a margin below 0.
    """

    padding: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise AxhwError(f"Expected a margin of at least 0 pixels, found {self.padding}.")

    def apply(self, images: npt.NDArray[Pixel], *, rng: np.random.Generator) -> npt.NDArray[Pixel]:
        """Changed copies of images [n, C, H, W] as stored: normalise them afterwards, so that the margin is black."""
        count, channels, height, width = images.shape
        margin = self.padding
        padded = np.pad(images, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
        rows = rng.integers(0, 2 * margin + 1, (count, 1)) + np.arange(height)
        columns = rng.integers(0, 2 * margin + 1, (count, 1)) + np.arange(width)
        if self.flip:
            mirrored = rng.integers(0, 2, (count, 1)) == 1
            columns = np.where(mirrored, columns[:, ::-1], columns)
        image = np.arange(count)[:, None, None, None]
        channel = np.arange(channels)[:, None, None]
        cut: npt.NDArray[Pixel] = padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
        return cut
