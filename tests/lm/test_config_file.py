from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import FILE_NAME, config_dict, config_from_dict, read_config, write_config

# What is published beside the weights, less what only tokenizers and trainers read.
OLMOE = json.loads("""{
  "architectures": ["OlmoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "clip_qkv": null,
  "eos_token_id": 50279, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
  "intermediate_size": 1024, "max_position_embeddings": 4096, "model_type": "olmoe", "norm_topk_prob": false,
  "num_attention_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16,
  "num_key_value_heads": 16, "output_router_logits": false, "pad_token_id": 1, "rms_norm_eps": 1e-05,
  "rope_scaling": null, "rope_theta": 10000.0, "router_aux_loss_coef": 0.01, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 50304
}""")
DEEPSEEK = json.loads("""{
  "architectures": ["DeepseekForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001, "first_k_dense_replace": 1,
  "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 10944,
  "max_position_embeddings": 4096, "model_type": "deepseek", "moe_intermediate_size": 1408, "moe_layer_freq": 1,
  "n_routed_experts": 64, "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 16,
  "num_experts_per_tok": 6, "num_hidden_layers": 28, "num_key_value_heads": 16, "pretraining_tp": 1,
  "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000, "scoring_func": "softmax", "seq_aux": true,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 102400
}""")
QWEN2 = json.loads("""{
  "architectures": ["Qwen2MoeForCausalLM"], "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 2048,
  "initializer_range": 0.02, "intermediate_size": 5632, "max_position_embeddings": 8192, "max_window_layers": 21,
  "model_type": "qwen2_moe", "num_attention_heads": 16, "num_hidden_layers": 24, "num_key_value_heads": 16,
  "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936,
  "decoder_sparse_step": 1, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
  "num_experts_per_tok": 4, "num_experts": 60, "norm_topk_prob": false, "output_router_logits": false,
  "router_aux_loss_coef": 0.001
}""")
QWEN3 = json.loads("""{
  "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "decoder_sparse_step": 1, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
  "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [],
  "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32,
  "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
  "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000.0, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936
}""")
MIXTRAL = json.loads("""{
  "architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
  "max_position_embeddings": 32768, "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2,
  "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8, "output_router_logits": false,
  "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 32000
}""")
PUBLISHED: dict[str, dict[str, Any]] = {data["model_type"]: data for data in (OLMOE, DEEPSEEK, QWEN2, QWEN3, MIXTRAL)}


def test_published_olmoe() -> None:
    assert config_from_dict(OLMOE) == ModelConfig(
        architecture="olmoe",
        vocabulary=50304,
        hidden=2048,
        layers=16,
        heads=16,
        kv_heads=16,
        head_dim=128,
        context=4096,
        rope_theta=10000.0,
        norm_eps=1e-5,
        experts=64,
        active_experts=8,
        expert_width=1024,
        normalize_top_k=False,
    )


def test_published_deepseek() -> None:
    config = config_from_dict(DEEPSEEK)
    assert (config.experts, config.active_experts, config.expert_width) == (64, 6, 1408)
    assert (config.shared_width, config.shared_gate, config.qk_norm) == (2816, False, "none")
    assert (config.dense_layers, config.dense_width) == ((0,), 10944)
    assert config.expert_layers == tuple(range(1, 28))
    assert config.biases == ()


def test_published_qwen2() -> None:
    config = config_from_dict({**QWEN2, "sliding_window": 4096})
    assert (config.experts, config.active_experts, config.expert_width) == (60, 4, 1408)
    assert (config.shared_width, config.shared_gate) == (5632, True)
    assert config.biases == ("q", "k", "v"), "as the model has them though no key says so"
    assert config.context == 8192, "the sliding window is off"


def test_published_qwen3() -> None:
    config = config_from_dict(QWEN3)
    assert (config.heads, config.kv_heads, config.head_dim, config.hidden) == (32, 4, 128, 2048)
    assert (config.qk_norm, config.normalize_top_k, config.shared_width) == ("head", True, 0)


