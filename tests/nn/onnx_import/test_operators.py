"""Single operators, with the ways that operator sets have of writing them, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.nn.network import Network
from axhw.nn.onnx_import.read import read_onnx

pytest.importorskip("onnx")

Write = Callable[[Any, str], str]


def _positive(net: Any, x: str) -> str:
    return str(net("Add", net("Abs", x), net.scalar(0.5)))


def _halved(net: Any, x: str) -> list[str]:
    return list(net("Split", x, outputs=2, axis=2))


def _conditional(net: Any, x: str, *, taken: bool) -> str:
    from onnx import helper

    branches = {
        name: helper.make_graph(
            [helper.make_node(kind, [x], [f"{name}_out"])],
            name,
            [],
            [helper.make_empty_tensor_value_info(f"{name}_out")],
        )
        for name, kind in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    rank = net("Size", net("Shape", x))
    return str(net("If", net("Equal", rank, net.initial(4 if taken else 3, np.int64)), **branches))


# On images [2, 6, 4].
OPERATORS: dict[str, tuple[int, Write]] = {
    "subtract from a constant": (13, lambda net, x: net("Sub", net.vector(4), x)),
    "subtract a constant": (13, lambda net, x: net("Sub", x, net.weight(6, 1))),
    "subtract": (13, lambda net, x: net("Sub", *_halved(net, x))),
    "add with sides of 1": (13, lambda net, x: net("Add", x, net("ReduceMean", x, axes=[3]))),
    "add a constant that repeats the tensor": (
        13,
        lambda net, x: net("Add", net("ReduceMean", x, axes=[2]), net.weight(6, 4)),
    ),
    "add a constant of more axes": (13, lambda net, x: net("Add", x, net.weight(1, 1, 2, 6, 4))),
    "sum of three": (13, lambda net, x: net("Sum", x, net("Relu", x), net.scalar(1.0))),
    "divide by a constant": (13, lambda net, x: net("Div", x, net.vector(4, 0.5, 2.0))),
    "divide a constant": (13, lambda net, x: net("Div", net.scalar(3.0), _positive(net, x))),
    "divide": (13, lambda net, x: net("Div", x, _positive(net, x))),
    "multiply by itself": (13, lambda net, x: net("Mul", x, x)),
    "multiply with sides of 1": (13, lambda net, x: net("Mul", net("ReduceMean", x, axes=[2, 3]), x)),
    "power": (13, lambda net, x: net("Pow", _positive(net, x), net.scalar(1.5))),
    "largest of two": (13, lambda net, x: net("Max", *_halved(net, x), net.scalar(-0.5))),
    "least of two": (13, lambda net, x: net("Min", net.scalar(0.7), *_halved(net, x))),
    "negative": (13, lambda net, x: net("Neg", x)),
    "functions": (13, lambda net, x: net("Exp", net("Tanh", net("Erf", net("Sigmoid", x))))),
    "root": (13, lambda net, x: net("Reciprocal", net("Sqrt", _positive(net, x)))),
    "clip by attributes": (10, lambda net, x: net("Clip", x, min=-0.5, max=3.4028234663852886e38)),
    "clip below": (13, lambda net, x: net("Clip", x, net.scalar(0.25))),
    "clip above": (13, lambda net, x: net("Clip", x, "", net.scalar(0.25))),
    "clip nothing": (13, lambda net, x: net("Clip", net("Neg", x))),
    "leaky": (13, lambda net, x: net("PRelu", net("LeakyRelu", x), net.scalar(0.3))),
    "hard": (14, lambda net, x: net("HardSwish", net("HardSigmoid", x))),
    "gelu": (20, lambda net, x: net("Gelu", net("Gelu", x, approximate="tanh"))),
    "softmax of one axis": (13, lambda net, x: net("Softmax", x, axis=1)),
    "softmax of the last axis but one": (13, lambda net, x: net("Softmax", net("ReduceMean", x, axes=[3]), axis=-2)),
    "softmax of all axes": (11, lambda net, x: net("Softmax", x)),
    "softmax of the last axes": (11, lambda net, x: net("Softmax", x, axis=2)),
    "logarithm of a softmax": (13, lambda net, x: net("LogSoftmax", x, axis=2)),
    "layer norm of two axes": (
        17,
        lambda net, x: net("LayerNormalization", x, net.weight(6, 4), net.weight(6, 4), axis=-2, epsilon=1e-3),
    ),
    "layer norm without offset": (17, lambda net, x: net("LayerNormalization", x, net.vector(4))),
    "batch norm of vectors": (13, lambda net, x: net.norm(net("Flatten", x), 48)),
    "slice from behind": (13, lambda net, x: net("Slice", x, net.integers(-3), net.integers(-1), net.integers(2))),
    "slice by attributes": (9, lambda net, x: net("Slice", x, starts=[1, 0], ends=[2, 9], axes=[1, 3])),
    "slice in steps": (
        13,
        lambda net, x: net("Slice", x, net.integers(1, 0), net.integers(6, 4), net.integers(2, 3), net.integers(2, 3)),
    ),
    "gather one": (13, lambda net, x: net("Gather", x, net.initial(-1, np.int64), axis=2)),
    "gather several": (13, lambda net, x: net("Gather", x, net.integers(1, 3, 5), axis=2)),
    "gather the image": (13, lambda net, x: net("Gather", net("Neg", x), net.integers(0), axis=0)),
    "split in equal parts": (
        18,
        lambda net, x: net("Concat", *net("Split", x, outputs=2, axis=2, num_outputs=2)[::-1], axis=1),
    ),
    "split in parts": (13, lambda net, x: net("Split", x, net.integers(1, 5), outputs=2, axis=2)[1]),
    "squeeze and unsqueeze": (
        11,
        lambda net, x: net("Squeeze", net("Unsqueeze", net("Neg", x), axes=[1, 3]), axes=[3]),
    ),
    "squeeze all": (13, lambda net, x: net("Unsqueeze", net("Squeeze", net("Neg", x)), net.integers(-1, 0))),
    "concatenate on the last axis": (13, lambda net, x: net("Concat", x, net("Relu", x), axis=-1)),
    "concatenate zeros": (
        13,
        lambda net, x: net(
            "Concat", net.initial(np.zeros((1, 1, 6, 4))), x, net.initial(np.zeros((1, 3, 6, 4))), axis=1
        ),
    ),
    "concatenate a new axis": (
        13,
        lambda net, x: net("Concat", *(net("Unsqueeze", y, net.integers(1)) for y in (x, net("Neg", x))), axis=1),
    ),
    "pad and cut": (13, lambda net, x: net("Pad", x, net.integers(0, 1, -2, 0, 0, 0, 3, -1))),
    "pad by attributes": (9, lambda net, x: net("Pad", x, pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="constant")),
    "pad some axes": (18, lambda net, x: net("Pad", x, net.integers(1, 2), net.scalar(0.0), net.integers(-1))),
    "transpose the batch": (
        13,
        lambda net, x: net("Transpose", net("Transpose", x, perm=[2, 0, 3, 1]), perm=[1, 2, 0, 3]),
    ),
    "transpose": (13, lambda net, x: net("Transpose", x, perm=[0, 3, 1, 2])),
    "reshape with sides kept": (13, lambda net, x: net("Reshape", x, net.integers(0, -1, 0))),
    "flatten late": (13, lambda net, x: net("Flatten", net("Neg", x), axis=2)),
    "flatten nothing": (13, lambda net, x: net("Flatten", net("Flatten", x), axis=-1)),
    "expand nothing": (13, lambda net, x: net("Neg", net("Expand", x, net.integers(1, 1, 6, 1)))),
    "identity": (13, lambda net, x: net("Identity", net("Cast", net("Neg", x), to=1))),
    "a branch taken": (13, lambda net, x: _conditional(net, x, taken=True)),
    "a branch not taken": (13, lambda net, x: _conditional(net, x, taken=False)),
    "a product with factors": (
        13,
        lambda net, x: net("Gemm", net("Flatten", x), net.weight(48, 5), net.vector(5), alpha=0.5, beta=2.0),
    ),
    "a product without bias": (13, lambda net, x: net("Gemm", net("Flatten", x), net.weight(48, 5))),
    "a product with a bias for all": (
        13,
        lambda net, x: net("Gemm", net("Flatten", x), net.weight(48, 5), net.scalar(0.5)),
    ),
    "a product with stacked weights": (13, lambda net, x: net("MatMul", x, net.weight(1, 1, 4, 5))),
    "a product with weights of more axes": (13, lambda net, x: net("MatMul", x, net.weight(1, 1, 1, 4, 5))),
    "a product of activations": (13, lambda net, x: net("MatMul", x, net("Transpose", x, perm=[0, 1, 3, 2]))),
    "a product of rows": (
        13,
        lambda net, x: net("MatMul", net("Flatten", x), net("Reshape", x, net.integers(48, 1))),
    ),
    "a product with a factor behind": (
        13,
        lambda net, x: net("Mul", net.scalar(0.25), net("MatMul", x, net("Transpose", x, perm=[0, 1, 3, 2]))),
    ),
    "a factor behind weights": (13, lambda net, x: net("Mul", net.gemm(net("Flatten", x), 48, 5), net.scalar(-2.0))),
    "attention": (23, lambda net, x: net("Attention", x, net("Neg", x), net("Exp", x), scale=0.3)),
    "attention with heads beside each other": (
        23,
        lambda net, x: net(
            "Attention",
            *(net(kind, net("Reshape", x, net.integers(1, 6, 8))) for kind in ("Neg", "Exp", "Tanh")),
            q_num_heads=2,
            kv_num_heads=2,
        ),
    ),
    "weights of half precision": (
        13,
        lambda net, x: net("MatMul", x, net("Cast", net.initial(np.eye(4) / 3, np.float16), to=1)),
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_equals_onnxruntime(name: str, writer: Any, run: Callable[..., Any], tmp_path: Path) -> None:
    opset, write = OPERATORS[name]
    net = writer(2, 6, 4, opset=opset, batch=1)
    path = net.save(tmp_path / "one.onnx", write(net, "image"))
    network = read_onnx(path)
    assert isinstance(network, Network)
    images = np.random.default_rng(11).normal(size=(3, 2, 6, 4)).astype(np.float32)
    expected = run(path, images)
    result = network.forward(images)
    assert result.size == expected.size
    np.testing.assert_allclose(result.reshape(expected.shape), expected, rtol=1e-4, atol=1e-6)
