"""Measuring a front: placements by a selector's scores, scored with each multiplier on each chip, and costed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axhw.analog.budget import Budget, BudgetedChoice, choose_digital
from axhw.analog.comparison import scores_of_chips
from axhw.analog.cost import TokenCost, token_cost
from axhw.analog.evaluation import Case, Evaluator
from axhw.analog.front import Front, front_of_rows
from axhw.analog.machine import Load, Machine
from axhw.analog.operators import Programming
from axhw.analog.placement import Placement, Scope, place
from axhw.analog.selectors import Selection, Selector
from axhw.analog.tasks import Progress
from axhw.emulate.gemm import Table
from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.scoring import Score

NO_MULTIPLIER = "none"
"""That of points without digital experts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """A multiplier of digital experts.

    Attributes
    ----------
    name : str
    table : ProductTable or integer array [256, 256]
        Its products, which experts are scored with.
    machine : Machine
        With its arrays, which they are costed on.
    """

    name: str
    table: Table
    machine: Machine


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredFront:
    """A front with what it is held against, and choices within a budget.

    Attributes
    ----------
    front : Front
    reference : Score
        With all experts digital and exact.
    reference_cost : TokenCost
    chosen : mapping of str to tuple of BudgetedChoice
        By multiplier: one, or one for each chip where scores are those of a chip; none without a budget. Their points
        are in the front, too.
    """

    front: Front
    reference: Score
    reference_cost: TokenCost
    chosen: Mapping[str, tuple[BudgetedChoice, ...]]


def measure_front(
    selection: Selection,
    evaluator: Evaluator,
    *,
    designs: Sequence[Design],
    selector: Selector,
    shares: Sequence[float],
    programmings: Sequence[Programming],
    scope: Scope = "layer",
    load: Load | None = None,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> MeasuredFront:
    """Score and cost every share with every multiplier.

    Parameters
    ----------
    selection : Selection
        The model on its tiles, and the text that scores, uses and ranges are from.
    evaluator : Evaluator
        On the text that is reported.
    designs : sequence of Design
        The exact one first: it is the reference.
    selector : Selector
    shares : sequence of float
        Of digital experts, 0 to 1.
    programmings : sequence of Programming
        Of each chip, such as those of several seeds.
    scope : "layer" or "global"
        As for `axhw.analog.placement.place`.
    load : Load, optional
    budget : Budget, optional
        Adds the digital experts that are worth the most by their scores within it, for each multiplier.
    progress : callable, optional

    Raises
    ------
    AxhwError
        Without designs, shares or chips, for shares outside 0 to 1, and a budget that the model does not keep.
    """
    if not (designs and shares and programmings):
        raise AxhwError("Expected multipliers, shares of digital experts and chips to measure a front, found none.")
    config, use = selection.hybrid.config, selection.use.frequency
    scores = scores_of_chips(selector, selection, programmings)
    points: list[_Point] = []
    for share in dict.fromkeys(shares):
        placements = [place(each, config, share=share, scope=scope) for each in scores]
        for design in designs if share > 0 else designs[:1]:
            # Without anything analog all chips are alike.
            chips = programmings if share < 1 else programmings[:1]
            points += [
                _Point(design, placement, chip, f"{100 * share:g} %") for placement, chip in zip(placements, chips)
            ]
    chosen: dict[str, tuple[BudgetedChoice, ...]] = {}
    if budget is not None:
        for design in designs:
            found = [
                choose_digital(config, design.machine, budget, gains=np.maximum(each, 0), load=load, use=use)
                for each in (scores if selector.by_seed else scores[:1])
            ]
            chosen[design.name] = tuple(found)
            choices = found if selector.by_seed else found * len(programmings)
            points += [_Point(design, choice.placement, chip, "budget") for choice, chip in zip(choices, programmings)]
    everything = Placement.all_digital(config)
    hybrids = {design.name: selection.hybrid.with_table(design.table) for design in designs}
    cases = [
        Case(hybrid=hybrids[point.design.name], placement=point.placement, programming=point.programming)
        for point in (_Point(designs[0], everything, programmings[0], "reference"), *points)
    ]
    reference, *found_scores = evaluator.scores(cases, progress=progress, what="points of the front")
    reference_cost = token_cost(config, designs[0].machine, everything, load=load, use=use)
    front = front_of_rows(
        [point.row(config, score) for point, score in zip(points, found_scores)],
        [token_cost(config, point.design.machine, point.placement, load=load, use=use) for point in points],
        reference_nats=reference.nats_per_token,
        reference_nj=reference_cost.energy_nj,
    )
    return MeasuredFront(front=front, reference=reference, reference_cost=reference_cost, chosen=chosen)


@dataclass(frozen=True)
class _Point:
    """What is scored and costed: a placement on a chip, and what it was chosen by."""

    design: Design
    placement: Placement
    programming: Programming
    choice: str

    def row(self, config: ModelConfig, score: Score) -> dict[str, Any]:
        return {
            "multiplier": self.design.name if self.placement.digital else NO_MULTIPLIER,
            "choice": self.choice,
            "digital_pct": 100 * self.placement.share(config),
            "nats_per_token": score.nats_per_token,
            "accuracy": score.accuracy,
        }
