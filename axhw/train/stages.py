"""The two stages of a training: in real values, and with codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from axhw.data.dataset import Splits
from axhw.errors import VerificationError
from axhw.train.batches import DeviceImages
from axhw.train.fusion import has_triton
from axhw.train.history import Best, History
from axhw.train.pace import Pace
from axhw.train.products import tf32
from axhw.train.quantization_aware import QuantizedModule
from axhw.train.recipe import Recipe
from axhw.train.torch_model import GraphModule
from axhw.train.trainer import Trainer, accuracy

AnyModule = TypeVar("AnyModule", GraphModule, QuantizedModule)


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """The splits of a data set on a device."""

    train: DeviceImages
    validation: DeviceImages
    test: DeviceImages

    @classmethod
    def placed(cls, splits: Splits, device: str) -> Images:
        """With the augmentation of the data set for training images."""
        return cls(
            train=DeviceImages(splits.train, splits.augmentation, device=device),
            validation=DeviceImages(splits.validation, device=device),
            test=DeviceImages(splits.test, device=device),
        )


def train_real(
    model: GraphModule,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    history: History,
    seconds: float | None = None,
    stage: str = "real",
) -> None:
    """Train in real values; the weights of the last epoch stay.

    Parameters
    ----------
    model : GraphModule
        On the device of the images.
    seconds : float, optional
        The schedule is shortened to keep to it.
    stage : str
        Name for log and checkpoint.
    """
    _freeze(model, recipe)
    trainer = Trainer(model, model.tensors(), images.train, recipe, seed=seed, log=history.line, mixed=True)
    epochs = _Stage(stage, history, trainer, trainer.state, recipe, seconds)
    while not epochs.finished:
        line = epochs.epoch()
        epochs.done(f"{line}, validation accuracy {accuracy(model, images.validation):.4f}")


def train_quantized(
    module: QuantizedModule,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    history: History,
    seconds: float | None = None,
    teacher: QuantizedModule | None = None,
) -> None:
    """Train with codes; the weights with the highest validation accuracy stay, those before the first epoch included.

    Parameters
    ----------
    module : QuantizedModule
        On the device of the images.
    seconds : float, optional
        The schedule is shortened to keep to it.
    teacher : QuantizedModule, optional
        On that device too; for recipes with distillation.

    Raises
    ------
    VerificationError
        If this device can't form the sums of products exactly.
    """
    _freeze(module.model, recipe)
    tensors = {**module.model.tensors(), "limits": module.limits}
    trainer = Trainer(module, tensors, images.train, recipe, seed=seed, log=history.line, teacher=teacher)
    best = Best(tensors)
    state = {**trainer.state, **best.state}
    stage = _Stage("quantized", history, trainer, state, recipe, seconds)
    module.refresh()
    if has_triton():
        history.line("kernels: fused with Triton, compared with PyTorch's operations")
    if stage.epochs >= recipe.range_epochs:
        trainer.make_room(stage.epochs)
    _check_sums(module, trainer.first_images(stage.epochs), history)
    if not history.reached("quantized"):
        right = accuracy(module, images.validation)
        best.offer(right, epoch=0)
        history.line(f"codes, before training: validation accuracy {right:.4f}")
    while not stage.finished:
        moving = stage.epochs < recipe.range_epochs
        if module.follow_ranges(moving):
            trainer.forget_recording()
        if trainer.make_room(stage.epochs):
            # Other shapes, for which a GPU library may choose other kernels.
            _check_sums(module, trainer.first_images(stage.epochs), history)
        line = stage.epoch()
        if moving:
            module.refresh()
        right = accuracy(module, images.validation)
        best.offer(right, epoch=stage.epochs)
        stage.done(f"{line}, validation accuracy {right:.4f}")
    module.follow_ranges(False)
    chosen = f"of epoch {best.epoch}, the best" if best.epoch else "as before: no epoch did better"
    history.line(f"weights {chosen} on validation images")
    best.take()
    module.refresh()


class _Stage:
    """Epochs of a trainer, from where the checkpoint left off."""

    def __init__(
        self,
        name: str,
        history: History,
        trainer: Trainer,
        state: Mapping[str, torch.Tensor],
        recipe: Recipe,
        seconds: float | None,
    ) -> None:
        self._name, self._history, self._trainer, self._state = name, history, trainer, state
        self.epochs, position = history.resume(name, state)
        self._pace = Pace(epochs=recipe.epochs, seconds=seconds, position=position)

    @property
    def finished(self) -> bool:
        return self._pace.finished

    def epoch(self) -> str:
        """Train for an epoch; returns a line about it."""
        stretch = self._pace.stretch()
        loss = self._trainer.epoch(self.epochs, position=self._pace.position, stretch=stretch)
        self._pace.position += stretch
        self.epochs += 1
        position = self._pace.position
        skipped = "" if position == self.epochs else f" (at {position:.2f} of the schedule)"
        return f"{self._name} epoch {self.epochs}{skipped}: loss {loss:.4f}"

    def done(self, line: str) -> None:
        """Log the epoch, and save now and then."""
        self._history.line(line)
        self._history.save(self._name, self.epochs, self._pace.position, self._state, last=self.finished)


def placed(module: AnyModule, device: str) -> AnyModule:
    """The module on a device; GPUs convolve fastest with the channels of a pixel side by side."""
    module.to(device)
    if device.startswith("cuda"):
        module.to(memory_format=torch.channels_last)
    return module


@contextmanager
def arithmetic(device: str) -> Iterator[None]:
    """How devices compute in a training, and as before afterwards.

    On a CPU the same bits every time. A GPU chooses its order of summing gradients and rounds factors to TF32, which
    codes fit.
    """
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(device == "cpu")
    try:
        with tf32(True):
            yield
    finally:
        torch.use_deterministic_algorithms(before)


def _freeze(model: GraphModule, recipe: Recipe) -> None:
    model.freeze([node.name for node in model.graph.gate_nodes] if recipe.freeze_gates else [])


def _check_sums(module: QuantizedModule, images: torch.Tensor, history: History) -> None:
    try:
        module.check_sums(images)
    except VerificationError as error:
        if not (images.is_cuda and torch.backends.cudnn.allow_tf32):
            raise
        history.line(f"TF32 is switched off: {error}")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        module.check_sums(images)
