"""Predicted noise of designs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from axhw.evaluation import Bench
from axhw.nn.error_theory import Removed
from axhw.record import DesignRecord
from axhw.search.palette import Palette
from axhw.search.workbench import Workbench


@pytest.mark.parametrize("removed", [None, "bias", "affine"])
def test_a_design_without_signal_is_worse_than_a_coarse_one(
    bench: Bench, characterized: Callable[..., DesignRecord], removed: Removed | None
) -> None:
    """All rows perforated: each product is 0, which a factor on the sums can't make up for."""
    palette = Palette.of([characterized(text) for text in ("exact", "roup:p=2,r=3", "roup:p=4,r=0")])
    assert removed != "nothing"
    noise = Workbench(bench=bench, palette=palette, compensate=removed, images=100, threads=1).noise
    for filters in noise.filters.values():
        exact, coarse, zero = filters.sum(axis=1)
        assert exact <= coarse < zero
