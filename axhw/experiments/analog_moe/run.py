"""The whole study: every finished part is kept, and a run that was stopped goes on behind the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from axhw.analog.digital import ArrayPool
from axhw.analog.placement import Placement
from axhw.evaluation import eight_bit_table
from axhw.experiments.analog_moe.claims import Measured, claims
from axhw.experiments.analog_moe.costs import Pools, array_rows, cost_rows, front_rows
from axhw.experiments.analog_moe.groups import Groups
from axhw.experiments.analog_moe.plan import LARGE_WEIGHTS, MAIN_MAGNITUDE, OURS, Depth, Plan
from axhw.experiments.analog_moe.points import SAME, Row, means, measured
from axhw.experiments.analog_moe.policies import Policies, policy_means
from axhw.experiments.analog_moe.rankings import MAIN_NOISE, Rankings
from axhw.experiments.analog_moe.subjects import PUBLISHED_RANGES, Subject, subjects, weight_count
from axhw.experiments.setup import Setup
from axhw.lookup import NamedMultiplier, named_multiplier
from axhw.sim.product_table import ProductTable


@dataclass(frozen=True, kw_only=True)
class Experiment(Setup):
    """A plan, with what it is carried out with.

    Attributes
    ----------
    plan : Plan
    jobs : int, optional
        Threads; as many as processors by default.
    """

    plan: Plan
    jobs: int | None = None

    @cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """The models.

        Raises
        ------
        AxhwError
            As `axhw.experiments.analog_moe.subjects.subjects`.
        """
        return subjects(self.plan, root=self.root, tables=self._tables, jobs=self.jobs)

    @cached_property
    def pools(self) -> Pools:
        """Arrays of the multipliers, measured."""
        plan, found = self.plan, dict[str, ArrayPool]()
        for name, multiplier in self._multipliers.items():
            self.progress(len(found), len(plan.multipliers), f"array of {name}")
            found[name] = ArrayPool.measured(
                multiplier,
                rows=plan.array_side,
                columns=plan.array_side,
                count=plan.arrays,
                flow=self.flow,
            )
        return Pools(pools=found)

    def run(self) -> dict[str, Any]:
        """Everything, as JSON values: ``claims`` first."""
        plan = self.plan
        self.folder.mkdir(parents=True, exist_ok=True)
        rows, policies, fronts, volumes = list[Row](), list[Row](), list[Row](), list[Row]()
        for subject in self.subjects:
            groups = Groups(rankings=Rankings(subject=subject, parts=self.parts))
            own: dict[str, list[Row]] = {}
            for name, points in groups.all():
                own[name] = measured(subject, points, self.parts, name=name, progress=self.progress)
            decided = Policies(groups=groups, pools=self.pools, progress=self.progress).rows()
            points_of_front, volumes_of_front = self._front(groups, own["multipliers"])
            rows += [*(row for group in own.values() for row in group), *decided]
            policies += decided
            fronts += points_of_front
            volumes += volumes_of_front
        rows = _distinct(rows)
        references = {row["model"]: row for row in rows if _is_reference(row)}
        found = means(rows, references)
        costs = cost_rows(self.subjects, self.pools, published=plan.published)
        policy_rows = policy_means(policies, found)
        measured_here = Measured(
            means=found,
            costs=costs,
            volumes=volumes,
            policies=policy_rows,
            about=f"held-out text {plan.text}; {_sizes(self.subjects)}",
            large=[each.name for each in self.subjects if weight_count(each.config) >= LARGE_WEIGHTS],
        )
        met, lacking = claims(measured_here)
        return {
            "claims": [claim.row() for claim in met],
            "missing": {"claims": lacking},
            "settings": self._settings(),
            "models": [self._model_row(subject, references[subject.name]) for subject in self.subjects],
            "means": found,
            "arrays": array_rows(self.pools),
            "costs": costs,
            "front": fronts,
            "hypervolumes": volumes,
            "policies": policy_rows,
            "ranges": [row for subject in self.subjects for row in _range_rows(subject)],
            "chips": rows,
        }

    @cached_property
    def _multipliers(self) -> Mapping[str, NamedMultiplier]:
        """By their names in the plan."""
        return {name: named_multiplier(name, self.flow.store) for name in self.plan.multipliers}

    @cached_property
    def _tables(self) -> Mapping[str, ProductTable]:
        found: dict[str, ProductTable] = {}
        for name, multiplier in self._multipliers.items():
            self.progress(len(found), len(self._multipliers), f"multiplier {name}")
            record = multiplier.measured(self.flow)
            found[name] = eight_bit_table(record)
        return found

    def _front(self, groups: Groups, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        if not rows:
            return [], []
        config = groups.rankings.subject.config
        placements = {0.0: Placement(), 100.0: Placement.all_digital(config)}
        for share_pct in groups.depth.front_shares_pct:
            if share_pct < 100:
                placements[share_pct] = groups.rankings.place(OURS, MAIN_NOISE, share_pct=share_pct, scope="global")
        return front_rows(groups.rankings.subject, rows, placements, self.pools)

    def _settings(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "text": plan.text,
            "window": plan.window,
            "tile": f"{plan.tiles.rows} x {plan.tiles.columns}",
            "converter_bits": [plan.tiles.dac_bits, plan.tiles.adc_bits],
            "published_ranges": [PUBLISHED_RANGES.k, PUBLISHED_RANGES.output_range],
            "main_magnitude": MAIN_MAGNITUDE,
            "ours": OURS,
            "multipliers": list(plan.multipliers),
            "arrays": f"{plan.arrays} of {plan.array_side} x {plan.array_side}",
            "selector_seeds": plan.selector_seeds,
            "rise_pct": plan.rise_pct,
            "depths": {subject.name: asdict(subject.depth) for subject in self.subjects},
            "library": self.flow.library.cells.name,
            "engine": str(self.flow.engine),
            "seconds": sum(self.parts.seconds.values()),
        }

    def _model_row(self, subject: Subject, reference: Row) -> Row:
        config = subject.config
        routed, weights = len(config.expert_layers) * config.experts, weight_count(config)
        return {
            "model": subject.name,
            "weights": weights,
            "expert_share_pct": 100 * routed * 3 * config.hidden * config.expert_width / weights,
            "layers": config.layers,
            "routed_experts": routed,
            "experts": config.experts,
            "active": config.active_experts,
            "shared_width": config.shared_width,
            "selection_bytes": len(subject.selection_text),
            "test_bytes": reference["tokens"],
            "chips": 2 * subject.depth.main_seeds,
            "perplexity": reference["perplexity"],
            "accuracy": reference["accuracy"],
            "files": subject.digest,
        }


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Points that are part of several groups once."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in (*SAME, "seed", "mirrored")), row)
    columns = [name for name in rows[0] if name in found[next(iter(found))]]
    return [{name: row[name] for name in columns} for row in found.values()]


def _is_reference(row: Row) -> bool:
    wanted = {"analog": "experts", "converters": "chosen", "noise": "none", "multiplier": "float32", "policy": "fixed"}
    return row["digital_pct"] == 100 and all(row[name] == value for name, value in wanted.items())


def _range_rows(subject: Subject) -> list[Row]:
    """K and lambda by kind of matrix."""
    return [
        {
            "model": subject.name,
            "module": kind.module,
            "part": kind.part,
            "k": ranges.k,
            "lambda": ranges.output_range,
            "error_pct": None if ranges.error is None else 100 * ranges.error**0.5,
        }
        for kind, ranges in subject.calibration.ranges.items()
    ]


def _sizes(found: Sequence[Subject]) -> str:
    def chips(depth: Depth) -> str:
        few, many = 2 * depth.seeds, 2 * depth.main_seeds
        return f"{many} chips" if few == many else f"{many} chips at c = {MAIN_MAGNITUDE:g}, {few} elsewhere"

    words = [f"{each.name} ({len(each.test_text):,} bytes, {chips(each.depth)})" for each in found]
    return ", ".join(words)
