"""What decides the weights of a trained language model, beside its configuration, its text and a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from axhw.errors import AxhwError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """AdamW with a rate that rises linearly, then falls to 0 along a half cosine.

    Attributes
    ----------
    rounds, steps : int
        Validation follows each of the rounds, which are so many steps long.
    batch, length : int
        Windows of a step, at random places of the text, and predicted bytes of each.
    learning_rate : float
        The highest.
    warmup_rounds : float
        In which the rate rises.
    weight_decay : float
        For matrices, not for norms and embeddings.
    largest_gradient : float
        Gradients of a larger norm, all parameters together, are scaled down to it.
    dropout, expert_dropout : float
        Of embeddings, attention and all that is added to the residual stream; of the inner values of experts, where a
        small text needs more (Fedus et al. 2022, 0.1 and 0.4 for small data).
    load_balance, router_z : float
        Factors of the losses for uneven use of experts and for large router logits (`losses.RouterLosses`).
    patience : int
        Rounds without a better validation after which training ends.

    Raises
    ------
    AxhwError
        For numbers that no training can have.
    """

    rounds: int
    steps: int = 100
    batch: int = 64
    length: int = 256
    learning_rate: float = 1e-3
    warmup_rounds: float = 2.0
    weight_decay: float = 0.1
    largest_gradient: float = 1.0
    dropout: float = 0.1
    expert_dropout: float = 0.2
    load_balance: float = 0.01
    router_z: float = 0.001
    patience: int = 10

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "batch", "length", "patience"):
            if getattr(self, name) < 1:
                raise AxhwError(f"Expected at least 1 for {name}, found {getattr(self, name)}.")
        for name in ("learning_rate", "largest_gradient"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise AxhwError(f"Expected a finite {name.replace('_', ' ')} above 0, found {getattr(self, name)}.")
        for name in ("dropout", "expert_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise AxhwError(f"Expected {name.replace('_', ' ')} from 0 to below 1, found {getattr(self, name)}.")
        for name in ("warmup_rounds", "weight_decay", "load_balance", "router_z"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise AxhwError(f"Expected {name.replace('_', ' ')} of at least 0, found {getattr(self, name)}.")

    def rate(self, position: float) -> float:
        """The learning rate at a place of the schedule, 0 to `rounds`."""
        warmup = min(self.warmup_rounds, self.rounds / 2)
        if position < warmup:
            return self.learning_rate * position / warmup
        share = (position - warmup) / (self.rounds - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
