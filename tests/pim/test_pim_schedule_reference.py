"""Published counts of cycles and transfers (arXiv 2602.10254), and that ours are never worse."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.grouping import Grouping, named_grouping
from axhw.pim.published_schedules import compact, rescheduled, token_by_token
from axhw.pim.schedulers import scheduled

# Tokens T1 to T6 of the worked example, experts counted from 0.
EXAMPLE = Choices(
    chosen=np.array([[2, 4, 6, 8], [2, 3, 4, 7], [1, 2, 5, 7], [1, 2, 3, 5], [1, 4, 5, 7], [3, 4, 5, 7]]) - 1, experts=8
)
PAIRS = Grouping(name="pairs", groups=((0, 1), (2, 3), (4, 5), (6, 7)))
TRACE = synthetic_choices(seed=0, tokens=512, skew=0.5)
COUNTS = {
    "U1": ((512, 512), (250, 1990), (250, 1145)),
    "U2": ((720, 720), (472, 2014), (472, 1058)),
    "S2": ((656, 656), (277, 1909), (277, 1675)),
    "U4": ((1042, 1042), (750, 2042), (750, 1348)),
    "S4": ((987, 987), (543, 2003), (543, 1751)),
}


def test_the_worked_example() -> None:
    loads = PAIRS.loads(EXAMPLE)
    found = [(each.cycles, each.transfers) for each in (f(loads) for f in (token_by_token, compact, rescheduled))]
    assert found == [(10, 10), (7, 16), (7, 13)]
    rng = np.random.default_rng(0)
    ordered = scheduled("ours", loads, rng=rng)
    free = scheduled("ours", loads, rng=rng, mode="any_order")
    for schedule in (ordered, free):
        schedule.check(loads)
    assert (ordered.cycles, ordered.transfers, ordered.mode) == (7, 12, "token_order")
    assert (free.cycles, free.transfers, free.mode) == (7, 10, "any_order")


def test_the_trace() -> None:
    assert TRACE.expert_loads.tolist() == [147, 132, 191, 132, 99, 179, 250, 222, 88, 44, 88, 163, 27, 123, 72, 91]


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_the_trace(name: str) -> None:
    loads = named_grouping(name, TRACE, rng=np.random.default_rng(0)).loads(TRACE)
    found = tuple((each.cycles, each.transfers) for each in (f(loads) for f in (token_by_token, compact, rescheduled)))
    assert found == COUNTS[name]
    published = found[2]
    for mode in ("token_order", "any_order"):
        ours = scheduled("ours", loads, rng=np.random.default_rng(0), mode=mode)  # type: ignore[arg-type]
        ours.check(loads)
        assert ours.cycles == published[0]
        assert ours.transfers < published[1]
