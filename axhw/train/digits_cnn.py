"""Train the digits network: ``python -m axhw.train.digits_cnn --out axhw/nn/weights``.

Writes digits_cnn.safetensors (float32 weights) and digits_cnn.log. A seed gives the same weights on one machine
and PyTorch version. The recipe was chosen by cross-validation on the training and validation images; the test
images are looked at once, after the last epoch.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from axhw.errors import AxhwError
from axhw.nn import digits
from axhw.nn.calibrate import quantize_network
from axhw.nn.dataset import Dataset, Splits
from axhw.nn.evaluate import evaluate
from axhw.nn.network import Network
from axhw.nn.zoo import DIGITS_CNN
from axhw.train.torch_model import build, parameters, require_torch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What decides the weights: Adam, a learning rate that falls to 0 along a half cosine, and random shifts.

    Attributes
    ----------
    shift_pixels : int
        Images move sideways by up to this much. Most digits leave the outer columns empty but fill all rows, so
        moving them up or down would cut ink off.
    label_smoothing : float
        Share of each label that is spread over all classes.
    """

    seed: int = 0
    epochs: int = 60
    batch: int = 32
    learning_rate: float = 4e-3
    label_smoothing: float = 0.05
    shift_pixels: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise AxhwError(f"Expected at least 1 epoch of training, found {self.epochs}.")
        if self.seed < 0:
            raise AxhwError(f"Expected a seed of at least 0, found {self.seed}.")


def train(data: Splits, recipe: Recipe, *, log: Callable[[str], None]) -> Network:
    """The trained network.

    Parameters
    ----------
    data : Splits
        Trained on `train`; the accuracy on `validation` is logged after each epoch.
    recipe : Recipe
    log : callable
        Called with one line per epoch.

    Raises
    ------
    AxhwError
        Without PyTorch.
    """
    require_torch()
    import torch

    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    rng = np.random.default_rng(recipe.seed)
    model = build(DIGITS_CNN)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    for epoch in range(recipe.epochs):
        loss = _train_epoch(model, optimizer, data.train, recipe, rng)
        schedule.step()
        network = Network(architecture=DIGITS_CNN, parameters=parameters(DIGITS_CNN, model))
        right = _count_right(network, data.validation)
        log(f"epoch {epoch + 1}: loss {loss:.4f}, validation {right} of {len(data.validation)} right")
    return network


def _train_epoch(
    model: torch.nn.Sequential,
    optimizer: torch.optim.Optimizer,
    data: Dataset,
    recipe: Recipe,
    rng: np.random.Generator,
) -> float:
    """One pass over the images in random order; returns the mean loss."""
    import torch

    images = shifted(data.images, rng.integers(-recipe.shift_pixels, recipe.shift_pixels + 1, len(data)))
    order = rng.permutation(len(data))
    total = 0.0
    for start in range(0, len(data), recipe.batch):
        index = order[start : start + recipe.batch]
        optimizer.zero_grad()
        logits = model(torch.from_numpy(images[index]))
        labels = torch.from_numpy(data.labels[index])
        loss = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(index)
    return total / len(data)


def shifted(images: npt.NDArray[np.floating], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.floating]:
    """Each image [C, H, W] moved right by its own number of columns, with 0 moving in."""
    margin = int(np.abs(columns).max(initial=0))
    padded = np.pad(images, ((0, 0), (0, 0), (0, 0), (margin, margin)))
    source = np.arange(images.shape[3]) + margin - columns[:, None, None, None]
    return np.take_along_axis(padded, source, axis=3)


def _count_right(network: Network, data: Dataset) -> int:
    return int(np.count_nonzero(network.forward(data.images).argmax(axis=1) == data.labels))


def main(arguments: list[str] | None = None) -> int:
    """Train, write weights and log, and show the log on stderr; exit code 2 for bad input."""
    default = Recipe()
    parser = argparse.ArgumentParser(prog="python -m axhw.train.digits_cnn", description="Train the digits network.")
    parser.add_argument("--out", type=Path, required=True, help="folder for digits_cnn.safetensors and .log")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--epochs", type=int, default=default.epochs)
    options = parser.parse_args(arguments)
    try:
        write(options.out, Recipe(seed=options.seed, epochs=options.epochs))
    except AxhwError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def write(folder: Path, recipe: Recipe) -> None:
    """Train by `recipe` and write the weights and the log into `folder`."""
    require_torch()
    import sklearn
    import torch

    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        print(line, file=sys.stderr)

    data = digits.load()
    multiplications = sum(DIGITS_CNN.multiplications.values())
    log(f"network: {DIGITS_CNN.name}, {multiplications} multiplications per image")
    log(
        f"data: {digits.NAME}, split seed {digits.SPLIT_SEED}: {len(data.train)} training, "
        f"{len(data.validation)} validation and {len(data.test)} test images"
    )
    log(
        f"versions: Python {platform.python_version()}, PyTorch {torch.__version__}, NumPy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}"
    )
    log(f"recipe: {recipe}")
    network = train(data, recipe, log=log)
    for signed in (True, False):
        result = evaluate(quantize_network(network, data.train.images, signed=signed), data.test, None)
        if signed:
            log(f"float test accuracy: {result.float_accuracy:.4f}")
        codes = "signed int8" if signed else "unsigned int8"
        log(f"{codes} test accuracy, exact products: {result.exact_accuracy:.4f}")
    weights = save(dict(network.parameters))
    log(f"weights sha256: {hashlib.sha256(weights).hexdigest()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{DIGITS_CNN.name}.safetensors").write_bytes(weights)
        (folder / f"{DIGITS_CNN.name}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise AxhwError(f"Expected a folder that can be written, found {folder}: {error.strerror}.") from error


if __name__ == "__main__":
    sys.exit(main())
