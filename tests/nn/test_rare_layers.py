"""Layers that only imported networks have."""

from __future__ import annotations

import re

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.layers.base import RealLayer
from axhw.nn.layers.pairwise import Pairwise
from axhw.nn.layers.reductions import Mean
from axhw.nn.layers.softmax import LogSoftmax

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("function", "expected"),
    [("add", 8.0), ("subtract", 4.0), ("divide", 3.0), ("maximum", 6.0), ("minimum", 2.0)],
)
def test_pairwise(function: str, expected: float) -> None:
    layer = Pairwise(function=function)
    shapes = ((2, 3), (2, 1))
    assert layer.output_shape(*shapes) == (2, 3)
    result = layer.forward(np.full((4, 2, 3), 6, np.float32), np.full((4, 2, 1), 2, np.float32), parameters={})
    np.testing.assert_array_equal(result, np.full((4, 2, 3), expected, np.float32))
    assert result.dtype == np.float32


def test_pairwise_refuses() -> None:
    with pytest.raises(AxhwError, match="Expected a function out of add, subtract, .*, found 'modulo'."):
        Pairwise(function="modulo")
    with pytest.raises(AxhwError, match="Expected tensors of one shape, or sides of 1"):
        Pairwise(function="divide").output_shape((2, 3), (2, 2))


@pytest.mark.parametrize(("axes", "shape"), [((0,), (1, 4, 5)), ((1, 2), (3, 1, 1)), ((0, 2), (1, 4, 1))])
def test_mean(axes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    layer = Mean(axes=axes)
    assert layer.output_shape(x.shape[1:]) == shape
    result = layer.forward(x, parameters={})
    assert result.shape == (2, *shape)
    np.testing.assert_allclose(result, x.mean(axis=tuple(axis + 1 for axis in axes), keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("axes", [(), (2,), (-1,)])
def test_mean_refuses(axes: tuple[int, ...]) -> None:
    with pytest.raises(AxhwError, match=re.escape(f"Expected axes of the shape (3, 4) for a mean, found {axes}.")):
        Mean(axes=axes).output_shape((3, 4))


def test_logarithms_of_a_softmax_do_not_overflow() -> None:
    x = np.array([[0.0, 1.0, 2.0], [1e4, 0.0, -1e4]], np.float32)
    result = LogSoftmax().forward(x, parameters={})
    np.testing.assert_allclose(np.exp(result).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(result[1], [0, -1e4, -2e4])
    assert LogSoftmax().output_shape((3,)) == (3,)
    assert isinstance(LogSoftmax(), RealLayer)
