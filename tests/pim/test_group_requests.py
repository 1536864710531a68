"""Schedules through groups of crossbars: the golden model reads each expert in its cycle."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.group_requests import group_requests
from axhw.pim.grouping import Grouping
from axhw.pim.published_schedules import compact
from axhw.pim.schedule import Schedule
from axhw.pim.schedulers import OURS, scheduled

# Worked example of arXiv 2602.10254.
EXAMPLE = Choices(
    chosen=np.array([[2, 4, 6, 8], [2, 3, 4, 7], [1, 2, 5, 7], [1, 2, 3, 5], [1, 4, 5, 7], [3, 4, 5, 7]]) - 1, experts=8
)
PAIRS = Grouping(name="U2", groups=((0, 1), (2, 3), (4, 5), (6, 7)))
FOURS = Grouping(name="U4", groups=((0, 5, 10, 15), (4, 9, 14, 3), (8, 13, 2, 7), (12, 1, 6, 11)))
TRACE = synthetic_choices(seed=0, tokens=40)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("token_by_token", "token_order"),
        ("compact", "token_order"),
        ("rescheduled", "token_order"),
        (OURS, "token_order"),
        (OURS, "any_order"),
    ],
)
@pytest.mark.parametrize(("choices", "grouping"), [(EXAMPLE, PAIRS), (TRACE, FOURS)], ids=["example", "trace"])
def test_groups_follow_the_schedule(name, mode, choices, grouping):
    schedule = scheduled(name, grouping.loads(choices), rng=np.random.default_rng(1), mode=mode)
    size = len(grouping.groups[0])
    spec = CrossbarGroupSpec(multiplier=ExactSpec(), crossbars=size, rows=1, columns=1, tag_bits=5, idle_bits=2)
    found = np.zeros((choices.tokens, choices.experts), np.int64)
    for group, each, column in zip(
        grouping.groups, group_requests(schedule, choices, grouping, spec=spec), schedule.slots.T
    ):
        # Token t times 1, 2, 3, 4: results say what was multiplied with what.
        weights = np.arange(1, size + 1)[:, None, None]
        results = spec.results(each.requests, vectors=each.token[:, None] + 1, weights=weights)
        slot = results.cycle - spec.latency
        token = column[slot]
        np.testing.assert_array_equal(slot, np.flatnonzero(column >= 0))
        np.testing.assert_array_equal(results.token, token % 32)
        np.testing.assert_array_equal(results.sums[:, 0], (token + 1) * (results.crossbar + 1))
        np.add.at(found, (token, np.array(group)[results.crossbar]), 1)
    np.testing.assert_array_equal(found, choices.matrix)


def test_other_schedules_and_sizes():
    spec = CrossbarGroupSpec(multiplier=ExactSpec(), crossbars=2, rows=1, columns=1)
    schedule = compact(PAIRS.loads(EXAMPLE))
    short = Schedule(slots=schedule.slots[:-1].copy(), mode="token_order", name="short")
    with pytest.raises(VerificationError, match="short"):
        group_requests(short, EXAMPLE, PAIRS, spec=spec)
    with pytest.raises(
        AxhwError, match=r"^Expected a crossbar in exact8s_xg2_1x1 for each of the 4 experts of a group"
    ):
        group_requests(compact(FOURS.loads(TRACE)), TRACE, FOURS, spec=spec)
