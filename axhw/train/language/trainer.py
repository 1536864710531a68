"""Rounds of gradient descent with a validation after each; the best weights are kept."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from axhw.errors import AxhwError
from axhw.train.history import Best, History
from axhw.train.language.adamw import AdamW
from axhw.train.language.losses import ExpertUse, RouterLosses
from axhw.train.language.model import LanguageModule
from axhw.train.language.recipe import Recipe
from axhw.train.language.windows import DeviceText
from axhw.train.pace import Pace

STAGE = "language"
_SCORED_WINDOWS = 128
_CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class TextScore:
    """How well a model predicts a text.

    Attributes
    ----------
    nats : float
        Mean cross entropy of a byte.
    accuracy : float
        Share of bytes that were the likeliest.
    imbalance : float
        As in `axhw.train.language.losses.ExpertUse`.
    unused : int
        Experts that no byte went to.
    """

    nats: float
    accuracy: float
    imbalance: float
    unused: int

    @property
    def perplexity(self) -> float:
        """exp(nats): of a byte, not of a word."""
        return math.exp(self.nats)

    def __str__(self) -> str:
        return f"{self.nats:.4f} nats a byte, perplexity {self.perplexity:.4f}, accuracy {self.accuracy:.4f}"


def score(model: LanguageModule, text: DeviceText, *, mixed: bool = False) -> TextScore:
    """Predict bytes from those before them in their windows, as `axhw.lm.scoring.score` does.

    Parameters
    ----------
    model : LanguageModule
    text : DeviceText
        On the device of the model.
    mixed : bool
        On a GPU, in bfloat16 where that is safe.
    """
    model.eval()
    use = ExpertUse()
    nats = right = count = 0.0
    with torch.no_grad():
        for tokens, following in text.in_order(_SCORED_WINDOWS):
            with precision(tokens.device, mixed=mixed):
                logits = model(tokens, use.observe)
            logits = logits.float().flatten(0, 1)
            targets = following.flatten()
            nats += float(F.cross_entropy(logits, targets, reduction="sum"))
            right += float((logits.argmax(dim=1) == targets).sum())
            count += len(targets)
    return TextScore(nats=nats / count, accuracy=right / count, imbalance=use.imbalance(), unused=use.unused())


def train(
    model: LanguageModule,
    training: DeviceText,
    validation: DeviceText,
    recipe: Recipe,
    *,
    seed: int,
    history: History,
    seconds: float | None = None,
) -> None:
    """Train; the weights of the round with the best validation stay.

    Parameters
    ----------
    model : LanguageModule
        On the device of the texts.
    training, validation : DeviceText
    recipe : Recipe
    seed : int
        Of the windows and of dropout.
    history : History
        Takes the log, and a checkpoint now and then.
    seconds : float, optional
        Move on in the schedule as fast as needed to end by then.

    Raises
    ------
    AxhwError
        If the loss is not finite any more.
    """
    optimizer = AdamW(model, weight_decay=recipe.weight_decay, largest_gradient=recipe.largest_gradient)
    parameters = {f"parameter/{name}": tensor.data for name, tensor in model.named_parameters()}
    best = Best(parameters)
    state = {**parameters, **optimizer.state, **best.state}
    number, position = history.resume(STAGE, state)
    pace = Pace(epochs=recipe.rounds, seconds=seconds, position=position)
    saved = time.monotonic()
    while not pace.finished and number - best.epoch < recipe.patience:
        start = time.monotonic()
        stretch = pace.stretch()
        losses = _round(model, training, recipe, optimizer, seed=seed, number=number, place=(pace.position, stretch))
        found = score(model, validation, mixed=True)
        number += 1
        # The share of a byte's probability that the right one gets, which is highest when the perplexity is lowest.
        best.offer(1 / found.perplexity, epoch=number)
        pace.position += stretch
        passes = number * recipe.steps * recipe.batch * recipe.length / len(training)
        history.line(
            f"round {number} ({pace.position:.1f} of {recipe.rounds}, {passes:.1f} passes): training {losses}, "
            f"validation {found}, busiest expert {found.imbalance:.2f} times the mean, {found.unused} unused, "
            f"{time.monotonic() - start:.1f} s"
        )
        last = pace.finished or number - best.epoch >= recipe.patience
        if last or time.monotonic() - saved >= _CHECKPOINT_SECONDS:
            history.save(STAGE, number, pace.position, state, last=True)
            saved = time.monotonic()
    if number - best.epoch >= recipe.patience:
        history.line(f"stopped: no better validation in {recipe.patience} rounds")
    best.take()


def precision(device: torch.device, *, mixed: bool) -> AbstractContextManager[object]:
    """bfloat16 where that is safe, on a GPU only."""
    return torch.autocast("cuda", torch.bfloat16) if mixed and device.type == "cuda" else nullcontext()


def _round(
    model: LanguageModule,
    text: DeviceText,
    recipe: Recipe,
    optimizer: AdamW,
    *,
    seed: int,
    number: int,
    place: tuple[float, float],
) -> str:
    """Steps from one place of the schedule on by so much; the mean losses for the log."""
    # Dropout of a round is the same whether training was cut off before it or not.
    torch.manual_seed(seed * 1_000_003 + number)
    model.train()
    position, stretch = place
    sums = torch.zeros(3, device=model.embedding.device)
    batches = text.random(seed=seed, number=number, steps=recipe.steps, batch=recipe.batch)
    for index, (tokens, following) in enumerate(batches):
        optimizer.clear()
        routers = RouterLosses()
        with precision(tokens.device, mixed=True):
            logits = model(tokens, routers.observe)
        nats = F.cross_entropy(logits.float().flatten(0, 1), following.flatten())
        balance, z = routers.balance(), routers.z()
        (nats + recipe.load_balance * balance + recipe.router_z * z).backward()
        optimizer.step(recipe.rate(position + stretch * (index + 0.5) / recipe.steps))
        sums += torch.stack([nats, balance, z]).detach()
    mean = sums / recipe.steps
    nats_mean, balance_mean, z_mean = mean.tolist()
    if not math.isfinite(nats_mean):
        raise AxhwError(f"Expected a finite loss, found {nats_mean} in round {number + 1}: lower the learning rate.")
    return f"{nats_mean:.4f} nats (balance {balance_mean:.3f}, z {z_mean:.2f})"
