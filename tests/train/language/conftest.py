"""Tiny language models and texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw.lm.config import ModelConfig

OF_ALL: dict[str, Any] = {
    "vocabulary": 256,
    "hidden": 16,
    "layers": 2,
    "heads": 2,
    "kv_heads": 2,
    "head_dim": 8,
    "context": 32,
    "rope_theta": 1000.0,
    "norm_eps": 1e-5,
    "experts": 6,
    "active_experts": 2,
    "expert_width": 12,
    "normalize_top_k": False,
}


@pytest.fixture(scope="session")
def make_config() -> Callable[..., ModelConfig]:
    """A configuration: ``make_config("olmoe", layers=3)``."""

    def make(architecture: str = "olmoe", **changes: Any) -> ModelConfig:
        return ModelConfig(**(OF_ALL | {"architecture": architecture} | changes))

    return make


@pytest.fixture(scope="session")
def repeated() -> npt.NDArray[np.uint8]:
    """A text that says the same again and again."""
    return np.frombuffer(b"To err is human, to approximate divine. " * 40, np.uint8)
