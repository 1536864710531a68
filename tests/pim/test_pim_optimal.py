"""The fewest transfers, against trying all schedules, and bounds against the fewest."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from axhw.errors import AxhwError
from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.grouping import Grouping, named_grouping
from axhw.pim.optimal import count_fewest_in_order, fewest_in_any_order, fewest_in_order
from axhw.pim.ordered_schedule import in_order
from axhw.pim.schedule import Loads, Schedule, least_cycles, least_transfers
from axhw.pim.transfer_bounds import bound_in_any_order, bound_in_order
from axhw.pim.unordered_schedule import in_any_order

EXAMPLE = Grouping(name="pairs", groups=((0, 1), (2, 3), (4, 5), (6, 7))).loads(
    Choices(
        chosen=np.array([[2, 4, 6, 8], [2, 3, 4, 7], [1, 2, 5, 7], [1, 2, 3, 5], [1, 4, 5, 7], [3, 4, 5, 7]]) - 1,
        experts=8,
    )
)

tiny_loads = hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 3)), elements=st.integers(0, 2)).filter(
    lambda loads: bool(loads.any())
)


def by_trying_in_order(loads: Loads, cycles: int) -> int:
    """Fewest transfers over all ways to let queues go on or wait, in every cycle."""
    queues = [np.repeat(np.arange(len(loads)), column).tolist() for column in loads.T]

    @functools.cache
    def fewest(done: tuple[int, ...], left: int) -> float:
        if all(count == len(queue) for count, queue in zip(done, queues)):
            return 0
        if not left:
            return float("inf")
        ready = [q for q, queue in enumerate(queues) if done[q] < len(queue)]
        best = float("inf")
        for number in range(len(ready) + 1):
            for going in itertools.combinations(ready, number):
                then = tuple(count + (q in going) for q, count in enumerate(done))
                best = min(best, len({queues[q][done[q]] for q in going}) + fewest(then, left - 1))
        return best

    return int(fewest((0,) * len(queues), cycles))


def by_trying_in_any_order(loads: Loads) -> int:
    """Fewest transfers over all ways to put queues into cycles."""
    cycles = least_cycles(loads)
    columns = []
    for column in loads.T:
        queue = [*np.repeat(np.arange(len(loads)), column).tolist(), *[-1] * (cycles - int(column.sum()))]
        columns.append(sorted(set(itertools.permutations(queue))))
    return min(
        Schedule(slots=np.array(slots, np.int32).T, mode="any_order", name="tried").transfers
        for slots in itertools.product(*columns)
    )


@settings(max_examples=60)
@given(loads=tiny_loads, more=st.integers(0, 2))
def test_fewest_in_order(loads: Loads, more: int) -> None:
    cycles = least_cycles(loads) + more
    found = fewest_in_order(loads, cycles=cycles)
    found.check(loads)
    assert found.cycles == cycles
    assert found.transfers == count_fewest_in_order(loads, cycles=cycles) == by_trying_in_order(loads, cycles)
    ours = in_order(loads, rng=np.random.default_rng(0), cycles=cycles).transfers
    assert bound_in_order(loads, target=ours, cycles=cycles, states=8, rounds=50) <= found.transfers <= ours


@settings(max_examples=25)
@given(loads=tiny_loads.filter(lambda loads: least_cycles(loads) <= 4))
def test_fewest_in_any_order(loads: Loads) -> None:
    found = fewest_in_any_order(loads)
    found.check(loads)
    assert found.cycles == least_cycles(loads)
    assert bound_in_any_order(loads) <= found.transfers == by_trying_in_any_order(loads)
    assert in_any_order(loads, rng=np.random.default_rng(0)).transfers == found.transfers


def test_the_worked_example() -> None:
    ordered, free = fewest_in_order(EXAMPLE), fewest_in_any_order(EXAMPLE)
    ordered.check(EXAMPLE)
    free.check(EXAMPLE)
    assert (ordered.cycles, ordered.transfers) == (7, 12)
    assert (free.cycles, free.transfers) == (7, 10)
    assert bound_in_order(EXAMPLE, target=12) == 12, "all queues in one cluster"
    assert bound_in_any_order(EXAMPLE) == 10


def test_512_tokens_in_four_groups() -> None:
    choices = synthetic_choices(seed=0, tokens=512)
    loads = named_grouping("S4", choices, rng=np.random.default_rng(0)).loads(choices)
    found = fewest_in_order(loads)
    found.check(loads)
    assert (found.cycles, found.transfers) == (543, 1540)
    ours = in_order(loads, rng=np.random.default_rng(0)).transfers
    assert 1540 <= ours <= 1.005 * 1540
    assert 1300 < bound_in_order(loads, target=ours, states=1, rounds=100) < 1540


def test_small_cases_in_many_groups() -> None:
    gaps = []
    for seed in range(8):
        choices = synthetic_choices(seed=seed, tokens=7, experts=8)
        for name in ("U1", "S2"):
            loads = named_grouping(name, choices, rng=np.random.default_rng(0)).loads(choices)
            gaps.append(in_order(loads, rng=np.random.default_rng(0)).transfers - count_fewest_in_order(loads))
    assert gaps == [0] * 16


def test_groups_that_are_nearly_always_busy() -> None:
    # Five tokens of three experts fill four cycles but for one slot, and two do not fit into a cycle as they are.
    loads = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0], [1, 1, 1, 0]])
    assert (least_cycles(loads), least_transfers(loads), bound_in_any_order(loads)) == (4, 5, 7)
    assert fewest_in_any_order(loads).transfers >= 7
    assert bound_in_any_order(loads, cycles=5) == 5


def test_too_large_for_proofs() -> None:
    choices = synthetic_choices(seed=0, tokens=512)
    loads = named_grouping("S2", choices, rng=np.random.default_rng(0)).loads(choices)
    with pytest.raises(AxhwError, match="Expected a case of at most 16 groups and .* states .* found 8 groups and"):
        fewest_in_order(loads)
    with pytest.raises(AxhwError, match="Expected a case of at most 20000 choices for the optimum in any order, found"):
        fewest_in_any_order(loads)
    with pytest.raises(AxhwError, match="Expected a trace of fewer tokens or groups to bound its transfers"):
        bound_in_order(np.repeat(loads, 20, axis=0), target=30_000)
    with pytest.raises(AxhwError, match="Expected at least 7 cycles, as long as the longest queue, found 6."):
        count_fewest_in_order(EXAMPLE, cycles=6)
    with pytest.raises(AxhwError, match="Expected a proof of the fewest transfers within 0.001 s, found none"):
        fewest_in_any_order(loads[:12], seconds=0.001)
