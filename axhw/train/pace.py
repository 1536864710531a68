"""Keeping to a time limit: where time is short, a schedule moves on by more than one epoch with each epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass

# An epoch that is nearly whole is not worth another one.
_ROUNDING = 1e-6


@dataclass(kw_only=True)
class Pace:
    """A place in a schedule of `epochs` that must end in `seconds`, counted from here; None for no limit."""

    epochs: int
    seconds: float | None
    position: float = 0.0

    def __post_init__(self) -> None:
        self._start = time.monotonic()
        self._epoch_start = self._start

    @property
    def finished(self) -> bool:
        """Whether the schedule is over."""
        return self.position >= self.epochs - _ROUNDING

    def stretch(self) -> float:
        """Epochs of the schedule to make with the next epoch: 1, or more if all that is left takes too long."""
        now = time.monotonic()
        left = self.epochs - self.position
        took, self._epoch_start = now - self._epoch_start, now
        if self.seconds is None:
            return min(1.0, left)
        possible = (self._start + self.seconds - now) / took if took > 0 and now > self._start else left
        return min(left, max(1.0, left / max(possible, 1.0)))
