"""What decoding keeps of earlier tokens: keys and values (KV cache), and what experts chose and made (GO cache).

Where experts choose tokens, each takes the tokens that score best in its column of the router. A new token may push
one of them out, so that a step without memory needs all tokens again. The GO cache (arXiv 2602.10254) keeps scores of
tokens S x experts E, and outputs of chosen tokens; a step computes the scores of the new token, lets each expert
replace its worst token if the new one scores better, and runs the experts that chose it. Sizes in bytes, 8 bits each:

    keys and values    2 S w                   w: width of keys
    scores, outputs    S E + E d               d: width of the model; one output for each expert, as published
    written in a pass  n E + min(c, E) d    n: tokens that it computes, c: how many choices experts make of them

Earlier tokens keep what they were given: an expert that replaces one of them does not take its output back, as that
would change all that came after it. The cache is a model of its own that is causal for all tokens but the prompt's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def kv_bytes(tokens: IntArray, width: int) -> FloatArray:
    """Keys and values of so many tokens in one layer."""
    return (2 * width) * tokens.astype(np.float64)


def go_bytes(tokens: IntArray, *, experts: int, width: int) -> FloatArray:
    """Scores of so many tokens and an output for each expert, in one layer."""
    return tokens.astype(np.float64) * experts + float(experts * width)


def go_written_bytes(tokens: IntArray, chosen: IntArray, *, experts: int, width: int) -> FloatArray:
    """Scores of so many new tokens, and an output for each expert that made one of so many choices, in one layer."""
    return tokens.astype(np.float64) * experts + np.minimum(chosen, experts).astype(np.float64) * width


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What one new token did.

    Attributes
    ----------
    experts : int array
        Those that chose it, in increasing order.
    replaced : int array
        The token that each of them gave up for it, -1 where there was room.
    """

    experts: IntArray
    replaced: IntArray


class GoCache:
    """Scores and choices of the tokens of one layer.

    Parameters
    ----------
    scores : (tokens, experts) array
        Of the prompt.
    capacity : int
        Tokens that each expert holds; the best ones, the earlier of equals.

    Raises
    ------
    AxhwError
        For scores that are no finite matrix, and for a capacity below 1.
    """

    def __init__(self, scores: npt.ArrayLike, *, capacity: int) -> None:
        rows = np.asarray(scores, dtype=np.float64)
        if rows.ndim != 2 or not rows.shape[1] or not np.isfinite(rows).all():
            raise AxhwError(f"Expected finite scores [tokens, experts], found an array of shape {rows.shape}.")
        if capacity < 1:
            raise AxhwError(f"Expected a capacity of at least 1 token of each expert, found {capacity}.")
        self.capacity = capacity
        self.tokens, self.experts = rows.shape
        best = np.argsort(-rows, axis=0, kind="stable")[:capacity]
        self._held = np.full((capacity, self.experts), -1, dtype=np.int64)
        self._scores = np.full((capacity, self.experts), -np.inf)
        self._held[: len(best)] = best
        self._scores[: len(best)] = np.take_along_axis(rows, best, axis=0)

    @property
    def chosen(self) -> npt.NDArray[np.bool_]:
        """Tokens [tokens, experts] that experts hold now."""
        held = np.zeros((self.tokens, self.experts), dtype=np.bool_)
        place, expert = np.nonzero(self._held >= 0)
        held[self._held[place, expert], expert] = True
        return held

    def add(self, scores: npt.ArrayLike) -> Replacement:
        """Let experts choose a new token by its scores [experts]; a token of equal score stays.

        Raises
        ------
        AxhwError
            For another number of scores, and for scores that are not finite.
        """
        row = np.asarray(scores, dtype=np.float64)
        if row.shape != (self.experts,) or not np.isfinite(row).all():
            raise AxhwError(f"Expected {self.experts} finite scores of a token, found an array of shape {row.shape}.")
        # The worst of each expert; of equals the latest token goes first.
        order = np.lexsort((-self._held, self._scores), axis=0)[0]
        every = np.arange(self.experts)
        experts = np.flatnonzero(row > self._scores[order, every])
        places = order[experts]
        replaced = self._held[places, experts]
        self._held[places, experts] = self.tokens
        self._scores[places, experts] = row[experts]
        self.tokens += 1
        return Replacement(experts=experts, replaced=replaced)


def expert_choices(scores: npt.ArrayLike, *, prompt: int, capacity: int) -> IntArray:
    """Experts of each token where experts choose: those of the prompt from all of it, later ones by a GO cache.

    Parameters
    ----------
    scores : (tokens, experts) array
    prompt : int
        Tokens of the prompt.
    capacity : int
        Tokens that each expert holds.

    Returns
    -------
    (tokens, most) int array
        Experts in increasing order, then -1; `most` is the largest number of experts that chose a token.

    Raises
    ------
    AxhwError
        For a prompt that is not within the tokens, and as `GoCache` does.
    """
    rows = np.asarray(scores, dtype=np.float64)
    if rows.ndim != 2 or not 1 <= prompt <= len(rows):
        raise AxhwError(f"Expected scores [tokens, experts] of at least {prompt} tokens, found shape {rows.shape}.")
    cache = GoCache(rows[:prompt], capacity=capacity)
    chosen = np.zeros(rows.shape, dtype=np.bool_)
    chosen[:prompt] = cache.chosen
    for place in range(prompt, len(rows)):
        chosen[place, cache.add(rows[place]).experts] = True
    counts = chosen.sum(axis=1)
    table = np.full((len(rows), max(1, int(counts.max()))), -1, dtype=np.int64)
    token, expert = np.nonzero(chosen)
    table[token, np.arange(len(token)) - np.repeat(np.cumsum(counts) - counts, counts)] = expert
    return table
