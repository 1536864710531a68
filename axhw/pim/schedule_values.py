"""A model through groups and schedules, held against the plain one bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from axhw.lm.config import Routing
from axhw.lm.matrices import Float32Array
from axhw.lm.routing import Chosen
from axhw.pim.choices import Choices
from axhw.pim.grouping import Grouping, named_grouping
from axhw.pim.machines import Machine
from axhw.pim.schedule import Mode
from axhw.pim.scheduled_mixture import COMBINES, ScheduledMixture, served
from axhw.pim.schedulers import OURS, SCHEDULERS
from axhw.pim.values import Route

GROUPINGS = ("U1", "U2", "S2", "U4", "S4", "C4")

KINDS: tuple[tuple[str, Mode], ...] = (*((name, "token_order") for name in SCHEDULERS), (OURS, "any_order"))
"""Every scheduler in each of its modes."""


@dataclass(frozen=True, kw_only=True)
class ScheduleValueRow:
    """A text through all layers of a model by one kind of schedule.

    Attributes
    ----------
    multiplier, noise, magnitude, seed
        As in `axhw.pim.machines.Machine`.
    routing, prompt, size
        As in `axhw.pim.values.Route`; the prompt is scheduled as a whole, later tokens each by itself.
    grouping, scheduler, mode : str
    cycles, transfers : int
        Of all layers.
    equal : bool
        Whether logits are those of the plain model, bit by bit.
    difference : float
        Largest difference of logits from those.
    arrival_difference : float
        The same if results are added up as they arrive, in place of by expert.
    """

    multiplier: str
    noise: str
    magnitude: float
    seed: int | None
    routing: Routing
    prompt: int
    size: str
    grouping: str
    scheduler: str
    mode: Mode
    cycles: int
    transfers: int
    equal: bool
    difference: float
    arrival_difference: float

    def row(self) -> dict[str, Any]:
        """For tables."""
        return asdict(self)


def schedule_value_rows(
    machine: Machine,
    tokens: npt.ArrayLike,
    *,
    route: Route,
    groupings: Sequence[str] = GROUPINGS,
    kinds: Sequence[tuple[str, Mode]] = KINDS,
    seed: int = 0,
) -> list[ScheduleValueRow]:
    """Hold schedules against the plain model on a text.

    Parameters
    ----------
    machine : Machine
    tokens : integer array, shape (n,)
        At most as many as the model's context.
    route : Route
        With a prompt and a cache, or neither.
    groupings : sequence of str
        See `axhw.pim.grouping.named_grouping`.
    kinds : sequence of (str, str)
        Schedulers and their modes.
    seed : int
        Of groupings and schedulers.

    Raises
    ------
    AxhwError
        For tokens that the model can't take, and unknown groupings and schedulers.
    """
    text = np.asarray(tokens)[None]
    model = machine.model.with_choice(route.chooser(machine.model.config))
    taken: dict[int, Chosen] = {}

    def observe(layer: int, logits: Float32Array, chosen: Chosen, weights: Float32Array) -> None:
        taken[layer] = chosen

    with threadpool_limits(1):
        plain = model.logits(text, observer=observe)
    prompt = route.prompt or None
    rows = []
    for name in groupings:
        shared = {
            layer: _grouping(name, chosen[:prompt], experts=model.config.experts, seed=seed)
            for layer, chosen in taken.items()
        }
        for scheduler, mode in kinds:
            mixtures = [
                ScheduledMixture(
                    groupings=shared, scheduler=scheduler, mode=mode, prompt=prompt, combine=combine, seed=seed
                )
                for combine in COMBINES
            ]
            # For single rows, threads cost more than they save.
            with threadpool_limits(1):
                found, arrived = (model.with_mixture(mixture).logits(text) for mixture in mixtures)
            schedules = [schedule for layer in mixtures[0].schedules.values() for schedule in layer]
            rows.append(
                ScheduleValueRow(
                    multiplier=machine.multiplier,
                    noise=machine.noise,
                    magnitude=machine.magnitude,
                    seed=machine.seed,
                    routing=route.routing,
                    prompt=route.prompt,
                    size=route.size or "",
                    grouping=name,
                    scheduler=scheduler,
                    mode=mode,
                    cycles=sum(schedule.cycles for schedule in schedules),
                    transfers=sum(schedule.transfers for schedule in schedules),
                    equal=bool(np.array_equal(found, plain)),
                    difference=_difference(found, plain),
                    arrival_difference=_difference(arrived, plain),
                )
            )
    return rows


def _grouping(name: str, chosen: Chosen, *, experts: int, seed: int) -> Grouping:
    choices = Choices(chosen=chosen[served(chosen)].astype(np.int64), experts=experts)
    return named_grouping(name, choices, rng=np.random.default_rng(seed))


def _difference(found: Float32Array, plain: Float32Array) -> float:
    return float(np.abs(found - plain).max())
