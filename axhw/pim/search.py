"""Area, latency and energy of all hardware of a space, and which of it nothing else beats.

The space is small enough to evaluate all of it: a simulation takes some 20 ms, and steps, which schedules do not
change, are simulated once for all schedules of a prompt. Latency and energy are those of the prompt and all steps. What
was evaluated is in the store, a part for each `Hardware`, so that a search that was stopped goes on where it was.

Choices of experts are drawn: normal scores with a bias for each expert (`skew` times a normal number), from which
tokens choose experts, or experts tokens, as the model has it. Groups are made for the prompt's choices.
"""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pymoo.indicators.hv import HV

from axhw.errors import AxhwError
from axhw.pim.accounting import FULL_ACCOUNTING, Accounting
from axhw.pim.area import chip_area, kept_tokens
from axhw.pim.cache import expert_choices
from axhw.pim.choices import Choices
from axhw.pim.configurations import configured
from axhw.pim.gate_units import Scaling
from axhw.pim.grouping import Grouping, named_grouping
from axhw.pim.model import DecoderModel
from axhw.pim.routing import LayerRouting
from axhw.pim.schedule import Schedule
from axhw.pim.search_space import DRAMS, READY, SCHEDULES, Hardware, SearchSpace
from axhw.pim.simulator import simulate
from axhw.pim.workload import Workload
from axhw.store import Store

OBJECTIVES = ("area_mm2", "latency_ns", "energy_nj")
"""What is to be small."""

_ROOM = "pim_searches"

