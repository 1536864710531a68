"""The whole study: every finished part is kept, and a run that was stopped goes on behind the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from axhw.experiments.moe_pim.areas import (
    area_rows,
    full_rows,
    gain_rows,
    published_density_rows,
    search_rows,
    trace_gain_rows,
)
from axhw.experiments.moe_pim.claims import claims
from axhw.experiments.moe_pim.gates import Bench
from axhw.experiments.moe_pim.measured import Measured
from axhw.experiments.moe_pim.plan import MODEL, Plan
from axhw.experiments.moe_pim.published import CYCLES_PER_TOKEN, NEW_TOKENS
from axhw.experiments.moe_pim.schedules import (
    SYNTHETIC,
    TARGET_SHARE,
    bound_rows,
    count_rows,
    example_rows,
    grouping_rows,
    model_choices_of,
    small_rows,
)
from axhw.experiments.moe_pim.simulations import (
    BOTH,
    CACHES,
    NEITHER,
    cache_rows,
    check_rows,
    model_rows,
    switch_rows,
)
from axhw.experiments.moe_pim.timeline import step_rows
from axhw.experiments.moe_pim.values import Model
from axhw.experiments.setup import Setup
from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.schedulers import OURS

Row = dict[str, Any]
Stage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A part of the study.

    Attributes
    ----------
    section : str
        Of the document, that its rows belong to.
    what : str
        For the progress.
    settings : mapping of str to JSON values
        What it depends on.
    make : callable
        Gives its rows; called with what to report its stages to.
    """

    section: str
    what: str
    make: Callable[[Stage], list[Row]]
    settings: Mapping[str, Any] = field(default_factory=dict)


def _quiet(make: Callable[..., list[Row]], *arguments: Any, **options: Any) -> Callable[[Stage], list[Row]]:
    """Work that has no stages."""

    def made(stage: Stage) -> list[Row]:
        return make(*arguments, **options)

    return made


def _on(
    make: Callable[..., list[Row]], choices: Callable[[], Choices], *, first: int | None = None, **options: Any
) -> list[Row]:
    """Rows of choices that take time to make, or of the first of them."""
    found = choices()
    return make(found if first is None else found.part(0, first), **options)


