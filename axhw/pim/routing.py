"""Which experts tokens of one layer run through, which share their periphery, and in which cycles they compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.pim.cache import expert_choices
from axhw.pim.grouping import Grouping, uniform_grouping
from axhw.pim.model import DecoderModel
from axhw.pim.schedule import Schedule

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LayerRouting:
    """One layer with experts.

    Attributes
    ----------
    chosen : (tokens, most) int array
        Experts of each token, such as those of `axhw.pim.choices.Choices`; -1 where it has fewer, or none at all.
    grouping : Grouping
        One expert of a group computes at a time.
    schedule : Schedule or None
        Of the prompt: which token each group works on in each cycle. Without it, a group takes what is ready, lower
        tokens first.

    Raises
    ------
    AxhwError
        For experts that there are not or that a token has twice.
    """

    chosen: IntArray
    grouping: Grouping
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        chosen, experts = self.chosen, self.grouping.experts
        if chosen.ndim != 2 or (chosen.size and not -1 <= chosen.min() <= chosen.max() < experts):
            raise AxhwError(
                f"Expected choices [tokens, experts of each] out of 0 to {experts - 1}, or -1, found an array of shape "
                f"{chosen.shape} from {chosen.min(initial=0)} to {chosen.max(initial=0)}."
            )
        ordered = np.sort(chosen, axis=1)
        if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
            raise AxhwError("Expected different experts of each token, found one twice.")

    def of_tokens(self, first: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
        """Choices of runs of tokens, one run behind the other.

        Parameters
        ----------
        first, counts : (runs,) int arrays
            First token and number of tokens of each run.

        Returns
        -------
        (choices,) int arrays
            Place of the token in all runs together, and the expert.

        Raises
        ------
        AxhwError
            For tokens without choices.
        """
        if (most := int((first + counts).max(initial=0))) > len(self.chosen):
            raise AxhwError(f"Expected choices of at least {most} tokens, found those of {len(self.chosen)}.")
        begin = np.cumsum(counts) - counts
        position = np.arange(int(counts.sum())) - np.repeat(begin - first, counts)
        rows = self.chosen[position]
        place, column = np.nonzero(rows >= 0)
        return place, rows[place, column]

    def cycle_of_choices(self, tokens: int) -> IntArray:
        """Cycle of each choice of the first tokens, in the order of `of_tokens`; of two in a group the lower is first.

        Raises
        ------
        AxhwError
            If there is no schedule, or it is not one of these choices.
        """
        if self.schedule is None:
            raise AxhwError("Expected a schedule of the experts, found none.")
        token, expert = self.of_tokens(np.zeros(1, np.int64), np.full(1, tokens, np.int64))
        slots, group_of = self.schedule.slots, self.grouping.group_of
        cycle, group = np.nonzero(slots >= 0)
        scheduled = slots[cycle, group]
        wanted = np.lexsort((expert, token, group_of[expert]))
        given = np.lexsort((cycle, scheduled, group))
        if (
            len(wanted) != len(given)
            or (group_of[expert[wanted]] != group[given]).any()
            or (token[wanted] != scheduled[given]).any()
        ):
            raise AxhwError(
                f"Expected a schedule with an entry for each of the {len(wanted)} choices of the prompt in its group, "
                f"found one with {len(given)} entries for other tokens or groups."
            )
        found = np.empty(len(wanted), np.int64)
        found[wanted] = cycle[given]
        return found


def random_routing(model: DecoderModel, *, prompt: int, new_tokens: int, group: int, seed: int) -> list[LayerRouting]:
    """Choices by independent scores for each layer with experts, in which all experts are alike.

    Where experts choose, each takes prompt x active / experts tokens, rounded up, and keeps as many.
    """
    rng = np.random.default_rng(seed)
    grouping = uniform_grouping(model.experts, group)
    capacity = -(-prompt * model.active_experts // model.experts)
    found = []
    for _ in model.expert_layers:
        scores = rng.standard_normal((prompt + new_tokens, model.experts))
        if model.experts_choose:
            chosen = expert_choices(scores, prompt=prompt, capacity=capacity)
        else:
            chosen = np.argsort(-scores, axis=1, kind="stable")[:, : model.active_experts].astype(np.int64)
        found.append(LayerRouting(chosen=chosen, grouping=grouping))
    return found


def even_routing(model: DecoderModel, *, tokens: int, group: int, seed: int) -> list[LayerRouting]:
    """Each token takes as many experts as are active, at random, as the published simulation has it."""
    rng = np.random.default_rng(seed)
    grouping = uniform_grouping(model.experts, group)
    return [
        LayerRouting(
            chosen=np.argsort(rng.random((tokens, model.experts)), axis=1)[:, : model.active_experts].astype(np.int64),
            grouping=grouping,
        )
        for _ in model.expert_layers
    ]