def test_published_mixtral() -> None:
    config = config_from_dict(MIXTRAL)
    assert (config.experts, config.active_experts, config.expert_width) == (8, 2, 14336)
    assert (config.heads, config.kv_heads, config.head_dim) == (32, 8, 128)
    assert config.normalize_top_k


@pytest.mark.parametrize("name", PUBLISHED)
def test_written_again_they_are_the_same(name: str, tmp_path: Path) -> None:
    config = config_from_dict(PUBLISHED[name])
    written = config_dict(config)
    common = {key for key in set(written) & set(PUBLISHED[name]) if not key.endswith("_token_id")}
    assert {key: written[key] for key in common} == {key: PUBLISHED[name][key] for key in common}
    write_config(tmp_path, written)
    assert read_config(tmp_path) == config


def test_every_variant_is_written_and_read(config: ModelConfig) -> None:
    assert config_from_dict(config_dict(config)) == config


def test_keys_of_recent_versions() -> None:
    recent = {key: value for key, value in QWEN3.items() if key not in ("rope_theta", "rope_scaling", "num_experts")}
    recent["rope_parameters"] = {"rope_theta": 1000000.0, "rope_type": "default"}
    recent["num_local_experts"] = 128
    assert config_from_dict(recent) == config_from_dict(QWEN3)


def test_layers_without_experts() -> None:
    every_second = config_from_dict(
        {**QWEN2, "decoder_sparse_step": 2, "mlp_only_layers": [1, 3], "num_hidden_layers": 6}
    )
    assert every_second.dense_layers == (0, 1, 2, 3, 4)
    assert config_from_dict({**DEEPSEEK, "first_k_dense_replace": 3}).dense_layers == (0, 1, 2)


def test_sliding_windows_bound_texts() -> None:
    assert config_from_dict({**MIXTRAL, "sliding_window": 4096}).context == 4096
    assert config_from_dict({**QWEN2, "sliding_window": 4096, "use_sliding_window": True}).context == 4096


def test_one_active_expert_of_deepseek_is_never_normalized() -> None:
    one = {"num_experts_per_tok": 1, "norm_topk_prob": True}
    assert not config_from_dict({**DEEPSEEK, **one}).normalize_top_k
    assert config_from_dict({**OLMOE, **one}).normalize_top_k


