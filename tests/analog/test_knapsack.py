"""Choices within limits, against all subsets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.analog.knapsack import Knapsack
from axhw.errors import AxhwError


def best(problem: Knapsack) -> float:
    """The most that any subset within the limits gains."""
    found = -1.0
    for chosen in itertools.product((False, True), repeat=len(problem.gains)):
        mask = np.array(chosen, np.bool_)
        if (problem.costs[:, mask].sum(axis=1) <= problem.limits + 1e-9).all():
            found = max(found, float(problem.gains[mask].sum()))
    return found


def drawn(seed: int, resources: int, *, least: float = 0.0) -> Knapsack:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 10))
    costs = rng.uniform(least, 1, (resources, n))
    return Knapsack(gains=rng.uniform(0, 1, n), costs=costs, limits=rng.uniform(0.2, 2.5, resources))


@given(seed=st.integers(0, 10**6), resources=st.integers(1, 3))
@settings(max_examples=60)
def test_the_exact_choice_is_the_best_of_all_subsets(seed: int, resources: int) -> None:
    problem = drawn(seed, resources)
    most, exact, greedy = best(problem), problem.exact(), problem.greedy()
    assert exact.gain == pytest.approx(most)
    assert exact.bound == exact.gain
    assert greedy.gain <= most + 1e-9
    assert greedy.bound >= most - 1e-9
    for found in (exact, greedy):
        assert (problem.costs[:, found.chosen].sum(axis=1) <= problem.limits + 1e-9).all()
        assert found.gain == pytest.approx(problem.gains[found.chosen].sum())
    if resources == 1:
        assert greedy.gain >= most / 2


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60)
def test_what_saves_of_the_only_resource_makes_room(seed: int) -> None:
    problem = drawn(seed, 1, least=-0.5)
    assert problem.exact().gain == pytest.approx(best(problem))
    assert problem.greedy().chosen[problem.costs[0] < 0].all()


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60)
def test_limits_hold_where_savings_are_mixed(seed: int) -> None:
    problem = drawn(seed, 2, least=-0.5)
    for found in (problem.greedy(), problem.exact()):
        assert (problem.costs[:, found.chosen].sum(axis=1) <= problem.limits + 1e-9).all()
        assert found.gain <= best(problem) + 1e-9


def test_greedy_by_hand() -> None:
    """Gains for cost 3, 2 and 1.9; the second does not fit beside the first, the third does."""
    problem = Knapsack(gains=np.array([3.0, 8.0, 3.8]), costs=np.array([[1.0, 4.0, 2.0]]), limits=np.array([4.0]))
    greedy, exact = problem.greedy(), problem.exact()
    # One alone gains more than what greed takes.
    assert greedy.chosen.tolist() == exact.chosen.tolist() == [False, True, False]
    assert greedy.bound == pytest.approx(3 + 3 / 4 * 8)
    wider = Knapsack(gains=problem.gains, costs=problem.costs, limits=np.array([5.5]))
    assert wider.greedy().chosen.tolist() == [True, True, False]


def test_limits_are_met_to_the_last_digit() -> None:
    problem = Knapsack(gains=np.ones(3), costs=np.full((1, 3), 0.1), limits=np.array([0.3]))
    assert problem.greedy().chosen.all()
    assert problem.exact().chosen.all()


def test_nothing_to_choose_and_no_room() -> None:
    nothing = Knapsack(gains=np.zeros(0), costs=np.zeros((1, 0)), limits=np.ones(1))
    assert (nothing.greedy().gain, nothing.exact().gain, nothing.greedy().bound) == (0, 0, 0)
    full = Knapsack(gains=np.ones(2), costs=np.array([[1.0, 0.0]]), limits=np.zeros(1))
    assert full.greedy().chosen.tolist() == full.exact().chosen.tolist() == [False, True]


def test_what_cannot_be_chosen_from_is_refused() -> None:
    with pytest.raises(AxhwError, match="Expected costs of shape .resources, choices. for 2 gains and 1 limits, found"):
        Knapsack(gains=np.ones(2), costs=np.ones((1, 3)), limits=np.ones(1))
    with pytest.raises(AxhwError, match="Expected finite gains, costs and limits to choose within, found NaN or infi"):
        Knapsack(gains=np.ones(1), costs=np.array([[np.nan]]), limits=np.ones(1))
    with pytest.raises(AxhwError, match="Expected gains of at least 0 to choose by, found -1."):
        Knapsack(gains=-np.ones(1), costs=np.ones((1, 1)), limits=np.ones(1))
    with pytest.raises(
        AxhwError, match="Expected limits that hold for the least that can be chosen, found lower ones."
    ):
        Knapsack(gains=np.ones(1), costs=np.ones((1, 1)), limits=-np.ones(1)).greedy()
    with pytest.raises(AxhwError, match="Expected the best of 8 to choose from within 5 steps, found it to take more"):
        Knapsack(gains=np.ones(8), costs=np.ones((1, 8)), limits=np.full(1, 3.5)).exact(most_nodes=5)
