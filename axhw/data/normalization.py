"""From stored pixels to the values that networks take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

_LEVELS = 256
_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """(pixel / scale - mean) / std, for each channel.

    Computed in float32 in this order, as torchvision's ``ToTensor`` and ``Normalize`` do, so that both give the same
    bits.

    Attributes
    ----------
    mean, std : tuple of float
        One for each channel, of pixel / scale.
    scale : float
        The pixel that means 1: 255 for bytes.

    Raises
    ------
    AxhwError
        For numbers that are not finite, not above 0 (std, scale), or not the same number of means and deviations.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 255.0

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise AxhwError(
                f"Expected one mean and one standard deviation for each channel, found {len(self.mean)} and "
                f"{len(self.std)}."
            )
        if not all(map(math.isfinite, (*self.mean, *self.std, self.scale))):
            raise AxhwError(f"Expected finite numbers to normalise with, found {self}.")
        if min(*self.std, self.scale) <= 0:
            raise AxhwError(f"Expected standard deviations and a scale above 0 to normalise with, found {self}.")

    @property
    def channels(self) -> int:
        return len(self.mean)

    @classmethod
    def none(cls, channels: int, *, scale: float = 1.0) -> Normalization:
        """Pixel / scale and nothing else."""
        return cls(mean=(0.0,) * channels, std=(1.0,) * channels, scale=scale)

    @classmethod
    def measured(cls, pixels: npt.NDArray[np.uint8]) -> Normalization:
        """Mean and standard deviation of each channel of images [n, C, H, W].

        The sums are those of integers, so every machine finds the same.

        Raises
        ------
        AxhwError
            For a channel that is the same everywhere.
        """
        channels = pixels.shape[1]
        counts = np.zeros((channels, _LEVELS), np.int64)
        for start in range(0, len(pixels), _CHUNK):
            for channel in range(channels):
                part = pixels[start : start + _CHUNK, channel]
                counts[channel] += np.bincount(part.reshape(-1), minlength=_LEVELS)
        mean, std = [], []
        for channel in range(channels):
            number = int(counts[channel].sum())
            total = sum(value * int(count) for value, count in enumerate(counts[channel]))
            squares = sum(value * value * int(count) for value, count in enumerate(counts[channel]))
            spread = number * squares - total * total
            if spread == 0:
                raise AxhwError(
                    f"Expected images that differ to measure a normalisation on, found channel {channel} constant "
                    f"at {total // max(number, 1)}."
                )
            mean.append(total / number / (_LEVELS - 1))
            std.append(math.sqrt(spread) / number / (_LEVELS - 1))
        return cls(mean=tuple(mean), std=tuple(std))

    def apply(self, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Normalised float32 images of stored ones [n, C, H, W]."""
        images = pixels.astype(np.float32)
        images /= np.float32(self.scale)
        images -= np.array(self.mean, np.float32)[:, None, None]
        images /= np.array(self.std, np.float32)[:, None, None]
        return images
