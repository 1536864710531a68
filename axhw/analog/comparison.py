"""Selectors against one another: scores for shares of digital experts, kinds of chips and seeds; means and spreads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from axhw.analog.converters import FloatArray
from axhw.analog.evaluation import Case, Evaluator
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import Placement, Scope, place
from axhw.analog.programming_noise import MODELS
from axhw.analog.selectors import Selection, Selector
from axhw.analog.sensitivity import mirrored_pairs
from axhw.analog.tasks import Progress
from axhw.lm.scoring import Score


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a row is of, apart from the seed.

    Attributes
    ----------
    selector : str
        Or what a placement is called that none made.
    scope : str
        "layer" or "global"; "given" for a placement that no selector made.
    digital_pct : float
        Of the experts, as asked for: halves of an expert are rounded up.
    digital_experts : int
        How many that is.
    noise : str
        Name of the model, "none" without.
    magnitude : float
    seconds : float or None
        When the chip is read.
    converters : bool
        Whether any converter has steps.
    """

    selector: str
    scope: str
    digital_pct: float
    digital_experts: int
    noise: str
    magnitude: float
    seconds: float | None
    converters: bool


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """How well a model predicts a text with a placement on a chip.

    Attributes
    ----------
    choice : Choice
    seed : int
        Of the chip.
    mirrored : bool
        Whether it has that chip's noise with the other sign.
    tokens : int
    nats_per_token, perplexity, accuracy : float
    """

    choice: Choice
    seed: int
    mirrored: bool
    tokens: int
    nats_per_token: float
    perplexity: float
    accuracy: float

    def row(self) -> dict[str, Any]:
        """A row of a table."""
        figures = {key: value for key, value in asdict(self).items() if key != "choice"}
        return asdict(self.choice) | figures


@dataclass(frozen=True, kw_only=True)
class MeanRow:
    """The same over several chips.

    Attributes
    ----------
    choice : Choice
    chips : int
    nats_per_token, perplexity, accuracy : float
        Means.
    nats_deviation, perplexity_deviation, accuracy_deviation : float
        Standard deviations from chip to chip; 0 for one.
    rise_nats : float
        Against the model as it is: all digital, in float32.
    recovered : float or None
        Part of what all analog experts lose against all digital ones, in nats, that this choice does not lose. None
        where they lose nothing.
    recovered_error : float or None
        Standard error of that, from differences on the same chips, or the same pairs of chips; None for one.
    """

    choice: Choice
    chips: int
    nats_per_token: float
    nats_deviation: float
    perplexity: float
    perplexity_deviation: float
    accuracy: float
    accuracy_deviation: float
    rise_nats: float
    recovered: float | None
    recovered_error: float | None

    def row(self) -> dict[str, Any]:
        """A row of a table."""
        figures = {key: value for key, value in asdict(self).items() if key != "choice"}
        return asdict(self.choice) | figures


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    reference : Score
        Of the model as it is.
    rows : tuple of ScoreRow
        In the order of kinds of chips, selectors, scopes, shares and seeds.
    means : tuple of MeanRow
        The same without seeds.
    """

    reference: Score
    rows: tuple[ScoreRow, ...]
    means: tuple[MeanRow, ...]


def compare(
    selection: Selection,
    evaluator: Evaluator,
    *,
    selectors: Mapping[str, Selector],
    shares: Sequence[float],
    programmings: Sequence[Programming],
    seeds: Sequence[int],
    mirrored: bool = False,
    scopes: Sequence[Scope] = ("layer",),
    placements: Mapping[str, Placement] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Score placements that selectors make, and others.

    Parameters
    ----------
    selection : Selection
        The model, and what selectors look at.
    evaluator : Evaluator
        With the text that scores are of.
    selectors : mapping of str to Selector
    shares : sequence of float
        Of digital experts, 0 to 1.
    programmings : sequence of Programming
        Kinds of chips: their seeds don't count.
    seeds : sequence of int
        Of the chips of each kind; equal chips are computed once.
    mirrored : bool
        Whether every chip is followed by one with noise of the other sign: means over both have no part that is linear
        in the noise, which is most of the spread.
    scopes : sequence of "layer" or "global"
    placements : mapping of str to Placement, optional
        Others by name.
    progress : callable, optional

    Raises
    ------
    AxhwError
        For placements of other models, shares outside 0 to 1, and what selectors refuse.
    """
    hybrid = selection.hybrid
    fixed = {name: each.scores(selection, Programming()) for name, each in selectors.items() if not each.by_noise}
    series: list[_Series] = []
    for kind in programmings:
        chips = mirrored_pairs(kind, seeds=seeds) if mirrored else [replace(kind, seed=seed) for seed in seeds]
        for name, each in selectors.items():
            scores = [fixed[name]] * len(chips) if name in fixed else scores_of_chips(each, selection, chips)
            for scope, share in product(scopes, shares):
                placed = [place(values, hybrid.config, share=share, scope=scope) for values in scores]
                series.append(_Series.of(hybrid, name, scope, 100 * share, placed, chips))
        for name, placement in (placements or {}).items():
            pct = 100 * placement.share(hybrid.config)
            series.append(_Series.of(hybrid, name, "given", pct, [placement] * len(chips), chips))
    plain = HybridModel(hybrid.model, hybrid.calibration)
    reference = Case(hybrid=plain, placement=Placement.all_digital(hybrid.config))
    cases = [reference, *(case for each in series for case in (*each.cases, *each.analog, *each.digital))]
    found = dict(zip(cases, evaluator.scores(cases, progress=progress)))
    return Comparison(
        reference=found[reference],
        rows=tuple(row for each in series for row in each.rows(found)),
        means=tuple(each.mean(found, found[reference]) for each in series),
    )


