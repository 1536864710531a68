"""How well a model predicts a text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.lm.matrices import HEAD, Float32Array
from axhw.lm.model import LanguageModel
from axhw.lm.routing import RoutingObserver

# Logits of that many pairs of a position and a token at once.
_LOGITS = 1 << 21
_BATCH_TOKENS = 1 << 14

Tokens = npt.NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a model predicts a text.

    Attributes
    ----------
    tokens : int
        Tokens that were predicted.
    nats_per_token : float
        Mean of -ln of the probability given to the right token.
    accuracy : float
        Part of the tokens that were the most probable one.
    """

    tokens: int
    nats_per_token: float
    accuracy: float

    @property
    def perplexity(self) -> float:
        """exp(nats per token)."""
        with np.errstate(over="ignore"):
            return float(np.exp(np.float64(self.nats_per_token)))


def windows(tokens: npt.ArrayLike, *, window: int) -> tuple[Tokens, Tokens]:
    """A text cut into windows: what the model is given, and what follows each of its tokens.

    Parameters
    ----------
    tokens : integer array, shape (n,)
    window : int
        Tokens of a window. Windows do not overlap, but the last token to predict in one is the first one given in the
        next: all tokens but the first are predicted once. What is left at the end is left out.

    Returns
    -------
    inputs, targets : integer arrays, shape ((n - 1) // window, window)

    Raises
    ------
    AxhwError
        For a text without a window in it.
    """
    text = np.asarray(tokens)
    if text.ndim != 1 or text.dtype.kind not in "iu":
        raise AxhwError(f"Expected a text as an integer array [n], found {text.dtype} {list(text.shape)}.")
    if window < 1 or len(text) <= window:
        raise AxhwError(
            f"Expected a window of at least 1 token and a text longer than it, found {window} and {len(text)} tokens."
        )
    count = (len(text) - 1) // window
    inputs, targets = (text[start : start + count * window].reshape(count, window) for start in (0, 1))
    return inputs, targets


def score(
    model: LanguageModel,
    tokens: npt.ArrayLike,
    *,
    window: int,
    batch_tokens: int | None = None,
    observer: RoutingObserver | None = None,
) -> Score:
    """Score a model on a text.

    Parameters
    ----------
    model : LanguageModel
    tokens : integer array, shape (n,)
    window : int
        See `windows`.
    batch_tokens : int, optional
        How many tokens are computed together, rounded to windows. By default 16384 for a model that keeps its
        operators, and all for one that reads its weights, so that it reads each once.
    observer : callable, optional
        Told the routing of each layer, for one batch after the other.

    Raises
    ------
    AxhwError
        As `windows`, and for tokens or windows that the model can't take.
    """
    inputs, targets = windows(tokens, window=window)
    if batch_tokens is None:
        batch_tokens = _BATCH_TOKENS if model.keep else inputs.size
    step = max(1, batch_tokens // window)
    scores = []
    for start in range(0, len(inputs), step):
        x = model.embed(inputs[start : start + step])
        for layer in range(model.config.layers):
            x = model.layer(layer, x, observer=observer)
        scores.append(score_states(model, x, targets[start : start + step]))
    return mean_score(scores)


def score_states(model: LanguageModel, x: Float32Array, targets: Tokens) -> Score:
    """Score what the head makes of states.

    Parameters
    ----------
    model : LanguageModel
    x : float32 array, shape (texts, length, hidden)
        Behind the last layer.
    targets : integer array, shape (texts, length)
        The tokens that follow.

    Raises
    ------
    AxhwError
        For tokens outside the vocabulary.
    """
    nats, hits = token_scores(model, x, targets)
    return Score(
        tokens=len(nats), nats_per_token=float(nats.sum(dtype=np.float64)) / len(nats), accuracy=float(hits.mean())
    )


def token_scores(model: LanguageModel, x: Float32Array, targets: Tokens) -> tuple[Float32Array, npt.NDArray[np.bool_]]:
    """What `score_states` takes the means of.

    Returns
    -------
    nats : float32 array, shape (texts * length,)
        -ln of the probability given to the right token.
    hits : bool array, shape (texts * length,)
        Whether that was the most probable one.

    Raises
    ------
    AxhwError
        As `score_states`.
    """
    head = model.operator(HEAD)
    rows, right = x.reshape(-1, model.config.hidden), model.checked(targets).ravel()
    step = max(1, _LOGITS // model.config.vocabulary)
    nats, hits = np.empty(len(rows), np.float32), np.empty(len(rows), np.bool_)
    for start in range(0, len(rows), step):
        some = right[start : start + step]
        logits = head(model.last_norm(rows[start : start + step]))
        hits[start : start + step] = logits.argmax(axis=1) == some
        given = np.take_along_axis(logits, some[:, None], axis=1)[:, 0]
        most = logits.max(axis=1, keepdims=True)
        sums = np.exp(logits - most).sum(axis=1)
        nats[start : start + step] = np.log(sums) + (most[:, 0] - given)
    return nats, hits


def mean_score(scores: list[Score]) -> Score:
    """The score of several parts of a text together."""
    tokens = sum(part.tokens for part in scores)
    return Score(
        tokens=tokens,
        nats_per_token=sum(part.nats_per_token * part.tokens for part in scores) / tokens,
        accuracy=sum(part.accuracy * part.tokens for part in scores) / tokens,
    )