Report = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that is allowed; None for no limit.

    Attributes
    ----------
    area_mm2, latency_ns, energy_nj : float or None
    """

    area_mm2: float | None = None
    latency_ns: float | None = None
    energy_nj: float | None = None

    def allow(self, point: Mapping[str, Any]) -> bool:
        """Whether a point is within all of them."""
        limits = ((name, getattr(self, name)) for name in OBJECTIVES)
        return all(limit is None or point[name] <= limit for name, limit in limits)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """All that was evaluated.

    Attributes
    ----------
    points : tuple of dict
        Hardware, schedule, figures, whether it is ``within`` the limits and on the ``front`` of those that are.
    hypervolume : float
        Share, 0 to 1, of the box between the best and the worst of all points in each objective that the front
        dominates. An objective in which all points are equal is left out.
    """

    points: tuple[dict[str, Any], ...]
    hypervolume: float

    @property
    def front(self) -> list[dict[str, Any]]:
        """Points that no other beats, by falling area."""
        return sorted((point for point in self.points if point["front"]), key=lambda point: -point["area_mm2"])

    def best(self, objective: str) -> dict[str, Any] | None:
        """The point of the front with the least of an objective; None where no point is within the limits."""
        return min(self.front, key=lambda point: tuple(point[name] for name in (objective, *OBJECTIVES)), default=None)


def search(
    model: DecoderModel,
    *,
    space: SearchSpace,
    scaling: Scaling,
    prompt: int = 32,
    new_tokens: int = 8,
    configuration: str = "control",
    accounting: Accounting = FULL_ACCOUNTING,
    limits: Limits | None = None,
    skew: float = 0.5,
    seed: int = 0,
    workers: int = 1,
    store: Store | None = None,
    report: Report = lambda done, total, what: None,
) -> SearchResult:
    """Evaluate a space.

    Parameters
    ----------
    model : DecoderModel
    space : SearchSpace
    scaling : Scaling
        Of the gates, such as `axhw.analog.technology.SCALED_TO_14_NM`.
    prompt, new_tokens : int
    configuration : str
        One of `axhw.pim.configurations.CONFIGURATIONS`.
    accounting : Accounting
    limits : Limits, optional
        What points of the front have to keep.
    skew : float
        Spread of the popularity of experts.
    seed : int
        Of choices, groupings and schedules.
    workers : int
        Threads; they change nothing but the time.
    store : Store, optional
        Where evaluations are kept. By default nowhere.
    report : callable
        Called with evaluated hardware, all of it, and what comes next.

    Raises
    ------
    AxhwError
        If no hardware of the space fits the model, and as the simulator does.
    """
    every = list(space.hardware(model))
    if not every:
        raise AxhwError(f"Expected groups of a size that divides {model.experts} experts, found none in the space.")
    task = _Task(
        model=model,
        prompt=prompt,
        new_tokens=new_tokens,
        configuration=configuration,
        accounting=accounting,
        scaling=scaling,
        skew=skew,
        seed=seed,
        schedules=space.schedules_of(accounting),
    )
    done, lock = 0, threading.Lock()

    def evaluated(hardware: Hardware) -> Sequence[Mapping[str, Any]]:
        nonlocal done
        with lock:
            report(done, len(every), hardware.grouping)
        found: Sequence[Mapping[str, Any]]
        if store is None:
            found = task.evaluate(hardware)
        else:
            kept = store.remember(_ROOM, task.key(hardware), lambda: {"points": task.evaluate(hardware)})
            found = kept["points"]
        with lock:
            done += 1
        return found

    # Groupings and schedules are made once, by whoever needs them first.
    for hardware in {(each.grouping, each.kept): each for each in every}.values():
        if store is None or not _all_kept(store, task, every, hardware):
            task.routings(hardware.grouping, hardware.kept)
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        points = [dict(point) for part in pool.map(evaluated, every) for point in part]
    finally:
        # Whoever stops a search does not wait for the rest of it.
        pool.shutdown(cancel_futures=True)
    return _result(points, Limits() if limits is None else limits)


def _all_kept(store: Store, task: _Task, every: Sequence[Hardware], like: Hardware) -> bool:
    """Whether all hardware with the same routing was evaluated before."""
    same = (each for each in every if (each.grouping, each.kept) == (like.grouping, like.kept))
    return all((store.root / _ROOM / task.key(each)).is_dir() for each in same)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Task:
    """What is the same for all hardware of a search."""

    model: DecoderModel
    prompt: int
    new_tokens: int
    configuration: str
    accounting: Accounting
    scaling: Scaling
    skew: float
    seed: int
    schedules: tuple[str, ...]

    def key(self, hardware: Hardware) -> str:
        """Digest of all that an evaluation depends on."""
        given = (
            asdict(self.model),
            self.prompt,
            self.new_tokens,
            self.configuration,
            asdict(self.accounting),
            (self.scaling.name, self.scaling.energy, self.scaling.delay, self.scaling.area),
            self.skew,
            self.seed,
            self.schedules,
            asdict(hardware),
            _code_digest(),
        )
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()

    def evaluate(self, hardware: Hardware) -> list[dict[str, Any]]:
        """A point for each schedule."""
        kept = kept_tokens(self.model, self.prompt) if hardware.kept is None else hardware.kept
        chip = configured(
            self.configuration,
            model=self.model,
            scaling=self.scaling,
            group=hardware.group,
            kept=kept,
            units=(hardware.digital_units, hardware.attention_units),
            dram=DRAMS[hardware.dram],
        )
        area_mm2 = chip_area(self.model, chip, prompt=self.prompt).total_mm2
        steps = None
        points = []
        for name, routing in self.routings(hardware.grouping, hardware.kept).items():
            run = simulate(
                Workload(
                    model=self.model,
                    prompt=self.prompt,
                    # Steps are the same whatever the schedule of the prompt.
                    new_tokens=self.new_tokens if steps is None else 0,
                    kv_cache=hardware.kv_cache,
                    go_cache=hardware.go_cache,
                    group=hardware.group,
                    routing=routing,
                ),
                parameters=chip.parameters,
                accounting=self.accounting,
            )
            steps = run.decode if steps is None else steps
            points.append(
                {
                    **hardware.row(),
                    "schedule": name,
                    "kept_tokens": kept if self.model.experts_choose else None,
                    "area_mm2": area_mm2,
                    "latency_ns": run.prefill.time_ns + steps.time_ns,
                    "energy_nj": run.prefill.energy_nj + steps.energy_nj,
                    "prompt_ns": run.prefill.time_ns,
                    "prompt_nj": run.prefill.energy_nj,
                    "steps_ns": steps.time_ns,
                    "steps_nj": steps.energy_nj,
                }
            )
        return points

    @functools.cached_property
    def _made(self) -> dict[tuple[str, int | None], dict[str, tuple[LayerRouting, ...]]]:
        return {}

    def routings(self, grouping: str, kept: int | None) -> dict[str, tuple[LayerRouting, ...]]:
        """Routing of all layers, by schedule."""
        key = (grouping, kept)
        if key not in self._made:
            layers = [self._layer(number, grouping, kept) for number in range(len(self.model.expert_layers))]
            self._made[key] = {name: tuple(layer[name] for layer in layers) for name in self.schedules}
        return self._made[key]

    def _layer(self, number: int, grouping: str, kept: int | None) -> dict[str, LayerRouting]:
        chosen = drawn_choices(
            self.model,
            prompt=self.prompt,
            new_tokens=self.new_tokens,
            kept=kept,
            skew=self.skew,
            rng=np.random.default_rng([self.seed, number]),
        )
        # Where experts choose, nobody may have chosen a token.
        busy = chosen[: self.prompt][(chosen[: self.prompt] >= 0).any(axis=1)]
        choices = Choices(chosen=busy, experts=self.model.experts)
        groups = named_grouping(grouping, choices, rng=np.random.default_rng([self.seed, number, 1]))
        return {
            name: LayerRouting(
                chosen=chosen,
                grouping=groups,
                schedule=None if name == READY else self._schedule(name, chosen, groups, number),
            )
            for name in self.schedules
        }

    def _schedule(self, name: str, chosen: npt.NDArray[np.int64], groups: Grouping, number: int) -> Schedule:
        # Compiled code takes long to import.
        from axhw.pim.schedulers import scheduled

        token, place = np.nonzero(chosen[: self.prompt] >= 0)
        loads = np.zeros((self.prompt, len(groups.groups)), np.int64)
        np.add.at(loads, (token, groups.group_of[chosen[token, place]]), 1)
        scheduler, mode = SCHEDULES[name]
        return scheduled(scheduler, loads, rng=np.random.default_rng([self.seed, number, 2]), mode=mode)


def drawn_choices(
    model: DecoderModel, *, prompt: int, new_tokens: int, kept: int | None, skew: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Experts of each token of a layer, shape (tokens, most), -1 where it has fewer: by normal scores with a bias.

    Parameters
    ----------
    kept : int or None
        Tokens that each expert keeps where experts choose; None for their even share.
    skew : float
        Spread of the biases.
    """
    bias = skew * rng.standard_normal(model.experts)
    scores = bias + rng.standard_normal((prompt + new_tokens, model.experts))
    if model.experts_choose:
        capacity = kept_tokens(model, prompt) if kept is None else kept
        return expert_choices(scores, prompt=prompt, capacity=capacity)
    return np.argsort(-scores, axis=1, kind="stable")[:, : model.active_experts].astype(np.int64)


