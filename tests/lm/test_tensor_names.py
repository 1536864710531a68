from __future__ import annotations

from collections.abc import Callable

import pytest

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.lm.layout import all_matrices, layer_matrices, matrix_name, matrix_shape, tensor_shapes
from axhw.lm.matrices import HEAD, MatrixKey


def test_every_matrix_is_a_tensor_of_its_own(config: ModelConfig) -> None:
    names = [matrix_name(config, key) for key in all_matrices(config)]
    shapes = tensor_shapes(config)
    assert len(set(names)) == len(names)
    assert {name: shapes[name] for name in names} == {
        matrix_name(config, key): matrix_shape(config, key) for key in all_matrices(config)
    }


@pytest.mark.parametrize(
    ("variant", "names"),
    [
        (
            "olmoe",
            {
                "model.layers.2.mlp.experts.4.down_proj.weight": (24, 10),
                "model.layers.0.self_attn.q_norm.weight": (24,),
            },
        ),
        ("olmoe", {"model.layers.0.mlp.gate.weight": (5, 24), "model.layers.0.self_attn.k_norm.weight": (12,)}),
        ("deepseek", {"model.layers.1.mlp.shared_experts.up_proj.weight": (20, 24), "lm_head.weight": (29, 24)}),
        ("deepseek", {"model.layers.0.mlp.gate_proj.weight": (14, 24), "model.norm.weight": (24,)}),
        ("qwen2_moe", {"model.layers.0.mlp.shared_expert_gate.weight": (1, 24)}),
        ("qwen2_moe", {"model.layers.0.mlp.shared_expert.down_proj.weight": (24, 7)}),
        ("qwen2_moe", {"model.layers.2.self_attn.k_proj.bias": (12,), "model.layers.1.mlp.down_proj.weight": (24, 9)}),
        (
            "qwen3_moe",
            {"model.layers.0.self_attn.q_norm.weight": (8,), "model.layers.0.self_attn.o_proj.weight": (24, 32)},
        ),
        ("mixtral", {"model.layers.0.block_sparse_moe.gate.weight": (5, 24)}),
        ("mixtral", {"model.layers.0.block_sparse_moe.experts.1.w2.weight": (24, 10)}),
        ("mixtral", {"model.layers.2.post_attention_layernorm.weight": (24,), "model.embed_tokens.weight": (29, 24)}),
    ],
)
def test_published_names(
    small_config: Callable[..., ModelConfig], variant: str, names: dict[str, tuple[int, ...]]
) -> None:
    shapes = tensor_shapes(small_config(variant))
    assert {name: shapes.get(name) for name in names} == names


def test_gate_and_up_of_mixtral(small_config: Callable[..., ModelConfig]) -> None:
    config = small_config("mixtral")
    gate, up, down = [key for key in layer_matrices(config, 0) if key.expert == 3]
    assert [key.part for key in (gate, up, down)] == ["gate", "up", "down"]
    assert [matrix_name(config, key)[-9:] for key in (gate, up, down)] == ["w1.weight", "w3.weight", "w2.weight"]


def test_a_tied_head_is_the_embedding(small_config: Callable[..., ModelConfig]) -> None:
    config = small_config("olmoe-other")
    assert matrix_name(config, HEAD) == "model.embed_tokens.weight"
    assert "lm_head.weight" not in tensor_shapes(config)


@pytest.mark.parametrize(
    "key",
    [
        MatrixKey(layer=3, module="attention", part="q"),
        MatrixKey(layer=-1, module="attention", part="q"),
        MatrixKey(layer=None, module="attention", part="q"),
        MatrixKey(layer=0, module="attention", part="up"),
        MatrixKey(layer=1, module="expert", part="up"),
        MatrixKey(layer=1, module="expert", part="up", expert=5),
        MatrixKey(layer=1, module="dense", part="up"),
        MatrixKey(layer=0, module="dense", part="up", expert=0),
        MatrixKey(layer=0, module="router", part="router"),
        MatrixKey(layer=1, module="shared_expert", part="shared_gate"),
        MatrixKey(layer=0, module="head", part="head"),
    ],
)
def test_matrices_that_are_not_there(small_config: Callable[..., ModelConfig], key: MatrixKey) -> None:
    with pytest.raises(AxhwError, match="Expected a matrix of the deepseek model with 3 layers, found MatrixKey"):
        matrix_name(small_config("deepseek"), key)
