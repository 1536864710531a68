from __future__ import annotations

import pytest

from axhw.analog.technology import MEASURED, SCALED_TO_14_NM, Technology
from axhw.errors import AxhwError


def test_factors_are_those_of_the_polynomials() -> None:
    """Stillmaker and Baas, table 5, written out: 130 nm at 1.2 V and 14 nm at 0.8 V."""
    energy = 0.2363 * 0.64 - 0.09675 * 0.8 + 0.02239, 7.171 * 1.44 - 6.709 * 1.2 + 2.904
    delay = (
        -40.66 * 0.512 + 109.2 * 0.64 - 100.6 * 0.8 + 35.92,
        -76.65 * 1.728 + 334.9 * 1.44 - 493.4 * 1.2 + 275.8,
    )
    assert SCALED_TO_14_NM.energy == pytest.approx(energy[0] / energy[1])
    assert SCALED_TO_14_NM.delay == pytest.approx(delay[0] / delay[1])
    assert (SCALED_TO_14_NM.energy, SCALED_TO_14_NM.delay, SCALED_TO_14_NM.area) == pytest.approx(
        (0.0186, 0.1345, 0.027), rel=2e-3
    )


def test_what_was_measured_stays() -> None:
    assert (MEASURED.energy, MEASURED.delay, MEASURED.area) == (1, 1, 1)


def test_impossible_factors_are_refused() -> None:
    with pytest.raises(AxhwError, match="Expected a factor of delay above 0 for the technology x, found 0.0."):
        Technology(name="x", delay=0.0)
