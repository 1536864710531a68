"""Logits against plain loops over tokens, heads and experts, written from the published descriptions and the keys of
config.json alone, and against numbers of the transformers library."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.lm.checkpoint import Checkpoint
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import config_dict
from axhw.lm.layout import all_matrices, matrix_shape
from axhw.lm.matrices import HEAD, Float32Array, MatrixKey, Operator, exact
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.save import write_checkpoint

Reals = npt.NDArray[np.float64]
Tensors = dict[str, npt.NDArray[np.float32]]
Saved = Callable[[ModelConfig], LanguageModel]

TOKENS = np.array([[3, 14, 15, 9, 26, 5, 3], [28, 0, 1, 1, 1, 27, 13]])
UP = MatrixKey(layer=1, module="expert", part="up", expert=2)


class Plain:
    """One text through a model, token by token."""

    def __init__(self, data: dict[str, Any], tensors: Tensors) -> None:
        self.data = data
        self.kind = data["model_type"]
        self.tensors = {name: array.astype(np.float64) for name, array in tensors.items()}

    def logits(self, tokens: list[int]) -> Reals:
        embedding = self.tensors["model.embed_tokens.weight"]
        states = [embedding[token] for token in tokens]
        for i in range(self.data["num_hidden_layers"]):
            layer = f"model.layers.{i}."
            normed = [self.norm(x, layer + "input_layernorm") for x in states]
            states = [x + y for x, y in zip(states, self.attention(normed, layer + "self_attn."))]
            normed = [self.norm(x, layer + "post_attention_layernorm") for x in states]
            states = [x + self.feed_forward(y, i) for x, y in zip(states, normed)]
        head = embedding if self.data["tie_word_embeddings"] else self.tensors["lm_head.weight"]
        return np.array([head @ self.norm(x, "model.norm") for x in states])

    def norm(self, x: Reals, name: str) -> Reals:
        return self.tensors[name + ".weight"] * x / math.sqrt(np.mean(x**2) + self.data["rms_norm_eps"])

    def linear(self, name: str, x: Reals) -> Reals:
        bias = self.tensors.get(name + ".bias")
        return self.tensors[name + ".weight"] @ x + (0 if bias is None else bias)

    def attention(self, inputs: list[Reals], layer: str) -> list[Reals]:
        heads, kv_heads = self.data["num_attention_heads"], self.data["num_key_value_heads"]
        width = self.data.get("head_dim", self.data["hidden_size"] // heads)
        q, k = ([self.turned(x, p, layer + name) for p, x in enumerate(inputs)] for name in "qk")
        v = [self.linear(layer + "v_proj", x) for x in inputs]
        outputs = []
        for p in range(len(inputs)):
            parts = []
            for head in range(heads):
                mine = slice(head * width, (head + 1) * width)
                shared = slice(head * kv_heads // heads * width, (head * kv_heads // heads + 1) * width)
                weights = np.exp([q[p][mine] @ k[j][shared] / math.sqrt(width) for j in range(p + 1)])
                parts.append(sum(w * v[j][shared] for j, w in enumerate(weights)) / weights.sum())
            outputs.append(self.linear(layer + "o_proj", np.concatenate(parts)))
        return outputs

    def turned(self, x: Reals, position: int, name: str) -> Reals:
        width = self.data.get("head_dim", self.data["hidden_size"] // self.data["num_attention_heads"])
        projected = self.linear(name + "_proj", x)
        if self.kind == "olmoe":
            projected = self.norm(projected, name + "_norm")
        parts = []
        for head in projected.reshape(-1, width):
            some = self.norm(head, name + "_norm") if self.kind == "qwen3_moe" else head
            turns = [position / self.data["rope_theta"] ** (2 * i / width) for i in range(width // 2)]
            pairs = (some[: width // 2] + 1j * some[width // 2 :]) * np.exp(1j * np.array(turns))
            parts += [pairs.real, pairs.imag]
        return np.concatenate(parts)

    def feed_forward(self, x: Reals, i: int) -> Reals:
        mlp = f"model.layers.{i}.mlp."
        if i < self.data.get("first_k_dense_replace", 0) or i in self.data.get("mlp_only_layers", []):
            return self.gated(x, [mlp + part + "_proj" for part in ("gate", "up", "down")])
        if self.kind == "mixtral":
            mlp = f"model.layers.{i}.block_sparse_moe."
        probabilities = np.exp(self.linear(mlp + "gate", x))
        probabilities /= probabilities.sum()
        best = sorted(range(len(probabilities)), key=lambda e: -probabilities[e])[: self.data["num_experts_per_tok"]]
        total = sum(probabilities[e] for e in best) if self.data.get("norm_topk_prob", True) else 1.0
        parts = ("w1", "w3", "w2") if self.kind == "mixtral" else ("gate_proj", "up_proj", "down_proj")
        result: Reals = sum(
            probabilities[e] / total * self.gated(x, [f"{mlp}experts.{e}.{part}" for part in parts]) for e in best
        )
        if self.kind == "deepseek" and self.data["n_shared_experts"]:
            result = result + self.gated(x, [f"{mlp}shared_experts.{part}" for part in parts])
        if self.kind == "qwen2_moe":
            gate = 1 / (1 + math.exp(-self.linear(mlp + "shared_expert_gate", x)[0]))
            result = result + gate * self.gated(x, [f"{mlp}shared_expert.{part}" for part in parts])
        return result

    def gated(self, x: Reals, names: list[str]) -> Reals:
        gate, up, down = names
        gates = self.linear(gate, x)
        return self.linear(down, gates / (1 + np.exp(-gates)) * self.linear(up, x))


def test_logits_are_those_of_plain_loops(
    config: ModelConfig, saved: Saved, wave_tensors: Callable[[ModelConfig], Tensors]
) -> None:
    plain = Plain(config_dict(config), wave_tensors(config))
    expected = [plain.logits(text.tolist()) for text in TOKENS]
    np.testing.assert_allclose(saved(config).logits(TOKENS), expected, rtol=1e-4, atol=2e-5)


# Of transformers 5.23 for the weights of `wave_tensors` in the first variant of each architecture: after the last token
# of the first text, tokens 0 to 4.
FROZEN = {
    "olmoe": [-0.454016, -0.155267, 0.761824, -1.355008, 1.924405],
    "qwen2_moe": [-0.800079, 0.029683, 0.831719, 0.856863, 0.08163],
    "qwen3_moe": [1.509295, -0.262203, -1.772791, -1.519332, 0.245965],
    "mixtral": [-0.031669, 0.41394, -0.736947, 0.954447, -1.035299],
}


@pytest.mark.parametrize("variant", FROZEN)
def test_logits_are_those_of_transformers(variant: str, small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    found = saved(small_config(variant)).logits(TOKENS)
    np.testing.assert_allclose(found[0, -1, :5], FROZEN[variant], rtol=1e-4, atol=2e-5)


def test_streamed_is_kept(tmp_path: Path, config: ModelConfig, wave_tensors: Callable[[ModelConfig], Tensors]) -> None:
    write_checkpoint(tmp_path, config, wave_tensors(config), shards=3)
    made: list[MatrixKey] = []

    def make(key: MatrixKey, weight: Float32Array) -> Operator:
        assert weight.shape == matrix_shape(config, key)
        made.append(key)
        return exact(key, weight)

    kept = load_model(tmp_path, make=make, keep=True)
    assert made == list(all_matrices(config)), "all at once, in order"
    expected = kept.logits(TOKENS)
    assert len(made) == len(set(made)), "and never again"
    made.clear()
    streamed = load_model(tmp_path, make=make)
    assert made == []
    np.testing.assert_array_equal(streamed.logits(TOKENS), expected)
    assert len(made) == len(set(made)), "each once for all texts"


def test_streamed_weights_are_in_memory_one_at_a_time(
    tmp_path: Path, small_config: Callable[..., ModelConfig], wave_tensors: Callable[[ModelConfig], Tensors]
) -> None:
    config = small_config("qwen3_moe", layers=8, hidden=96, experts=16, expert_width=64, dense_width=64)
    tensors = wave_tensors(config)
    write_checkpoint(tmp_path, config, tensors, dtype="bfloat16")
    size, largest = sum(array.nbytes for array in tensors.values()), max(array.nbytes for array in tensors.values())
    del tensors
    tracemalloc.start()
    try:
        load_model(tmp_path).logits(TOKENS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 8
    assert peak < 25 * largest


def test_steps_make_the_logits(config: ModelConfig, saved: Saved) -> None:
    model = saved(config)
    x = model.embed(TOKENS)
    for layer in range(config.layers):
        before = x.copy()
        after = model.layer(layer, x)
        np.testing.assert_array_equal(x, before, "states can be kept")
        x = after
    np.testing.assert_array_equal(model.head(x), model.logits(TOKENS))


def test_texts_do_not_mix(config: ModelConfig, saved: Saved) -> None:
    model = saved(config)
    together = model.logits(TOKENS)
    np.testing.assert_allclose(model.logits(TOKENS[1:])[0], together[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.logits(TOKENS[:, :4]), together[:, :4], rtol=1e-4, atol=1e-5)


def test_routing_is_told(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("qwen2_moe")
    seen: dict[int, tuple[npt.NDArray[Any], ...]] = {}
    saved(config).logits(TOKENS, observer=lambda layer, *arrays: seen.update({layer: arrays}))
    assert list(seen) == [0, 2], "layer 1 is dense"
    for logits, chosen, weights in seen.values():
        assert logits.shape == (14, 5)
        assert chosen.shape == weights.shape == (14, 2)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(np.take_along_axis(probabilities, chosen, axis=1), weights, rtol=1e-5)
        np.testing.assert_array_equal(chosen[:, 0], logits.argmax(axis=1))


def test_rows_are_told(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("qwen2_moe")
    model = saved(config)
    rows: dict[MatrixKey, int] = {}
    chosen = np.zeros((3, 5), int)

    def count(layer: int, logits: Float32Array, experts: npt.NDArray[np.intp], weights: Float32Array) -> None:
        chosen[layer] = np.bincount(experts.ravel(), minlength=5)

    watched = model.observed(lambda key, x: rows.update({key: len(x)}))
    np.testing.assert_array_equal(watched.logits(TOKENS, observer=count), model.logits(TOKENS))
    for key in all_matrices(config):
        expected = 14 if key.expert is None else chosen[key.layer or 0, key.expert]
        assert rows.get(key, 0) == expected, key


def test_some_matrices_are_replaced(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("deepseek")
    model = saved(config)
    before = model.logits(TOKENS)
    weight = model.weight(UP)
    twice = model.with_operators({UP: lambda rows: 2 * (rows @ weight.T)})
    changed = twice.logits(TOKENS)
    assert np.abs(changed - before).max() > 1e-3
    np.testing.assert_array_equal(model.logits(TOKENS), before, "the model itself is as it was")
    assert twice.operator(HEAD) is model.operator(HEAD), "all else is shared"
    np.testing.assert_array_equal(twice.with_operators({UP: exact(UP, weight)}).logits(TOKENS), before)


def test_what_is_refused(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    config = small_config("olmoe")
    model = saved(config)
    with pytest.raises(AxhwError, match="Expected tokens from 0 to 28, found 29"):
        model.logits([[1, 29]])
    with pytest.raises(AxhwError, match="Expected tokens from 0 to 28, found -1"):
        model.logits([[1, -1]])
    with pytest.raises(AxhwError, match="Expected texts of at most 40 tokens, found 41"):
        model.logits(np.zeros((1, 41), int))
    with pytest.raises(AxhwError, match=r"an integer array \[texts, length\] with some in it, found int64 \[2\]"):
        model.logits(np.zeros(2, np.int64))
    with pytest.raises(AxhwError, match=r"with some in it, found float64 \[1, 1\]"):
        model.logits([[0.5]])
    with pytest.raises(AxhwError, match=r"with some in it, found int64 \[3, 0\]"):
        model.logits(np.zeros((3, 0), np.int64))
    with pytest.raises(AxhwError, match="Expected a matrix of the olmoe model"):
        model.with_operators({MatrixKey(layer=9, module="router", part="router"): exact(HEAD, model.weight(HEAD))})


def test_weights_of_another_model(small_config: Callable[..., ModelConfig], saved: Saved) -> None:
    folder = saved(small_config("olmoe")).checkpoint.folder
    with pytest.raises(AxhwError, match=r"embed_tokens.weight in .* of shape \[30, 24\], found \[29, 24\]"):
        LanguageModel(small_config("olmoe", vocabulary=30), Checkpoint(folder))
