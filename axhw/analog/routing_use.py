"""How much each expert is used on a text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from axhw.analog.converters import Float32Array, FloatArray
from axhw.lm.config import ModelConfig
from axhw.lm.model import LanguageModel
from axhw.lm.routing import Chosen
from axhw.lm.scoring import score


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertUse:
    """Which experts the tokens of a text take; arrays are of shape (layers, experts), 0 in layers without experts.

    Attributes
    ----------
    tokens : int
    rows : int64 array
        Tokens that take an expert.
    weights, squares : float64 array
        Sum of the routing weights of these, and of their squares.
    """

    tokens: int
    rows: npt.NDArray[np.int64]
    weights: FloatArray
    squares: FloatArray

    @classmethod
    def on(cls, model: LanguageModel, text: npt.ArrayLike, *, window: int) -> ExpertUse:
        """That of the text by a model.

        Parameters
        ----------
        model : LanguageModel
        text : integer array, shape (n,)
        window : int
            As for `axhw.lm.scoring.score`.

        Raises
        ------
        AxhwError
            As `axhw.lm.scoring.score`.
        """
        counter = UseCounter(model.config)
        with threadpool_limits(1, user_api="blas"):
            found = score(model, text, window=window, observer=counter)
        return counter.use(found.tokens)

    @property
    def frequency(self) -> FloatArray:
        """Part of the tokens that take an expert; those of a layer sum to the number of active experts."""
        return self.rows / self.tokens

    @property
    def mean_weight(self) -> FloatArray:
        """Mean routing weight over all tokens, 0 for those that do not take the expert."""
        return self.weights / self.tokens

    @property
    def mean_square(self) -> FloatArray:
        """Mean of the squared routing weight over all tokens."""
        return self.squares / self.tokens


class UseCounter:
    """Counts on the way, as the observer of a model's routing."""

    def __init__(self, config: ModelConfig) -> None:
        self._experts = config.experts
        self._sums = np.zeros((3, config.layers, config.experts))

    def __call__(self, layer: int, logits: Float32Array, chosen: Chosen, weights: Float32Array) -> None:
        taken = chosen.ravel()
        wide = weights.ravel().astype(np.float64)
        for sums, values in zip(self._sums, (None, wide, wide**2)):
            sums[layer] += np.bincount(taken, values, minlength=self._experts)

    def use(self, tokens: int) -> ExpertUse:
        """What was counted on so many tokens."""
        rows, weights, squares = self._sums
        return ExpertUse(tokens=tokens, rows=rows.astype(np.int64), weights=weights.copy(), squares=squares.copy())
