"""Rows and means of a comparison of selectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.comparison import Comparison, compare, recovered_part
from axhw.analog.evaluation import Evaluator
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import ExpertSite, Placement
from axhw.analog.programming_noise import Pcm
from axhw.analog.selectors import SELECTORS, Selection
from axhw.lm.model import LanguageModel
from axhw.lm.scoring import score

ByteArray = npt.NDArray[np.uint8]

SHARES = (0.0, 0.25, 1.0)
SEEDS = (0, 1, 5)
GIVEN = Placement(digital=frozenset([ExpertSite(2, 0), ExpertSite(2, 1)]))


@pytest.fixture(scope="module")
def text(some_bytes: Callable[[int, int], ByteArray]) -> ByteArray:
    return some_bytes(41, 6 * 16 + 1)


@pytest.fixture(scope="module")
def hybrid(moe_model: LanguageModel, on_tiles: Callable[..., HybridModel]) -> HybridModel:
    return on_tiles(moe_model)


@pytest.fixture(scope="module")
def comparison(hybrid: HybridModel, text: ByteArray, some_bytes: Callable[[int, int], ByteArray]) -> Comparison:
    return compare(
        Selection(hybrid, some_bytes(42, 65), window=16, seeds=1, jobs=1),
        Evaluator(text, window=16, jobs=1),
        selectors={name: SELECTORS[name] for name in ("maxnn", "chip")},
        shares=SHARES,
        programmings=[Programming(noise=Pcm(magnitude=c)) for c in (0.0, 1.5)],
        seeds=SEEDS,
        scopes=("layer", "global"),
        placements={"mine": GIVEN},
    )


def test_there_is_a_row_for_everything(comparison: Comparison) -> None:
    kinds = [
        (mean.choice.magnitude, mean.choice.selector, mean.choice.scope, mean.choice.digital_pct)
        for mean in comparison.means
    ]
    by_selectors = [
        (name, scope, 100 * share) for name in ("maxnn", "chip") for scope in ("layer", "global") for share in SHARES
    ]
    assert kinds == [(c, *each) for c in (0.0, 1.5) for each in (*by_selectors, ("mine", "given", 25.0))]
    assert [row.seed for row in comparison.rows] == [*SEEDS] * len(kinds)
    assert [row.choice for row in comparison.rows[:: len(SEEDS)]] == [mean.choice for mean in comparison.means]
    row = comparison.rows[-1].row()
    assert row["noise"] == "pcm"
    assert row["converters"] is True
    assert row["digital_experts"] == 2
    assert row["perplexity"] == pytest.approx(np.exp(row["nats_per_token"]))


def test_figures_are_those_of_the_models(
    comparison: Comparison, hybrid: HybridModel, text: ByteArray, moe_model: LanguageModel
) -> None:
    assert comparison.reference == score(moe_model, text, window=16)
    for row, seed in zip(comparison.rows[-3:], SEEDS):
        programming = Programming(noise=Pcm(magnitude=1.5), seed=seed)
        assert row.nats_per_token == score(hybrid.place(GIVEN, programming), text, window=16).nats_per_token
        assert row.tokens == 96


def test_means_and_spreads(comparison: Comparison) -> None:
    mean = comparison.means[-1]
    rows = comparison.rows[-3:]
    nats = np.array([row.nats_per_token for row in rows])
    assert mean.chips == 3
    assert mean.nats_per_token == pytest.approx(nats.mean())
    assert mean.nats_deviation == pytest.approx(nats.std(ddof=1))
    assert mean.accuracy == pytest.approx(np.mean([row.accuracy for row in rows]))
    assert mean.perplexity_deviation == pytest.approx(np.std([row.perplexity for row in rows], ddof=1))
    assert mean.rise_nats == pytest.approx(nats.mean() - comparison.reference.nats_per_token)


def test_recovered_share(comparison: Comparison) -> None:
    noisy = [mean for mean in comparison.means if mean.choice.magnitude == 1.5]
    for mean in noisy:
        if mean.choice.digital_pct == 0:
            assert (mean.recovered, mean.recovered_error) == (0, 0)
        if mean.choice.digital_pct == 100:
            assert mean.recovered == pytest.approx(1)
            assert mean.rise_nats == 0
    everything = {pct: next(m for m in noisy if m.choice.digital_pct == pct) for pct in (0.0, 100.0)}
    loss = everything[0.0].nats_per_token - everything[100.0].nats_per_token
    assert noisy[-1].recovered == pytest.approx((everything[0.0].nats_per_token - noisy[-1].nats_per_token) / loss)
    assert noisy[-1].recovered_error is not None
    assert noisy[-1].recovered_error > 0


def test_equal_chips_have_no_spread(comparison: Comparison) -> None:
    for mean in comparison.means:
        if mean.choice.magnitude == 0:
            assert mean.nats_deviation == 0


def test_mirrored_chips_are_averaged_before_errors_are(hybrid: HybridModel, text: ByteArray) -> None:
    found = compare(
        Selection(hybrid, text, window=16, jobs=1),
        Evaluator(text, window=16, jobs=1),
        selectors={},
        shares=(),
        programmings=[Programming(noise=Pcm(magnitude=1.5))],
        seeds=[3, 4],
        mirrored=True,
        placements={"mine": GIVEN, "none": Placement()},
    )
    assert [(row.seed, row.mirrored) for row in found.rows] == [(3, False), (3, True), (4, False), (4, True)] * 2
    mine, none = (np.array([row.nats_per_token for row in found.rows[start : start + 4]]) for start in (0, 4))
    assert found.means[0].chips == 4
    assert found.means[0].nats_deviation == pytest.approx(mine.std(ddof=1))
    pairs = [values.reshape(2, 2).mean(axis=1) for values in (mine, none)]
    expected = recovered_part(*pairs, np.full(2, found.reference.nats_per_token))
    assert (found.means[0].recovered, found.means[0].recovered_error) == pytest.approx(expected)


def test_recovered_part_by_hand() -> None:
    analog, digital = np.array([5.0, 7.0]), np.array([1.0, 1.0])
    assert recovered_part(np.array([3.0, 4.0]), analog, digital) == (0.5, 0.0)
    part, error = recovered_part(np.array([3.0, 5.0]), analog, digital)
    assert part == pytest.approx(4 / 10)
    # Gains of 2 and 2 for losses of 4 and 6: residuals of 0.4 and -0.4.
    assert error == pytest.approx(0.4 * np.sqrt(2) / 5 / np.sqrt(2))
    assert recovered_part(analog[:1] - 1, analog[:1], digital[:1]) == (0.25, None)
    assert recovered_part(analog, digital, digital) == (None, None)
