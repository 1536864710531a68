from __future__ import annotations

from collections.abc import Callable

import pytest

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig


def test_layers_are_dense_or_have_experts(small_config: Callable[..., ModelConfig]) -> None:
    assert small_config("qwen3_moe").expert_layers == (1,)
    assert small_config("olmoe").expert_layers == (0, 1, 2)


def test_details_that_follow_from_the_architecture(small_config: Callable[..., ModelConfig]) -> None:
    assert small_config("olmoe").qk_norm == "projection"
    assert small_config("qwen3_moe").qk_norm == "head"
    assert small_config("qwen2_moe").shared_gate
    assert not small_config("deepseek").shared_gate
    assert small_config("qwen2_moe").biases == ("q", "k", "v")
    assert small_config("olmoe-other").biases == ("q", "k", "v", "o")
    assert small_config("olmoe").biases == ()


@pytest.mark.parametrize(
    ("variant", "changes", "message"),
    [
        ("olmoe", {"architecture": "gpt2"}, "architecture out of olmoe, .*found 'gpt2'"),
        ("olmoe", {"layers": 0}, "layers of a model as a whole number from 1 to 1000, found 0"),
        ("olmoe", {"hidden": 24.0}, "hidden of a model as a whole number"),
        ("olmoe", {"norm_eps": float("nan")}, "norm_eps of a model as a number above 0, found nan"),
        ("olmoe", {"kv_heads": 3}, r"heads as a multiple of kv_heads \(3\), found 4"),
        ("olmoe", {"active_experts": 6}, "at most 5 active experts, found 6"),
        ("olmoe", {"shared_width": 4}, "shared_width 0 of olmoe, which has no shared experts, found 4"),
        ("olmoe", {"dense_layers": (0,), "dense_width": 4}, r"no dense layers of olmoe, found \(0,\)"),
        ("deepseek", {"shared_width": 15}, r"multiple of expert_width \(10\), found 15"),
        ("deepseek", {"dense_layers": (1,)}, r"dense layers of deepseek to be its first, found \(1,\)"),
        ("deepseek", {"active_experts": 1, "normalize_top_k": True}, "no normalize_top_k of deepseek with one active"),
        ("qwen2_moe", {"shared_width": 0}, "shared_width above 0 of qwen2_moe"),
        ("qwen2_moe", {"dense_layers": (2, 1)}, "dense layers in increasing order out of 0 to 2"),
        ("qwen2_moe", {"dense_layers": (3,)}, "dense layers in increasing order out of 0 to 2"),
        ("qwen2_moe", {"dense_width": 0}, "dense_width above 0 for the dense layers"),
        ("mixtral", {"attention_bias": True}, "no attention_bias of mixtral"),
        ("mixtral", {"normalize_top_k": False}, "normalize_top_k of mixtral, whose weights"),
    ],
)
def test_what_is_refused(
    small_config: Callable[..., ModelConfig], variant: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(AxhwError, match=message):
        small_config(variant, **changes)
