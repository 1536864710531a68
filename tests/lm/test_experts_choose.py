"""Experts that choose their tokens, against loops; configurations that say so; other ways to route and to compute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import config_dict, config_from_dict
from axhw.lm.expert_choice import ExpertChoice, best_tokens, capacity, chosen_table, softmax
from axhw.lm.matrices import Float32Array, MatrixKey
from axhw.lm.mixture import RunExpert, by_expert
from axhw.lm.model import LanguageModel
from axhw.lm.routing import NOBODY, Chosen, TokenChoice, rows_by_expert

Saved = Callable[[ModelConfig], LanguageModel]


@given(
    texts=st.integers(1, 3),
    tokens=st.integers(1, 9),
    experts=st.integers(1, 6),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_every_expert_takes_its_best_tokens(
    texts: int, tokens: int, experts: int, seed: int, data: st.DataObject
) -> None:
    active = data.draw(st.integers(1, experts))
    # Few values, so that many are equal.
    logits = np.random.default_rng(seed).integers(-2, 3, (texts, tokens, experts)).astype(np.float32)
    chosen, weights = ExpertChoice(active=active)(logits)
    number = -(-tokens * active // experts)
    assert capacity(tokens, experts=experts, active=active) == number
    scores = softmax(logits)
    np.testing.assert_allclose(scores, np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True), rtol=1e-5)
    for text in range(texts):
        wanted: list[dict[int, float]] = [{} for _ in range(tokens)]
        for expert in range(experts):
            order = sorted(range(tokens), key=lambda token: (-scores[text, token, expert], token))
            for token in order[:number]:
                wanted[token][expert] = float(scores[text, token, expert])
        for token in range(tokens):
            row, weight = chosen[text * tokens + token], weights[text * tokens + token]
            assert row.tolist() == [*wanted[token], *[NOBODY] * (experts - len(wanted[token]))]
            assert weight.tolist() == [*wanted[token].values(), *[0.0] * (experts - len(wanted[token]))]


def test_those_without_a_choice_are_left_out() -> None:
    chosen = np.array([[1, -1], [-1, -1], [0, 2], [-1, 1]])
    found = {expert: (tokens.tolist(), places.tolist()) for expert, tokens, places in rows_by_expert(chosen, 4)}
    assert found == {0: ([2], [0]), 1: ([0, 3], [0, 1]), 2: ([2], [1])}


def test_a_mixture_adds_by_expert() -> None:
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    chosen = np.array([[2, 0], [1, -1], [-1, -1], [0, 1]])
    weights = np.float32([[0.5, 0.25], [2.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    asked = []

    def run(expert: int, some: Float32Array) -> Float32Array:
        asked.append((expert, len(some)))
        return some * np.float32(10**expert)

    found = by_expert(0, rows, chosen, weights, run)
    assert asked == [(0, 2), (1, 2), (2, 1)]
    factors = np.float32([0.25 + 50, 20, 0, 1 + 10])
    np.testing.assert_array_equal(found, rows * factors[:, None])


def test_a_model_whose_experts_choose(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("deepseek", routing="expert_choice")
    model = saved(config)
    tokens = np.random.default_rng(0).integers(0, config.vocabulary, (2, 11))
    x = model.embed(tokens)
    attended = model.attended(1, x)
    seen: list[tuple[Float32Array, Chosen, Float32Array]] = []
    found = model.feed_forward(
        1, attended, observer=lambda layer, logits, chosen, weights: seen.append((logits, chosen, weights))
    )
    ((logits, chosen, weights),) = seen
    mask = best_tokens(softmax(logits.reshape(2, 11, -1)), capacity(11, experts=5, active=2))
    assert mask.sum(axis=1).tolist() == [[5] * 5] * 2
    expected_chosen, expected_weights = chosen_table(mask, softmax(logits.reshape(2, 11, -1)))
    np.testing.assert_array_equal(chosen, expected_chosen)
    np.testing.assert_array_equal(weights, expected_weights)

    # The same with the matrices of the files.
    def expert(number: int, rows: Float32Array, module: str = "expert") -> Float32Array:
        number_of = {"expert": number} if module == "expert" else {}
        gate, up, down = (
            model.weight(MatrixKey(layer=1, module=module, part=part, **number_of)) for part in ("gate", "up", "down")
        )
        inner = rows @ gate.T
        return (inner / (1 + np.exp(-inner)) * (rows @ up.T)) @ down.T

    rows = attended.reshape(22, -1)
    normed = rows / np.sqrt(np.mean(rows**2, axis=1, keepdims=True) + config.norm_eps)
    normed = normed * model.checkpoint.tensor("model.layers.1.post_attention_layernorm.weight")
    scores = softmax(logits)
    added = expert(0, normed, "shared_expert")
    for number in range(5):
        part = mask.reshape(22, 5)[:, number, None]
        added = added + part * scores[:, number, None] * expert(number, normed)
    np.testing.assert_allclose(found.reshape(22, -1), rows + added, rtol=2e-4, atol=2e-4)


def test_other_routing_of_a_model(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("olmoe")
    model, choosing = saved(config), saved(small_config("olmoe", routing="expert_choice"))
    tokens = np.random.default_rng(0).integers(0, config.vocabulary, (2, 8))
    as_trained, by_experts = model.logits(tokens), choosing.logits(tokens)
    assert not np.array_equal(as_trained, by_experts)
    np.testing.assert_array_equal(model.with_choice(ExpertChoice(active=2)).logits(tokens), by_experts)
    np.testing.assert_array_equal(
        choosing.with_choice(TokenChoice(active=2, normalize=False)).logits(tokens), as_trained
    )
    np.testing.assert_array_equal(model.logits(tokens), as_trained)


def test_other_ways_to_compute_experts(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("olmoe")
    model = saved(config)
    tokens = np.random.default_rng(0).integers(0, config.vocabulary, (2, 8))
    layers = []

    def nothing(layer: int, rows: Float32Array, chosen: Chosen, weights: Float32Array, run: RunExpert) -> Float32Array:
        layers.append(layer)
        return np.zeros_like(rows)

    x = model.attended(2, model.embed(tokens))
    np.testing.assert_array_equal(model.with_mixture(nothing).feed_forward(2, x), x)
    assert layers == [2]
    assert not np.array_equal(model.feed_forward(2, x), x)


def test_later_tokens_decide(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    """What the routing of a text tells of its end, which a model that predicts must not know."""
    config = small_config("olmoe")
    model = saved(config)
    tokens = np.random.default_rng(1).integers(0, config.vocabulary, (1, 20))
    short = tokens[:, :12]
    np.testing.assert_allclose(model.logits(tokens)[:, :12], model.logits(short), rtol=1e-4, atol=1e-4)
    choosing = model.with_choice(ExpertChoice(active=2))
    assert np.abs(choosing.logits(tokens)[:, :12] - choosing.logits(short)).max() > 1e-2


def test_a_configuration_keeps_its_routing(small_config: Callable[..., ModelConfig]) -> None:
    tokens_choose, experts_choose = small_config("olmoe"), small_config("olmoe", routing="expert_choice")
    assert "routing" not in config_dict(tokens_choose)
    assert config_from_dict(config_dict(experts_choose)) == experts_choose
    assert config_from_dict(config_dict(tokens_choose) | {"routing": None}) == tokens_choose


def test_routings_that_there_are_not(small_config: Callable[..., ModelConfig]) -> None:
    data = config_dict(small_config("olmoe")) | {"routing": "random"}
    with pytest.raises(AxhwError, match="routing of the configuration out of token_choice, expert_choice, found 'rand"):
        config_from_dict(data)
    with pytest.raises(AxhwError, match="Expected routing of a model out of token_choice, expert_choice, found 'us'."):
        small_config("olmoe", routing="us")
    with pytest.raises(AxhwError, match="Expected no normalize_top_k where experts choose, as a token may have none."):
        small_config("mixtral", routing="expert_choice")
