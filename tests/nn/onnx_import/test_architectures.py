"""Networks from graphs as exporters write them, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.nn.executor import Executor
from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.pairwise import Pairwise
from axhw.nn.layers.products import Linear, MatMul
from axhw.nn.network import Network
from axhw.nn.onnx_import.read import read_onnx
from axhw.nn.quantizer import quantize_network

pytest.importorskip("onnx")

NAMES = (
    "cnn",
    "residual",
    "mobile",
    "tensorflow",
    "squeeze_excite",
    "inception",
    "mlp",
    "vit",
    "sequence_first",
    "keras_mixer",
)


def _images(network: Any, count: int) -> Any:
    return np.random.default_rng(7).normal(size=(count, *network.graph.input_shape)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_equals_onnxruntime(name: str, architecture: Callable[[str], Path], run: Callable[..., Any]) -> None:
    path = architecture(name)
    network = read_onnx(path)
    assert isinstance(network, Network)
    images = _images(network, 5)
    expected = run(path, images)
    result = network.forward(images)
    assert result.shape == expected.reshape(len(images), -1).shape
    np.testing.assert_allclose(result, expected.reshape(result.shape), rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def _layers(network: Network, kind: type) -> list[Any]:
    return [node.layer for node in network.graph if isinstance(node.layer, kind)]


def _functions(network: Network) -> list[str]:
    return [layer.function for layer in _layers(network, Elementwise)]


@pytest.mark.parametrize(
    ("name", "functions", "norms", "scale"),
    [
        ("vit", ["gelu"], 3, (24 / 3) ** -0.5),
        ("sequence_first", ["gelu_tanh"], 1, (16 / 2) ** -0.5),
        ("squeeze_excite", ["silu", "hard_sigmoid", "hard_swish"], 0, None),
        ("keras_mixer", [], 1, None),
    ],
)
def test_what_exporters_take_apart_is_put_together(
    name: str, functions: list[str], norms: int, scale: float | None, architecture: Callable[[str], Path]
) -> None:
    network = read_onnx(architecture(name))
    assert isinstance(network, Network)
    assert _functions(network) == functions
    assert len(_layers(network, LayerNorm)) == norms
    assert not _layers(network, Pairwise)
    if scale is not None:
        assert _layers(network, MatMul)[0].scale == pytest.approx(scale)
    assert all(layer.bias for layer in _layers(network, Linear))


def test_dynamic_batches_and_single_images_agree(architecture: Callable[[str], Path]) -> None:
    for name in ("mlp", "sequence_first"):
        network = read_onnx(architecture(name))
        assert isinstance(network, Network)
        images = _images(network, 3)
        alone = np.concatenate([network.forward(image[None]) for image in images])
        np.testing.assert_allclose(network.forward(images), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn", "residual", "vit"])
def test_imported_networks_can_be_quantised(name: str, architecture: Callable[[str], Path]) -> None:
    network = read_onnx(architecture(name))
    assert isinstance(network, Network)
    images = _images(network, 32)
    integer = quantize_network(network, images, signed=True)
    expected = network.forward(images)
    error = np.abs(Executor(integer, threads=1)(images) - expected)
    assert error.max() < 0.1 * np.abs(expected).max()
    assert set(integer.multiplications) == {node.name for node in network.graph.product_nodes}