def recovered_part(nats: FloatArray, analog: FloatArray, digital: FloatArray) -> tuple[float | None, float | None]:
    """Part of a loss that is saved: the mean gain over the mean loss.

    Parameters
    ----------
    nats, analog, digital : float64 arrays, shape (n,)
        Of a placement, of all analog and of all digital experts, each on the same chip, or mean of the same chips.

    Returns
    -------
    part : float or None
        None where nothing is lost.
    error : float or None
        Standard error of the part, to first order; None for n = 1.
    """
    gains, losses = analog - nats, analog - digital
    if losses.mean() <= 0:
        return None, None
    part = float(gains.mean() / losses.mean())
    if len(nats) == 1:
        return part, None
    return part, _deviation(gains - part * losses) / float(losses.mean()) / math.sqrt(len(nats))


def scores_of_chips(selector: Selector, selection: Selection, chips: Sequence[Programming]) -> list[FloatArray]:
    """A selector's scores for each of several chips of one kind."""
    if selector.by_seed:
        return [selector.scores(selection, chip) for chip in chips]
    return [selector.scores(selection, chips[0])] * len(chips)


@dataclass(frozen=True, kw_only=True)
class _Series:
    """A choice on each chip of a kind, and with all experts analog or digital."""

    choice: Choice
    cases: tuple[Case, ...]
    analog: tuple[Case, ...]
    digital: tuple[Case, ...]

    @classmethod
    def of(
        cls,
        hybrid: HybridModel,
        selector: str,
        scope: str,
        digital_pct: float,
        placements: Sequence[Placement],
        chips: Sequence[Programming],
    ) -> _Series:
        noise = chips[0].noise
        names = {model: name for name, model in MODELS.items()}
        choice = Choice(
            selector=selector,
            scope=scope,
            digital_pct=digital_pct,
            digital_experts=len(placements[0].digital),
            noise="none" if noise is None else names.get(type(noise), type(noise).__name__),
            magnitude=0.0 if noise is None else noise.magnitude,
            seconds=chips[0].seconds,
            converters=hybrid.calibration.tiles.needs_ranges,
        )

        def cases(placed: Sequence[Placement]) -> tuple[Case, ...]:
            return tuple(Case(hybrid=hybrid, placement=one, programming=chip) for one, chip in zip(placed, chips))

        everything = Placement.all_digital(hybrid.config)
        return cls(
            choice=choice,
            cases=cases(placements),
            analog=cases([Placement()] * len(chips)),
            digital=cases([everything] * len(chips)),
        )

    def rows(self, found: Mapping[Case, Score]) -> list[ScoreRow]:
        return [
            ScoreRow(
                choice=self.choice,
                seed=case.programming.seed,
                mirrored=case.programming.mirrored,
                tokens=found[case].tokens,
                nats_per_token=found[case].nats_per_token,
                perplexity=found[case].perplexity,
                accuracy=found[case].accuracy,
            )
            for case in self.cases
        ]

    def mean(self, found: Mapping[Case, Score], reference: Score) -> MeanRow:
        nats, analog, digital = (
            np.array([found[case].nats_per_token for case in some]) for some in (self.cases, self.analog, self.digital)
        )
        perplexities = np.array([found[case].perplexity for case in self.cases])
        accuracies = np.array([found[case].accuracy for case in self.cases])
        together = 2 if any(case.programming.mirrored for case in self.cases) else 1
        recovered, error = recovered_part(
            *(each.reshape(-1, together).mean(axis=1) for each in (nats, analog, digital))
        )
        return MeanRow(
            choice=self.choice,
            chips=len(self.cases),
            nats_per_token=float(nats.mean()),
            nats_deviation=_deviation(nats),
            perplexity=float(perplexities.mean()),
            perplexity_deviation=_deviation(perplexities),
            accuracy=float(accuracies.mean()),
            accuracy_deviation=_deviation(accuracies),
            rise_nats=float(nats.mean()) - reference.nats_per_token,
            recovered=recovered,
            recovered_error=error,
        )


def _deviation(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
