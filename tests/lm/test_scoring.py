from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.lm import scoring
from axhw.lm.config import ModelConfig
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.scoring import Score, mean_score, score, score_states, windows

TEXT = np.random.default_rng(4).integers(0, 29, 70)


@pytest.fixture
def model(small_config: Callable[..., ModelConfig], saved: Callable[[ModelConfig], LanguageModel]) -> LanguageModel:
    return saved(small_config("olmoe"))


def test_windows_predict_every_token_once() -> None:
    inputs, targets = windows(np.arange(12), window=5)
    assert inputs.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert targets.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    inputs, targets = windows(np.arange(6), window=5)
    assert (inputs.tolist(), targets.tolist()) == ([[0, 1, 2, 3, 4]], [[1, 2, 3, 4, 5]])


@pytest.mark.parametrize(
    ("tokens", "window", "message"),
    [
        (np.arange(5), 5, "a text longer than it, found 5 and 5 tokens"),
        (np.arange(5), 0, "a window of at least 1 token"),
        (np.ones(5), 2, r"a text as an integer array \[n\], found float64 \[5\]"),
        (np.ones((2, 3), np.int32), 2, r"a text as an integer array \[n\], found int32 \[2, 3\]"),
    ],
)
def test_texts_that_are_refused(tokens: np.ndarray, window: int, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        windows(tokens, window=window)


def test_score_by_definition(model: LanguageModel) -> None:
    logits = model.logits(TEXT[:69].reshape(3, 23)).astype(np.float64).reshape(69, 29)
    nats = [math.log(np.exp(row).sum()) - row[right] for row, right in zip(logits, TEXT[1:])]
    found = score(model, TEXT, window=23)
    assert found.tokens == 69
    assert found.nats_per_token == pytest.approx(np.mean(nats), rel=1e-6)
    assert found.perplexity == pytest.approx(math.exp(np.mean(nats)), rel=1e-6)
    assert found.accuracy == np.mean(logits.argmax(axis=1) == TEXT[1:])


@pytest.mark.parametrize("logits_at_once", [29, 29 * 8, 1 << 21])
@pytest.mark.parametrize("batch_tokens", [1, 14, 35, None])
def test_batches_change_nothing(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch, logits_at_once: int, batch_tokens: int | None
) -> None:
    expected = score(model, TEXT, window=7)
    monkeypatch.setattr(scoring, "_LOGITS", logits_at_once)
    found = score(model, TEXT, window=7, batch_tokens=batch_tokens)
    assert (found.tokens, found.accuracy) == (63, expected.accuracy)
    assert found.nats_per_token == pytest.approx(expected.nats_per_token, rel=1e-6)


def test_the_same_again(model: LanguageModel) -> None:
    assert score(model, TEXT, window=10) == score(model, TEXT, window=10)
    assert score(load_model(model.checkpoint.folder), TEXT, window=10) == score(model, TEXT, window=10)


def test_the_last_token_is_checked_too(model: LanguageModel) -> None:
    with pytest.raises(AxhwError, match="Expected tokens from 0 to 28, found 29"):
        score(model, [1, 2, 3, 29], window=3)


def test_routing_is_told_for_each_batch(model: LanguageModel) -> None:
    layers: list[int] = []
    score(model, TEXT, window=10, batch_tokens=30, observer=lambda layer, *arrays: layers.append(layer))
    assert layers == [0, 1, 2, 0, 1, 2]


def test_states_can_be_kept(model: LanguageModel) -> None:
    inputs, targets = windows(TEXT, window=10)
    x = model.embed(inputs)
    for layer in range(3):
        x = model.layer(layer, x)
    assert score_states(model, x, targets) == score(model, TEXT, window=10)


def test_large_logits_have_a_score(model: LanguageModel) -> None:
    x = np.ones((1, 2, 24), np.float32)
    loud = model.with_operators({scoring.HEAD: lambda rows: np.float32([[2000, -2000], [2000, -2000]])})
    found = score_states(loud, x, np.array([[0, 1]]))
    assert found == Score(tokens=2, nats_per_token=2000.0, accuracy=0.5)
    assert found.perplexity == math.inf


def test_parts_count_by_their_tokens() -> None:
    parts = [Score(tokens=1, nats_per_token=4.0, accuracy=1.0), Score(tokens=3, nats_per_token=2.0, accuracy=0.0)]
    assert mean_score(parts) == Score(tokens=4, nats_per_token=2.5, accuracy=0.25)
