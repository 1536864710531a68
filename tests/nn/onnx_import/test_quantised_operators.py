"""Operators on codes, code by code against onnxruntime.

Weights have 7 bits: without VNNI instructions onnxruntime adds pairs of products of uint8 and int8 in 16 bits, which
saturate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.nn.executor import Executor
from axhw.nn.onnx_import.read import read_onnx
from axhw.nn.quantized import QuantizedNetwork

pytest.importorskip("onnx")

MICROSOFT = "com.microsoft"
SHAPE = (2, 6, 4)


class Coded:
    """A graph on codes: the image becomes codes, operators take (codes, scale, zero point)."""

    def __init__(self, net: Any, dtype: Any) -> None:
        self.net = net
        self.dtype = dtype
        self.image = self.coding()
        self.codes = net("QuantizeLinear", "image", *self.image)
        self.x = (self.codes, *self.image)
        # Scales without a common factor: onnxruntime decides ties of sums in its own way.
        self.output = self.coding()

    def coding(self, dtype: Any = None) -> tuple[str, str]:
        """A random scale and zero point."""
        limits = np.iinfo(dtype or self.dtype)
        zero_point = self.net.rng.integers(limits.min // 2, limits.max // 2)
        return self.net.initial(np.exp(self.net.rng.uniform(-4, -2))), self.net.initial(zero_point, dtype or self.dtype)

    def recoded(self) -> tuple[str, str, str]:
        """The image, another way round and by other codes."""
        coding = self.coding()
        turned = self.net("Transpose", self.net("DequantizeLinear", *self.x), perm=[0, 1, 2, 3])
        return (self.net("QuantizeLinear", self.net("Neg", turned), *coding), *coding)

    def weights(self, *shape: int, channels: int = 0) -> tuple[str, str, str]:
        """Codes of 7 bits, with a scale for each of the channels if there are some."""
        codes = self.net.initial(self.net.rng.integers(-64, 64, shape), np.int8)
        scale = self.net.initial(np.exp(self.net.rng.uniform(-6, -4, channels or ())))
        return codes, scale, self.net.initial(np.zeros(channels or (), np.int8), np.int8)

    def bias(self, size: int) -> str:
        """Whole numbers in units of the sums."""
        return str(self.net.initial(self.net.rng.integers(-4000, 4000, size), np.int32))


def _conv(coded: Coded, channels: int) -> str:
    return str(
        coded.net(
            "QLinearConv",
            *coded.x,
            *coded.weights(4, 2, 3, 3, channels=4 * channels),
            *coded.output,
            coded.bias(4),
            pads=[1, 1, 1, 1],
        )
    )


def _matmul(coded: Coded, channels: int) -> str:
    return str(coded.net("QLinearMatMul", *coded.x, *coded.weights(4, 5, channels=5 * channels), *coded.output))


def _gemm(coded: Coded, channels: int) -> str:
    flat = coded.net("Flatten", coded.codes)
    weights = coded.weights(5, 48, channels=5 * channels)
    inputs = (flat, *coded.image, *weights, coded.bias(5), *coded.output)
    return str(coded.net("QGemm", *inputs, domain=MICROSOFT, transB=1))


def _product_of_activations(coded: Coded) -> str:
    other, *coding = coded.recoded()
    turned = coded.net("Transpose", other, perm=[0, 1, 3, 2])
    return str(coded.net("QLinearMatMul", *coded.x, turned, *coding, *coded.output))


def _pair(kind: str) -> Callable[[Coded], str]:
    return lambda coded: str(coded.net(kind, *coded.x, *coded.recoded(), *coded.output, domain=MICROSOFT))


def _single(kind: str, **attributes: Any) -> Callable[[Coded], str]:
    return lambda coded: str(coded.net(kind, *coded.x, *coded.output, domain=MICROSOFT, **attributes))


def _concat(coded: Coded) -> str:
    return str(coded.net("QLinearConcat", *coded.output, *coded.x, *coded.recoded(), domain=MICROSOFT, axis=1))


OPERATORS: dict[str, Callable[[Coded], str]] = {
    "conv": lambda coded: _conv(coded, 0),
    "conv by channel": lambda coded: _conv(coded, 1),
    "matmul": lambda coded: _matmul(coded, 0),
    "matmul by channel": lambda coded: _matmul(coded, 1),
    "gemm": lambda coded: _gemm(coded, 0),
    "gemm by channel": lambda coded: _gemm(coded, 1),
    "product of activations": _product_of_activations,
    "average pool": _single("QLinearAveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "global average pool": _single("QLinearGlobalAveragePool"),
    "sigmoid": _single("QLinearSigmoid"),
    "leaky relu": _single("QLinearLeakyRelu", alpha=0.1),
    "add": _pair("QLinearAdd"),
    "multiply": _pair("QLinearMul"),
    "concat": _concat,
}
ONE_CODE_OFF = ("add", "multiply")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("name", OPERATORS)
def test_equals_onnxruntime(name: str, dtype: Any, writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(*SHAPE)
    coded = Coded(net, dtype)
    output = net("DequantizeLinear", OPERATORS[name](coded), *coded.output)
    path = net.save(tmp_path / "one.onnx", output)
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    images = np.random.default_rng(5).normal(size=(50, *SHAPE)).astype(np.float32) * 100 * network.input.scale
    scale = network.codings[network.graph[network.graph.output].inputs[0]].scale
    expected = np.rint(run(path, images) / scale)
    result = np.rint(Executor(network, threads=1)(images) / scale).reshape(expected.shape)
    if name in ONE_CODE_OFF:
        # Sums near the middle between two codes: onnxruntime rounds scale ratios and a constant first.
        assert np.abs(result - expected).max() <= 1
        assert np.count_nonzero(result != expected) <= 1e-3 * expected.size
    else:
        np.testing.assert_array_equal(result, expected)
    assert len(np.unique(expected)) >= 5


def test_softmax_is_off_by_one_code_at_most(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    # onnxruntime takes a table of exponentials and an integer quotient.
    net = writer(*SHAPE)
    coding = (net.initial(0.02), net.initial(100, np.uint8))
    target = (net.initial(1 / 256), net.initial(0, np.uint8))
    codes = net("QuantizeLinear", "image", *coding)
    shares = net("QLinearSoftmax", codes, *coding, *target, domain=MICROSOFT, axis=-1, opset=13)
    path = net.save(tmp_path / "one.onnx", net("DequantizeLinear", shares, *target))
    images = np.random.default_rng(5).normal(size=(200, *SHAPE)).astype(np.float32)
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    difference = np.rint(256 * (Executor(network, threads=1)(images) - run(path, images)))
    assert np.abs(difference).max() <= 1
    assert np.count_nonzero(difference) <= 1e-3 * difference.size


def test_unsigned_weights_make_an_unsigned_network(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(*SHAPE)
    coded = Coded(net, np.uint8)
    weights = net.initial(net.rng.integers(0, 256, (4, 2, 3, 3)), np.uint8)
    codes = net("QLinearConv", *coded.x, weights, net.initial(0.01), net.initial(120, np.uint8), *coded.output)
    path = net.save(tmp_path / "unsigned.onnx", net("DequantizeLinear", codes, *coded.output))
    images = np.random.default_rng(5).normal(size=(20, *SHAPE)).astype(np.float32)
    expected = run(path, images)
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    assert not network.signed
    for signed in (False, True):
        np.testing.assert_array_equal(Executor(network.with_signedness(signed), threads=1)(images), expected)


def test_gemm_with_a_real_output(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(*SHAPE)
    coded = Coded(net, np.uint8)
    inputs = (net("Flatten", coded.codes), *coded.image, *coded.weights(5, 48, channels=5), coded.bias(5))
    path = net.save(tmp_path / "real.onnx", net("QGemm", *inputs, domain=MICROSOFT, transB=1))
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    assert network.graph.output not in network.codings
    images = np.random.default_rng(5).normal(size=(20, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(Executor(network, threads=1)(images), run(path, images), rtol=1e-6)
