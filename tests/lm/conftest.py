"""Small models of every architecture, and weights that no random generator makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.lm.config import ModelConfig
from axhw.lm.layout import tensor_shapes
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.save import write_checkpoint

Tensors = dict[str, npt.NDArray[np.float32]]

OF_ALL = {
    "vocabulary": 29,
    "hidden": 24,
    "layers": 3,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 6,
    "context": 40,
    "rope_theta": 500.0,
    "norm_eps": 1e-5,
    "experts": 5,
    "active_experts": 2,
    "expert_width": 10,
    "normalize_top_k": False,
}
# Every option of every architecture is on in one of them and off in another.
VARIANTS: dict[str, dict[str, object]] = {
    "olmoe": {"architecture": "olmoe"},
    "olmoe-other": {"architecture": "olmoe", "normalize_top_k": True, "attention_bias": True, "tied_embeddings": True},
    "deepseek": {"architecture": "deepseek", "shared_width": 20, "dense_layers": (0,), "dense_width": 14},
    "deepseek-other": {
        "architecture": "deepseek",
        "shared_width": 0,
        "normalize_top_k": True,
        "attention_bias": True,
    },
    "qwen2_moe": {
        "architecture": "qwen2_moe",
        "attention_bias": True,
        "shared_width": 7,
        "dense_layers": (1,),
        "dense_width": 9,
    },
    "qwen2_moe-other": {"architecture": "qwen2_moe", "normalize_top_k": True, "shared_width": 8},
    "qwen3_moe": {
        "architecture": "qwen3_moe",
        "normalize_top_k": True,
        "head_dim": 8,
        "dense_layers": (0, 2),
        "dense_width": 9,
    },
    "qwen3_moe-other": {"architecture": "qwen3_moe", "attention_bias": True, "head_dim": 4},
    "mixtral": {"architecture": "mixtral", "normalize_top_k": True},
    "mixtral-other": {"architecture": "mixtral", "normalize_top_k": True, "head_dim": 10, "kv_heads": 1},
}


def waves(config: ModelConfig) -> Tensors:
    """Weights that are the same wherever there is a sine: tensor t has 0.4 sin((t + 1) (n + 1)) at place n; norms are
    1 more than half of that."""
    tensors: Tensors = {}
    for t, (name, shape) in enumerate(tensor_shapes(config).items()):
        values = 0.4 * np.sin((t + 1.0) * np.arange(1, np.prod(shape) + 1)).reshape(shape)
        tensors[name] = (1 + values / 2 if name.endswith("norm.weight") else values).astype(np.float32)
    return tensors


@pytest.fixture(scope="session")
def small_config() -> Callable[..., ModelConfig]:
    """A small model of one of the variants: ``small_config("olmoe", layers=2)``."""

    def make(variant: str, **changes: object) -> ModelConfig:
        return ModelConfig(**{**OF_ALL, **VARIANTS[variant], **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def wave_tensors() -> Callable[[ModelConfig], Tensors]:
    """Weights of any model."""
    return waves


@pytest.fixture(params=list(VARIANTS))
def config(request: pytest.FixtureRequest, small_config: Callable[..., ModelConfig]) -> ModelConfig:
    """Every variant in turn."""
    return small_config(request.param)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[ModelConfig], LanguageModel]:
    """A model with the weights of `wave_tensors`, written and read, with its operators kept."""

    def make(config: ModelConfig) -> LanguageModel:
        folder = tmp_path / f"{config.architecture}-{len(list(tmp_path.iterdir()))}"
        write_checkpoint(folder, config, waves(config))
        return load_model(folder, keep=True)

    return make
