"""Sets that keep a limit, against all sets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.adaptation import RiseModel, adapt
from axhw.analog.expert_cost import ExpertCosts
from axhw.errors import AxhwError

BoolArray = npt.NDArray[np.bool_]


def drawn(seed: int) -> tuple[RiseModel, ExpertCosts]:
    """Two layers of four experts; the first layer has none of them in use where the seed is odd."""
    rng = np.random.default_rng(seed)
    model = RiseModel(converters=rng.uniform(0, 0.01, (2, 4)), programmed=rng.uniform(0, 0.1, (2, 4)))
    zeros = np.zeros((2, 4))
    extra = rng.uniform(-0.2, 1.0, (2, 4))
    costs = ExpertCosts(
        use=np.full((2, 4), 0.5),
        macs=zeros,
        analog_nj=np.ones((2, 4)),
        tile_ns=zeros,
        digital_nj=1 + extra,
        array_ns=zeros,
        fetched_bytes=zeros,
        memory_nj=zeros,
        weight_bytes=1,
        tiles_mm2=1.0,
        row_ns=1.0,
        row_latency_ns=1.0,
    )
    return model, costs


def sets() -> Iterator[BoolArray]:
    for chosen in itertools.product((False, True), repeat=8):
        yield np.reshape(chosen, (2, 4))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("magnitude", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("limit", [0.0, 0.02, 0.2, 10.0])
def test_the_smallest_of_all_sets(seed: int, magnitude: float, limit: float) -> None:
    model, costs = drawn(seed)
    allowed = [digital for digital in sets() if model.rise(digital, magnitude=magnitude) <= limit + 1e-12]
    fewest = adapt(model, magnitude=magnitude, limit=limit)
    assert fewest.digital.sum() == min(digital.sum() for digital in allowed)
    assert fewest.rise == pytest.approx(model.rise(fewest.digital, magnitude=magnitude))
    assert fewest.rise <= limit + 1e-12
    assert fewest.extra_nj is None
    least = min(float(costs.extra_nj[digital].sum()) for digital in allowed)
    exact = adapt(model, magnitude=magnitude, limit=limit, costs=costs, exact=True)
    greedy = adapt(model, magnitude=magnitude, limit=limit, costs=costs)
    assert exact.extra_nj == pytest.approx(least)
    assert exact.least_nj == pytest.approx(least)
    assert greedy.extra_nj is not None
    assert greedy.least_nj is not None
    assert greedy.least_nj - 1e-9 <= least <= greedy.extra_nj + 1e-9
    for found in (exact, greedy):
        assert found.rise <= limit + 1e-9
        assert found.extra_nj == pytest.approx(costs.extra_nj[found.digital].sum())


def test_sets_for_more_noise_contain_those_for_less() -> None:
    scores = np.random.default_rng(3).uniform(0, 1, (4, 8))
    model = RiseModel(converters=0.001 * scores, programmed=0.02 * scores)
    before = np.zeros((4, 8), np.bool_)
    counts = []
    for magnitude in np.linspace(0, 3, 13):
        digital = adapt(model, magnitude=float(magnitude), limit=0.3).digital
        assert digital[before].all()
        before = digital
        counts.append(int(digital.sum()))
    assert counts[0] == 0
    assert counts[-1] > counts[4] > 0


def test_experts_that_add_nothing_stay_analog_unless_they_save() -> None:
    model, costs = drawn(0)
    silent = RiseModel(converters=np.zeros((2, 4)), programmed=np.zeros((2, 4)))
    assert not adapt(silent, magnitude=3.0, limit=0.0).digital.any()
    assert (adapt(silent, magnitude=3.0, limit=0.0, costs=costs).digital == (costs.extra_nj < 0)).all()
    # A layer without experts has neither.
    nothing = replace(costs, digital_nj=costs.analog_nj)
    assert not adapt(silent, magnitude=3.0, limit=0.0, costs=nothing).digital.any()
    assert model.programmed.all()


def test_factors_are_found_again() -> None:
    rng = np.random.default_rng(5)
    scores = rng.uniform(0, 1, (2, 4))
    digital = rng.random((12, 2, 4)) < 0.3
    magnitudes = rng.choice([0.0, 1.0, 2.0], 12)
    true = RiseModel(converters=0.02 * scores, programmed=0.3 * scores)
    rises = [true.rise(mask, magnitude=magnitude) for mask, magnitude in zip(digital, magnitudes)]
    found = RiseModel.fitted(scores, digital=digital, magnitudes=magnitudes, rises=rises)
    assert found.converters == pytest.approx(true.converters)
    assert found.programmed == pytest.approx(true.programmed)
    # Rises below 0, chance on a short text, make no expert useful.
    none = RiseModel.fitted(scores, digital=digital, magnitudes=magnitudes, rises=-np.ones(12))
    assert not none.each(3.0).any()


def test_what_does_not_fit_is_refused() -> None:
    model, costs = drawn(0)
    with pytest.raises(AxhwError, match="Expected a magnitude of at least 0 to adapt to, found -1.0."):
        adapt(model, magnitude=-1.0, limit=0.1)
    with pytest.raises(AxhwError, match="Expected a limit of at least 0 to adapt to, found nan."):
        adapt(model, magnitude=1.0, limit=float("nan"))
    other = RiseModel(converters=np.zeros((3, 4)), programmed=np.zeros((3, 4)))
    with pytest.raises(AxhwError, match=r"Expected costs of .3, 4. .layers, experts., found those of .2, 4.."):
        adapt(other, magnitude=1.0, limit=0.1, costs=costs)
    with pytest.raises(AxhwError, match="Expected rises of shape .layers, experts. twice"):
        RiseModel(converters=np.zeros(4), programmed=np.zeros(4))
    with pytest.raises(AxhwError, match="Expected finite rises of at least 0 for analog experts, found others."):
        RiseModel(converters=-np.ones((1, 1)), programmed=np.ones((1, 1)))
    with pytest.raises(AxhwError, match="Expected two placements or more of shape"):
        RiseModel.fitted(np.ones((2, 4)), digital=np.zeros((1, 2, 4)), magnitudes=[1.0], rises=[0.1])
    with pytest.raises(AxhwError, match="Expected finite scores of at least 0 to predict rises with, found others."):
        RiseModel.fitted(-np.ones((2, 4)), digital=np.zeros((2, 2, 4)), magnitudes=[1, 2], rises=[0.1, 0.2])