@pytest.mark.parametrize(
    ("published", "change", "message"),
    [
        (OLMOE, {"model_type": "llama"}, "model_type of the configuration out of olmoe, .*mixtral, found 'llama'"),
        (OLMOE, {"model_type": None}, "found None"),
        (OLMOE, {"hidden_act": "gelu"}, "hidden_act of the configuration as 'silu', found 'gelu'"),
        (OLMOE, {"clip_qkv": 8.0}, "clip_qkv of the configuration as None, found 8.0"),
        (OLMOE, {"rope_scaling": {"type": "linear", "factor": 2}}, "unscaled rotary angles .*'linear'"),
        (OLMOE, {"rope_parameters": {"rope_type": "yarn"}}, "unscaled rotary angles .*'yarn'"),
        (OLMOE, {"rope_parameters": {"partial_rotary_factor": 0.5}}, "unscaled rotary angles"),
        (OLMOE, {"num_experts": None}, "Expected num_experts in the configuration, found none"),
        (OLMOE, {"num_experts": "64"}, "num_experts of the configuration as a whole number from 1, found '64'"),
        (OLMOE, {"num_experts": True}, "found True"),
        (OLMOE, {"num_experts": 10**9}, "experts of a model as a whole number from 1 to 4096"),
        (OLMOE, {"num_hidden_layers": 10**9}, "layers of a model as a whole number from 1 to 1000"),
        (OLMOE, {"norm_topk_prob": 1}, "norm_topk_prob of the configuration as true or false, found 1"),
        (OLMOE, {"rms_norm_eps": -1e-5}, "norm_eps of a model as a number above 0, found -1e-05"),
        (OLMOE, {"rope_theta": "big"}, "rope_theta of the configuration as a number, found 'big'"),
        (OLMOE, {"rope_theta": 10**400}, "rope_theta of the configuration as a number, found one of 401 digits"),
        (OLMOE, {"num_key_value_heads": 3}, r"multiple of kv_heads \(3\), found 16"),
        (OLMOE, {"head_dim": 64}, r"hidden / heads \(2048 / 16\), found 64"),
        (OLMOE, {"num_experts_per_tok": 65}, "at most 64 active experts, found 65"),
        (OLMOE, {"quantization_config": {"quant_method": "gptq"}}, "not quantised, .* found 'gptq'"),
        (DEEPSEEK, {"moe_layer_freq": 2}, "moe_layer_freq of the configuration as 1, found 2"),
        (DEEPSEEK, {"scoring_func": "sigmoid"}, "scoring_func of the configuration as 'softmax'"),
        (DEEPSEEK, {"routed_scaling_factor": 2.5}, "routed_scaling_factor"),
        (DEEPSEEK, {"intermediate_size": 0}, "dense_width above 0"),
        (QWEN2, {"mlp_only_layers": "all"}, "mlp_only_layers of the configuration as a list of layers, found 'all'"),
        (QWEN2, {"shared_expert_intermediate_size": 0}, "shared_expert_intermediate_size .* from 1, found 0"),
        (QWEN3, {"head_dim": 127}, "an even head_dim"),
    ],
)
def test_what_is_refused(published: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        config_from_dict({**published, **change})


NEEDED = [
    *("hidden_size", "max_position_embeddings", "num_attention_heads", "num_experts_per_tok", "num_hidden_layers"),
    *("num_key_value_heads", "rms_norm_eps", "rope_theta", "vocab_size"),
]
NEEDED_BY = {
    "olmoe": ["intermediate_size", "norm_topk_prob", "num_experts"],
    "deepseek": [
        *("first_k_dense_replace", "intermediate_size", "moe_intermediate_size", "n_routed_experts", "norm_topk_prob")
    ],
    "qwen2_moe": [
        *("intermediate_size", "moe_intermediate_size", "norm_topk_prob", "num_experts"),
        "shared_expert_intermediate_size",
    ],
    "qwen3_moe": ["intermediate_size", "moe_intermediate_size", "norm_topk_prob", "num_experts"],
    "mixtral": ["intermediate_size", "num_local_experts"],
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in NEEDED_BY.items() for key in NEEDED + keys])
def test_keys_without_which_nothing_is_read(name: str, key: str) -> None:
    less = {other: value for other, value in PUBLISHED[name].items() if other != key}
    with pytest.raises(AxhwError, match=f"Expected {key} in the configuration, found none: is this the published"):
        config_from_dict(less)


def test_files_that_are_damaged(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match="Expected a model's configuration at .*No such file"):
        read_config(tmp_path)
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(AxhwError, match="Expected JSON in .*config.json"):
            read_config(tmp_path)
    (tmp_path / FILE_NAME).write_text("[]", encoding="utf-8")
    with pytest.raises(AxhwError, match="Expected a JSON object in .*found list"):
        read_config(tmp_path)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=8), SCALARS, max_size=3)


@given(name=st.sampled_from(sorted(PUBLISHED)), data=st.data())
def test_any_value_under_any_key_is_read_or_refused(name: str, data: st.DataObject) -> None:
    changed = dict(PUBLISHED[name])
    keys = [*changed, "head_dim", "rope_parameters", "quantization_config", "mlp_only_layers"]
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=4)):
        changed[key] = data.draw(ANYTHING)
    try:
        config = config_from_dict(changed)
    except AxhwError:
        return
    assert config_from_dict(config_dict(config)) == config


@given(content=st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=9))
def test_any_object_is_read_or_refused(content: object) -> None:
    if isinstance(content, dict):
        with pytest.raises(AxhwError, match="model_type"):
            config_from_dict(content)
