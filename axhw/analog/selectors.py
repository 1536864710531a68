"""Scores of experts: the higher the score, the more an expert should be digital.

Of the weights       maxnn, router
Of a text            frequency, weight
And of the noise     power: predicted; probed, oracle, oracle_digital: measured, mean over chips
And of the chip      chip, chip_oracle: measured on the chip that the placement is for, after programming
For comparison       random

`axhw.analog.placement.place` makes a placement of scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from axhw.analog.converters import Float32Array, FloatArray
from axhw.analog.evaluation import Evaluator
from axhw.analog.noise_power import noise_power
from axhw.analog.operators import HybridModel, Programming, expert_matrices
from axhw.analog.placement import expert_sites
from axhw.analog.probes import shared_rises
from axhw.analog.routing_use import ExpertUse
from axhw.analog.sensitivity import Alone, expert_rises, mirrored_pairs
from axhw.analog.tasks import Progress
from axhw.errors import AxhwError
from axhw.lm.matrices import MatrixKey

FIRST_SEED = 1_000_000
"""Seeds that selectors measure with begin here: chips that scores are reported of are others."""


class Selection:
    """What selectors may look at: a model, the tiles it would be on, and a text that nothing is reported on.

    Parameters
    ----------
    hybrid : HybridModel
    text : integer array, shape (n,)
    window : int
        As for `axhw.lm.scoring.score`.
    seeds : int
        Pairs of chips that a mean over chips is measured on.
    jobs : int, optional
        As for `Evaluator`.
    progress : callable, optional

    Raises
    ------
    AxhwError
        As `Evaluator`, for less than 1 seed, and for a model whose experts choose tokens.
    """

    def __init__(
        self,
        hybrid: HybridModel,
        text: npt.ArrayLike,
        *,
        window: int,
        seeds: int = 2,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        if seeds < 1:
            raise AxhwError(f"Expected at least 1 seed to measure with, found {seeds}.")
        if hybrid.config.routing != "token_choice":
            raise AxhwError(f"Expected a model whose tokens choose experts, found one of {hybrid.config.routing}.")
        self.hybrid = hybrid
        self.text = np.asarray(text)
        self.window = window
        self.progress = progress
        self.evaluator = Evaluator(text, window=window, jobs=jobs)
        self._seeds = range(FIRST_SEED, FIRST_SEED + seeds)
        self._probed: dict[tuple[Programming, int], FloatArray] = {}

    @cached_property
    def use(self) -> ExpertUse:
        """How much experts are used on the text."""
        return ExpertUse.on(self.hybrid.model, self.text, window=self.window)

    def other_chips(self, programming: Programming) -> list[Programming]:
        """Programmings of the same kind for a mean over chips."""
        return mirrored_pairs(programming, seeds=self._seeds) if programming.random else [programming]

    def probed(self, programming: Programming, *, parts: int) -> FloatArray:
        """Scores of `Probed`, measured once for all chips of a kind."""
        kind = replace(programming, seed=0, mirrored=False)
        if (kind, parts) not in self._probed:
            self._probed[kind, parts] = self._probe(programming, parts)
        return self._probed[kind, parts]

    def _probe(self, programming: Programming, parts: int) -> FloatArray:
        chips, cut = self.other_chips(programming), self.evaluator.interleaved(parts)
        found = shared_rises(self.hybrid, cut, chips, progress=self.progress)
        together = 2 if programming.random else 1
        measured = found.reshape(-1, together, *found.shape[1:]).mean(axis=1)
        mean: FloatArray = measured.mean(axis=(0, 1))
        powers = noise_power(self.hybrid, self.evaluator, programming.noise, progress=self.progress)
        predicted = in_proportion(powers, np.maximum(mean.sum(axis=1), 0))
        return predicted + reliability(measured - predicted) * (mean - predicted)


class Selector(Protocol):
    """What gives scores.

    Attributes
    ----------
    by_noise : bool
        Whether they depend on the noise.
    by_seed : bool
        Whether they depend on its seed, too.
    """

    by_noise: ClassVar[bool]
    by_seed: ClassVar[bool]

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        """Scores of shape (layers, experts), 0 in layers without experts."""
        ...


@dataclass(frozen=True)
class MaxNeuronNorm:
    """MaxNNScore of arXiv 2603.02633: the product of `largest_neuron_norm` of the up, down and gate projections."""

    by_noise: ClassVar[bool] = False
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        model = selection.hybrid.model
        return _by_site(
            selection,
            [
                float(np.prod([largest_neuron_norm(model.weight(key)) for key in expert_matrices(site)]))
                for site in expert_sites(model.config)
            ],
        )


@dataclass(frozen=True)
class ActivationFrequency:
    """Part of the tokens that take the expert."""

    by_noise: ClassVar[bool] = False
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        return selection.use.frequency


@dataclass(frozen=True)
class MeanRoutingWeight:
    """Mean routing weight over all tokens: 0 for those that do not take the expert."""

    by_noise: ClassVar[bool] = False
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        return selection.use.mean_weight


@dataclass(frozen=True)
class RouterNorm:
    """l2 norm of the expert's row in the router."""

    by_noise: ClassVar[bool] = False
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        model = selection.hybrid.model
        scores = np.zeros((model.config.layers, model.config.experts))
        for layer in model.config.expert_layers:
            router = model.weight(MatrixKey(layer=layer, module="router", part="router"))
            scores[layer] = np.linalg.norm(router.astype(np.float64), axis=1)
        return scores


