"""Choices, groups and schedules of one layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.pim.grouping import uniform_grouping
from axhw.pim.model import LLAMA_MOE_4_16, OLMOE
from axhw.pim.routing import LayerRouting, even_routing, random_routing
from axhw.pim.schedule import Schedule, Slots

# The worked example of the reference, experts counted from 0, with a schedule of 7 cycles in token order.
CHOICES = np.array([[1, 3, 5, 7], [1, 2, 3, 6], [0, 1, 4, 6], [0, 1, 2, 4], [0, 3, 4, 6], [2, 3, 4, 6]])
COMPACT = np.array(
    [
        [0, 0, 0, 0],
        [1, 1, 2, 1],
        [2, 1, 3, 2],
        [2, 3, 4, 4],
        [3, 4, 5, 5],
        [3, 5, -1, -1],
        [4, 5, -1, -1],
    ],
    np.int32,
)


def example(slots: Slots = COMPACT) -> LayerRouting:
    schedule = Schedule(slots=slots, mode="token_order", name="compact")
    return LayerRouting(chosen=CHOICES, grouping=uniform_grouping(8, 2), schedule=schedule)


def test_worked_example() -> None:
    layer = example()
    token, expert = layer.of_tokens(np.array([0]), np.array([6]))
    group, cycle = layer.grouping.group_of[expert], layer.cycle_of_choices(6)
    np.testing.assert_array_equal(COMPACT[cycle, group], token)
    assert len(set(zip(cycle, group))) == 24
    # Of two experts in a group, the lower goes first.
    assert cycle[(token == 1) & (expert == 2)] < cycle[(token == 1) & (expert == 3)]


@pytest.mark.parametrize(
    "change",
    [
        lambda slots: slots[:-1],
        lambda slots: np.where(slots == 5, np.int32(4), slots),
        lambda slots: slots[:, ::-1],
    ],
)
def test_schedules_of_something_else_are_refused(change: Callable[[Slots], Slots]) -> None:
    layer = example(change(COMPACT))
    with pytest.raises(AxhwError, match="Expected a schedule with an entry for each of the 24 choices of the prompt"):
        layer.cycle_of_choices(6)


def test_without_a_schedule_there_are_no_cycles() -> None:
    layer = LayerRouting(chosen=CHOICES, grouping=uniform_grouping(8, 2))
    with pytest.raises(AxhwError, match="Expected a schedule of the experts, found none."):
        layer.cycle_of_choices(6)


def test_runs_of_tokens() -> None:
    layer = LayerRouting(chosen=np.array([[0, -1], [2, 1], [-1, -1], [3, -1]]), grouping=uniform_grouping(4, 1))
    token, expert = layer.of_tokens(np.array([1, 0, 3]), np.array([3, 2, 1]))
    assert token.tolist() == [0, 0, 2, 3, 4, 4, 5]
    assert expert.tolist() == [2, 1, 3, 0, 2, 1, 3]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([[0, 4]], r"out of 0 to 3, or -1, found an array of shape \(1, 2\) from 0 to 4."),
        ([0, 1], r"found an array of shape \(2,\)"),
        ([[2, 2]], "Expected different experts of each token, found one twice."),
    ],
)
def test_choices_are_checked(chosen: list[object], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        LayerRouting(chosen=np.array(chosen), grouping=uniform_grouping(4, 1))


def test_drawn_choices() -> None:
    """Experts take the same share of the prompt; tokens take the same number of experts."""
    prompt = random_routing(LLAMA_MOE_4_16, prompt=32, new_tokens=8, group=2, seed=1)[0].chosen[:32]
    counts = np.bincount(prompt[prompt >= 0], minlength=16)
    assert counts.tolist() == [8] * 16
    tokens = random_routing(OLMOE, prompt=4, new_tokens=2, group=1, seed=1)
    assert len(tokens) == 16
    assert all(layer.chosen.shape == (6, 8) and (layer.chosen >= 0).all() for layer in tokens)
    even = even_routing(LLAMA_MOE_4_16, tokens=9, group=4, seed=0)[0]
    assert even.chosen.shape == (9, 4)
    assert len(even.grouping.groups) == 4
