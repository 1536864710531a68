from __future__ import annotations

import numpy as np
import pytest

from axhw.analog.calibration import DEFAULT_K, InputRanges, InputStatistics, ObservedOperator
from axhw.analog.tiles import TileSpec
from axhw.errors import AxhwError

TILES = TileSpec(rows=4)


def activations(rows: int, inputs: int = 10) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rng = np.random.default_rng(rows)
    return (rng.normal(0.5, 2.0, (rows, inputs)) * np.linspace(1, 3, inputs)).astype(np.float32)


def test_statistics_of_each_row_of_tiles() -> None:
    rows = activations(50)
    found = InputStatistics.of(rows, tiles=TILES)
    parts = [rows[:, :4], rows[:, 4:8], rows[:, 8:]]
    assert found.spans == ((0, 4), (4, 8), (8, 10))
    assert found.counts.tolist() == [200, 200, 100]
    for part, total, squares, peak, deviation in zip(parts, found.sums, found.squares, found.peaks, found.deviations):
        wide = part.astype(np.float64)
        assert total == pytest.approx(wide.sum())
        assert squares == pytest.approx((wide**2).sum())
        assert peak == np.abs(part).max()
        assert deviation == pytest.approx(wide.std(), rel=1e-12)


def test_ranges_are_k_standard_deviations() -> None:
    rows = activations(80)
    statistics = InputStatistics.of(rows, tiles=TILES)
    assert DEFAULT_K == 18
    expected = [rows[:, start : start + 4].astype(np.float64).std() for start in (0, 4, 8)]
    np.testing.assert_allclose(statistics.ranges().beta, 18 * np.array(expected))
    np.testing.assert_allclose(statistics.ranges(k=2.5).beta, 2.5 * np.array(expected))


def test_observing_batches_is_observing_all_rows() -> None:
    weight = np.random.default_rng(0).normal(size=(3, 10)).astype(np.float32)
    observed = ObservedOperator(lambda rows: rows @ weight.T, inputs=10, tiles=TILES)
    rows = activations(60)
    for start, stop in ((0, 17), (17, 17), (17, 60)):
        assert np.array_equal(observed(rows[start:stop]), rows[start:stop] @ weight.T)
    whole = InputStatistics.of(rows, tiles=TILES)
    assert np.array_equal(observed.statistics.counts, whole.counts)
    np.testing.assert_allclose(observed.statistics.ranges().beta, whole.ranges().beta)
    assert np.array_equal(observed.statistics.peaks, whole.peaks)


def test_an_expert_without_rows_takes_those_of_the_others() -> None:
    alone = InputStatistics.none(10, tiles=TILES)
    with pytest.raises(
        AxhwError,
        match="^Expected activations to calibrate with, found none: observe more rows, or those of others.$",
    ):
        alone.ranges()
    others = InputStatistics.of(activations(30), tiles=TILES)
    assert np.array_equal((alone + others).ranges().beta, others.ranges().beta)


def test_constant_activations() -> None:
    """They have no deviation, or one that is mere rounding; the range holds them all the same."""
    rows = np.tile(np.array([0.0] * 4 + [-0.1] * 4 + [3.0] * 2, np.float32), (1000, 1))
    assert InputStatistics.of(rows, tiles=TILES).ranges().beta.tolist() == [0.0, float(np.float32(0.1)), 3.0]


def test_what_is_refused() -> None:
    statistics = InputStatistics.of(activations(5), tiles=TILES)
    for k in (0.0, -1.0, float("nan")):
        with pytest.raises(
            AxhwError, match=f"^Expected a K above 0 for input ranges of K standard deviations, found {k}.$"
        ):
            statistics.ranges(k=k)
    with pytest.raises(AxhwError, match=r"^Expected activations of shape \(rows, inputs\), found \(10,\).$"):
        InputStatistics.of(np.ones(10, np.float32), tiles=TILES)
    rows = activations(5)
    rows[2, 3] = np.nan
    with pytest.raises(AxhwError, match="^Expected finite activations to calibrate with, found NaN or infinite ones.$"):
        InputStatistics.of(rows, tiles=TILES)
    with pytest.raises(AxhwError, match=r"^Expected statistics of tiles cut alike to add, found inputs \(\(0, 4\), .*"):
        statistics + InputStatistics.of(activations(5), tiles=TileSpec())
    with pytest.raises(AxhwError, match=r"^Expected one input range for each row of tiles, found shape \(1, 2\)\.$"):
        InputRanges(beta=np.ones((1, 2)))
    with pytest.raises(AxhwError, match=r"^Expected finite input ranges of at least 0, found \[1.0, -1.0\]\.$"):
        InputRanges(beta=np.array([1.0, -1.0]))
