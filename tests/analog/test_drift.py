"""Drift and read noise against their laws, written out again in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from axhw.analog.drift import FIRST_READ_S, PcmDrift, PcmReadNoise, compensation_factors
from axhw.errors import AxhwError

DRAWS = 200_000
LEVELS = (0.0, 0.001, 0.05, 0.2, 0.6, 1.0)


def moments(u: float) -> tuple[float, float]:
    logarithm = math.log(max(u, 1e-7))
    return (
        min(max(-0.0155 * logarithm + 0.0244, 0.049), 0.1),
        min(max(-0.0125 * logarithm - 0.0059, 0.008), 0.045),
    )


def normal_cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def folded_transform(s: float, mean: float, deviation: float) -> float:
    """Mean of exp(-s |N(mean, deviation)|)."""
    shared = (s * deviation) ** 2 / 2
    return math.exp(shared - s * mean) * normal_cdf(mean / deviation - s * deviation) + math.exp(
        shared + s * mean
    ) * normal_cdf(-mean / deviation - s * deviation)


@pytest.mark.parametrize("level", LEVELS)
def test_exponents(level: float) -> None:
    """Folded normal: mean sd sqrt(2/pi) exp(-mu^2 / 2 sd^2) + mu (1 - 2 Phi(-mu / sd)), mean square mu^2 + sd^2."""
    mean, deviation = moments(level)
    found = PcmDrift().exponents(np.full(DRAWS, level, np.float32), rng=np.random.default_rng(1)).astype(np.float64)
    folded = deviation * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * deviation**2)) + mean * (
        1 - 2 * normal_cdf(-mean / deviation)
    )
    assert found.min() >= 0
    assert found.mean() == pytest.approx(folded, abs=5 * deviation / math.sqrt(DRAWS))
    assert (found**2).mean() == pytest.approx(mean**2 + deviation**2, rel=0.01)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seconds", [60.0, 3600.0, 3.15e7])
def test_law_of_drift(level: float, seconds: float) -> None:
    """Mean of (t / t0)^-nu, and of its square."""
    drift, growth = PcmDrift(), math.log(seconds / 20)
    exponents = drift.exponents(np.full(DRAWS, level, np.float32), rng=np.random.default_rng(2))
    remaining = drift.remaining(exponents, seconds).astype(np.float64)
    np.testing.assert_allclose(remaining, (seconds / 20) ** -exponents.astype(np.float64), rtol=1e-5)
    mean, square = (folded_transform(power * growth, *moments(level)) for power in (1, 2))
    assert remaining.mean() == pytest.approx(mean, rel=2e-3)
    assert remaining.var() == pytest.approx(square - mean**2, rel=0.02)


def test_nothing_drifts_before_the_first_reading() -> None:
    exponents = np.full(5, 0.06, np.float32)
    for seconds in (0.0, 1.0, FIRST_READ_S):
        assert PcmDrift().remaining(exponents, seconds).tolist() == [1.0] * 5
    doubled = PcmDrift(scale=2.0)
    levels = np.linspace(0, 1, 5, dtype=np.float32)
    single = PcmDrift().exponents(levels, rng=np.random.default_rng(0))
    assert np.array_equal(doubled.exponents(levels, rng=np.random.default_rng(0)), 2 * single)
    assert not PcmDrift(scale=0.0).exponents(levels, rng=np.random.default_rng(0)).any()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seconds", [20.0, 86400.0])
def test_read_noise(level: float, seconds: float) -> None:
    q = min(0.0088 / max(level, 1e-7) ** 0.65, 0.2)
    sigma = q * math.sqrt(math.log((seconds + 250e-9) / 500e-9))
    assert float(PcmReadNoise().deviation(np.array([level], np.float32), seconds)[0]) == pytest.approx(sigma, rel=1e-5)
    for conductance in (0.5, -0.25):
        read = PcmReadNoise().disturb(
            np.full(DRAWS, conductance, np.float32),
            np.full(DRAWS, level, np.float32),
            seconds,
            rng=np.random.default_rng(3),
        )
        wide = read.astype(np.float64)
        spread = abs(conductance) * sigma
        assert wide.mean() == pytest.approx(conductance, abs=5 * spread / math.sqrt(DRAWS))
        assert wide.std() == pytest.approx(spread, rel=5 / math.sqrt(2 * DRAWS))


def test_read_noise_is_that_of_the_first_reading_before_it() -> None:
    levels = np.linspace(0, 1, 5, dtype=np.float32)
    noise = PcmReadNoise(scale=0.5)
    assert np.array_equal(noise.deviation(levels, 0.0), noise.deviation(levels, FIRST_READ_S))
    np.testing.assert_allclose(noise.deviation(levels, 50.0), 0.5 * PcmReadNoise().deviation(levels, 50.0), rtol=1e-6)


def test_compensation_factors() -> None:
    reference, readout = np.array([[4.0, 3.0, 0.0, 2.0]]), np.array([[2.0, 3.0, 1.0, 0.0]])
    assert compensation_factors(reference, readout).tolist() == [[2.0, 1.0, 1.0, 1.0]]


def test_what_is_refused() -> None:
    for seconds in (-1.0, math.nan, math.inf):
        message = f"^Expected a time of at least 0 s after programming, found {seconds} s.$"
        with pytest.raises(AxhwError, match=message):
            PcmDrift().remaining(np.ones(1, np.float32), seconds)
        with pytest.raises(AxhwError, match=message):
            PcmReadNoise().deviation(np.ones(1, np.float32), seconds)
    with pytest.raises(AxhwError, match="^Expected a scale of at least 0 for drift, found -0.1.$"):
        PcmDrift(scale=-0.1)
    with pytest.raises(AxhwError, match="^Expected a scale of at least 0 for read noise, found inf.$"):
        PcmReadNoise(scale=math.inf)
