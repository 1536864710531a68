"""Models of published sizes: costed, not scored."""

from __future__ import annotations

from collections.abc import Mapping

from axhw.lm.config import ModelConfig

PUBLISHED: Mapping[str, ModelConfig] = {
    "OLMoE 7B": ModelConfig(
        architecture="olmoe",
        vocabulary=50_304,
        hidden=2048,
        layers=16,
        heads=16,
        kv_heads=16,
        head_dim=128,
        context=4096,
        rope_theta=10_000.0,
        norm_eps=1e-5,
        experts=64,
        active_experts=8,
        expert_width=1024,
        normalize_top_k=False,
    ),
    "DeepSeekMoE 16B": ModelConfig(
        architecture="deepseek",
        vocabulary=102_400,
        hidden=2048,
        layers=28,
        heads=16,
        kv_heads=16,
        head_dim=128,
        context=4096,
        rope_theta=10_000.0,
        norm_eps=1e-6,
        experts=64,
        active_experts=6,
        expert_width=1408,
        normalize_top_k=False,
        shared_width=2 * 1408,
        dense_layers=(0,),
        dense_width=10_944,
    ),
}
"""As their configuration files have them."""
