"""The config.json that is published beside the weights of a model, and `ModelConfig`.

Keys are those of the transformers library. What changes the results and is not computed here (scaled rotary angles,
clipped queries, other activations and scores) is refused, never left out. Sliding windows only bound the length of
texts: up to it they do nothing. `routing` is a key of ours, which no published file has: there, tokens choose.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.lm.config import ARCHITECTURES, MOST_LAYERS, ROUTINGS, ModelConfig, Routing

FILE_NAME = "config.json"
QUANTIZATION: Mapping[str, str] = {"quant_method": "compressed-tensors", "format": "int-quantized"}
"""What a config.json says of weights that are quantised as `axhw.lm.checkpoint` reads them."""

_CLASSES: Mapping[str, str] = {
    "olmoe": "OlmoeForCausalLM",
    "deepseek": "DeepseekForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "mixtral": "MixtralForCausalLM",
}
# The first name is the published one; recent versions of transformers write the second.
_EXPERTS: Mapping[str, tuple[str, ...]] = {
    "olmoe": ("num_experts",),
    "deepseek": ("n_routed_experts",),
    "qwen2_moe": ("num_experts",),
    "qwen3_moe": ("num_experts", "num_local_experts"),
    "mixtral": ("num_local_experts",),
}
_EXPERT_WIDTH: Mapping[str, str] = {
    "olmoe": "intermediate_size",
    "deepseek": "moe_intermediate_size",
    "qwen2_moe": "moe_intermediate_size",
    "qwen3_moe": "moe_intermediate_size",
    "mixtral": "intermediate_size",
}


def read_config(folder: Path) -> ModelConfig:
    """The model that the config.json in a folder describes.

    Raises
    ------
    AxhwError
        If there is none, it is damaged, or its model can't be computed here.
    """
    path = folder / FILE_NAME
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise AxhwError(f"Expected a model's configuration at {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise AxhwError(f"Expected JSON in {path}, found something else: {error}.") from error
    if not isinstance(data, dict):
        raise AxhwError(f"Expected a JSON object in {path}, found {type(data).__name__}.")
    return config_from_dict(data, source=str(path))


def config_from_dict(data: Mapping[str, object], *, source: str = "the configuration") -> ModelConfig:
    """The model that the content of a config.json describes.

    Parameters
    ----------
    data : mapping
    source : str
        What messages call it.

    Raises
    ------
    AxhwError
        If keys lack or hold something else than expected, and for models that can't be computed here.
    """
    name = data.get("model_type")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise AxhwError(f"Expected model_type of {source} out of {', '.join(ARCHITECTURES)}, found {name!r}.")
    keys = _Keys(data, source)
    _refuse_options(keys, name)
    layers, heads, hidden = keys.size("num_hidden_layers"), keys.size("num_attention_heads"), keys.size("hidden_size")
    active_experts = keys.size("num_experts_per_tok")
    traits = ARCHITECTURES[name]
    normalize = traits.always_normalized or keys.flag("norm_topk_prob")
    expert_width = keys.size(_EXPERT_WIDTH[name])
    return ModelConfig(
        architecture=name,
        vocabulary=keys.size("vocab_size"),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=keys.size("num_key_value_heads"),
        head_dim=keys.size("head_dim") if keys.has("head_dim") else max(hidden // heads, 1),
        context=_context(keys, name),
        rope_theta=_rope_theta(keys),
        norm_eps=keys.number("rms_norm_eps"),
        experts=keys.size(*_EXPERTS[name]),
        active_experts=active_experts,
        expert_width=expert_width,
        normalize_top_k=normalize and (active_experts > 1 or traits.normalizes_one),
        shared_width=_shared_width(keys, name, expert_width),
        dense_layers=_dense_layers(keys, name, layers),
        dense_width=0 if traits.dense == "none" else keys.size("intermediate_size", least=0),
        attention_bias=bool(traits.biases)
        and keys.flag("qkv_bias" if name == "qwen2_moe" else "attention_bias", default=name == "qwen2_moe"),
        tied_embeddings=keys.flag("tie_word_embeddings", default=False),
        routing=_routing(keys),
    )


def config_dict(config: ModelConfig) -> dict[str, Any]:
    """The content of a config.json for a model, which `config_from_dict` reads as the same model."""
    name = config.architecture
    traits = ARCHITECTURES[name]
    data: dict[str, Any] = {
        "architectures": [_CLASSES[name]],
        "model_type": name,
        "hidden_act": "silu",
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "max_position_embeddings": config.context,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
        _EXPERTS[name][0]: config.experts,
        "num_experts_per_tok": config.active_experts,
        "tie_word_embeddings": config.tied_embeddings,
        # Without these transformers takes those of the published models.
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    if config.routing != "token_choice":
        data["routing"] = config.routing
    if traits.dense != "none":
        data["intermediate_size"] = config.dense_width
    data[_EXPERT_WIDTH[name]] = config.expert_width
    if traits.free_heads:
        data["head_dim"] = config.head_dim
    if not traits.always_normalized:
        data["norm_topk_prob"] = config.normalize_top_k
    if traits.biases:
        data["qkv_bias" if name == "qwen2_moe" else "attention_bias"] = config.attention_bias
    if traits.shared == "plain":
        data["n_shared_experts"] = config.shared_width // config.expert_width or None
    if traits.shared == "gated":
        data["shared_expert_intermediate_size"] = config.shared_width
    if traits.dense == "first":
        data |= {"first_k_dense_replace": len(config.dense_layers), "moe_layer_freq": 1, "scoring_func": "softmax"}
    if traits.dense == "any":
        data |= {"mlp_only_layers": list(config.dense_layers), "decoder_sparse_step": 1}
    return data


def write_config(folder: Path, data: Mapping[str, object]) -> None:
    """Write the content of a config.json to a folder."""
    with replacing(folder / FILE_NAME) as draft:
        draft.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


class _Keys:
    """The keys of a config.json, checked as they are read; null is as good as absent, as in transformers."""

    def __init__(self, data: Mapping[str, object], source: str) -> None:
        self._data = data
        self.source = source

    def has(self, key: str) -> bool:
        return self._data.get(key) is not None

    def get(self, *names: str) -> object:
        """The value under the first of the names that is there."""
        for name in names:
            if self.has(name):
                return self._data[name]
        raise AxhwError(f"Expected {names[0]} in {self.source}, found none: is this the published file?")

    def size(self, *names: str, least: int = 1) -> int:
        value = self.get(*names)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._wrong(names[0], f"a whole number from {least}", value)
        return value

    def number(self, key: str) -> float:
        return _as_number(self.get(key), key, self.source)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        value = self.get(key) if default is None or self.has(key) else default
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def mapping(self, key: str) -> Mapping[str, object]:
        """Empty if there is none."""
        value = self.get(key) if self.has(key) else {}
        if not isinstance(value, dict):
            raise self._wrong(key, "an object", value)
        return value

    def refuse_unless(self, key: str, expected: object) -> None:
        """Refuse another value than the expected one under a key that need not be there."""
        if self.has(key) and self.get(key) != expected:
            raise AxhwError(
                f"Expected {key} of {self.source} as {expected!r}, found {self.get(key)!r}: axhw computes no other."
            )

    def _wrong(self, key: str, expected: str, value: object) -> AxhwError:
        return AxhwError(f"Expected {key} of {self.source} as {expected}, found {value!r}.")


def _refuse_options(keys: _Keys, name: str) -> None:
    """Refuse what changes the results and is not computed here."""
    keys.refuse_unless("hidden_act", "silu")
    keys.refuse_unless("clip_qkv", None)
    if name == "deepseek":
        keys.refuse_unless("moe_layer_freq", 1)
        keys.refuse_unless("scoring_func", "softmax")
        keys.refuse_unless("routed_scaling_factor", 1)
    for key in ("rope_scaling", "rope_parameters"):
        rope = keys.mapping(key)
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default" or rope.get("partial_rotary_factor", 1) != 1:
            raise AxhwError(f"Expected unscaled rotary angles in {keys.source}, found {key} {dict(rope)!r}.")
    quantization = keys.mapping("quantization_config")
    if quantization and any(quantization.get(key) != value for key, value in QUANTIZATION.items()):
        found = [quantization.get(key) for key in QUANTIZATION]
        raise AxhwError(
            f"Expected weights that are not quantised, or to int8 by compressed-tensors (int-quantized), in "
            f"{keys.source}, found {found[0]!r} ({found[1]!r})."
        )


def _context(keys: _Keys, name: str) -> int:
    """Longest text in which no sliding window leaves anything out."""
    context = keys.size("max_position_embeddings")
    windowed = name == "mixtral" or keys.flag("use_sliding_window", default=False)
    if name in ("mixtral", "qwen2_moe", "qwen3_moe") and windowed and keys.has("sliding_window"):
        return min(context, keys.size("sliding_window"))
    return context


def _rope_theta(keys: _Keys) -> float:
    rope = keys.mapping("rope_parameters")
    if not keys.has("rope_theta") and "rope_theta" in rope:
        return _as_number(rope["rope_theta"], "rope_theta", keys.source)
    return keys.number("rope_theta")


def _routing(keys: _Keys) -> Routing:
    found = keys.get("routing") if keys.has("routing") else "token_choice"
    for known in ROUTINGS:
        if found == known:
            return known
    raise AxhwError(f"Expected routing of {keys.source} out of {', '.join(ROUTINGS)}, found {found!r}.")


def _shared_width(keys: _Keys, name: str, expert_width: int) -> int:
    kind = ARCHITECTURES[name].shared
    if kind == "gated":
        return keys.size("shared_expert_intermediate_size")
    if kind == "plain" and keys.has("n_shared_experts"):
        return keys.size("n_shared_experts", least=0) * expert_width
    return 0


def _dense_layers(keys: _Keys, name: str, layers: int) -> tuple[int, ...]:
    kind = ARCHITECTURES[name].dense
    every = range(min(layers, MOST_LAYERS))
    if kind == "first":
        return tuple(every[: keys.size("first_k_dense_replace", least=0)])
    if kind == "none":
        return ()
    step = keys.size("decoder_sparse_step") if keys.has("decoder_sparse_step") else 1
    listed = keys.get("mlp_only_layers") if keys.has("mlp_only_layers") else []
    if not isinstance(listed, list) or not all(isinstance(layer, int) for layer in listed):
        raise AxhwError(f"Expected mlp_only_layers of {keys.source} as a list of layers, found {listed!r}.")
    return tuple(layer for layer in every if layer in listed or (layer + 1) % step)


def _as_number(value: object, key: str, source: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise AxhwError(f"Expected {key} of {source} as a number, found {value!r}.")
    try:
        return float(value)
    except OverflowError:
        raise AxhwError(f"Expected {key} of {source} as a number, found one of {len(str(value))} digits.") from None