@dataclass(frozen=True)
class RandomOrder:
    """Any experts, others for each seed: what a choice is worth at least."""

    by_noise: ClassVar[bool] = True
    by_seed: ClassVar[bool] = True

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        sites = expert_sites(selection.hybrid.config)
        return _by_site(selection, np.random.default_rng(programming.seed).permutation(len(sites)))


@dataclass(frozen=True)
class NoisePower:
    """Predicted power of the noise that the expert adds, relative to the residual stream.

    `axhw.analog.noise_power` derives it: routing weight squared times the variance of the expert's output, mean over
    all tokens. To second order, the loss rises by a sum over experts of such powers times curvatures, which are taken
    to be equal.
    """

    by_noise: ClassVar[bool] = True
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        return noise_power(selection.hybrid, selection.evaluator, programming.noise, progress=selection.progress)


@dataclass(frozen=True)
class Probed:
    """What the loss rises by for the expert, mean over chips, from one measurement of each layer.

    `axhw.analog.probes`: all experts of a layer are analog at once, and the rise at each token is shared out among the
    experts that it takes, in proportion to the predicted power of their noise. It finds out which tokens and layers
    mind, which `NoisePower` does not know, at the cost of a measurement for each layer and not for each expert.

    What a text of some thousand tokens says of one expert among hundreds is mostly chance. So the rise of each layer is
    dealt out by `NoisePower` first, and only as much of the deviations from that is believed as passages and chips
    confirm for each other: `reliability`.

    Attributes
    ----------
    parts : int
        Of the text, at least so many; fewer where it has fewer windows.
    """

    parts: int = 4
    by_noise: ClassVar[bool] = True
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        return selection.probed(programming, parts=self.parts)


@dataclass(frozen=True)
class Measured:
    """The oracle: what the expert alone does to the loss, measured, mean over chips.

    Attributes
    ----------
    alone : "analog" or "digital"
        As for `axhw.analog.sensitivity.expert_rises`.
    """

    alone: Alone = "analog"
    by_noise: ClassVar[bool] = True
    by_seed: ClassVar[bool] = False

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        chips = selection.other_chips(programming)
        return expert_rises(selection.hybrid, selection.evaluator, chips, alone=self.alone, progress=selection.progress)


