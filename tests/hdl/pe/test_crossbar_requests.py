"""Schedules as requests: slots by hand, and any slots through the golden model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.crossbar_requests import Requests

SPEC = CrossbarGroupSpec(multiplier=ExactSpec(width=4), crossbars=3, rows=1, columns=1, idle_bits=2)
MOST_IDLE = 3


def columns(requests):
    return {name: getattr(requests, name).tolist() for name in ("token", "crossbars", "idle", "load", "keep")}


def test_one_number_for_all():
    requests = Requests.of(token=[1, 2], crossbars=[1, 3], idle=4)
    assert columns(requests) == {"token": [1, 2], "crossbars": [1, 3], "idle": [4, 4], "load": [1, 1], "keep": [0, 0]}
    assert len(requests) == 2


def test_slots_by_hand():
    requests = Requests.of_slots(
        token=[-1, 7, 7, 7, -1, 7, 8, -1, -1, -1, -1, -1, 9, -1],
        crossbar=[0, 0, 2, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0],
        most_idle=MOST_IDLE,
    )
    assert columns(requests) == {
        # Crossbar 1 is behind crossbar 2; five idle slots are three, one without crossbars, and another one.
        "token": [7, 7, 7, 8, 9, 9],
        "crossbars": [0b101, 0b010, 0b100, 0b010, 0, 0b001],
        "idle": [1, 0, 1, 0, 3, 1],
        "load": [1, 0, 0, 1, 0, 1],
        "keep": [0] * 6,
    }


def test_no_slots():
    assert len(Requests.of_slots(token=np.full(3, -1), crossbar=np.zeros(3, np.int64), most_idle=MOST_IDLE)) == 0


@settings(max_examples=150)
@given(
    slots=st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), min_size=1, max_size=40),
    most_idle=st.integers(1, MOST_IDLE),
)
def test_a_group_follows_any_slots(slots, most_idle):
    token, crossbar = np.array(slots).T
    requests = Requests.of_slots(token=token, crossbar=crossbar, most_idle=most_idle)
    assert requests.idle.max(initial=0) <= most_idle
    # Every token has a vector of its own, and every crossbar a weight of its own.
    found = SPEC.results(requests, vectors=requests.token[:, None] + 1, weights=[[[1]], [[2]], [[-3]]])
    busy = np.flatnonzero(token != -1)
    np.testing.assert_array_equal(found.cycle - SPEC.latency, busy)
    np.testing.assert_array_equal(found.token, token[busy])
    np.testing.assert_array_equal(found.crossbar, crossbar[busy])
    np.testing.assert_array_equal(found.sums[:, 0], (token[busy] + 1) * np.array([1, 2, -3])[crossbar[busy]])


@pytest.mark.parametrize(
    ("token", "crossbar", "message"),
    [
        ([0, 1], [0], "Expected a token and a crossbar for every slot, found shapes (2,) and (1,) of int64 and int64."),
        (
            [0.5],
            [0],
            "Expected a token and a crossbar for every slot, found shapes (1,) and (1,) of float64 and int64.",
        ),
        ([-2], [0], "Expected tokens of -1 or more and crossbars of 0 or more in every slot, found others."),
        ([0], [-1], "Expected tokens of -1 or more and crossbars of 0 or more in every slot, found others."),
    ],
)
def test_impossible_slots(token, crossbar, message):
    with pytest.raises(AxhwError) as caught:
        Requests.of_slots(token=np.array(token), crossbar=np.array(crossbar), most_idle=1)
    assert str(caught.value) == message
