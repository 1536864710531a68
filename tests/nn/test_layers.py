"""Layers without products, on real values and on codes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.nn.layers.activations import FUNCTIONS, Clip, Elementwise, Relu
from axhw.nn.layers.base import Layer
from axhw.nn.layers.joins import Add, AddLearned, Concat, Multiply, PrependToken, ScaleLearned
from axhw.nn.layers.norms import BatchNorm2d, LayerNorm
from axhw.nn.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from axhw.nn.layers.shaping import Flatten, Pad, Reshape, Slice, Transpose
from axhw.nn.layers.softmax import Softmax
from axhw.nn.quantize import Quantization

RNG = np.random.default_rng(11)
AFFINE = Quantization.from_range(-1.0, 3.0, signed=False)
OTHER = Quantization.from_range(-2.5, 2.0, signed=False)


def test_relu_and_clip_of_codes_are_those_of_the_values() -> None:
    codes = np.arange(256, dtype=np.uint8)
    for layer in (Relu(), Clip(low=-0.5, high=1.0), Clip(high=2.0)):
        expected = AFFINE.encode(layer.forward(AFFINE.decode(codes), parameters={}))
        assert np.array_equal(layer.on_codes(codes, AFFINE), expected)
    signed = Quantization.from_range(-1.0, 1.0, signed=True)
    assert Relu().on_codes(np.array([-127, -1, 0, 5], np.int8), signed).tolist() == [0, 0, 0, 5]


def test_functions_have_their_values() -> None:
    x = np.array([-30.0, -2.0, -0.5, 0.0, 1.0, 30.0])
    expected = {
        "gelu": [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x],
        "gelu_tanh": [0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in x],
        "sigmoid": [1 / (1 + math.exp(-v)) for v in x],
        "silu": [v / (1 + math.exp(-v)) for v in x],
        "tanh": [math.tanh(v) for v in x],
        "erf": [math.erf(v) for v in x],
        "exp": [math.exp(v) for v in x],
        "abs": [abs(v) for v in x],
        "hard_swish": [v * min(max(v / 6 + 0.5, 0), 1) for v in x],
    }
    for name, values in expected.items():
        assert np.allclose(Elementwise(function=name).forward(x, parameters={}), values, rtol=1e-12), name
    assert Elementwise(function="leaky_relu", factor=0.1).forward(x, parameters={})[0] == -3.0
    assert Elementwise(function="scale", factor=2.0, offset=1.0).forward(x, parameters={}).tolist()[-2:] == [3.0, 61.0]
    hard = Elementwise(function="hard_sigmoid", factor=0.2, offset=0.5).forward(x, parameters={})
    assert np.allclose(hard, np.clip(0.2 * x + 0.5, 0, 1))
    assert Elementwise(function="power", factor=2.0).forward(x, parameters={})[1] == 4.0
    positive = np.array([0.25, 4.0])
    assert Elementwise(function="sqrt").forward(positive, parameters={}).tolist() == [0.5, 2.0]
    assert Elementwise(function="reciprocal").forward(positive, parameters={}).tolist() == [4.0, 0.25]


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name not in ("sqrt", "reciprocal", "power")])
def test_functions_of_codes_decode_compute_and_encode(function: str) -> None:
    layer = Elementwise(function=function)
    codes = RNG.integers(0, 256, (3, 4), dtype=np.uint8)
    expected = OTHER.encode(layer.forward(AFFINE.decode(codes), parameters={}))
    assert np.array_equal(layer.on_codes((AFFINE,), OTHER, codes, parameters={}), expected)


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(AxhwError, match="Expected a function out of gelu, .*, found 'cosh'"):
        Elementwise(function="cosh")
    with pytest.raises(AxhwError, match="Expected a clip with low below high, found 1 and 0"):
        Clip(low=1, high=0)


def test_pools_take_the_largest_and_the_mean() -> None:
    x = RNG.normal(size=(2, 3, 6, 4))
    squares = x.reshape(2, 3, 3, 2, 2, 2)
    assert np.array_equal(MaxPool2d.square(2).forward(x, parameters={}), squares.max(axis=(3, 5)))
    assert np.allclose(AvgPool2d.square(2).forward(x, parameters={}), squares.mean(axis=(3, 5)))
    assert np.allclose(GlobalAvgPool().forward(x, parameters={})[:, :, 0, 0], x.mean(axis=(2, 3)))
    tokens = RNG.normal(size=(2, 5, 3))
    assert np.allclose(GlobalAvgPool().forward(tokens, parameters={}), tokens.mean(axis=1))


def test_padding_is_never_the_largest_and_counts_in_the_mean_if_asked() -> None:
    x = np.full((1, 1, 2, 2), -4.0)
    sides = (1, 1, 1, 1)
    pooled = MaxPool2d(kernel=(3, 3), stride=(2, 2), padding=sides).forward(x, parameters={})
    assert pooled.tolist() == [[[[-4.0]]]]
    codes = MaxPool2d(kernel=(3, 3), stride=(2, 2), padding=sides).on_codes(np.full((1, 1, 2, 2), 3, np.uint8), AFFINE)
    assert codes.tolist() == [[[[3]]]]
    mean = AvgPool2d(kernel=(3, 3), stride=(2, 2), padding=sides)
    assert mean.forward(x, parameters={}).tolist() == [[[[-4.0]]]]
    counted = AvgPool2d(kernel=(3, 3), stride=(2, 2), padding=sides, count_padding=True)
    assert counted.forward(x, parameters={})[0, 0, 0, 0] == pytest.approx(-16 / 9)


@settings(max_examples=30)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_global_mean_of_codes_is_within_a_rounding_of_that_of_the_values(
    height: int, width: int, seed: int
) -> None:
    codes = np.random.default_rng(seed).integers(0, 256, (2, 3, height, width), dtype=np.uint8)
    found = GlobalAvgPool().on_codes((AFFINE,), OTHER, codes, parameters={})
    exact = AFFINE.decode(codes).astype(np.float64).mean(axis=(2, 3), keepdims=True) / OTHER.scale + OTHER.zero_point
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.5 + 1e-4


def test_moving_layers_move() -> None:
    x = RNG.integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    assert np.array_equal(Flatten().on_codes(x, AFFINE), x.reshape(2, 60))
    assert Reshape(shape=(12, -1)).output_shape((3, 4, 5)) == (12, 5)
    assert np.array_equal(Reshape(shape=(12, -1)).on_codes(x, AFFINE), x.reshape(2, 12, 5))
    assert np.array_equal(Transpose(axes=(2, 0, 1)).on_codes(x, AFFINE), x.transpose(0, 3, 1, 2))
    assert np.array_equal(Slice(axis=1, start=0, stop=4, step=2).on_codes(x, AFFINE), x[:, :, ::2])
    assert np.array_equal(Slice(axis=0, start=1, stop=2, drop=True).on_codes(x, AFFINE), x[:, 1])
    padded = Pad(before=(1, 0, 0), after=(0, 0, 2)).on_codes(x, AFFINE)
    assert padded.shape == (2, 4, 4, 7)
    assert np.all(padded[:, 0] == AFFINE.zero_point)
    assert np.array_equal(padded[:, 1:, :, :5], x)


def test_joins_join() -> None:
    a, b = RNG.normal(size=(2, 2, 3, 4, 4))
    assert np.array_equal(Add().forward(a, b, parameters={}), a + b)
    gate = b[:, :, :1, :1]
    assert Multiply().output_shape((3, 4, 4), (3, 1, 1)) == (3, 4, 4)
    assert np.array_equal(Multiply().forward(a, gate, parameters={}), a * gate)
    assert Concat(axis=0).output_shape((3, 4, 4), (5, 4, 4)) == (8, 4, 4)
    assert np.array_equal(Concat(axis=0).forward(a, b, parameters={}), np.concatenate([a, b], axis=1))
    value = RNG.normal(size=(1, 4, 4))
    assert np.array_equal(AddLearned(shape=(1, 4, 4)).forward(a, parameters={"value": value}), a + value)
    assert np.array_equal(ScaleLearned(shape=(1, 4, 4)).forward(a, parameters={"value": value}), a * value)
    tokens = RNG.normal(size=(2, 5, 3))
    longer = PrependToken(features=3).forward(tokens, parameters={"value": np.arange(3.0)})
    assert longer.shape == (2, 6, 3)
    assert longer[:, 0].tolist() == [[0.0, 1.0, 2.0]] * 2


def test_codes_are_added_as_their_values() -> None:
    a = RNG.integers(0, 256, (2, 3, 4, 4), dtype=np.uint8)
    b = RNG.integers(0, 256, (2, 3, 4, 4), dtype=np.uint8)
    output = Quantization.from_range(-3.0, 4.0, signed=False)
    expected = output.encode(AFFINE.decode(a) + OTHER.decode(b))
    assert np.array_equal(Add().on_codes((AFFINE, OTHER), output, a, b, parameters={}), expected)


def test_norms_normalise() -> None:
    x = RNG.normal(2.0, 3.0, size=(4, 3, 5, 5))
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    weight, bias = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.0, -1.0])
    parameters = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
    normal = BatchNorm2d(channels=3, epsilon=0.0).forward(x, parameters=parameters)
    assert np.allclose(normal.mean(axis=(0, 2, 3)), bias)
    assert np.allclose(normal.std(axis=(0, 2, 3)), weight)
    tokens = RNG.normal(2.0, 3.0, size=(2, 5, 8))
    normal = LayerNorm(features=8, epsilon=0.0).forward(tokens, parameters={"weight": np.ones(8), "bias": np.zeros(8)})
    assert np.allclose(normal.mean(axis=-1), 0)
    assert np.allclose(normal.std(axis=-1), 1)
    shares = Softmax().forward(np.array([[0.0, math.log(3.0)], [1000.0, 1000.0]]), parameters={})
    assert np.allclose(shares, [[0.25, 0.75], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (Add(), ((3, 4), (3, 5)), r"Expected tensors of one shape to add, found \(3, 4\) and \(3, 5\)"),
        (Multiply(), ((3, 4), (2, 4)), "Expected tensors of one shape, or sides of 1, to multiply"),
        (Concat(axis=0), ((3, 4), (3, 5)), "Expected tensors that differ in axis 0 only"),
        (MaxPool2d.square(4), ((3, 2, 8),), "Expected an image of at least 4x4 pixels to pool"),
        (GlobalAvgPool(), ((3,),), r"Expected an image \[C, H, W\] or tokens \[T, D\] to average"),
        (Reshape(shape=(5, -1)), ((3, 4),), r"Expected \(3, 4\) to fit into the shape \(5, -1\), found 12 values"),
        (Transpose(axes=(0, 0)), ((3, 4),), r"Expected each axis of \(3, 4\) once to transpose"),
        (Slice(axis=0, start=2, stop=4), ((3, 4),), r"Expected a part of the shape \(3, 4\) to slice"),
        (Slice(axis=0, start=0, stop=2, drop=True), ((3, 4),), "Expected one place on an axis to drop, found 2"),
        (Pad(before=(1,), after=(1,)), ((3, 4),), r"Expected a padding of at least 0 for each axis of \(3, 4\)"),
        (PrependToken(features=3), ((5, 4),), "Expected tokens of 3 features"),
        (BatchNorm2d(channels=3), ((4, 2, 2),), "Expected 3 channels for a batch norm"),
        (LayerNorm(features=3), ((5, 4),), "Expected 3 features to normalise"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer: Layer, shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        layer.output_shape(*shapes)
