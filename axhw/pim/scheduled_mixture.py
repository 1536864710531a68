"""The experts of a layer in the cycles of a schedule: values, not only counts.

In each cycle each group computes one expert on one token, a row at a time. What it makes is put into a buffer that has
a place for every choice of a token, and the places of a token are weighed and added up when all are there, in the order
of `axhw.lm.mixture`. Adding results as they arrive would need no buffer, but sums of float32 depend on the order of
three terms and more, and the order is that of the schedule.

Products in int8 (`axhw.lm.integer`) have a step of activations for each token, and sums of integers: they do not depend
on what else is computed, nor in which order, so that the layer is equal to the plain one bit by bit, with any table of
products. Rows in float32 are not, by themselves: a library adds up the products of one row in another order than those
of many. One row at a time is always the same, so that any two schedules give the same bits there, too, and so they do
for crossbars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from axhw.errors import AxhwError
from axhw.lm.expert_choice import BoolArray
from axhw.lm.matrices import Float32Array
from axhw.lm.mixture import RunExpert
from axhw.lm.routing import NOBODY, Chosen
from axhw.pim.choices import Choices
from axhw.pim.grouping import Grouping
from axhw.pim.published_schedules import token_by_token
from axhw.pim.schedule import IDLE, Mode, Schedule
from axhw.pim.schedulers import scheduled

Combine: TypeAlias = Literal["expert_order", "arrival"]
COMBINES: tuple[Combine, ...] = get_args(Combine)


class Work(NamedTuple):
    """One expert on one token."""

    cycle: int
    group: int
    token: int
    expert: int


class ScheduledMixture:
    """An `axhw.lm.mixture.Mixture` for one text at a time.

    Parameters
    ----------
    groupings : mapping of int to Grouping
        For each layer that has experts.
    scheduler : str
        One of `axhw.pim.schedulers.SCHEDULERS`.
    mode : {"token_order", "any_order"}
    prompt : int, optional
        So many tokens are scheduled together, and each later one by itself, token by token, as steps of decoding are;
        all by default.
    combine : {"expert_order", "arrival"}
        Whether results wait in a buffer, or are added as they arrive, to see what that does.
    seed : int
        Of schedulers.

    Attributes
    ----------
    schedules : dict of int to list of Schedule
        Those of each layer that was computed: the prompt's, then one for each later token with experts.

    Raises
    ------
    AxhwError
        For a prompt without tokens, and another way to combine.
    """

    def __init__(
        self,
        *,
        groupings: Mapping[int, Grouping],
        scheduler: str = "ours",
        mode: Mode = "token_order",
        prompt: int | None = None,
        combine: Combine = "expert_order",
        seed: int = 0,
    ) -> None:
        if prompt is not None and prompt < 1:
            raise AxhwError(f"Expected a prompt of at least 1 token, found {prompt}.")
        if combine not in COMBINES:
            raise AxhwError(f"Expected to combine by {' or '.join(COMBINES)}, found {combine!r}.")
        self.groupings = groupings
        self.scheduler = scheduler
        self.mode: Mode = mode
        self.prompt = prompt
        self.combine = combine
        self.seed = seed
        self.schedules: dict[int, list[Schedule]] = {}

    def __call__(
        self, layer: int, rows: Float32Array, chosen: Chosen, weights: Float32Array, run: RunExpert
    ) -> Float32Array:
        """A `Mixture`."""
        place = np.zeros((len(rows), self.groupings[layer].experts), np.int64)
        token, column = np.nonzero(chosen != NOBODY)
        place[token, chosen[token, column]] = column
        result = np.zeros_like(rows)
        buffer = np.zeros((*chosen.shape, rows.shape[1]), rows.dtype)
        self.schedules[layer] = []
        for work in self._work(layer, chosen):
            made = run(work.expert, rows[work.token : work.token + 1])[0]
            at = work.token, place[work.token, work.expert]
            if self.combine == "arrival":
                result[work.token] += made * weights[at]
            buffer[at] = made
        return result if self.combine == "arrival" else _added(buffer, chosen, weights)

    def _work(self, layer: int, chosen: Chosen) -> Iterator[Work]:
        """Cycle by cycle, group by group."""
        prompt = len(chosen) if self.prompt is None else self.prompt
        passes = [np.arange(min(prompt, len(chosen))), *np.arange(prompt, len(chosen))[:, None]]
        grouping = self.groupings[layer]
        start = 0
        for number, tokens in enumerate(passes):
            tokens = tokens[served(chosen[tokens])]
            if not len(tokens):
                continue
            choices = Choices(chosen=chosen[tokens].astype(np.int64), experts=grouping.experts)
            loads = grouping.loads(choices)
            rng = np.random.default_rng(self.seed)
            schedule = token_by_token(loads) if number else scheduled(self.scheduler, loads, rng=rng, mode=self.mode)
            schedule.check(loads)
            self.schedules[layer].append(schedule)
            experts = schedule.experts(choices.chosen, grouping.group_of)
            for cycle, group in np.argwhere(schedule.slots != IDLE):
                token = int(tokens[schedule.slots[cycle, group]])
                yield Work(start + int(cycle), int(group), token, int(experts[cycle, group]))
            start += schedule.cycles


def served(chosen: Chosen) -> BoolArray:
    """Whether some expert took a token; others are not sent to any group."""
    there: BoolArray = (chosen != NOBODY).any(axis=1)
    return there


def _added(buffer: Float32Array, chosen: Chosen, weights: Float32Array) -> Float32Array:
    """Sums over the choices of each token, those of lower experts first, of what they made [tokens, most, hidden]."""
    result = np.zeros_like(buffer[:, 0])
    order = np.argsort(chosen, axis=1, kind="stable")
    for column in order.T:
        tokens = np.flatnonzero(np.take_along_axis(chosen, column[:, None], axis=1)[:, 0] != NOBODY)
        at = tokens, column[tokens]
        result[tokens] += buffer[at] * weights[at][:, None]
    return result
