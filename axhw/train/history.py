"""What a training has behind it: its log, its checkpoint, and its best weights so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from axhw.train.checkpoint import Progress, read_progress, restore, save_checkpoint

_CHECKPOINT_SECONDS = 10.0


class History:
    """The log so far and the checkpoint it is kept in.

    Parameters
    ----------
    log : callable
        Takes each line, those of the checkpoint first.
    checkpoint : Path or None
        File to save progress in and to go on from.
    run : mapping
        What the checkpoint must have in common with this training, as JSON values.

    Raises
    ------
    AxhwError
        If the checkpoint belongs to another training, or is none.
    """

    def __init__(self, log: Callable[[str], None], *, checkpoint: Path | None, run: Mapping[str, Any]) -> None:
        self._log = log
        self._path = checkpoint
        self._run = run
        self._progress = read_progress(checkpoint, run) if checkpoint is not None else None
        self._lines = list(self._progress.log) if self._progress is not None else []
        for line in self._lines:
            log(line)
        self._saved = time.monotonic()

    def line(self, text: str) -> None:
        """Add a line to the log."""
        self._lines.append(text)
        self._log(text)

    def reached(self, stage: str) -> bool:
        """Whether the checkpoint is from this stage."""
        return self._progress is not None and self._progress.stage == stage

    def resume(self, stage: str, state: Mapping[str, torch.Tensor]) -> tuple[int, float]:
        """Epochs and place in the schedule that the checkpoint has of a stage, whose state is taken over."""
        if self._progress is None or self._progress.stage != stage:
            return 0, 0.0
        assert self._path is not None
        restore(self._path, state)
        return self._progress.epochs, self._progress.position

    def save(self, stage: str, epochs: int, position: float, state: Mapping[str, torch.Tensor], *, last: bool) -> None:
        """Save now and then, and after the last epoch of a stage."""
        due = last or time.monotonic() - self._saved >= _CHECKPOINT_SECONDS
        if self._path is None or not due:
            return
        progress = Progress(run=self._run, stage=stage, epochs=epochs, position=position, log=tuple(self._lines))
        save_checkpoint(self._path, progress, state)
        self._saved = time.monotonic()


class Best:
    """A copy of some tensors from when accuracy was highest."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._tensors = tensors
        self._kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self._accuracy = torch.full((), -1.0, dtype=torch.float64)
        self._epoch = torch.zeros((), dtype=torch.int64)

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint has to hold."""
        copies = {f"best/{name}": tensor for name, tensor in self._kept.items()}
        return {"best": self._accuracy, "best_epoch": self._epoch, **copies}

    @property
    def epoch(self) -> int:
        """After which epoch that was; 0 before the first."""
        return int(self._epoch)

    def offer(self, accuracy: float, *, epoch: int) -> None:
        """Copy the tensors if this is the highest accuracy so far."""
        if accuracy > self._accuracy.item():
            self._accuracy.fill_(accuracy)
            self._epoch.fill_(epoch)
            _copy(self._tensors, self._kept)

    def take(self) -> None:
        """Give the tensors the values of the copy."""
        _copy(self._kept, self._tensors)


def _copy(source: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in source.items():
            target[name].copy_(tensor)
