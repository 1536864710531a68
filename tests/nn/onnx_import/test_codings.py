"""Where QuantizeLinear and DequantizeLinear may stand, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.executor import Executor
from axhw.nn.network import Network
from axhw.nn.onnx_import.read import read_onnx
from axhw.nn.quantized import QuantizedNetwork

pytest.importorskip("onnx")

SHAPE = (2, 6, 4)


def _coding(net: Any, scale: float, zero_point: int = 0, dtype: Any = np.int8) -> tuple[str, str]:
    # No simple ratios of scales: sums in the middle between two codes are rounded up or down by their last bit.
    return net.initial(scale * (1 + scale / 7)), net.initial(zero_point, dtype)


def _rounded(net: Any, x: str, scale: float, zero_point: int = 0, dtype: Any = np.int8) -> str:
    """QuantizeLinear and DequantizeLinear."""
    coding = _coding(net, scale, zero_point, dtype)
    return str(net("DequantizeLinear", net("QuantizeLinear", x, *coding), *coding))


def _weight(net: Any, *shape: int, axis: int = 0) -> str:
    """Codes by channel, decoded."""
    codes = net.initial(net.rng.integers(-127, 128, shape), np.int8)
    scale = net.initial(np.exp(net.rng.uniform(-7, -5, shape[axis])))
    return str(net("DequantizeLinear", codes, scale, net.initial(np.zeros(shape[axis]), np.int8), axis=axis))


def _image(net: Any) -> str:
    return _rounded(net, "image", 0.02, 5)


def _conv(net: Any, x: str, name: str = "") -> str:
    return str(net("Conv", x, _weight(net, 2, 2, 3, 3), pads=[1, 1, 1, 1], name=name))


def _clipped(net: Any, scale: float, *, high: float) -> str:
    x = _rounded(net, _conv(net, _image(net), "conv"), 0.01)
    return _rounded(net, net("Clip", x, net.scalar(0.0), net.scalar(high), name="clip"), scale)


def _relu_with_its_own_codes(net: Any) -> str:
    x = _rounded(net, _conv(net, _image(net), "conv"), 0.01)
    return _rounded(net, net("Relu", x, name="relu"), 0.007, -128)


def _shared(net: Any) -> str:
    """Real values that become codes for one and stay real for another."""
    x = _conv(net, _image(net), "conv")
    y = _conv(net, _rounded(net, x, 0.02), "conv2")
    return _rounded(net, net("Add", y, net("Sigmoid", x)), 0.03)


def _two_codings(net: Any) -> str:
    x = _conv(net, _image(net), "conv")
    first, second, again = (_rounded(net, x, scale) for scale in (0.01, 0.03, 0.01))
    return _rounded(net, net("Mul", net("Add", first, second), again), 0.02)


def _moves(net: Any) -> str:
    coding = _coding(net, 0.02, -7)
    codes = net("QuantizeLinear", "image", *coding)
    codes = net("MaxPool", codes, kernel_shape=[2, 2], strides=[1, 1], pads=[1, 1, 0, 0])
    codes = net("Pad", codes, net.integers(0, 0, 1, 1, 0, 0, 1, 1), coding[1])
    codes = net("Reshape", net("Transpose", codes, perm=[0, 2, 3, 1]), net.integers(0, -1))
    return _rounded(net, net("MatMul", net("DequantizeLinear", codes, *coding), _weight(net, 96, 5, axis=1)), 0.05)


def _behind_a_pool(net: Any) -> str:
    """Codes made behind layers that only move values: the convolution makes them."""
    x = net("Relu", _conv(net, _image(net), "conv"))
    x = net("Flatten", net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    return _rounded(net, x, 0.01, -128)


def _trained_with_rounding(net: Any) -> str:
    """Real weights that are quantised in the graph, and turned behind that, as PyTorch exports them."""
    scale, zeros = net.initial(np.full(5, 0.01)), net.initial(np.zeros(5), np.int8)
    weight = net("QuantizeLinear", net.weight(5, 4), scale, zeros, axis=0)
    weight = net("Transpose", net("DequantizeLinear", weight, scale, zeros, axis=0), perm=[1, 0])
    x = net("MatMul", _image(net), weight, name="linear")
    return _rounded(net, net("Add", x, net.vector(5)), 0.02)


def _seven_bits(net: Any) -> str:
    """As PyTorch writes rounding to codes from 0 to 127, with a cast to the type that codes have anyway."""
    coding = _coding(net, 0.02, 40, np.uint8)
    codes = net("Cast", net("QuantizeLinear", "image", *coding), to=2)
    codes = net("Clip", codes, net.initial(0, np.uint8), net.initial(127, np.uint8))
    return _rounded(net, _conv(net, net("DequantizeLinear", codes, *coding)), 0.02)


def _no_zero_points(net: Any) -> str:
    net.opset = 21
    scale = net.initial(0.0213)
    codes = net("QuantizeLinear", "image", scale, output_dtype=3)
    return _rounded(net, _conv(net, net("DequantizeLinear", codes, scale)), 0.02)


def _attention(net: Any) -> str:
    x = _image(net)
    turned = _rounded(net, net("Transpose", x, perm=[0, 1, 3, 2]), 0.02, 5)
    scores = _rounded(net, net("MatMul", x, turned, name="scores"), 0.1)
    shares = _rounded(net, net("Softmax", scores, axis=-1), 1 / 256, -128)
    return _rounded(net, net("MatMul", shares, x, name="mix"), 0.02, 5)


GRAPHS: dict[str, Callable[[Any], str]] = {
    "clip at a code": lambda net: _clipped(net, 0.01, high=0.5),
    "clip between codes": lambda net: _clipped(net, 0.01, high=0.503),
    "clip between codes, then other codes": lambda net: _clipped(net, 0.004, high=0.503),
    "relu with its own codes": _relu_with_its_own_codes,
    "shared": _shared,
    "two codings": _two_codings,
    "moves": _moves,
    "seven bits": _seven_bits,
    "no zero points": _no_zero_points,
    "behind a pool": _behind_a_pool,
    "attention": _attention,
    "a real output": lambda net: _conv(net, _image(net)),
    "codes of the image": lambda net: _image(net),
    "batch norm": lambda net: _rounded(net, net.norm(_conv(net, _image(net)), 2), 0.02),
    "concat": lambda net: _rounded(net, net("Concat", *(2 * [_conv(net, _image(net))]), axis=1), 0.02),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_equals_onnxruntime_without_optimisation(
    name: str, writer: Any, run: Callable[..., Any], tmp_path: Path
) -> None:
    net = writer(*SHAPE)
    path = net.save(tmp_path / "graph.onnx", GRAPHS[name](net))
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    images = np.random.default_rng(4).normal(size=(20, *SHAPE)).astype(np.float32)
    expected = run(path, images, optimise=False)
    result = Executor(network, threads=1)(images).reshape(expected.shape)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert len(np.unique(expected)) > 5


def test_real_biases_are_rounded_to_the_unit_of_the_sums(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(*SHAPE)
    path = net.save(tmp_path / "graph.onnx", _trained_with_rounding(net))
    network = read_onnx(path)
    assert isinstance(network, QuantizedNetwork)
    assert list(network.products) == ["linear"]
    images = np.random.default_rng(4).normal(size=(20, *SHAPE)).astype(np.float32)
    difference = (Executor(network, threads=1)(images) - run(path, images)) / network.codings["linear"].scale
    assert np.abs(np.rint(difference)).max() <= 1
    assert np.count_nonzero(np.rint(difference)) <= 0.01 * difference.size


def _read(writer: Any, tmp_path: Path, write: Callable[[Any], str]) -> QuantizedNetwork:
    net = writer(*SHAPE)
    network = read_onnx(net.save(tmp_path / "graph.onnx", write(net)))
    assert isinstance(network, QuantizedNetwork)
    return network


def test_the_layer_before_makes_the_codes(writer: Any, tmp_path: Path) -> None:
    network = _read(writer, tmp_path, _behind_a_pool)
    assert [type(node.layer).__name__ for node in network.graph] == [
        "Conv2d",
        "Relu",
        "MaxPool2d",
        "Flatten",
        "Elementwise",
    ]
    assert set(network.codings) == {"input", *(node.name for node in network.graph.nodes[:-1])}
    assert all(int(network.codings[node.name].zero_point) == -128 for node in network.graph.nodes[:-1])


def test_codes_change_where_the_file_says(writer: Any, tmp_path: Path) -> None:
    network = _read(writer, tmp_path, _relu_with_its_own_codes)
    assert [type(node.layer).__name__ for node in network.graph] == ["Conv2d", "Relu", "Elementwise", "Elementwise"]
    scales = [float(network.codings[node.name].scale) for node in network.graph.nodes[:-1]]
    np.testing.assert_allclose(scales, [0.01, 0.01, 0.007], rtol=1e-2)


def test_equal_codings_are_made_once(writer: Any, tmp_path: Path) -> None:
    network = _read(writer, tmp_path, _two_codings)
    assert "conv" not in network.codings
    changes = [node for node in network.graph if node.inputs == ("conv",)]
    assert len(changes) == 2


def test_a_bias_of_the_file_is_kept(writer: Any, tmp_path: Path) -> None:
    def write(net: Any) -> str:
        x, scale = (
            net("DequantizeLinear", net("QuantizeLinear", "image", net.scalar(0.02)), net.scalar(0.02)),
            net.initial([0.01, 0.02]),
        )
        weight = net("DequantizeLinear", net.initial(np.ones((2, 2, 1, 1)), np.int8), scale, axis=0)
        codes = net.initial([2**30 + 1, -3], np.int32)
        bias = net(
            "DequantizeLinear", codes, net.initial(np.float32(0.02) * np.array([0.01, 0.02], np.float32)), axis=0
        )
        return _rounded(net, net("Conv", x, weight, bias, name="conv"), 0.02)

    product = _read(writer, tmp_path, write).products["conv"]
    np.testing.assert_array_equal(product.bias, [2**30 + 1, -3])


def test_weights_alone_in_codes_make_a_real_network(writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    net = writer(*SHAPE)
    path = net.save(tmp_path / "weights.onnx", _conv(net, "image"))
    network = read_onnx(path)
    assert isinstance(network, Network)
    images = np.random.default_rng(4).normal(size=(3, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(network.forward(images), run(path, images), rtol=1e-4, atol=1e-6)


def _channel_scales(net: Any) -> str:
    coding = (net.initial([0.1, 0.2]), net.initial([0, 0], np.int8))
    return str(net("DequantizeLinear", net("QuantizeLinear", "image", *coding, axis=1, name="it"), *coding, axis=1))


def _other_scale(net: Any) -> str:
    codes = net("QuantizeLinear", "image", *_coding(net, 0.1))
    return str(net("DequantizeLinear", codes, *_coding(net, 0.2), name="it"))


def _codes_into_a_sum(net: Any) -> str:
    coding = _coding(net, 0.1)
    codes = net("QuantizeLinear", "image", *coding)
    return str(net("DequantizeLinear", net("Relu", codes, name="it"), *coding))


def _wrong_padding(net: Any) -> str:
    coding = _coding(net, 0.1, 3)
    codes = net("QuantizeLinear", "image", *coding)
    padded = net("Pad", codes, net.integers(0, 0, 1, 1, 0, 0, 1, 1), net.initial(0, np.int8), name="it")
    return str(net("DequantizeLinear", padded, *coding))


def _input_scales(net: Any) -> str:
    return str(net("Conv", _image(net), _weight(net, 3, 2, 1, 1, axis=1), name="it"))


def _wide_weights(net: Any) -> str:
    weight = net("DequantizeLinear", net.initial(np.ones((3, 2, 1, 1)), np.int32), net.initial(0.1))
    return str(net("Conv", _image(net), weight, name="it"))


def _blocks(net: Any) -> str:
    net.opset = 21
    return str(net("QuantizeLinear", "image", *_coding(net, 0.1), block_size=2, name="it"))


def _wide_codes(net: Any) -> str:
    net.opset = 21
    return str(net("QuantizeLinear", "image", net.initial(0.1), output_dtype=5, name="it"))


REFUSALS: dict[str, Callable[[Any], str]] = {
    "Expected one scale for activations, found 2.": _channel_scales,
    "Expected codes with the scale and zero point they were made with, found others.": _other_scale,
    "Expected real values for input 1, found codes without a DequantizeLinear.": _codes_into_a_sum,
    "Expected a padding with 3, found 0.": _wrong_padding,
    "Expected one scale for each output of the weights, found scales on axis 1.": _input_scales,
    "Expected weights of 8 bits, found int32.": _wide_weights,
    "Expected one scale for a tensor or for each of its channels, found one for each block.": _blocks,
    "Expected codes of 8 bits, found int16.": lambda net: net(
        "QuantizeLinear", "image", net.initial(0.1), net.initial(0, np.int16), name="it"
    ),
    "Expected codes of 8 bits, found an output_dtype of 5.": _wide_codes,
    "Expected finite scales above 0, found others.": lambda net: net(
        "QuantizeLinear", "image", net.initial(0.0), net.initial(0, np.int8), name="it"
    ),
    "Expected a zero point of 0 for codes of int32, found another.": lambda net: net(
        "Add",
        "image",
        net("DequantizeLinear", net.initial([1], np.int32), net.initial(0.1), net.initial(1, np.int32), name="it"),
    ),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_message(message: str, writer: Any, tmp_path: Path) -> None:
    net = writer(*SHAPE)
    output = REFUSALS[message](net)
    net.opset = max(net.opset, 21 if "16" in message else 0)
    path = net.save(tmp_path / "net.onnx", output)
    with pytest.raises(AxhwError, match=r"In it \(\w+\) of net: " + re.escape(message)):
        read_onnx(path)


def test_normalisation_before_the_codes(writer: Any, tmp_path: Path) -> None:
    net = writer(*SHAPE)
    output = _conv(net, _rounded(net, net("Mul", "image", net.scalar(2.0)), 0.1))
    with pytest.raises(
        AxhwError,
        match="Expected the images of net to go into one QuantizeLinear and nowhere else, found other operators: "
        "take the normalisation out of the network.",
    ):
        read_onnx(net.save(tmp_path / "net.onnx", output))
