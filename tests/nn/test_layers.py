"""Layers against loops over pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.nn.layers import AvgPool2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, Relu


def convolve(
    x: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], *, stride: int, padding: int, zero: float
) -> npt.NDArray[np.float64]:
    batch, _, height, width = x.shape
    outputs, inputs, kernel, _ = weight.shape
    rows = (height + 2 * padding - kernel) // stride + 1
    columns = (width + 2 * padding - kernel) // stride + 1
    result = np.zeros((batch, outputs, rows, columns))
    for b, o, i, j in np.ndindex(result.shape):
        for c, di, dj in np.ndindex(inputs, kernel, kernel):
            y, z = i * stride + di - padding, j * stride + dj - padding
            inside = 0 <= y < height and 0 <= z < width
            result[b, o, i, j] += (x[b, c, y, z] if inside else zero) * weight[o, c, di, dj]
    return result


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (2, 2, 0), (1, 1, 0), (3, 1, 2), (5, 3, 0)]
)
@pytest.mark.parametrize("zero", [0.0, 3.0])
def test_convolution_is_a_matrix_product_of_its_rows(kernel: int, stride: int, padding: int, zero: float) -> None:
    rng = np.random.default_rng(0)
    layer = Conv2d(name="c", in_channels=3, out_channels=4, kernel=kernel, stride=stride, padding=padding)
    x = rng.integers(-9, 9, (2, 3, 6, 7)).astype(np.float64)
    weight = rng.integers(-9, 9, layer.weight_shape).astype(np.float64)
    expected = convolve(x, weight, stride=stride, padding=padding, zero=zero)
    rows = layer.rows(x, zero=zero)
    result = layer.fold(rows @ layer.weight_matrix(weight), batch=2, shape=(3, 6, 7))
    assert np.array_equal(result, expected)
    assert layer.output_shape((3, 6, 7)) == expected.shape[1:]
    assert layer.multiplications((3, 6, 7)) * 2 == rows.size * layer.outputs


def test_linear_is_a_matrix_product() -> None:
    rng = np.random.default_rng(0)
    layer = Linear(name="l", in_features=5, out_features=3)
    x, weight = rng.normal(size=(2, 5)), rng.normal(size=(3, 5))
    assert np.array_equal(layer.rows(x, zero=0) @ layer.weight_matrix(weight), x @ weight.T)
    assert layer.multiplications((5,)) == 15


def test_relu_cuts_below_the_code_of_zero() -> None:
    assert Relu().forward(np.array([[-2.0, 3.0]]), zero=0).tolist() == [[0, 3]]
    codes = Relu().forward(np.array([[3, 9, 200]], np.uint8), zero=7)
    assert codes.tolist() == [[7, 9, 200]]
    assert codes.dtype == np.uint8


def test_max_pool() -> None:
    x = np.array([[[[-5, -3, 1, 2], [-9, -8, 4, 3]]]], np.int8)
    assert MaxPool2d(size=2).forward(x, zero=0).tolist() == [[[[-3, 4]]]]


def test_average_pool_rounds_codes_half_up() -> None:
    # Means 1.25, 1, 1.5, -1.5, -2.5 and 127.
    squares = [[1, 2, 1, 1], [0, 0, 2, 2], [1, 2, 1, 2], [-1, -2, -1, -2], [-3, -3, -2, -2], [127, 127, 127, 127]]
    result = AvgPool2d(size=2).forward(np.array(squares, np.int8).reshape(1, 6, 2, 2), zero=0)
    assert result.ravel().tolist() == [1, 1, 2, -1, -2, 127]
    assert result.dtype == np.int8


def test_average_pool_of_real_values_is_the_mean() -> None:
    x = np.arange(16, dtype=np.float64).reshape(1, 1, 4, 4)
    assert AvgPool2d(size=2).forward(x, zero=0).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


def test_flatten_puts_channels_first() -> None:
    x = np.arange(12).reshape(1, 3, 2, 2).transpose(0, 1, 3, 2)
    assert Flatten().forward(x, zero=0).tolist() == [[0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11]]
    assert Flatten().output_shape((3, 2, 2)) == (12,)


CONV = Conv2d(name="conv", in_channels=3, out_channels=4, kernel=5, padding=1)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (CONV, (2, 8, 8), r"input of 3 channels and at least 3 pixels a side for conv, found the shape \(2, 8, 8\)"),
        (CONV, (3, 8, 2), r"found the shape \(3, 8, 2\)"),
        (CONV, (192,), r"found the shape \(192,\)"),
        (Linear(name="fc", in_features=8, out_features=2), (2, 2, 2), "Expected a flat input of 8 for fc"),
        (MaxPool2d(size=2), (3, 4, 5), "sides that are multiples of 2 to pool"),
        (AvgPool2d(size=3), (9,), r"multiples of 3 to pool, found the shape \(9,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        layer.output_shape(shape)
