from __future__ import annotations

import math

import numpy as np
import pytest

from axhw.lm import blocks
from axhw.lm.blocks import attend, gated_feed_forward, rms_norm, rotate, sigmoid


def test_norm_makes_the_mean_square_one() -> None:
    x = np.random.default_rng(0).normal(0, 3, (5, 2, 16)).astype(np.float32)
    scale = np.full(16, 2, np.float32)
    normed = rms_norm(x, scale, 1e-12)
    np.testing.assert_allclose((normed**2).mean(axis=-1), 4, rtol=1e-6)
    np.testing.assert_allclose(normed / x, np.broadcast_to((normed / x)[..., :1], x.shape), rtol=1e-5)


def test_eps_bounds_small_states() -> None:
    x = np.full((1, 4), 1e-3, np.float32)
    np.testing.assert_allclose(rms_norm(x, np.ones(4, np.float32), 3e-6), 1e-3 / 2e-3, rtol=1e-6)


def test_pairs_turn_by_their_angles() -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 7, 3, 6)).astype(np.float32)
    turned = rotate(x, 100.0)
    for position in range(7):
        for i in range(3):
            angle = position * 100.0 ** (-2 * i / 6)
            first, second = x[:, position, :, i], x[:, position, :, i + 3]
            expected = math.cos(angle) * first - math.sin(angle) * second
            np.testing.assert_allclose(turned[:, position, :, i], expected, rtol=1e-5, atol=1e-6)
            expected = math.sin(angle) * first + math.cos(angle) * second
            np.testing.assert_allclose(turned[:, position, :, i + 3], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(turned[:, 0], x[:, 0])


@pytest.mark.parametrize(("scores", "queries"), [(1 << 18, 64), (200, 64), (1, 1), (500, 5)])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (3, 1)])
def test_attention_sees_no_later_tokens(
    monkeypatch: pytest.MonkeyPatch, scores: int, queries: int, heads: int, kv_heads: int
) -> None:
    monkeypatch.setattr(blocks, "_SCORES", scores)
    monkeypatch.setattr(blocks, "_QUERIES", queries)
    rng = np.random.default_rng(1)
    q = rng.normal(0, 1, (3, 11, heads, 4)).astype(np.float32)
    k, v = rng.normal(0, 1, (2, 3, 11, kv_heads, 4)).astype(np.float32)
    found = attend(q, k, v)
    assert found.shape == (3, 11, heads * 4)
    for text, position, head in np.ndindex(3, 11, heads):
        shared = head // (heads // kv_heads)
        weights = [math.exp(q[text, position, head] @ k[text, j, shared] / 2) for j in range(position + 1)]
        expected = sum(w * v[text, j, shared] for j, w in enumerate(weights)) / sum(weights)
        np.testing.assert_allclose(found[text, position, 4 * head : 4 * head + 4], expected, rtol=1e-4, atol=1e-5)


def test_attention_of_large_scores_is_finite() -> None:
    large = np.full((1, 5, 2, 4), 200, np.float32)
    np.testing.assert_allclose(attend(large, large, large), 200, rtol=1e-6)


def test_sigmoid_has_no_overflow() -> None:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        found = sigmoid(np.float32([-1000, -1, 0, 1, 1000]))
    np.testing.assert_allclose(found, [0, 0.26894142, 0.5, 0.73105858, 1], rtol=1e-6)


def test_gate_decides() -> None:
    rows = np.float32([[1.0, -2.0, 0.5]])
    found = gated_feed_forward(rows, gate=lambda x: 2 * x, up=lambda x: x + 1, down=lambda x: 10 * x)
    expected = [10 * (2 * x / (1 + math.exp(-2 * x))) * (x + 1) for x in rows[0].tolist()]
    np.testing.assert_allclose(found, [expected], rtol=1e-6)
