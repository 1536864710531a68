"""Names and shapes of the tensors in a checkpoint of each architecture, as the transformers library has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.matrices import HEAD, MatrixKey, Module, Part

EMBEDDING = "model.embed_tokens.weight"
LAST_NORM = "model.norm.weight"

_HEAD = "lm_head.weight"
_PROJECTIONS: Mapping[Part, str] = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
_MIXTRAL: Mapping[Part, str] = {"gate": "w1", "up": "w3", "down": "w2"}
_SHARED: Mapping[str, str] = {"deepseek": "shared_experts", "qwen2_moe": "shared_expert"}


def layer_parts(config: ModelConfig, layer: int) -> dict[Module, tuple[Part, ...]]:
    """The modules of a layer and the parts of each, in the order in which it uses them."""
    parts: dict[Module, tuple[Part, ...]] = {"attention": ("q", "k", "v", "o")}
    feed_forward: tuple[Part, ...] = ("gate", "up", "down")
    if layer in config.dense_layers:
        return parts | {"dense": feed_forward}
    parts |= {"router": ("router",), "expert": feed_forward}
    if config.shared_width:
        parts["shared_expert"] = (*feed_forward, "shared_gate") if config.shared_gate else feed_forward
    return parts


def layer_matrices(config: ModelConfig, layer: int) -> Iterator[MatrixKey]:
    """The matrices of a layer in the order in which it uses them; experts one after the other."""
    for module, parts in layer_parts(config, layer).items():
        for expert in range(config.experts) if module == "expert" else (None,):
            for part in parts:
                yield MatrixKey(layer=layer, module=module, part=part, expert=expert)


def all_matrices(config: ModelConfig) -> Iterator[MatrixKey]:
    """The matrices of a model in the order in which it uses them, the head last."""
    for layer in range(config.layers):
        yield from layer_matrices(config, layer)
    yield HEAD


def matrix_name(config: ModelConfig, key: MatrixKey) -> str:
    """The tensor that holds a matrix; the embedding for a head that is tied to it.

    Raises
    ------
    AxhwError
        If the model has no such matrix.
    """
    matrix_shape(config, key)
    if key.module == "head":
        return EMBEDDING if config.tied_embeddings else _HEAD
    layer = f"model.layers.{key.layer}"
    if key.module == "attention":
        return f"{layer}.self_attn.{key.part}_proj.weight"
    if config.architecture == "mixtral":
        block = f"{layer}.block_sparse_moe"
        if key.module == "router":
            return f"{block}.gate.weight"
        return f"{block}.experts.{key.expert}.{_MIXTRAL[key.part]}.weight"
    block = f"{layer}.mlp"
    if key.module == "router":
        return f"{block}.gate.weight"
    if key.part == "shared_gate":
        return f"{block}.shared_expert_gate.weight"
    if key.module == "expert":
        block = f"{block}.experts.{key.expert}"
    elif key.module == "shared_expert":
        block = f"{block}.{_SHARED[config.architecture]}"
    return f"{block}.{_PROJECTIONS[key.part]}.weight"


def matrix_shape(config: ModelConfig, key: MatrixKey) -> tuple[int, int]:
    """Outputs and inputs of a matrix.

    Raises
    ------
    AxhwError
        If the model has no such matrix.
    """
    _check_key(config, key)
    if key.module == "head":
        return config.vocabulary, config.hidden
    if key.module == "attention":
        heads = config.heads if key.part in ("q", "o") else config.kv_heads
        inner = heads * config.head_dim
        return (config.hidden, inner) if key.part == "o" else (inner, config.hidden)
    if key.module == "router":
        return config.experts, config.hidden
    if key.part == "shared_gate":
        return 1, config.hidden
    widths = {"expert": config.expert_width, "shared_expert": config.shared_width, "dense": config.dense_width}
    width = widths[key.module]
    return (config.hidden, width) if key.part == "down" else (width, config.hidden)


def bias_name(layer: int, part: Part) -> str:
    """The bias of a projection of the attention."""
    return f"model.layers.{layer}.self_attn.{part}_proj.bias"


def norm_name(layer: int, norm: str) -> str:
    """The scale of a norm of a layer: "attention" or "feed_forward" at the input of each, "q" or "k"."""
    names = {"attention": "input_layernorm", "feed_forward": "post_attention_layernorm"}
    return f"model.layers.{layer}.{names.get(norm, f'self_attn.{norm}_norm')}.weight"


def vector_shapes(config: ModelConfig, layer: int) -> dict[str, tuple[int]]:
    """The biases and scales of norms of a layer."""
    shapes = {norm_name(layer, norm): (config.hidden,) for norm in ("attention", "feed_forward")}
    for part, heads in (("q", config.heads), ("k", config.kv_heads)):
        if config.qk_norm != "none":
            shapes[norm_name(layer, part)] = (config.head_dim * (heads if config.qk_norm == "projection" else 1),)
    for part in config.biases:
        outputs, _ = matrix_shape(config, MatrixKey(layer=layer, module="attention", part=part))
        shapes[bias_name(layer, part)] = (outputs,)
    return shapes


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint: layer by layer between the embedding and the last norm and head."""
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (config.vocabulary, config.hidden)}
    for layer in range(config.layers):
        shapes |= {matrix_name(config, key): matrix_shape(config, key) for key in layer_matrices(config, layer)}
        shapes |= vector_shapes(config, layer)
    shapes[LAST_NORM] = (config.hidden,)
    if not config.tied_embeddings:
        shapes[_HEAD] = (config.vocabulary, config.hidden)
    return shapes


def _check_key(config: ModelConfig, key: MatrixKey) -> None:
    """Refuse a matrix that the model does not have."""
    if key == HEAD:
        return
    parts: tuple[Part, ...] = ()
    if key.layer is not None and 0 <= key.layer < config.layers:
        parts = layer_parts(config, key.layer).get(key.module, ())
    experts = range(config.experts) if key.module == "expert" else (None,)
    if key.part not in parts or key.expert not in experts:
        raise AxhwError(
            f"Expected a matrix of the {config.architecture} model with {config.layers} layers, found {key}."
        )
