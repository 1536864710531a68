"""Predicted noise of designs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.nn.error_theory import Removed, kernel_errors
from axhw.nn.importance import output_importance
from axhw.record import DesignRecord
from axhw.search.noise import kernel_noise, noise_model
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


def test_kernels_alone_rank_those_of_a_filter(workbench: Workbench, palette: Palette) -> None:
    """The noise of a filter is divided among its kernels as they would make it alone."""
    network, statistics = workbench.network, workbench.statistics
    importance = output_importance(network, workbench.bench.calibration_images[:8])
    model = noise_model(network, statistics, importance, workbench.tables)
    for name in ("conv2", "linear"):
        for design, table in enumerate(palette.tables):
            alone = kernel_noise(network, name, statistics[name], importance[name], table)
            mean, variance = kernel_errors(network, name, statistics[name], table)
            matters = importance[name]
            expected = matters.noise[:, None] * variance + matters.shift[:, None] * mean**2
            np.testing.assert_allclose(alone, expected)
            assert alone.any() == (design != palette.exact)
            shared = model.kernels[name][design]
            np.testing.assert_allclose(shared.sum(axis=1), model.filters[name][design])
            np.testing.assert_allclose(shared * alone.sum(axis=1, keepdims=True), alone * shared.sum(axis=1)[:, None])
            unbiased = kernel_noise(network, name, statistics[name], matters, table, removed="bias")
            np.testing.assert_allclose(unbiased, matters.noise[:, None] * variance)
