"""Operators that are used in a way that no layer covers: one sentence with the operator's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.onnx_import.read import read_onnx

pytest.importorskip("onnx")

Write = Callable[[Any], str | list[str]]


def _first(outputs: list[str]) -> str:
    return outputs[0]


def _tokens(net: Any) -> str:
    return str(net("Reshape", "image", net.integers(1, 6, 8)))


def _wrong_attribute(net: Any) -> str:
    # The checker knows ONNX's own operators only.
    coding = (net.scalar(0.1), net.initial(0, np.uint8))
    codes = net("Flatten", net("QuantizeLinear", "image", *coding))
    weights = (net.initial(np.ones((5, 48)), np.int8), net.scalar(0.1), net.initial(0, np.int8))
    return str(net("QGemm", codes, *coding, *weights, domain="com.microsoft", transB=1.0, name="it"))


# On images [2, 6, 4] and a batch of 1; the operator in question is called `it`.
REFUSALS: dict[str, tuple[int, Write]] = {
    "Expected a constant for input 2, found activations.": (
        13,
        lambda net: net("Conv", "image", net("Relu", "image"), name="it"),
    ),
    "Expected activations for input 1, found a constant.": (
        13,
        lambda net: net("MatMul", net.weight(3, 6), "image", name="it"),
    ),
    "Expected a convolution over 1 or 2 sides, found weights of shape (2, 2, 3, 3, 3).": (
        13,
        lambda net: net("Conv", net("Unsqueeze", "image", net.integers(4)), net.weight(2, 2, 3, 3, 3), name="it"),
    ),
    "Expected a batch of channels and 1 sides, found the shape (1, 2, 6, 4).": (
        13,
        lambda net: net("Conv", "image", net.weight(2, 2, 3), name="it"),
    ),
    "Expected a kernel, strides, dilations and pads for 2 sides, found another number.": (
        13,
        lambda net: net("MaxPool", "image", kernel_shape=[2], name="it"),
    ),
    "Expected an image of 2 channels and at least 7x1 pixels for a convolution, found the shape (2, 6, 4).": (
        13,
        lambda net: net("Conv", "image", net.weight(1, 2, 7, 1), name="it"),
    ),
    "Expected an image of 1 or 2 sides, found 3.": (
        13,
        lambda net: net(
            "MaxPool", net("Unsqueeze", "image", net.integers(4)), kernel_shape=[1, 1, 1], strides=[1, 1, 1], name="it"
        ),
    ),
    "Expected int for the attribute transB, found 1.0.": (13, _wrong_attribute),
    "Expected an attention of all tokens to all, found a mask, a window, a cache or a cap.": (
        23,
        lambda net: net("Attention", "image", "image", "image", is_causal=1, name="it"),
    ),
    "Expected a key for each of the 4 heads, found 2.": (
        23,
        lambda net: net("Attention", *3 * [_tokens(net)], q_num_heads=4, kv_num_heads=2, name="it"),
    ),
    "Expected features in multiples of the 3 heads, found 8.": (
        23,
        lambda net: net("Attention", *3 * [_tokens(net)], q_num_heads=3, kv_num_heads=3, name="it"),
    ),
    "Expected two stacks of matrices, found (48,) and (48,).": (
        13,
        lambda net: net("MatMul", *(net("Reshape", "image", net.integers(-1)) for _ in range(2)), name="it"),
    ),
    "Expected auto_pad to be NOTSET, VALID, SAME_UPPER or SAME_LOWER, found SOME.": (
        13,
        lambda net: net("MaxPool", "image", kernel_shape=[2, 2], auto_pad="SOME", name="it"),
    ),
    "Expected pools without gaps, found dilations of (2, 2).": (
        13,
        lambda net: net("MaxPool", "image", kernel_shape=[2, 2], dilations=[2, 2], name="it"),
    ),
    "Expected the largest values alone of a MaxPool, found its indices taken as well.": (
        13,
        lambda net: _first(net("MaxPool", "image", kernel_shape=[2, 2], outputs=2, name="it")),
    ),
    "Expected either padding that counts or ceil_mode in a pool, found both.": (
        13,
        lambda net: net(
            "AveragePool",
            "image",
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
            ceil_mode=1,
            count_include_pad=1,
            name="it",
        ),
    ),
    "Expected the largest values over the last axes of (1, 2, 6, 4), found axes (1,).": (
        13,
        lambda net: net("ReduceMax", "image", axes=[1], name="it"),
    ),
    "Expected activations as they are for a Gemm, found transA.": (
        13,
        lambda net: net("Gemm", net("Flatten", "image"), net.weight(1, 5), transA=1, name="it"),
    ),
    "Expected a bias for each of 5 outputs, found 4.": (
        13,
        lambda net: net("Gemm", net("Flatten", "image"), net.weight(48, 5), net.vector(4), name="it"),
    ),
    "Expected one matrix of weights, found the shape (2, 4, 5).": (
        13,
        lambda net: net("MatMul", "image", net.weight(2, 4, 5), name="it"),
    ),
    "Expected two stacks of matrices [..., M, K] and [..., K, N], found (2, 6, 4) and (2, 6, 4).": (
        13,
        lambda net: net("MatMul", "image", "image", name="it"),
    ),
    "Expected one value for input 2, found the shape (2,).": (
        13,
        lambda net: net("Pow", "image", net.vector(2), name="it"),
    ),
    "Expected constants other than 0 to divide by, found 0.": (
        13,
        lambda net: net("Div", "image", net.scalar(0.0), name="it"),
    ),
    "Expected inputs and attributes that fit together, found: shape mismatch": (
        13,
        lambda net: net("Add", "image", net.vector(3), name="it"),
    ),
    "Expected a clip with low below high, found 1.0 and 1.0.": (
        13,
        lambda net: net("Clip", "image", net.scalar(1.0), net.scalar(1.0), name="it"),
    ),
    "Expected a Swish with alpha 1, found 2.": (24, lambda net: net("Swish", "image", alpha=2.0, name="it")),
    "Expected activations to stay real values or codes of 8 bits, found a Cast to another type.": (
        13,
        lambda net: net("Cast", net("Cast", "image", to=7, name="it"), to=1),
    ),
    "Expected a Dropout without its mask, found the mask taken.": (
        13,
        lambda net: _first(net("Dropout", "image", outputs=2, name="it")),
    ),
    "Expected one image of shape (1, 2, 6, 4) to fit into the shape (5, -1).": (
        13,
        lambda net: net("Reshape", "image", net.integers(5, -1), name="it"),
    ),
    "Expected one place on the axes to squeeze, found the shape (1, 2, 6, 4).": (
        13,
        lambda net: net("Squeeze", "image", net.integers(1), name="it"),
    ),
    "Expected an axis of 4, found axis 7.": (13, lambda net: net("Squeeze", "image", net.integers(7), name="it")),
    "Expected an Expand of constants, found one of activations of shape (1, 2, 6, 4) to (3, 2, 6, 4).": (
        13,
        lambda net: net("Expand", "image", net.integers(3, 1, 1, 1), name="it"),
    ),
    "Expected each axis of (1, 2, 6, 4) once to transpose, found (0, 1, 2, 2).": (
        13,
        lambda net: net("Transpose", "image", perm=[0, 1, 2, 2], name="it"),
    ),
    "Expected places in rising order out of an axis, found [3, 2, 1, 0] of (1, 2, 6, 4).": (
        13,
        lambda net: net("Slice", "image", *(net.integers(n) for n in (-1, -9, 3)), net.integers(-1), name="it"),
    ),
    "Expected a Gather of places at equal steps, found [0, 1, 3].": (
        13,
        lambda net: net("Gather", "image", net.integers(0, 1, 3), axis=2, name="it"),
    ),
    "Expected 2 parts of the 6 places of an axis, found (2, 5).": (
        13,
        lambda net: _first(net("Split", "image", net.integers(2, 5), outputs=2, axis=2, name="it")),
    ),
    "Expected constants before or behind all activations to concatenate, found them between.": (
        13,
        lambda net: net("Concat", "image", net.weight(1, 2, 6, 4), "image", name="it", axis=1),
    ),
    "Expected constants in front of tokens to concatenate, found them with a shape (1, 2, 6, 4).": (
        13,
        lambda net: net("Concat", "image", net.weight(1, 2, 6, 4), name="it", axis=1),
    ),
    "Expected a padding with zeros, found the mode reflect.": (
        13,
        lambda net: net("Pad", "image", net.integers(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect", name="it"),
    ),
    "Expected a padding with 0, found 0.5.": (
        13,
        lambda net: net("Pad", "image", net.integers(0, 0, 1, 1, 0, 0, 1, 1), net.scalar(0.5), name="it"),
    ),
    "Expected a padding before and after 4 axes, found (1, 1).": (
        13,
        lambda net: net("Pad", "image", net.integers(1, 1), name="it"),
    ),
    "Expected the statistics of training in a batch norm, found training_mode: export for inference.": (
        14,
        lambda net: _first(
            net(
                "BatchNormalization",
                "image",
                *(net.vector(2, 0.5, 1.0) for _ in range(4)),
                training_mode=1,
                outputs=3,
                name="it",
            )
        ),
    ),
    "Expected the normalised values alone, found mean or deviation of a layer norm taken as well.": (
        17,
        lambda net: _first(net("LayerNormalization", "image", net.vector(4), outputs=2, name="it")),
    ),
    "Expected a constant of numbers, found value_string.": (
        13,
        lambda net: net("Add", "image", net("Constant", value_string="a", name="it")),
    ),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_message(message: str, writer: Any, tmp_path: Path) -> None:
    opset, write = REFUSALS[message]
    net = writer(2, 6, 4, opset=opset, batch=1)
    path = net.save(tmp_path / "net.onnx", write(net))
    with pytest.raises(AxhwError, match=r"In it \([\w.]+\) of net: " + re.escape(message)):
        read_onnx(path)


def test_weights_that_are_not_finite(writer: Any, tmp_path: Path) -> None:
    net = writer(4)
    path = net.save(tmp_path / "net.onnx", net("Add", "image", net.initial([0, np.nan, 0, 0]), name="it"))
    with pytest.raises(AxhwError, match=r"Expected finite values for the parameter it.value, found NaN or infinity."):
        read_onnx(path)
