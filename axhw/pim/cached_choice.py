"""Decoding where experts choose: tokens of the prompt as in `axhw.lm.expert_choice`, later ones by a GO cache.

A step knows the tokens so far. An expert takes the new token if it is among its best k of all tokens that it has seen,
the earlier of equals; earlier tokens keep what they were given. That is what `axhw.pim.cache.GoCache` does with its k
scores for each expert: what the new token has to beat is the worst of them. Two sizes:

fixed     k = ceil(S active / experts) of the S tokens of the prompt, as published: the longer the text, the fewer
          of the new tokens are among the best k of all
growing   k = ceil(n active / experts) of the n tokens so far, so that experts take as large a part of the text as
          without a cache; it needs the scores of all tokens, which the published cache keeps anyway

What is compared may have few bits, as in the store of a unit (`axhw.hdl.pe.go_cache`): round((2^bits - 1) score). What
experts make is weighed with the score itself.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from axhw.errors import AxhwError
from axhw.lm.expert_choice import BoolArray, IntArray, best_tokens, capacity, chosen_table, softmax
from axhw.lm.matrices import Float32Array
from axhw.lm.routing import Chosen

Size: TypeAlias = Literal["fixed", "growing"]
SIZES: tuple[Size, ...] = get_args(Size)


class CachedChoice:
    """Each expert takes its best tokens of the prompt of each text, then of the tokens so far: an
    `axhw.lm.routing.Chooser` that gives all tokens of a text at once what steps would have given them.

    Parameters
    ----------
    active : int
        Mean number of experts of a token.
    prompt : int
        Tokens of the prompt.
    size : "fixed" or "growing"
    score_bits : int, optional
        2 to 16, of the scores that are compared; float32 by default.

    Raises
    ------
    AxhwError
        For a prompt without tokens, for other sizes, and other bits.
    """

    def __init__(self, *, active: int, prompt: int, size: Size, score_bits: int | None = None) -> None:
        if prompt < 1:
            raise AxhwError(f"Expected a prompt of at least 1 token, found {prompt}.")
        if size not in SIZES:
            raise AxhwError(f"Expected the size of a cache out of {', '.join(SIZES)}, found {size!r}.")
        if score_bits is not None and not 2 <= score_bits <= 16:
            raise AxhwError(f"Expected scores of 2 to 16 bits, found {score_bits}.")
        self.active = active
        self.prompt = prompt
        self.size = size
        self.score_bits = score_bits

    def __call__(self, logits: Float32Array) -> tuple[Chosen, Float32Array]:
        """A `Chooser`."""
        scores = softmax(logits)
        kept = self.kept(*scores.shape[1:])
        compared = scores
        if self.score_bits is not None:
            compared = np.rint(scores * np.float32((1 << self.score_bits) - 1))
        return chosen_table(cached_tokens(compared, prompt=self.prompt, kept=kept), scores)

    def kept(self, tokens: int, experts: int) -> IntArray:
        """k when there are 1, 2, ... tokens; while the prompt is read, all that it will be."""
        so_far = np.maximum(np.arange(1, tokens + 1), min(self.prompt, tokens))
        if self.size == "fixed":
            so_far[:] = self.prompt
        return np.array([capacity(int(n), experts=experts, active=self.active) for n in so_far])


def cached_tokens(scores: Float32Array, *, prompt: int, kept: IntArray) -> BoolArray:
    """Whether experts take tokens.

    Parameters
    ----------
    scores : float32 array, shape (texts, tokens, experts)
    prompt : int
        So many tokens are there before experts choose.
    kept : int array, shape (tokens,)
        The k of each token.

    Returns
    -------
    bool array, shape (texts, tokens, experts)
    """
    mask = np.zeros(scores.shape, np.bool_)
    prompt = min(prompt, scores.shape[1])
    mask[:, :prompt] = best_tokens(scores[:, :prompt], int(kept[prompt - 1]))
    for token in range(prompt, scores.shape[1]):
        before = (scores[:, :token] >= scores[:, token : token + 1]).sum(axis=1)
        mask[:, token] = before < kept[token]
    return mask
