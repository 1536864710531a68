"""Digital experts by budget and by noise, against the fixed share of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axhw.analog.adaptation import RiseModel, adapt
from axhw.analog.budget import Budget, choose_digital
from axhw.analog.cost import token_cost
from axhw.analog.placement import Placement
from axhw.analog.tasks import Progress
from axhw.experiments.analog_moe.costs import SYSTEM, Pools, load_of
from axhw.experiments.analog_moe.groups import Groups, at_magnitude
from axhw.experiments.analog_moe.plan import FIXED_PCT, MAXNN, OURS
from axhw.experiments.analog_moe.points import SAME, Point, Row, measured
from axhw.experiments.analog_moe.rankings import MAIN_NOISE
from axhw.experiments.analog_moe.subjects import Subject

BUDGET, ADAPTED = "energy budget", "adapted to noise"


@dataclass(frozen=True, kw_only=True)
class Policies:
    """Of a model, on one machine: gates scaled to 14 nm and weights from SRAM.

    Attributes
    ----------
    groups : Groups
    pools : Pools
    progress : callable
    """

    groups: Groups
    pools: Pools
    progress: Progress

    @property
    def subject(self) -> Subject:
        return self.groups.rankings.subject

    def rows(self) -> list[dict[str, Any]]:
        """A row for each budget and each magnitude, and chip, with the energy of a token."""
        if not self.subject.depth.budgets_pct:
            return []
        found = [*self._budgeted(), *self._adapted()]
        points = [point for point, _ in found]
        rows = measured(self.subject, points, self.groups.rankings.parts, name="policies", progress=self.progress)
        return [{**row, **columns} for row, (_, columns) in zip(rows, found)]

    def _budgeted(self) -> list[tuple[Point, dict[str, Any]]]:
        """Sets within the energy of what MaxNNScore chooses in each layer, for every magnitude."""
        rankings, config = self.groups.rankings, self.subject.config
        machine = self.pools.machine(SYSTEM, self.subject.plan.tiles)
        load, use = load_of(self.subject), self.subject.use
        gains = np.maximum(rankings.scores(OURS, MAIN_NOISE), 0)
        found: list[tuple[Point, dict[str, Any]]] = []
        for share_pct in self.subject.depth.budgets_pct:
            energy = self._energy_nj(rankings.place(MAXNN, MAIN_NOISE, share_pct=share_pct))
            budget = Budget(energy_nj=energy)
            placement = choose_digital(config, machine, budget, gains=gains, load=load, use=use).placement
            columns = {
                "budget_nj": energy,
                "limit_pct": None,
                "predicted_pct": None,
                "energy_nj": self._energy_nj(placement),
            }
            for magnitude in self.subject.depth.magnitudes:
                for chip in self.groups.chips(at_magnitude(magnitude)):
                    point = Point(
                        placement=placement, programming=chip, selector=OURS, digital_pct=share_pct, policy=BUDGET
                    )
                    found.append((point, columns))
        return found

    def _adapted(self) -> list[tuple[Point, dict[str, Any]]]:
        """The smallest sets with which the loss is predicted to stay low."""
        plan, config = self.subject.plan, self.subject.config
        model, limit = self._rise_model(), math.log1p(plan.rise_pct / 100)
        found: list[tuple[Point, dict[str, Any]]] = []
        for magnitude in self.subject.depth.magnitudes:
            adapted = adapt(model, magnitude=magnitude, limit=limit)
            placement = adapted.placement
            columns = {
                "budget_nj": None,
                "limit_pct": plan.rise_pct,
                "predicted_pct": 100 * math.expm1(adapted.rise),
                "energy_nj": self._energy_nj(placement),
            }
            share_pct = round(100 * placement.share(config), 2)
            for chip in self.groups.chips(at_magnitude(magnitude)):
                point = Point(
                    placement=placement, programming=chip, selector=OURS, digital_pct=share_pct, policy=ADAPTED
                )
                found.append((point, columns))
        return found

    def _rise_model(self) -> RiseModel:
        """Fitted on the validation text, on other chips than those reported."""
        rankings, config = self.groups.rankings, self.subject.config
        selection = self.subject.selection
        placements = {
            "none": Placement(),
            "some": rankings.place(OURS, MAIN_NOISE, share_pct=FIXED_PCT, scope="layer"),
        }
        points = [Point(placement=Placement.all_digital(config), digital_pct=100.0)]
        for magnitude in self.subject.depth.magnitudes:
            for chip in selection.other_chips(at_magnitude(magnitude)):
                for placement in placements.values():
                    share_pct = 100 * placement.share(config)
                    points.append(Point(placement=placement, programming=chip, selector=OURS, digital_pct=share_pct))
        reference, *rows = measured(
            self.subject,
            points,
            rankings.parts,
            name="rises",
            progress=self.progress,
            evaluator=selection.evaluator,
        )
        return RiseModel.fitted(
            np.maximum(rankings.scores(OURS, MAIN_NOISE), 0),
            digital=np.array([point.placement.mask(config) for point in points[1:]]),
            magnitudes=[row["magnitude"] for row in rows],
            rises=[row["nats_per_token"] - reference["nats_per_token"] for row in rows],
        )

    def _energy_nj(self, placement: Placement) -> float:
        machine = self.pools.machine(SYSTEM, self.subject.plan.tiles)
        cost = token_cost(self.subject.config, machine, placement, load=load_of(self.subject), use=self.subject.use)
        return cost.energy_nj


def policy_means(rows: Sequence[Row], found: Sequence[Row]) -> list[dict[str, Any]]:
    """Means of the points of `Policies.rows`, with energy, and budget or limit.

    Parameters
    ----------
    rows : sequence of mapping
        From `Policies.rows`.
    found : sequence of mapping
        Means of all points of the study.
    """
    by_point = {tuple(row[name] for name in SAME): row for row in rows}
    return [
        {**row, **{name: by_point[key][name] for name in ("energy_nj", "budget_nj", "limit_pct", "predicted_pct")}}
        for row in found
        if (key := tuple(row[name] for name in SAME)) in by_point
    ]