def pareto(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which rows no other one beats: none is as small everywhere and smaller somewhere; of equal ones the first."""
    table = np.asarray(values, dtype=np.float64)
    order = np.lexsort((np.arange(len(table)), *table.T[::-1]))
    kept = np.zeros(len(table), np.bool_)
    front = np.empty((0, table.shape[1]))
    for place in order:
        if not (front <= table[place]).all(axis=1).any():
            kept[place] = True
            front = np.concatenate([front, table[place][None]])
    return kept


def _result(points: list[dict[str, Any]], limits: Limits) -> SearchResult:
    values = np.array([[point[name] for name in OBJECTIVES] for point in points])
    within = np.array([limits.allow(point) for point in points], np.bool_)
    front = np.zeros(len(points), np.bool_)
    front[np.flatnonzero(within)[pareto(values[within])]] = True
    for point, inside, first in zip(points, within.tolist(), front.tolist()):
        point |= {"within": inside, "front": first}
    low, high = values.min(axis=0), values.max(axis=0)
    differs = high > low
    covered = 0.0
    if front.any() and differs.any():
        scaled = (values[front] - low)[:, differs] / (high - low)[differs]
        covered = float(HV(ref_point=np.ones(scaled.shape[1]))(scaled))
    return SearchResult(points=tuple(points), hypervolume=covered)


@functools.lru_cache(maxsize=1)
def _code_digest() -> str:
    """Of the simulator's source: changed code makes new evaluations."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
