"""A small language model of bytes with random weights, and texts for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.analog.model_calibration import calibrate
from axhw.analog.operators import DENSE, EXPERT, HybridModel
from axhw.analog.tiles import TileSpec
from axhw.lm.config import ModelConfig
from axhw.lm.model import LanguageModel, load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint

WINDOW = 16

ByteArray = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def moe_config() -> Callable[..., ModelConfig]:
    """A small model: a dense layer and two with experts, all of which every token could take."""

    def make(**changes: object) -> ModelConfig:
        options: dict[str, object] = {
            "architecture": "deepseek",
            "vocabulary": 256,
            "hidden": 16,
            "layers": 3,
            "heads": 2,
            "kv_heads": 2,
            "head_dim": 8,
            "context": 64,
            "rope_theta": 10000.0,
            "norm_eps": 1e-5,
            "experts": 4,
            "active_experts": 2,
            "expert_width": 8,
            "normalize_top_k": False,
            "shared_width": 8,
            "dense_layers": (0,),
            "dense_width": 12,
        }
        return ModelConfig(**{**options, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def moe_folder(moe_config: Callable[..., ModelConfig], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with such a model: ``moe_folder(experts=6)``."""

    def make(**changes: object) -> Path:
        config = moe_config(**changes)
        folder = tmp_path_factory.mktemp("models")
        write_checkpoint(folder, config, random_tensors(config, np.random.default_rng(1), spread=0.5))
        return folder

    return make


@pytest.fixture(scope="session")
def moe_model(moe_folder: Callable[..., Path]) -> LanguageModel:
    """It, with its operators kept."""
    return load_model(moe_folder(), keep=True)


@pytest.fixture(scope="session")
def some_bytes() -> Callable[[int, int], ByteArray]:
    """Random bytes: ``some_bytes(seed, count)``."""

    def make(seed: int, count: int) -> ByteArray:
        return np.random.default_rng(seed).integers(0, 256, count).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def on_tiles(some_bytes: Callable[[int, int], ByteArray]) -> Callable[..., HybridModel]:
    """A model on tiles that are calibrated on 40 windows: ``on_tiles(model, ideal=True)``."""

    def make(
        model: LanguageModel, *, ideal: bool = False, dense: bool = False, rows: int = 512, **ranges: float
    ) -> HybridModel:
        bits = None if ideal else 8
        calibration = calibrate(
            model,
            some_bytes(2, 40 * WINDOW + 1),
            window=WINDOW,
            tiles=TileSpec(rows=rows, dac_bits=bits, adc_bits=bits),
            modules={EXPERT, *DENSE} if dense else {EXPERT},
            **ranges,
        )
        return HybridModel(model, calibration, dense=DENSE if dense else ())

    return make
