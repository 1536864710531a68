"""What a schedule is, and what it is checked for."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.pim.choices import Choices
from axhw.pim.grouping import Grouping
from axhw.pim.schedule import Mode, Schedule, check_loads, least_cycles, least_transfers

LOADS = np.array([[1, 1], [2, 0], [0, 1]])


def schedule(rows: list[list[int]], mode: Mode = "token_order") -> Schedule:
    return Schedule(slots=np.array(rows, np.int32), mode=mode, name="drawn")


GOOD = [[0, 0], [1, -1], [1, 2]]


def test_counts() -> None:
    found = schedule(GOOD)
    found.check(LOADS)
    assert (found.cycles, found.groups, found.transfers, found.displacement) == (3, 2, 4, 0)
    assert found.transfers_by_cycle.tolist() == [1, 1, 2]
    assert found.busy == pytest.approx(5 / 6)
    assert (least_cycles(LOADS), least_transfers(LOADS)) == (3, 4)


def test_any_order() -> None:
    rows = [[1, -1], [1, 2], [0, 0]]
    found = schedule(rows, "any_order")
    found.check(LOADS)
    assert found.displacement == 2
    with pytest.raises(VerificationError, match="Expected queues in token order in the schedule drawn"):
        schedule(rows).check(LOADS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 0], [1, -1]], "found another number for token 1 in group 0 of the schedule drawn."),
        ([[0, 0], [1, -1], [1, 2], [1, -1]], "for token 1 in group 0"),
        ([[0, 2], [1, -1], [1, 2]], "for token 0 in group 1"),
        ([[0, 0], [1, -1], [1, 2], [-1, 3]], "for token 3 in group 0"),
        ([[0], [1], [1]], "Expected slots of 2 groups in the schedule drawn, found others."),
    ],
)
def test_wrong_schedules(rows: list[list[int]], message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        schedule(rows).check(LOADS)


def test_experts_of_slots() -> None:
    grouping = Grouping(name="own", groups=((2, 0), (1, 3)))
    choices = Choices(chosen=np.array([[2, 1], [2, 0], [3, -1]]), experts=4)
    np.testing.assert_array_equal(grouping.loads(choices), LOADS)
    found = schedule([[1, -1], [0, 2], [1, 0]], "any_order").experts(choices.chosen, grouping.group_of)
    assert found.tolist() == [[0, -1], [2, 3], [2, 1]]


def test_what_is_no_schedule() -> None:
    with pytest.raises(AxhwError, match=r"Expected slots as an int32 array .*, found int64 \[1, 1\]."):
        Schedule(slots=np.zeros((1, 1), np.int64), mode="token_order", name="bad")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="Expected a mode out of token_order, any_order, found 'random'."):
        schedule(GOOD, "random")  # type: ignore[arg-type]


@pytest.mark.parametrize("loads", [np.zeros((2, 2), np.int64), np.array([[1, -1]]), np.ones((2, 2)), np.array([3])])
def test_what_are_no_loads(loads: np.ndarray) -> None:
    with pytest.raises(AxhwError, match="Expected loads as an int64 array"):
        check_loads(loads)
