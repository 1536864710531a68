"""Weights of untrained models, to try out what takes a model."""

from __future__ import annotations

import numpy as np

from axhw.lm.config import ModelConfig
from axhw.lm.layout import tensor_shapes
from axhw.lm.matrices import Float32Array


def random_tensors(config: ModelConfig, rng: np.random.Generator, *, spread: float = 0.02) -> dict[str, Float32Array]:
    """Every tensor of a model: none is such that it could be left out unnoticed.

    Parameters
    ----------
    config : ModelConfig
    rng : numpy Generator
    spread : float
        Standard deviation of the entries of matrices and biases around 0, and of the scales of norms around 1.
    """
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        values = rng.normal(0.0, spread, shape)
        tensors[name] = np.asarray(values + 1 if name.endswith("norm.weight") else values, np.float32)
    return tensors
