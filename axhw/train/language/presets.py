"""Models that fit a text of a megabyte: two architectures, each large enough to study and small enough to ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from axhw.errors import AxhwError
from axhw.lm.config import ModelConfig
from axhw.train.language.recipe import Recipe

_BYTES = 256
_CONTEXT = 512
_THETA = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model and how to train it."""

    config: ModelConfig
    recipe: Recipe


# A model that knows its text by heart is of no use: with 15 numbers for each byte of text, dropout has to be strong.
_LARGE = Recipe(rounds=30, learning_rate=1e-3, dropout=0.25, expert_dropout=0.4)
_SMALL = Recipe(rounds=80, learning_rate=3e-3, dropout=0.05, expert_dropout=0.1, weight_decay=0.05)

PRESETS: Mapping[str, Preset] = {
    # 20.6 million parameters, 4.1 of them active.
    "olmoe_bytes": Preset(
        config=ModelConfig(
            architecture="olmoe",
            vocabulary=_BYTES,
            hidden=256,
            layers=6,
            heads=8,
            kv_heads=8,
            head_dim=32,
            context=_CONTEXT,
            rope_theta=_THETA,
            norm_eps=1e-5,
            experts=32,
            active_experts=4,
            expert_width=128,
            normalize_top_k=False,
        ),
        recipe=_LARGE,
    ),
    # 18.4 million, 4.1 active; 64 narrow experts, 6 active, 2 shared, first layer dense, as in DeepSeekMoE 16B.
    "deepseek_bytes": Preset(
        config=ModelConfig(
            architecture="deepseek",
            vocabulary=_BYTES,
            hidden=256,
            layers=6,
            heads=8,
            kv_heads=8,
            head_dim=32,
            context=_CONTEXT,
            rope_theta=_THETA,
            norm_eps=1e-6,
            experts=64,
            active_experts=6,
            expert_width=64,
            normalize_top_k=False,
            shared_width=128,
            dense_layers=(0,),
            dense_width=512,
        ),
        recipe=_LARGE,
    ),
    # 1.2 million: below 1.45 MB with weights of one byte.
    "olmoe_bytes_small": Preset(
        config=ModelConfig(
            architecture="olmoe",
            vocabulary=_BYTES,
            hidden=128,
            layers=3,
            heads=4,
            kv_heads=4,
            head_dim=32,
            context=_CONTEXT,
            rope_theta=_THETA,
            norm_eps=1e-5,
            experts=16,
            active_experts=2,
            expert_width=52,
            normalize_top_k=False,
        ),
        recipe=_SMALL,
    ),
    # About as many; beside two of 16 experts, each byte goes through a shared one.
    "deepseek_bytes_small": Preset(
        config=ModelConfig(
            architecture="deepseek",
            vocabulary=_BYTES,
            hidden=128,
            layers=3,
            heads=4,
            kv_heads=4,
            head_dim=32,
            context=_CONTEXT,
            rope_theta=_THETA,
            norm_eps=1e-6,
            experts=16,
            active_experts=2,
            expert_width=48,
            normalize_top_k=False,
            shared_width=48,
        ),
        recipe=_SMALL,
    ),
}


def preset(name: str) -> Preset:
    """A preset by its name.

    Raises
    ------
    AxhwError
        For an unknown name.
    """
    if name not in PRESETS:
        raise AxhwError(f"Expected a model out of {', '.join(PRESETS)}, found {name!r}.")
    return PRESETS[name]
