"""Moments of the noise against the formulas, written out again in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from axhw.analog.programming_noise import (
    MODELS,
    Additive,
    Hermes,
    Pcm,
    ProgrammingNoise,
    Proportional,
    programming_noise,
)
from axhw.errors import AxhwError

DRAWS = 200_000


def pcm(u: float) -> float:
    return (0.26348 + 1.9650 * u - 1.1731 * u**2) / 25


def hermes(u: float) -> float:
    x = 180 * u
    if x < 0.6:
        return 0.0
    if x <= 52.5:
        return (2.93975e-5 * x**3 - 3.715812e-3 * x**2 + 0.2241969 * x + 2.5797411) / 180
    return (1.232976e-5 * x**3 - 3.054993e-3 * x**2 + 0.2453487 * x + 2.1102957) / 180


FORMULAS: dict[str, Callable[[float], float]] = {
    "pcm": pcm,
    "hermes": hermes,
    "proportional": lambda u: u,
    "additive": lambda _: 0.05,
}
LEVELS = (0.0, 0.002, 0.02, 0.25, 52.5 / 180, 0.3, 0.7, 1.0)


@pytest.mark.parametrize("name", MODELS)
def test_deviations_are_those_of_the_formula(name: str) -> None:
    levels = np.append(np.linspace(0, 1, 997), LEVELS).astype(np.float32)
    expected = [FORMULAS[name](float(level)) for level in levels]
    sigma = programming_noise(name).sigma(levels)
    assert sigma.dtype == np.float32
    np.testing.assert_allclose(sigma, expected, rtol=2e-6)


def test_published_figures() -> None:
    """1.05 % at no conductance, 4.22 % at all of it; the two cubics of HERMES meet where one takes over."""
    low, high = Pcm().sigma(np.array([0, 1], np.float32))
    assert (round(100 * float(low), 2), round(100 * float(high), 2)) == (1.05, 4.22)
    below, above = Hermes().sigma(np.array([52.4999 / 180, 52.5001 / 180], np.float32))
    assert above == pytest.approx(below, rel=1e-3)


@pytest.mark.parametrize("magnitude", [1.0, 2.5])
@pytest.mark.parametrize("name", MODELS)
def test_mean_and_variance(name: str, magnitude: float) -> None:
    """Within five standard errors of a Gaussian sample: sigma / sqrt(n), and a share sqrt(2 / n) of the variance."""
    noise = programming_noise(name, magnitude=magnitude)
    for number, target in enumerate((*LEVELS, -0.25, -1.0)):
        rng = np.random.default_rng(number)
        programmed = noise.program(np.full(DRAWS, target, np.float32), rng=rng).astype(np.float64)
        sigma = magnitude * FORMULAS[name](abs(target))
        aimed_at = 0.0 if name == "hermes" and abs(target) < 0.6 / 180 else target
        assert programmed.mean() == pytest.approx(aimed_at, abs=5 * sigma / math.sqrt(DRAWS) + 1e-7)
        assert programmed.var() == pytest.approx(sigma**2, rel=5 * math.sqrt(2 / DRAWS), abs=1e-12)
        if sigma:
            normal = (programmed - aimed_at) / sigma
            assert (normal**3).mean() == pytest.approx(0, abs=5 * math.sqrt(15 / DRAWS))
            assert (normal**4).mean() == pytest.approx(3, abs=5 * math.sqrt(96 / DRAWS))


@pytest.mark.parametrize("model", [Pcm, Proportional, Additive])
def test_magnitude_scales_the_same_draws(model: type[ProgrammingNoise]) -> None:
    targets = np.random.default_rng(1).uniform(-1, 1, (20, 30)).astype(np.float32)
    one, three = (model(magnitude=c).program(targets, rng=np.random.default_rng(7)) for c in (1.0, 3.0))
    np.testing.assert_allclose(three - targets, 3 * (one - targets), atol=1e-6)
    none = model(magnitude=0.0).program(targets, rng=np.random.default_rng(7))
    assert np.array_equal(none, targets)


def test_hermes_drops_the_smallest_targets() -> None:
    targets = np.array([0.59 / 180, -0.59 / 180, 0.61 / 180, -0.61 / 180], np.float32)
    dropped = Hermes(magnitude=0.0).program(targets, rng=np.random.default_rng(0))
    assert dropped.tolist() == [0.0, 0.0, *targets[2:].tolist()]


def test_targets_are_left_alone() -> None:
    targets = np.linspace(-1, 1, 9, dtype=np.float32)
    before = targets.copy()
    for name in MODELS:
        programming_noise(name).program(targets, rng=np.random.default_rng(0))
        programming_noise(name).sigma(targets)
    assert np.array_equal(targets, before)


def test_what_is_refused() -> None:
    with pytest.raises(
        AxhwError,
        match="^Expected a model of programming noise out of pcm, hermes, proportional, additive, found 'rram'.$",
    ):
        programming_noise("rram")
    for magnitude in (-1.0, math.inf, math.nan):
        with pytest.raises(AxhwError, match=f"^Expected a noise magnitude of at least 0, found {magnitude}.$"):
            Pcm(magnitude=magnitude)
