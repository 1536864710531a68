"""Measured rises of the loss, and their parts by one measurement of a layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.evaluation import Evaluator
from axhw.analog.operators import HybridModel, Programming
from axhw.analog.placement import ExpertSite, Placement
from axhw.analog.probes import shared_rises
from axhw.analog.programming_noise import Pcm
from axhw.analog.sensitivity import expert_rises, mirrored_pairs
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.scoring import score

ByteArray = npt.NDArray[np.uint8]

CHIPS = mirrored_pairs(Programming(noise=Pcm(magnitude=2.0)), seeds=(5, 6))


@pytest.fixture(scope="module")
def text(some_bytes: Callable[[int, int], ByteArray]) -> ByteArray:
    return some_bytes(21, 12 * 16 + 1)


def nats(model: LanguageModel, text: ByteArray) -> float:
    return score(model, text, window=16).nats_per_token


def test_pairs_of_chips() -> None:
    assert [(chip.seed, chip.mirrored) for chip in CHIPS] == [(5, False), (5, True), (6, False), (6, True)]


def test_rises_of_single_experts(
    moe_model: LanguageModel, on_tiles: Callable[..., HybridModel], text: ByteArray
) -> None:
    hybrid, evaluator = on_tiles(moe_model), Evaluator(text, window=16, jobs=2)
    every = Placement.all_digital(moe_model.config).digital
    one = frozenset([ExpertSite(1, 3)])
    analog = [nats(hybrid.place(Placement(digital=every - one), chip), text) for chip in CHIPS]
    found = expert_rises(hybrid, evaluator, CHIPS)
    assert found[1, 3] == pytest.approx(np.mean(analog) - nats(moe_model, text), abs=1e-7)
    assert not found[0].any()
    digital = [
        nats(hybrid.place(Placement(), chip), text) - nats(hybrid.place(Placement(digital=one), chip), text)
        for chip in CHIPS
    ]
    found = expert_rises(hybrid, evaluator, CHIPS, alone="digital")
    assert found[1, 3] == pytest.approx(np.mean(digital), abs=1e-7)
    assert not found[0].any()


def test_parts_sum_to_the_rise_of_the_layer(
    moe_model: LanguageModel, on_tiles: Callable[..., HybridModel], text: ByteArray
) -> None:
    hybrid = on_tiles(moe_model)
    every = Placement.all_digital(moe_model.config).digital
    by_batch = shared_rises(hybrid, Evaluator(text, window=16, jobs=2, batch_tokens=64), CHIPS)
    assert by_batch.shape == (4, 3, 3, 4)
    found = by_batch.mean(axis=(0, 1))
    assert not found[0].any()
    for layer in (1, 2):
        own = frozenset(ExpertSite(layer, expert) for expert in range(4))
        rises = [nats(hybrid.place(Placement(digital=every - own), chip), text) for chip in CHIPS]
        assert found[layer].sum() == pytest.approx(np.mean(rises) - nats(moe_model, text), abs=1e-6)


def test_parts_are_exact_where_tokens_have_one_expert_and_nothing_comes_after(
    moe_folder: Callable[..., Path], on_tiles: Callable[..., HybridModel], text: ByteArray
) -> None:
    hybrid = on_tiles(load_model(moe_folder(active_experts=1), keep=True))
    evaluator = Evaluator(text, window=16)
    parts, alone = shared_rises(hybrid, evaluator, CHIPS[:1]), expert_rises(hybrid, evaluator, CHIPS[:1])
    np.testing.assert_allclose(parts[0, 0, 2], alone[2], atol=1e-6)
    assert np.abs(alone[2]).max() > 1e-4


def test_a_pair_has_no_part_that_is_linear_in_the_noise(
    moe_model: LanguageModel, on_tiles: Callable[..., HybridModel], text: ByteArray
) -> None:
    hybrid, evaluator = on_tiles(moe_model, ideal=True), Evaluator(text, window=16)

    def rises(magnitude: float, chips: int) -> npt.NDArray[np.float64]:
        return expert_rises(
            hybrid, evaluator, mirrored_pairs(Programming(noise=Pcm(magnitude=magnitude)), seeds=[1])[:chips]
        )[2]

    # Twice the noise: twice the linear part, four times the square one. No router comes after the last layer.
    for chips, power in ((1, 1), (2, 2)):
        small, large = rises(0.2, chips), rises(0.4, chips)
        assert np.linalg.norm(large) / np.linalg.norm(small) == pytest.approx(2**power, rel=0.15)