@dataclass(frozen=True, kw_only=True)
class Experiment(Setup):
    """A plan, with what it is carried out with."""

    plan: Plan

    @cached_property
    def bench(self) -> Bench:
        """What gates are measured with."""
        return Bench(flow=replace(self.flow, conditions=self.plan.conditions))

    def run(self) -> dict[str, Any]:
        """Everything, as JSON values: ``claims`` first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [*self._simulations(), *self._schedules(), *self._areas(), *self._values(), *self._gates()]
        found: dict[str, list[Row]] = {}
        for number, job in enumerate(jobs):
            found.setdefault(job.section, []).extend(self._made(job, number, len(jobs)))
        # Which traces have to be bounded follows from the schedules.
        bounds = list(self._bounds(found["counts"]))
        for number, job in enumerate(bounds, len(jobs)):
            found.setdefault(job.section, []).extend(self._made(job, number, len(jobs) + len(bounds)))
        found["trace_gains"] = trace_gain_rows(found["counts"])
        sections = {name: found.get(name, []) for name in SECTIONS}
        (timeline,) = found["timeline"]
        measured = Measured(
            **{name: sections[name] for name in Measured.__dataclass_fields__ if name in sections},
            gates=self._of_gates,
            text=self._of_text,
        )
        met, lacking = claims(measured)
        return {
            "claims": [claim.row() for claim in met],
            "missing": {"claims": lacking},
            "settings": self._settings(),
            **sections,
            "cache_steps": timeline["steps"],
            "cache_prompt": timeline["prompt"],
        }

    def _made(self, job: _Job, number: int, total: int) -> list[Row]:
        def stage(name: str) -> None:
            self.progress(number, total, name)

        stage(job.what)
        rows: list[Row] = self.parts.remember(job.section, {"part": job.what, **job.settings}, partial(job.make, stage))
        return rows

    def _simulations(self) -> Iterator[_Job]:
        plan = self.plan
        yield _Job(section="checks", what="published figures", make=_quiet(check_rows))
        for new_tokens in plan.generated:
            caches = tuple(CACHES) if new_tokens == NEW_TOKENS else (NEITHER, BOTH)
            yield _Job(
                section="caches",
                what=f"{new_tokens} new tokens",
                make=_quiet(cache_rows, new_tokens, caches=caches),
            )
        yield _Job(section="switches", what="accounting", make=_quiet(switch_rows))
        for name, prompt in plan.models.items():
            given = {"prompt": prompt, "new_tokens": plan.model_steps, "seed": plan.seed}
            yield _Job(
                section="models",
                what=name,
                settings=given,
                make=_quiet(model_rows, name, **given),
            )
        yield _Job(
            section="timeline",
            what="GO cache step by step",
            settings={"steps": plan.timeline, "seed": plan.seed},
            make=_quiet(step_rows, plan.timeline, seed=plan.seed),
        )

    def _schedules(self) -> Iterator[_Job]:
        plan = self.plan
        together = plan.tokens + plan.training_tokens
        traces = [
            *((SYNTHETIC, trace, partial(synthetic_choices, seed=trace, tokens=together)) for trace in plan.traces),
            *((MODEL, layer, partial(model_choices_of, layer, together)) for layer in plan.layers),
        ]
        for kind, trace, choices in traces:
            given = {"kind": kind, "trace": trace, "seed": plan.seed}
            yield _Job(
                section="counts",
                what=f"schedules of {kind} {trace}",
                settings={"tokens": plan.tokens, "seed": plan.seed},
                make=_quiet(_on, count_rows, choices, first=plan.tokens, **given),
            )
        for kind, trace, choices in [*traces[: plan.grouped], *traces[len(plan.traces) :]]:
            given = {"kind": kind, "trace": trace, "seed": plan.seed, "tokens": plan.tokens}
            yield _Job(
                section="groupings",
                what=f"groupings of {kind} {trace}",
                settings={"tokens": plan.tokens, "training_tokens": plan.training_tokens, "seed": plan.seed},
                make=_quiet(_on, grouping_rows, choices, **given),
            )
        yield _Job(section="example", what="worked example", make=_quiet(example_rows))
        yield _Job(
            section="small_cases",
            what=f"{plan.small_cases} small cases",
            make=_quiet(small_rows, plan.small_cases),
        )

    def _bounds(self, counts: list[Row]) -> Iterator[_Job]:
        """Of the traces of the plan, and of those that save less than they should."""
        plan = self.plan
        rows = {
            (row["grouping"], row["trace"], row["scheduler"]): row["transfers"]
            for row in counts
            if row["kind"] == SYNTHETIC and row["mode"] == "token_order"
        }
        for grouping in CYCLES_PER_TOKEN:
            for trace in plan.traces:
                ordered, heuristic = (rows[grouping, trace, name] for name in (OURS, "rescheduled"))
                if ordered <= TARGET_SHARE * heuristic and trace not in plan.bounded.get(grouping, ()):
                    continue
                given = {
                    "trace": trace,
                    "tokens": plan.tokens,
                    "ordered": ordered,
                    "rounds": plan.bound_rounds,
                    "seed": plan.seed,
                }
                yield _Job(
                    section="bounds",
                    what=f"bound of {grouping}, trace {trace}",
                    settings=given,
                    make=_quiet(bound_rows, grouping, **given),
                )

    def _areas(self) -> Iterator[_Job]:
        plan = self.plan
        yield _Job(section="gains", what="area efficiency", make=_quiet(gain_rows))
        yield _Job(section="densities", what="operations by energy and area", make=_quiet(published_density_rows))
        sizes = {"sizes": list(plan.shared)}
        yield _Job(section="areas", what="area of chips", settings=sizes, make=_quiet(area_rows, plan.shared))
        yield _Job(
            section="chips", what="chips, everything counted", settings=sizes, make=_quiet(full_rows, plan.shared)
        )
        yield _Job(
            section="search",
            what="search",
            settings={"space": asdict(plan.space), "seed": plan.seed},
            make=lambda stage: search_rows(plan.space, seed=plan.seed, stage=stage),
        )

    def _values(self) -> Iterator[_Job]:
        plan = self.plan
        for name in plan.value_models:
            model = Model(name=name, plan=plan.values, gates=self.bench, root=self.root)
            for section, make, every in (
                ("values", model.rows, model.hardware),
                ("schedule_values", model.schedule_rows, model.scheduled_hardware),
            ):
                for hardware in every:
                    yield _Job(
                        section=section,
                        what=f"{section.replace('_', ' ')} of {name}, {hardware.name}",
                        settings=model.settings,
                        make=partial(make, hardware),
                    )

    def _gates(self) -> Iterator[_Job]:
        bench = self.bench
        for setting in self.plan.groups:
            yield _Job(
                section="groups",
                what=f"crossbars of {setting.multiplier}, {setting.multiply_in}",
                settings={**bench.settings, **asdict(setting)},
                make=partial(bench.group_rows, setting),
            )
        for cache in self.plan.caches:
            yield _Job(
                section="go_caches",
                what=f"GO cache of {cache.experts} experts",
                settings={**bench.settings, **asdict(cache)},
                make=partial(bench.cache_rows, cache),
            )

    @property
    def _of_gates(self) -> str:
        conditions = self.plan.conditions
        return (
            f"{self.flow.library.cells.name}, {self.flow.engine}, {conditions.pairs:,} pairs of random operands, seed "
            f"{conditions.seed}"
        )

    @property
    def _of_text(self) -> str:
        values = self.plan.values
        return f"held-out text {values.text}, {values.test_bytes - 1:,} bytes"

    def _settings(self) -> dict[str, Any]:
        plan = self.plan
        return {
            **asdict(plan),
            "gates": self._of_gates,
            "text": self._of_text,
            "library": self.flow.library.cells.name,
            "engine": str(self.flow.engine),
            "seconds": sum(self.parts.seconds.values()),
        }


SECTIONS = (
    "checks",
    "caches",
    "switches",
    "models",
    "counts",
    "groupings",
    "bounds",
    "example",
    "small_cases",
    "gains",
    "trace_gains",
    "densities",
    "areas",
    "chips",
    "search",
    "values",
    "schedule_values",
    "groups",
    "go_caches",
)
"""Tables of the document."""
