"""Which experts each token takes, and with which weights."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.lm.matrices import Float32Array

Chosen: TypeAlias = npt.NDArray[np.intp]

NOBODY = -1
"""Stands where a token has no further expert."""


class RoutingObserver(Protocol):
    """What is told of the routing of each layer that has experts."""

    def __call__(self, layer: int, logits: Float32Array, chosen: Chosen, weights: Float32Array) -> None:
        """Logits [n, experts] of the router, experts chosen [n, k] and their weights [n, k]; n counts tokens, text by
        text. Where a token has fewer experts than others, the last of them are `NOBODY`, of weight 0. The arrays must
        not be changed."""
        ...


class Chooser(Protocol):
    """What decides which experts tokens run through."""

    def __call__(self, logits: Float32Array) -> tuple[Chosen, Float32Array]:
        """Experts and their weights, both [texts * length, most], text by text, from logits [texts, length, experts] of
        the router; `NOBODY` with weight 0 behind those of a token that has fewer."""
        ...


class TokenChoice:
    """Each token takes the experts with its largest logits, see `route`.

    Parameters
    ----------
    active : int
    normalize : bool
    """

    def __init__(self, *, active: int, normalize: bool) -> None:
        self.active = active
        self.normalize = normalize

    def __call__(self, logits: Float32Array) -> tuple[Chosen, Float32Array]:
        """A `Chooser`."""
        return route(logits.reshape(-1, logits.shape[-1]), active=self.active, normalize=self.normalize)


def route(logits: Float32Array, *, active: int, normalize: bool) -> tuple[Chosen, Float32Array]:
    """The experts with the largest logits, and their weights: the softmax over all experts, or over the chosen ones.

    Parameters
    ----------
    logits : float32 array, shape (n, experts)
    active : int
        Experts of each token.
    normalize : bool
        Whether weights are divided by their sum, which is the softmax over the chosen experts.

    Returns
    -------
    chosen : integer array, shape (n, active)
        Largest logit first; the first of equal ones.
    weights : float32 array, shape (n, active)
    """
    left = logits.copy()
    chosen = np.empty((len(logits), active), np.intp)
    every = np.arange(len(logits))
    # A few passes for the largest are faster than sorting all experts.
    for i in range(active):
        chosen[:, i] = left.argmax(axis=1)
        left[every, chosen[:, i]] = -np.inf
    most = logits.max(axis=1, keepdims=True)
    weights: Float32Array = np.exp(np.take_along_axis(logits, chosen, axis=1) - most)
    weights /= weights.sum(axis=1, keepdims=True) if normalize else np.exp(logits - most).sum(axis=1, keepdims=True)
    return chosen, weights


def rows_by_expert(chosen: Chosen, experts: int) -> Iterator[tuple[int, Chosen, Chosen]]:
    """For each expert that some token chose: its number, the tokens in increasing order, and which of a token's
    choices it is."""
    order = np.argsort(chosen, axis=None, kind="stable")
    # One more, so that nobody comes first and is left out.
    ends = np.cumsum(np.bincount(chosen.ravel() + 1, minlength=experts + 1))
    for expert, (start, stop) in enumerate(pairwise(ends)):
        if stop > start:
            tokens, choices = np.divmod(order[start:stop], chosen.shape[1])
            yield expert, tokens, choices
