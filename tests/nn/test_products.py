"""Convolutions, linear layers and matrix products against loops."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.nn.layers.products import Conv2d, Linear, MatMul


def brute_force(layer: Conv2d, x: npt.NDArray[np.int64], weight: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The definition, one product at a time."""
    top, left, bottom, right = layer.padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    shape = layer.output_shape((x.shape[1], x.shape[2] - top - bottom, x.shape[3] - left - right))
    result = np.zeros((len(x), *shape), np.int64)
    inputs, outputs = (count // layer.groups for count in (layer.in_channels, layer.out_channels))
    for b, o, i, j in np.ndindex(result.shape):
        for c, u, v in itertools.product(range(inputs), *map(range, layer.kernel)):
            row, column = i * layer.stride[0] + u * layer.dilation[0], j * layer.stride[1] + v * layer.dilation[1]
            result[b, o, i, j] += x[b, o // outputs * inputs + c, row, column] * weight[o, c, u, v]
    return result


convolutions = st.builds(
    lambda groups, inputs, outputs, kernel, stride, padding, dilation: Conv2d(
        in_channels=groups * inputs,
        out_channels=groups * outputs,
        groups=groups,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        bias=False,
    ),
    *(st.integers(1, 3),) * 3,
    st.tuples(*(st.integers(1, 3),) * 2),
    st.tuples(*(st.integers(1, 3),) * 2),
    st.tuples(*(st.integers(0, 2),) * 4),
    st.tuples(*(st.integers(1, 2),) * 2),
)


@settings(max_examples=60)
@given(layer=convolutions, seed=st.integers(0, 1000))
def test_convolutions_are_those_of_the_definition(layer: Conv2d, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (2, layer.in_channels, 6, 5))
    weight = rng.integers(-9, 10, layer.weight_shape)
    expected = brute_force(layer, x, weight)
    found = layer.forward(x.astype(np.float64), parameters={"weight": weight.astype(np.float64)})
    assert found.shape[1:] == layer.output_shape(x.shape[1:])
    assert np.array_equal(found, expected)
    # Channels-last in memory, as the next convolution wants it.
    assert found.transpose(0, 2, 3, 1).flags.c_contiguous
    assert layer.multiplications(x.shape[1:]) * len(x) == expected.size * layer.terms


def test_rows_and_weights_pair_the_same_terms() -> None:
    layer = Conv2d(in_channels=4, out_channels=6, kernel=(2, 3), groups=2, padding=(1, 0, 0, 1), stride=(2, 1))
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (2, 4, 5, 6), dtype=np.int8)
    weight = rng.integers(-128, 128, layer.weight_shape, dtype=np.int8)
    rows, matrices = layer.rows(x, zero=0), layer.weight_matrices(weight)
    assert rows.dtype == matrices.dtype == np.int8
    sums = np.einsum("mgt,gto->mgo", rows.astype(np.int64), matrices.astype(np.int64))
    _, height, width = layer.output_shape(x.shape[1:])
    expected = brute_force(layer, x.astype(np.int64), weight.astype(np.int64))
    assert np.array_equal(sums.reshape(2, height, width, 6).transpose(0, 3, 1, 2), expected)


def test_padding_is_filled_with_the_zero_given() -> None:
    rows = Conv2d.square(1, 1).rows(np.ones((1, 1, 1, 1), np.uint8), zero=7)
    assert rows.ravel().tolist() == [7, 7, 7, 7, 1, 7, 7, 7, 7]


def test_bias_is_added() -> None:
    conv = Conv2d.square(1, 2, kernel=1)
    found = conv.forward(
        np.ones((1, 1, 1, 1)), parameters={"weight": np.ones((2, 1, 1, 1)), "bias": np.array([1.0, 2.0])}
    )
    assert found.ravel().tolist() == [2.0, 3.0]
    linear = Linear(in_features=2, out_features=1)
    found = linear.forward(np.ones((3, 4, 2)), parameters={"weight": np.ones((1, 2)), "bias": np.array([0.5])})
    assert found.shape == (3, 4, 1)
    assert np.all(found == 2.5)


def test_parameters_are_named() -> None:
    assert Conv2d.square(3, 8).parameter_shapes == {"weight": (8, 3, 3, 3), "bias": (8,)}
    assert Linear(in_features=3, out_features=2, bias=False).parameter_shapes == {"weight": (2, 3)}


def test_matrix_products_are_scaled() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 3, 5, 6))
    layer = MatMul(scale=0.25)
    assert np.allclose(layer.forward(a, b, parameters={}), 0.25 * np.einsum("bhmk,bhkn->bhmn", a, b))
    assert layer.output_shape((3, 4, 5), (3, 5, 6)) == (3, 4, 6)
    assert layer.multiplications((3, 4, 5), (3, 5, 6)) == 3 * 4 * 5 * 6


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 8, 8), "Expected an image of 2 channels and at least 3x3 pixels for a convolution, found the shape"),
        ((2, 2, 8), "at least 3x3 pixels"),
        ((2, 8), r"found the shape \(2, 8\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Conv2d(in_channels=2, out_channels=1, kernel=(3, 3)).output_shape(shape)


def test_impossible_layers_are_refused() -> None:
    with pytest.raises(AxhwError, match="Expected channels in multiples of the 2 groups, found 3 in and 4 out"):
        Conv2d(in_channels=3, out_channels=4, kernel=(1, 1), groups=2)
    with pytest.raises(AxhwError, match="Expected channels, kernel, stride, dilation and groups of at least 1"):
        Conv2d(in_channels=3, out_channels=4, kernel=(0, 1))
    with pytest.raises(AxhwError, match="Expected a padding of at least 0 pixels"):
        Conv2d(in_channels=3, out_channels=4, kernel=(1, 1), padding=(0, -1, 0, 0))
    with pytest.raises(AxhwError, match="Expected 4 features on the last axis, found the shape"):
        Linear(in_features=4, out_features=1).output_shape((3,))
    with pytest.raises(AxhwError, match=r"Expected two stacks of matrices \[..., M, K\] and \[..., K, N\]"):
        MatMul().output_shape((2, 3), (2, 3))
    with pytest.raises(AxhwError, match="Expected a finite scale above 0 for a matrix product, found 0"):
        MatMul(scale=0)
