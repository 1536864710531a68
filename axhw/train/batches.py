"""Training images as they lie on the device: chosen, moved, mirrored and normalised there, batch by batch.

What an epoch does to its images depends on the seed and the number of the epoch alone, so training that was cut off
goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from axhw.data.augment import Augmentation
from axhw.data.dataset import Dataset
from axhw.data.normalization import Normalization

_ORDER_STREAM, _CHANGE_STREAM = 0, 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Which images make a batch and what happens to each.

    Attributes
    ----------
    index, row, column : int64 tensors, shape (B,)
        Position of the image, and of its upper left corner within the image and its margin.
    mirrored : bool tensor, shape (B,)
    """

    index: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    mirrored: torch.Tensor

    def __getitem__(self, which: slice) -> Choice:
        return Choice(
            index=self.index[which], row=self.row[which], column=self.column[which], mirrored=self.mirrored[which]
        )

    def copy_(self, other: Choice) -> None:
        """Take over another choice in place."""
        self.index.copy_(other.index)
        self.row.copy_(other.row)
        self.column.copy_(other.column)
        self.mirrored.copy_(other.mirrored)


class DeviceImages:
    """A split whose pixels lie on the device as they are stored, with a black margin around each.

    Parameters
    ----------
    data : Dataset
    augmentation : Augmentation
        What is done to images at random; its default, nothing, for images to be tested.
    device : str
    """

    def __init__(self, data: Dataset, augmentation: Augmentation = Augmentation(), *, device: str) -> None:  # noqa: B008
        margin = augmentation.padding
        stored = torch.from_numpy(np.array(data.stored(slice(None)))).to(device)
        self._padded = F.pad(stored, (margin, margin, margin, margin))
        self._labels = torch.from_numpy(data.labels.astype(np.int64)).to(device)
        self._augmentation = augmentation
        self._normalize = Normalizer(data.normalization, device=device)
        self._shape = data.image_shape
        self._device = device

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def on_gpu(self) -> bool:
        """Whether they lie on a GPU."""
        return bool(self._labels.is_cuda)

    def epoch(self, *, seed: int, epoch: int) -> Choice:
        """All images in random order with their random changes."""
        count, span = len(self), 2 * self._augmentation.padding + 1
        order = np.random.default_rng([seed, epoch, _ORDER_STREAM]).permutation(count)
        rng = np.random.default_rng([seed, epoch, _CHANGE_STREAM])
        mirrored = rng.integers(0, 2, count) == 1 if self._augmentation.flip else np.zeros(count, np.bool_)
        return Choice(
            index=torch.from_numpy(order).to(self._device),
            row=torch.from_numpy(rng.integers(0, span, count)).to(self._device),
            column=torch.from_numpy(rng.integers(0, span, count)).to(self._device),
            mirrored=torch.from_numpy(mirrored).to(self._device),
        )

    def __call__(self, choice: Choice) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised images float32 [B, C, H, W] and their labels [B]."""
        channels, height, width = self._shape
        rows = choice.row[:, None] + torch.arange(height, device=self._device)
        along = torch.arange(width, device=self._device)
        columns = choice.column[:, None] + torch.where(choice.mirrored[:, None], width - 1 - along, along)
        image = choice.index[:, None, None, None]
        channel = torch.arange(channels, device=self._device)[:, None, None]
        pixels = self._padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
        return self._normalize(pixels), self._labels[choice.index]

    def in_order(self, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All images unchanged, batch by batch."""
        margin = self._augmentation.padding
        _, height, width = self._shape
        for start in range(0, len(self), batch):
            pixels = self._padded[start : start + batch, :, margin : margin + height, margin : margin + width]
            yield self._normalize(pixels), self._labels[start : start + batch]


class Normalizer:
    """The float32 operations of `Normalization.apply`, in their order, on the device."""

    def __init__(self, normalization: Normalization, *, device: str) -> None:
        # A tensor: on a GPU PyTorch multiplies by the reciprocal of a number that it divides by.
        self._scale = torch.tensor(normalization.scale, dtype=torch.float32, device=device)
        self._mean = torch.tensor(normalization.mean, dtype=torch.float32, device=device)[:, None, None]
        self._std = torch.tensor(normalization.std, dtype=torch.float32, device=device)[:, None, None]

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalised float32 images of stored ones [B, C, H, W]."""
        return (pixels.to(torch.float32) / self._scale - self._mean) / self._std
