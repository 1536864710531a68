"""Equality with the transformers library on small models of each architecture, where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.lm.config import ModelConfig
from axhw.lm.config_file import config_dict, read_config
from axhw.lm.model import load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint

torch = pytest.importorskip("torch", reason="needs PyTorch")
transformers = pytest.importorskip("transformers", reason="needs the transformers library")
transformers.utils.logging.disable_progress_bar()

# The library has the architectures but DeepSeekMoE's first, whose code is published beside its weights.
THERE = ["olmoe", "olmoe-other", "qwen2_moe", "qwen2_moe-other", "qwen3_moe", "qwen3_moe-other"]
THERE += ["mixtral", "mixtral-other"]
# Sums of float32 in another order.
TOLERANCE = {"rtol": 1e-4, "atol": 3e-5}


def texts(config: ModelConfig) -> Any:
    return np.random.default_rng(5).integers(0, config.vocabulary, (3, 33))


def logits_of(model: Any, tokens: Any) -> Any:
    with torch.no_grad():
        return model(torch.tensor(tokens)).logits.numpy()


def theirs(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    )


@pytest.mark.parametrize("variant", THERE)
def test_their_library_reads_what_is_written_and_computes_the_same(
    tmp_path: Path, small_config: Callable[..., ModelConfig], variant: str
) -> None:
    config = small_config(variant)
    dtype: Any
    dtype, shards = ("bfloat16", 3) if "other" in variant else ("float32", 1)
    tensors = random_tensors(config, np.random.default_rng(1), spread=0.3)
    write_checkpoint(tmp_path, config, tensors, dtype=dtype, shards=shards)
    tokens = texts(config)
    expected = logits_of(theirs(tmp_path), tokens)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(load_model(tmp_path).logits(tokens), expected, **TOLERANCE)


@pytest.mark.parametrize("variant", THERE)
def test_what_their_library_writes_is_read_and_computed(
    tmp_path: Path, small_config: Callable[..., ModelConfig], variant: str
) -> None:
    config = small_config(variant)
    torch.manual_seed(7)
    described = transformers.AutoConfig.for_model(**config_dict(config))
    model = transformers.AutoModelForCausalLM.from_config(
        described, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path, max_shard_size="10KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert read_config(tmp_path) == config
    tokens = texts(config)
    np.testing.assert_allclose(load_model(tmp_path).logits(tokens), logits_of(model, tokens), **TOLERANCE)


class DeepseekExperts(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Experts as arXiv 2401.06066 has them, computed for all tokens: x goes through every expert, and weights that
    are not among the largest count 0."""

    def __init__(self, config: ModelConfig, tensors: dict[str, Any], layer: int) -> None:
        super().__init__()
        self.config = config
        self.weights = {
            name.removeprefix(f"model.layers.{layer}.mlp.").removesuffix(".weight"): torch.tensor(array)
            for name, array in tensors.items()
            if name.startswith(f"model.layers.{layer}.mlp.")
        }

    def forward(self, x: Any) -> Any:
        scores = torch.softmax(x @ self.weights["gate"].T, dim=-1)
        kept = scores >= scores.topk(self.config.active_experts, dim=-1).values[..., -1:]
        scores = torch.where(kept, scores, 0.0)
        if self.config.normalize_top_k:
            scores = scores / scores.sum(dim=-1, keepdim=True)
        result = self.expert("shared_experts", x) if self.config.shared_width else 0.0
        for expert in range(self.config.experts):
            result = result + scores[..., expert, None] * self.expert(f"experts.{expert}", x)
        return result

    def expert(self, name: str, x: Any) -> Any:
        gate, up, down = (self.weights[f"{name}.{part}_proj"] for part in ("gate", "up", "down"))
        return (torch.nn.functional.silu(x @ gate.T) * (x @ up.T)) @ down.T


@pytest.mark.parametrize("variant", ["deepseek", "deepseek-other"])
def test_deepseek_is_llama_with_experts(tmp_path: Path, small_config: Callable[..., ModelConfig], variant: str) -> None:
    """Attention, norms and dense layers of DeepSeekMoE are those of Llama, which the library has."""
    config = small_config(variant)
    tensors = random_tensors(config, np.random.default_rng(1), spread=0.3)
    write_checkpoint(tmp_path, config, tensors)
    data = config_dict(config)
    keys = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    keys += ("rms_norm_eps", "rope_theta", "max_position_embeddings", "attention_bias")
    described = transformers.LlamaConfig(
        **{key: data[key] for key in keys}, intermediate_size=config.dense_width or 1, attn_implementation="eager"
    )
    llama = transformers.LlamaForCausalLM(described).eval()
    for layer in config.expert_layers:
        llama.model.layers[layer].mlp = DeepseekExperts(config, tensors, layer)
    rest = {name: torch.tensor(array) for name, array in tensors.items()}
    missing = llama.load_state_dict(rest, strict=False).missing_keys
    assert not missing
    tokens = texts(config)
    np.testing.assert_allclose(load_model(tmp_path).logits(tokens), logits_of(llama, tokens), **TOLERANCE)
