"""Layers in PyTorch against those in numpy, also those that no network of the zoo has."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.errors import AxhwError  # noqa: E402
from axhw.nn.layers.activations import FUNCTIONS, Clip, Elementwise  # noqa: E402
from axhw.nn.layers.base import Layer  # noqa: E402
from axhw.nn.layers.joins import Add, AddLearned, Concat, Multiply, ScaleLearned  # noqa: E402
from axhw.nn.layers.norms import BatchNorm2d, LayerNorm  # noqa: E402
from axhw.nn.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d  # noqa: E402
from axhw.nn.layers.products import Conv2d, Linear, MatMul  # noqa: E402
from axhw.nn.layers.shaping import Flatten, Pad, Reshape, Slice, Transpose  # noqa: E402
from axhw.nn.layers.softmax import Softmax  # noqa: E402
from axhw.train.layers import FUNCTIONS as TORCH_FUNCTIONS  # noqa: E402
from axhw.train.layers import forward  # noqa: E402

IMAGE = (4, 7, 6)
CASES = [
    (Conv2d(in_channels=4, out_channels=6, kernel=(3, 2), stride=(2, 1), padding=(1, 0, 2, 1)), (IMAGE,)),
    (Conv2d(in_channels=4, out_channels=6, kernel=(3, 3), dilation=(2, 1), padding=(2, 1, 2, 1), groups=2), (IMAGE,)),
    (Conv2d.square(4, 8, groups=4, bias=False), (IMAGE,)),
    (Linear(in_features=6, out_features=5), (IMAGE,)),
    (MatMul(scale=0.3), ((2, 3, 4), (2, 4, 5))),
    (Clip(low=-0.5), (IMAGE,)),
    (Clip(low=0.0, high=0.6), (IMAGE,)),
    (Add(), (IMAGE, IMAGE)),
    (Multiply(), (IMAGE, (4, 1, 1))),
    (Concat(axis=1), (IMAGE, (4, 2, 6))),
    (AddLearned(shape=(4, 1, 6)), (IMAGE,)),
    (ScaleLearned(shape=(4, 1, 1)), (IMAGE,)),
    (BatchNorm2d(channels=4), (IMAGE,)),
    (BatchNorm2d(channels=9), ((9,),)),
    (LayerNorm(features=6), (IMAGE,)),
    (Softmax(), (IMAGE,)),
    (MaxPool2d(kernel=(3, 2), stride=(2, 2), padding=(1, 0, 2, 1)), (IMAGE,)),
    (AvgPool2d(kernel=(3, 2), stride=(2, 2), padding=(1, 0, 2, 1)), (IMAGE,)),
    (AvgPool2d(kernel=(3, 2), stride=(2, 2), padding=(1, 0, 2, 1), count_padding=True), (IMAGE,)),
    (GlobalAvgPool(), (IMAGE,)),
    (GlobalAvgPool(), ((5, 6),)),
    (Flatten(), (IMAGE,)),
    (Reshape(shape=(2, -1)), (IMAGE,)),
    (Transpose(axes=(1, 2, 0)), (IMAGE,)),
    (Slice(axis=1, start=1, stop=7, step=2), (IMAGE,)),
    (Slice(axis=0, start=2, stop=3, drop=True), (IMAGE,)),
    (Pad(before=(1, 0, 2), after=(0, 3, 1)), (IMAGE,)),
]


@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=[type(layer).__name__ for layer, _ in CASES])
def test_layer_equals_numpy(layer: Layer, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(3, *shape)).astype(np.float32) for shape in shapes]
    parameters = {
        name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in layer.parameter_shapes.items()
    }
    expected = layer.forward(*inputs, parameters=parameters)
    found = forward(
        layer,
        *map(torch.from_numpy, inputs),
        parameters={name: torch.from_numpy(value) for name, value in parameters.items()},
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_the_same_functions_are_known() -> None:
    assert set(TORCH_FUNCTIONS) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_equals_numpy(name: str) -> None:
    layer = Elementwise(function=name, factor=0.7, offset=0.2)
    x = np.linspace(0.1 if name in ("sqrt", "power", "reciprocal") else -4, 4, 101, dtype=np.float32)[None]
    found = forward(layer, torch.from_numpy(x), parameters={})
    np.testing.assert_allclose(found.numpy(), layer.forward(x, parameters={}), rtol=2e-6, atol=2e-6)


def test_padding_takes_a_zero_point() -> None:
    found = forward(Pad(before=(0,), after=(2,)), torch.ones(1, 1), parameters={}, zero=7.0)
    assert found.tolist() == [[1, 7, 7]]


def test_unknown_layers_are_refused() -> None:
    class Odd(Flatten):
        pass

    class Strange(Layer):
        output_shape = Flatten.output_shape
        forward = Flatten.forward

    forward(Odd(), torch.ones(1, 2, 3), parameters={})
    with pytest.raises(AxhwError, match="Expected a layer with a PyTorch counterpart, found Strange."):
        forward(Strange(), torch.ones(1), parameters={})
