"""Choices of decoding against the GO cache, its gate-level golden model, and steps one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.lm.expert_choice import ExpertChoice, capacity, softmax
from axhw.lm.routing import NOBODY
from axhw.pim.cache import GoCache, expert_choices
from axhw.pim.cached_choice import CachedChoice, cached_tokens


def drawn(seed: int, shape: tuple[int, ...], levels: int) -> np.ndarray:
    """Scores of which many are equal."""
    return np.random.default_rng(seed).integers(-levels, levels, shape).astype(np.float32)


@given(
    prompt=st.integers(1, 9),
    more=st.integers(0, 12),
    kept=st.integers(1, 6),
    seed=st.integers(0, 999),
    levels=st.sampled_from([1, 3, 100]),
)
def test_a_fixed_size_is_the_go_cache(prompt: int, more: int, kept: int, seed: int, levels: int) -> None:
    tokens, experts = prompt + more, 5
    scores = drawn(seed, (2, tokens, experts), levels)
    found = cached_tokens(scores, prompt=prompt, kept=np.full(tokens, kept))
    for text in range(2):
        cache = GoCache(scores[text, :prompt], capacity=kept)
        np.testing.assert_array_equal(found[text, :prompt], cache.chosen)
        for token in range(prompt, tokens):
            assert cache.add(scores[text, token]).experts.tolist() == np.flatnonzero(found[text, token]).tolist()
        table = expert_choices(scores[text], prompt=prompt, capacity=kept)
        listed = [[expert for expert in row if expert != NOBODY] for row in table.tolist()]
        assert listed == [np.flatnonzero(row).tolist() for row in found[text]]


@given(prompt=st.integers(1, 9), more=st.integers(0, 12), seed=st.integers(0, 999), levels=st.sampled_from([1, 3, 127]))
def test_the_unit_in_gates_makes_the_same_choices(prompt: int, more: int, seed: int, levels: int) -> None:
    """Its store is filled with the prompt token by token, and what is in it then was chosen."""
    tokens, experts, kept = prompt + more, 4, 3
    scores = drawn(seed, (1, tokens, experts), levels)
    found = cached_tokens(scores, prompt=prompt, kept=np.full(tokens, kept))[0]
    store = GoCacheSpec(experts=experts, kept=kept, score_bits=8, tokens=32).store()
    every = np.arange(experts)
    for token in range(prompt):
        store.ask(every, token, scores[0, token].astype(np.int64))
    held = np.zeros((prompt, experts), np.bool_)
    for expert, own in enumerate(store.kept_tokens):
        held[own[own >= 0], expert] = True
    np.testing.assert_array_equal(found[:prompt], held)
    for token in range(prompt, tokens):
        answers = store.ask(every, token, scores[0, token].astype(np.int64))
        np.testing.assert_array_equal(found[token], answers.chosen)


@pytest.mark.parametrize("size", ["fixed", "growing"])
@pytest.mark.parametrize("prompt", [1, 5, 12])
def test_steps_make_the_same_choices(size: str, prompt: int) -> None:
    tokens, experts, active = 40, 6, 2
    logits = np.random.default_rng(3).standard_normal((3, tokens, experts)).astype(np.float32)
    chosen, weights = CachedChoice(active=active, prompt=prompt, size=size)(logits)
    scores = softmax(logits)
    for text in range(3):
        for token in range(prompt, tokens):
            so_far = prompt if size == "fixed" else token + 1
            kept = capacity(so_far, experts=experts, active=active)
            row = chosen[text * tokens + token]
            for expert in range(experts):
                order = sorted(range(token + 1), key=lambda other: (-scores[text, other, expert], other))
                assert (expert in row.tolist()) == (order.index(token) < kept)
        before = ExpertChoice(active=active)(logits[text : text + 1, :prompt])
        np.testing.assert_array_equal(chosen[text * tokens :][:prompt], before[0])
        np.testing.assert_array_equal(weights[text * tokens :][:prompt], before[1])


def test_scores_of_few_bits_are_those_of_the_unit() -> None:
    tokens, experts, prompt = 24, 4, 8
    logits = np.random.default_rng(8).standard_normal((1, tokens, experts)).astype(np.float32)
    chosen, weights = CachedChoice(active=1, prompt=prompt, size="fixed", score_bits=4)(logits)
    store = GoCacheSpec(experts=experts, kept=2, score_bits=4, tokens=32, signed=False).store()
    codes = np.rint(15 * softmax(logits)[0]).astype(np.int64)
    for token in range(tokens):
        took = np.flatnonzero(store.ask(np.arange(experts), token, codes[token]).chosen)
        if token >= prompt:
            assert chosen[token][chosen[token] >= 0].tolist() == took.tolist()
            np.testing.assert_array_equal(weights[token, : len(took)], softmax(logits)[0, token, took])
    exact, _ = CachedChoice(active=1, prompt=prompt, size="fixed")(logits)
    assert not np.array_equal(chosen, exact)


def test_later_tokens_change_nothing() -> None:
    logits = np.random.default_rng(5).standard_normal((1, 60, 8)).astype(np.float32)
    for size in ("fixed", "growing"):
        choice = CachedChoice(active=2, prompt=10, size=size)
        whole, short = choice(logits)[0], choice(logits[:, :35])[0]
        np.testing.assert_array_equal(whole[:35], short)


def test_a_growing_cache_takes_as_many_as_no_cache() -> None:
    logits = np.random.default_rng(6).standard_normal((4, 512, 16)).astype(np.float32)
    means = {
        size: float((CachedChoice(active=2, prompt=32, size=size)(logits)[0] != NOBODY).sum(axis=1).mean())
        for size in ("fixed", "growing")
    }
    assert means["growing"] == pytest.approx(2.0, rel=0.1)
    # 16 experts with 4 tokens each of the prompt, and then each the token t with probability 4 / t.
    assert means["fixed"] == pytest.approx((64 + 16 * sum(4 / t for t in range(33, 513))) / 512, rel=0.1)


def test_a_text_may_be_shorter_than_its_prompt() -> None:
    logits = np.random.default_rng(7).standard_normal((1, 6, 8)).astype(np.float32)
    found = CachedChoice(active=2, prompt=6, size="growing")(logits)
    for array, other in zip(found, ExpertChoice(active=2)(logits)):
        np.testing.assert_array_equal(array, other)
    np.testing.assert_array_equal(CachedChoice(active=2, prompt=9, size="growing").kept(6, 8), [2] * 6)


def test_what_no_cache_can_be() -> None:
    with pytest.raises(AxhwError, match="Expected a prompt of at least 1 token, found 0."):
        CachedChoice(active=2, prompt=0, size="fixed")
    with pytest.raises(AxhwError, match="Expected the size of a cache out of fixed, growing, found 'huge'."):
        CachedChoice(active=2, prompt=3, size="huge")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="Expected scores of 2 to 16 bits, found 1."):
        CachedChoice(active=2, prompt=3, size="fixed", score_bits=1)
