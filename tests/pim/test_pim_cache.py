"""The GO cache against sorting everything again, and sizes of caches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.pim.cache import GoCache, expert_choices, go_bytes, go_written_bytes, kv_bytes


@settings(max_examples=100)
@given(
    tokens=st.integers(0, 12),
    later=st.integers(0, 12),
    experts=st.integers(1, 5),
    capacity=st.integers(1, 6),
    levels=st.sampled_from((3, 1000)),
    seed=st.integers(0, 1000),
)
def test_experts_hold_their_best_tokens(
    tokens: int, later: int, experts: int, capacity: int, levels: int, seed: int
) -> None:
    """Few levels make many equal scores, of which the earlier token is held."""
    scores = np.random.default_rng(seed).integers(0, levels, (tokens + later, experts))
    cache = GoCache(scores[:tokens], capacity=capacity)
    for token in range(tokens, tokens + later + 1):
        best = np.argsort(-scores[:token], axis=0, kind="stable")[:capacity]
        expected = np.zeros((token, experts), np.bool_)
        np.put_along_axis(expected, best, True, axis=0)
        np.testing.assert_array_equal(cache.chosen, expected)
        if token < tokens + later:
            before = cache.chosen
            done = cache.add(scores[token])
            gone = before & ~cache.chosen[:-1]
            for expert in range(experts):
                chose = expert in done.experts
                assert cache.chosen[-1, expert] == chose
                replaced = int(done.replaced[done.experts == expert][0]) if chose else -1
                assert np.flatnonzero(gone[:, expert]).tolist() == ([replaced] if replaced >= 0 else [])


def test_choices_of_a_text() -> None:
    scores = np.array([[0.9, 0.1], [0.5, 0.6], [0.7, 0.2], [0.8, 0.3], [0.1, 0.1]])
    choices = expert_choices(scores, prompt=3, capacity=2)
    # Prompt: expert 0 takes tokens 0 and 2, expert 1 takes 1 and 2; token 3 pushes token 2 out of both.
    assert choices.tolist() == [[0, -1], [1, -1], [0, 1], [0, 1], [-1, -1]]


def test_sizes() -> None:
    tokens = np.array([1, 33])
    assert kv_bytes(tokens, 4096).tolist() == [8192, 270_336]
    assert go_bytes(tokens, experts=16, width=4096).tolist() == [65_552, 66_064]
    assert go_written_bytes(tokens, np.array([3, 132]), experts=16, width=4096).tolist() == [12_304, 66_064]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GoCache(np.zeros(3), capacity=1), r"Expected finite scores \[tokens, experts\], found an array"),
        (lambda: GoCache(np.full((1, 2), np.nan), capacity=1), "Expected finite scores"),
        (lambda: GoCache(np.zeros((1, 2)), capacity=0), "Expected a capacity of at least 1 token of each expert"),
        (lambda: GoCache(np.zeros((1, 2)), capacity=1).add([0.0]), "Expected 2 finite scores of a token, found"),
        (lambda: expert_choices(np.zeros((2, 2)), prompt=3, capacity=1), "of at least 3 tokens, found shape"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        call()
