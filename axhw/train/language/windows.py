"""Text on a device, cut into windows for training and for scoring."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from axhw.errors import AxhwError


class DeviceText:
    """Bytes on a device.

    Parameters
    ----------
    data : uint8 array, shape (n,)
    length : int
        Predicted bytes of a window.
    name : str
        For messages.
    device : str

    Raises
    ------
    AxhwError
        For a text that is not longer than a window.
    """

    def __init__(self, data: npt.NDArray[np.uint8], *, length: int, name: str, device: str) -> None:
        if len(data) <= length:
            raise AxhwError(f"Expected more than {length} bytes, one window, in {name}, found {len(data)}.")
        self._bytes = torch.from_numpy(data.copy()).to(device)
        self._offsets = torch.arange(length + 1, device=device)
        self.length = length

    def __len__(self) -> int:
        return len(self._bytes)

    def random(self, *, seed: int, number: int, steps: int, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Bytes and those that follow them, int64 [batch, length] each, from random places; `number` decides them."""
        rng = np.random.default_rng([seed, number])
        starts = rng.integers(0, len(self) - self.length, (steps, batch))
        for chosen in torch.from_numpy(starts).to(self._bytes.device):
            windows = self._bytes[chosen[:, None] + self._offsets].long()
            yield windows[:, :-1], windows[:, 1:]

    def in_order(self, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The same from all of the text, as `axhw.lm.scoring.windows` cuts it: what is left at the end is left out."""
        count = (len(self) - 1) // self.length
        for start in range(0, count, batch):
            chosen = torch.arange(start, min(start + batch, count), device=self._bytes.device) * self.length
            windows = self._bytes[chosen[:, None] + self._offsets].long()
            yield windows[:, :-1], windows[:, 1:]
