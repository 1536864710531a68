"""What decides the weights of a trained network, beside its definition and its data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from axhw.errors import AxhwError
from axhw.nn.zoo.moe import parse_mixture


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Gradient descent with Nesterov momentum and a rate that rises linearly, then falls to 0 along a half cosine.

    Attributes
    ----------
    epochs, batch : int
        Passes over the training images, and images of a step; what is left over of an epoch is left out.
    learning_rate : float
        The highest.
    warmup_epochs : float
        In which the rate rises.
    momentum, weight_decay : float
        Weight decay is for weights, not for biases and norms.
    label_smoothing : float
        Share of each label that is spread over all classes.
    distillation : float
        Share of the loss that is for other answers than those that the network gave with exact products before it was
        retrained; the rest is for other answers than the labels.
    temperature : float
        What logits are divided by for that, and the square of which the loss is multiplied by (Hinton, Vinyals and
        Dean, arXiv:1503.02531, section 2).
    largest_gradient : float or None
        Gradients of a larger norm, all parameters together, are scaled down to it.
    range_epochs : int
        Epochs at the start in which the ranges of codes follow the activations of the batches (moving averages of
        their extremes), before they are fixed; for training with codes.
    load_balance : float
        Factor of the loss for uneven use of experts (`axhw.train.routing.LoadBalance`); for training in real values.
    freeze_gates : bool
        Leave all that leads to gates alone as it is.

    Raises
    ------
    AxhwError
        For numbers that no training can have.
    """

    epochs: int
    batch: int = 128
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    distillation: float = 0.0
    temperature: float = 1.0
    largest_gradient: float | None = None
    range_epochs: int = 0
    load_balance: float = 0.0
    freeze_gates: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise AxhwError(f"Expected at least 1 epoch and 1 image a batch, found {self.epochs} and {self.batch}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise AxhwError(f"Expected a finite learning rate above 0, found {self.learning_rate}.")
        for name in ("momentum", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise AxhwError(f"Expected {name.replace('_', ' ')} from 0 to below 1, found {getattr(self, name)}.")
        if not 0 <= self.distillation <= 1:
            raise AxhwError(f"Expected distillation from 0 to 1, found {self.distillation}.")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise AxhwError(f"Expected a finite temperature above 0, found {self.temperature}.")
        if self.largest_gradient is not None and not self.largest_gradient > 0:
            raise AxhwError(f"Expected a largest gradient above 0, found {self.largest_gradient}.")
        if self.range_epochs < 0:
            raise AxhwError(f"Expected at least 0 epochs with moving ranges, found {self.range_epochs}.")
        for name in ("warmup_epochs", "weight_decay", "load_balance"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise AxhwError(f"Expected {name.replace('_', ' ')} of at least 0, found {getattr(self, name)}.")

    def rate(self, epoch: float) -> float:
        """The learning rate after so many epochs, 0 to `epochs`."""
        if epoch < self.warmup_epochs:
            return self.learning_rate * epoch / self.warmup_epochs
        share = (epoch - self.warmup_epochs) / max(self.epochs - self.warmup_epochs, 1e-9)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Training in real values, then, with batch norms folded, with codes.

    Attributes
    ----------
    real, quantized : Recipe
        Without batch norms a step is worth much more: rates are a hundredth of those in real values.
    calibration_images : int
        Of the training split; their activations, up to the 99.99th percentile, fix the ranges of the codes.
    dense : Recipe or None
        Of the network without experts, in real values; all experts start from its weights (sparse upcycling,
        Komatsuzaki et al. 2023).
    """

    real: Recipe
    quantized: Recipe
    calibration_images: int = 256
    dense: Recipe | None = None

    def __post_init__(self) -> None:
        if self.calibration_images < 1:
            raise AxhwError(f"Expected at least 1 calibration image, found {self.calibration_images}.")

    def continued(self) -> Plan:
        """For a start from trained weights, with experts or without: the stage that experts are trained in."""
        if self.dense is not None:
            return replace(self, dense=None)
        return replace(self, real=_continued(self.real))


_DEFAULT = Plan(
    real=Recipe(epochs=200, batch=256, learning_rate=0.2, warmup_epochs=5),
    quantized=Recipe(epochs=10, batch=256, learning_rate=1e-3, weight_decay=1e-4, largest_gradient=1.0),
)
# Of gates that see tokens as in Switch Transformers (Fedus et al. 2022). What a gateway makes of images differs less
# from one to the next: with 0.01 networks on digits and CIFAR-10 ended with one expert for nearly all images.
_TOKEN_BALANCE, _IMAGE_BALANCE = 0.01, 0.03
_TRANSFORMER = replace(
    _DEFAULT, real=Recipe(epochs=200, batch=256, learning_rate=0.05, warmup_epochs=20, label_smoothing=0.1)
)
PLANS: Mapping[str, Plan] = {
    # Too small to learn its training images by heart.
    "resnet8": replace(_DEFAULT, real=replace(_DEFAULT.real, weight_decay=2e-4)),
    "digits_cnn": Plan(
        real=Recipe(epochs=60, batch=32, learning_rate=0.05, label_smoothing=0.05),
        quantized=Recipe(
            epochs=10, batch=32, learning_rate=1e-3, weight_decay=1e-4, label_smoothing=0.05, largest_gradient=1.0
        ),
    ),
    "vit_mini": _TRANSFORMER,
    "vit_tiny": _TRANSFORMER,
    "vit_small": _TRANSFORMER,
}
"""Plans of networks that need another than the default."""


def plan_for(model: str) -> Plan:
    """The plan of a network of the zoo; with experts that of the dense one, and gates are balanced, then frozen."""
    found = parse_mixture(model)
    if found is None:
        return PLANS.get(model, _DEFAULT)
    base, mixture = found
    plan = plan_for(base)
    sees_tokens = plan is _TRANSFORMER and mixture.topology != "cluster"
    return replace(
        plan,
        dense=replace(plan.real, epochs=max(1, plan.real.epochs // 2)),
        real=replace(_continued(plan.real), load_balance=_TOKEN_BALANCE if sees_tokens else _IMAGE_BALANCE),
        quantized=replace(plan.quantized, freeze_gates=True),
    )


def _continued(recipe: Recipe) -> Recipe:
    """From trained weights: a quarter of the epochs and of the rate."""
    return replace(
        recipe,
        epochs=max(1, recipe.epochs // 4),
        learning_rate=recipe.learning_rate / 4,
        warmup_epochs=min(recipe.warmup_epochs, 1.0),
    )