@dataclass(frozen=True)
class ProbedChip:
    """`Probed` on the very chip that the placement is for, after programming.

    On one chip the rise of the loss has a part that is linear in the noise: of either sign, as large as the mean over
    chips in our models, and in part the same on other text. Experts that came out well may stay analog. All experts
    have to be programmed for it, those that become digital in vain.

    Here, too, only the part of the deviations from `Probed` counts that is the same in all parts of the text.

    Attributes
    ----------
    parts : int
        As for `Probed`.
    """

    parts: int = 4
    by_noise: ClassVar[bool] = True
    by_seed: ClassVar[bool] = True

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        usual = selection.probed(programming, parts=self.parts)
        cut = selection.evaluator.interleaved(self.parts)
        measured = shared_rises(selection.hybrid, cut, [programming], progress=selection.progress)
        mean: FloatArray = measured.mean(axis=(0, 1))
        return usual + reliability(measured - usual) * (mean - usual)


@dataclass(frozen=True)
class MeasuredChip:
    """`Measured`, with one expert analog at a time, on the very chip that the placement is for."""

    by_noise: ClassVar[bool] = True
    by_seed: ClassVar[bool] = True

    def scores(self, selection: Selection, programming: Programming) -> FloatArray:
        return expert_rises(selection.hybrid, selection.evaluator, [programming], progress=selection.progress)


SELECTORS: Mapping[str, Selector] = {
    "maxnn": MaxNeuronNorm(),
    "frequency": ActivationFrequency(),
    "weight": MeanRoutingWeight(),
    "router": RouterNorm(),
    "random": RandomOrder(),
    "power": NoisePower(),
    "probed": Probed(),
    "oracle": Measured(alone="analog"),
    "oracle_digital": Measured(alone="digital"),
    "chip": ProbedChip(),
    "chip_oracle": MeasuredChip(),
}
"""Selectors by name."""


def selector(name: str) -> Selector:
    """A selector by its name.

    Raises
    ------
    AxhwError
        For an unknown one.
    """
    if name not in SELECTORS:
        raise AxhwError(f"Expected a selector out of {', '.join(SELECTORS)}, found {name!r}.")
    return SELECTORS[name]


def largest_neuron_norm(weight: Float32Array) -> float:
    """MaxNNorm of a matrix [outputs, inputs]: the largest l2 norm of the weights of one output."""
    return float(np.linalg.norm(weight.astype(np.float64), axis=1).max())


def in_proportion(scores: FloatArray, sums: FloatArray) -> FloatArray:
    """Scores [layers, experts] of at least 0, those of each layer multiplied so that they sum to what is given."""
    totals = scores.sum(axis=1)
    factors = np.divide(sums, totals, out=np.zeros_like(totals), where=totals > 0)
    scaled: FloatArray = scores * factors[:, None]
    return scaled


def reliability(measured: FloatArray) -> float:
    """Share of the variance of a mean over measurements that is due to what they have in common.

    Each measurement is s + e, with errors e that are independent of s, and of each other where chip and text differ.
    The covariance of two such measurements is the variance of s; that of the mean has an error on top. Multiplied by
    the share, the mean is the linear estimate of s with the least error.

    Parameters
    ----------
    measured : float64 array, shape (chips, parts of the text, ...)
        What is measured should have a mean of about 0. Of a single chip, s is what is the same on all text.

    Returns
    -------
    float
        0 to 1; 0 where no two measurements are independent.
    """
    chips, parts = measured.shape[:2]
    flat = measured.reshape(chips * parts, -1)
    products = flat @ flat.T
    chip, part = np.divmod(np.arange(chips * parts), parts)
    apart = (part[:, None] != part) & ((chip[:, None] != chip) | (chips == 1))
    total = float(products.mean())
    if total <= 0 or not apart.any():
        return 0.0
    return min(max(float(products[apart].mean()) / total, 0.0), 1.0)


def _by_site(selection: Selection, values: npt.ArrayLike) -> FloatArray:
    """Scores in the shape of the model, from one for each expert in order."""
    config = selection.hybrid.config
    scores = np.zeros((config.layers, config.experts))
    scores[list(config.expert_layers)] = np.asarray(values, np.float64).reshape(-1, config.experts)
    return scores
