"""What a model computes on windows of text, kept so that two ways to compute can be compared token by token."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from axhw.lm.expert_choice import BoolArray
from axhw.lm.matrices import Float32Array
from axhw.lm.model import LanguageModel
from axhw.lm.routing import NOBODY, Chosen
from axhw.lm.scoring import Tokens, token_scores


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Some windows through a model.

    Attributes
    ----------
    nats : float32 array, shape (windows, length)
        -ln of the probability given to the token that follows.
    added : dict of int to float32 array [windows, length, hidden]
        What the experts of a layer add to the states, shared ones included.
    chosen : dict of int to bool array [windows, length, experts]
        Whether a token runs through an expert.
    """

    nats: Float32Array
    added: dict[int, Float32Array]
    chosen: dict[int, BoolArray]


def trace(model: LanguageModel, inputs: Tokens, targets: Tokens) -> Trace:
    """Windows through a model.

    Parameters
    ----------
    model : LanguageModel
    inputs, targets : integer arrays, shape (windows, length)
        As `axhw.lm.scoring.windows` makes them.

    Raises
    ------
    AxhwError
        For tokens and windows that the model can't take.
    """
    masks: dict[int, BoolArray] = {}
    added: dict[int, Float32Array] = {}

    def observe(layer: int, logits: Float32Array, chosen: Chosen, weights: Float32Array) -> None:
        mask = np.zeros(logits.shape, np.bool_)
        token, place = np.nonzero(chosen != NOBODY)
        mask[token, chosen[token, place]] = True
        masks[layer] = mask.reshape(*inputs.shape, -1)

    x = model.embed(inputs)
    for layer in range(model.config.layers):
        before = model.attended(layer, x)
        x = model.feed_forward(layer, before, observer=observe)
        if layer in masks:
            added[layer] = x - before
    nats, _ = token_scores(model, x, targets)
    return Trace(nats=nats.reshape(inputs.shape), added=added, chosen=masks)


@dataclass(kw_only=True, eq=False)
class Comparison:
    """Sums over the tokens of many windows, of one way to compute beside another.

    Attributes
    ----------
    layers : tuple of int
        Those with experts.
    first : int
        Tokens of a window before it do not count.
    """

    layers: tuple[int, ...]
    first: int
    tokens: int = 0
    nats: float = 0.0
    reference_nats: float = 0.0
    trained_nats: float = 0.0
    choices: int = 0
    unserved: int = 0
    _sums: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        # Squares of differences, squares of the reference, choices of both, choices of either; by layer.
        self._sums = np.zeros((len(self.layers), 4))

    def add(self, found: Trace, reference: Trace, trained: Trace) -> None:
        """Count windows.

        Parameters
        ----------
        found, reference : Trace
        trained : Trace
            Of the exact model as it was trained.
        """
        part = np.s_[:, self.first :]
        self.tokens += found.nats[part].size
        self.nats += float(found.nats[part].sum(dtype=np.float64))
        self.reference_nats += float(reference.nats[part].sum(dtype=np.float64))
        self.trained_nats += float(trained.nats[part].sum(dtype=np.float64))
        for place, layer in enumerate(self.layers):
            made, right = found.added[layer][part], reference.added[layer][part]
            own, other = found.chosen[layer][part], reference.chosen[layer][part]
            self.choices += int(own.sum())
            self.unserved += int((~own.any(axis=-1)).sum())
            self._sums[place] += (
                np.square(made - right, dtype=np.float64).sum(),
                np.square(right, dtype=np.float64).sum(),
                (own & other).sum(),
                (own | other).sum(),
            )

    @property
    def errors(self) -> tuple[float, ...]:
        """Norm of the difference of what experts add, relative to that of the reference, for each layer."""
        return tuple(_ratio(difference, square) ** 0.5 for difference, square, _, _ in self._sums)

    @property
    def error(self) -> float:
        """The same, root mean square over the layers."""
        return float(np.sqrt(np.mean(np.square(self.errors))))

    @property
    def agreements(self) -> tuple[float, ...]:
        """Choices of both, by choices of either, for each layer."""
        return tuple(_ratio(both, either) if either else 1.0 for _, _, both, either in self._sums)

    @property
    def agreement(self) -> float:
        """The same, mean over the layers."""
        return float(np.mean(self.agreements))

    @property
    def experts_per_token(self) -> float:
        """Mean number of experts that a token runs through in a layer."""
        return self.choices / (self.tokens * len(self.layers))

    @property
    def without_pct(self) -> float:
        """Percent of tokens, mean over the layers, that no expert takes."""
        return 100 * self.unserved / (self.tokens * len(self.layers))


def _ratio(part: float, whole: float) -> float:
    """0 of 0 is 0."""
    return float(part / whole) if part else 0.0
