"""Experts that choose tokens: each expert takes the tokens of a text that score best with it.

Scores are the softmax of the router's logits over the experts of each token, and weigh what experts make (Zhou et al.
2022, arXiv 2202.09368, section 3.2, with the softmax left as the weight). Of n tokens each expert takes

    k = ceil(n active / experts)

so that tokens have as many experts on average as where they choose themselves; some have none, some have many. The
choice looks at all n tokens: what a token runs through depends on those after it, which a model that predicts them must
not know. `axhw.pim.cached_choice` has the causal choice of decoding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.lm.matrices import Float32Array
from axhw.lm.routing import NOBODY, Chosen

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class ExpertChoice:
    """Each expert takes its best tokens of each text, an `axhw.lm.routing.Chooser`.

    Parameters
    ----------
    active : int
        Mean number of experts of a token.
    """

    def __init__(self, *, active: int) -> None:
        self.active = active

    def __call__(self, logits: Float32Array) -> tuple[Chosen, Float32Array]:
        """A `Chooser`; experts of a token come in increasing order."""
        scores = softmax(logits)
        length, experts = scores.shape[1:]
        return chosen_table(best_tokens(scores, capacity(length, experts=experts, active=self.active)), scores)


def capacity(tokens: int, *, experts: int, active: int) -> int:
    """How many of so many tokens each expert takes: ceil(tokens active / experts)."""
    return -(-tokens * active // experts)


def softmax(logits: Float32Array) -> Float32Array:
    """Over the last axis."""
    scores: Float32Array = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def best_tokens(scores: Float32Array, number: int) -> BoolArray:
    """Whether a token is among the best of its text with an expert.

    Parameters
    ----------
    scores : float32 array, shape (texts, tokens, experts)
    number : int
        Of tokens for each expert; of equal scores, earlier ones.

    Returns
    -------
    bool array, shape (texts, tokens, experts)
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :number]
    mask = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(mask, order, True, axis=1)
    return mask


def chosen_table(mask: BoolArray, scores: Float32Array) -> tuple[Chosen, Float32Array]:
    """Choices as tables: the experts of each token in increasing order and their scores, then `NOBODY` and 0.

    Parameters
    ----------
    mask : bool array, shape (texts, tokens, experts)
    scores : float32 array of the same shape

    Returns
    -------
    chosen : integer array, shape (texts * tokens, experts)
    weights : float32 array of the same shape
    """
    experts = mask.shape[-1]
    rows, flat = mask.reshape(-1, experts), scores.reshape(-1, experts)
    order = np.argsort(~rows, axis=1, kind="stable")
    there = np.take_along_axis(rows, order, axis=1)
    weights = np.take_along_axis(flat, order, axis=1)
    return np.where(there, order, NOBODY), np.where(there, weights, np.float32(0))
