"""The words of the report."""

from __future__ import annotations

import datetime

import pytest

from axhw.report.comparison import Comparison
from axhw.report.summary import conditions, conventions, summary, wilson_interval

DATE = datetime.date(2026, 1, 31)


def test_summary_says_what_was_done(comparison: Comparison) -> None:
    done, found = summary(comparison, date=DATE)
    for fact in (
        "3 multipliers",
        "testlib (typical corner)",
        "Yosys (yosys 0.50)",
        "8193 uniform pairs, seed 7",
        "500 test images of test digits",
        "split seed 3",
        "2026-01-31",
        "axhw 1.2.3",
    ):
        assert fact in done
    assert found == (
        "The least energy is that of roup8s_p2_r3: 0.31\N{MULTIPLICATION SIGN} the energy per inference of exact8s, "
        "with 97.0 % of the images right, 99.0 % with exact products."
    )


def test_conditions(comparison: Comparison) -> None:
    values = dict(conditions(comparison, date=DATE))
    assert values["Input slew, output load"] == "0.05 ns, 1.5 fF"
    assert values["Verification"] == "exhaustive"
    assert values["Network"] == "testnet, 1,024 multiplications per inference"
    assert values["Accuracy in float"] == "99.4 %"
    assert values["Cell library"].startswith("testlib, typical corner (SHA-256 abcdef01")


def test_conventions_hold_the_figures_of_the_baseline(comparison: Comparison) -> None:
    text = " ".join(conventions(comparison))
    assert "2.50\N{MULTIPLICATION SIGN} as high for exact8s" in text
    assert "0.3 fJ per operation at 100 MHz" in text
    assert "One image is 0.2 percentage points" in text
    assert "from 97.7 % to 99.6 %" in text


@pytest.mark.parametrize(
    # Wilson score intervals without continuity correction, as in statsmodels' proportion_confint(method="wilson").
    ("share", "count", "interval"),
    [(0.5, 10, (0.236593, 0.763407)), (1.0, 10, (0.722467, 1.0)), (0.0, 10, (0.0, 0.277533))],
)
def test_wilson_interval(share: float, count: int, interval: tuple[float, float]) -> None:
    assert wilson_interval(share, count) == pytest.approx(interval, abs=1e-6)
