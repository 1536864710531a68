"""ONNX graphs as PyTorch's and TensorFlow's exporters write them, small and with seeded weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

Array: TypeAlias = npt.NDArray[Any]
MICROSOFT = "com.microsoft"


class GraphWriter:
    """Writes a graph down operator by operator: each call returns the name of the output."""

    def __init__(self, *shape: int | str, opset: int = 17, batch: int | str = "N", seed: int = 0) -> None:
        self.shape = (batch, *shape)
        self.opset = opset
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.rng = np.random.default_rng(seed)
        self._count = 0

    def __call__(
        self, kind: str, *inputs: str, name: str = "", outputs: int = 1, domain: str = "", **attributes: Any
    ) -> Any:
        """Add an operator; several outputs come as a list."""
        from onnx import helper

        made = [self._name(kind) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, made, name=name, domain=domain, **attributes))
        return made if outputs > 1 else made[0]

    def _name(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix.lower()}_{self._count}"

    def initial(self, values: Any, dtype: Any = np.float32) -> str:
        """A constant among the initialisers."""
        from onnx import numpy_helper

        name = self._name("value")
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def integers(self, *values: int) -> str:
        """A constant vector of whole numbers."""
        return self.initial(values, np.int64)

    def scalar(self, value: float) -> str:
        """A constant by an operator, as TorchScript writes most of them."""
        from onnx import numpy_helper

        return str(self("Constant", value=numpy_helper.from_array(np.array(value, np.float32))))

    def weight(self, *shape: int) -> str:
        """Random weights, outputs first, that keep the size of what they are multiplied with."""
        return self.initial(self.rng.normal(size=shape) / math.sqrt(math.prod(shape[1:]) or 1))

    def vector(self, size: int, low: float = -0.2, high: float = 0.2) -> str:
        """Random numbers, e.g. a bias."""
        return self.initial(self.rng.uniform(low, high, size))

    def conv(
        self, x: str, shape: tuple[int, int, int, int], *, bias: bool = True, name: str = "", **attributes: Any
    ) -> str:
        """A convolution with weights of a shape."""
        parameters = [self.weight(*shape), *([self.vector(shape[0])] if bias else [])]
        return str(self("Conv", x, *parameters, name=name, kernel_shape=shape[2:], **attributes))

    def norm(self, x: str, channels: int) -> str:
        """A batch norm."""
        parameters = (self.vector(channels, 0.5, 1.5), *(self.vector(channels) for _ in range(2)))
        return str(self("BatchNormalization", x, *parameters, self.vector(channels, 0.5, 2.0), epsilon=1e-3))

    def gemm(self, x: str, inputs: int, outputs: int, name: str = "") -> str:
        """A linear layer as PyTorch writes it."""
        return str(self("Gemm", x, self.weight(outputs, inputs), self.vector(outputs), name=name, transB=1))

    def matmul_add(self, x: str, inputs: int, outputs: int, name: str = "") -> str:
        """A linear layer on the last of several axes."""
        weight = self.initial(self.rng.normal(size=(inputs, outputs)) / math.sqrt(inputs))
        return str(self("Add", self.vector(outputs), self("MatMul", x, weight, name=name)))

    def model(self, output: str | list[str], *, kind: int = 1, **options: Any) -> Any:
        """The model."""
        from onnx import defs, helper

        if defs.onnx_opset_version() < self.opset <= 28:
            pytest.skip(f"needs an onnx package that knows operator set {self.opset}")
        outputs = [output] if isinstance(output, str) else output
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info("image", kind, self.shape)],
            [helper.make_tensor_value_info(name, 1, None) for name in outputs],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, **options)

    def save(self, path: Path, output: str | list[str], **options: Any) -> Path:
        """The model in a file."""
        import onnx

        onnx.save(self.model(output, **options), str(path))
        return path


def _cnn() -> tuple[GraphWriter, str]:
    """Convolutions with batch norms that the exporter did not fold."""
    net = GraphWriter(3, 12, 12, opset=13)
    x = net.norm(net.conv("image", (8, 3, 3, 3), bias=False, name="/features/0/Conv", pads=[1, 1, 1, 1]), 8)
    x = net("MaxPool", net("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = net.norm(net.conv(x, (16, 8, 3, 3), name="/features/4/Conv", strides=[2, 2], pads=[1, 1, 1, 1]), 16)
    x = net("Flatten", net("Relu", x), axis=1)
    return net, net.gemm(x, 16 * 3 * 3, 10, "/head/Gemm")


def _residual() -> tuple[GraphWriter, str]:
    """Basic blocks; the shortcut takes every other pixel and pads with channels of zeros (ResNet, option A)."""
    net = GraphWriter(3, 8, 8, opset=13)
    x = net("Relu", net.conv("image", (8, 3, 3, 3), pads=[1, 1, 1, 1]))
    y = net("Relu", net.conv(x, (8, 8, 3, 3), pads=[1, 1, 1, 1]))
    x = net("Relu", net("Add", net.conv(y, (8, 8, 3, 3), pads=[1, 1, 1, 1]), x))
    y = net("Relu", net.conv(x, (16, 8, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1]))
    y = net.conv(y, (16, 16, 3, 3), pads=[1, 1, 1, 1])
    x = net("Slice", x, net.integers(0, 0), net.integers(2**63 - 1, 2**63 - 1), net.integers(2, 3), net.integers(2, 2))
    # F.pad by TorchScript: the numbers of the last axis first, turned round by operators.
    backwards = net(
        "Concat",
        net.integers(0, 0, 0, 0, 4, 4),
        net("ConstantOfShape", net.integers(2), value=_integer_tensor(0)),
        axis=0,
    )
    backwards = net("Cast", backwards, to=7)
    pairs = net("Reshape", backwards, net.integers(-1, 2))
    turned = net("Slice", pairs, net.integers(-1), net.integers(-(2**63) + 1), net.integers(0), net.integers(-1))
    pads = net("Cast", net("Reshape", net("Transpose", turned, perm=[1, 0]), net.integers(-1)), to=7)
    x = net("Pad", x, pads, net.scalar(0.0), mode="constant")
    x = net("Relu", net("Add", y, x))
    x = net("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    # x.view(x.size(0), -1)
    batch = net("Gather", net("Shape", x), net.initial(0, np.int64), axis=0)
    shape = net("Concat", net("Unsqueeze", batch, net.integers(0)), net.integers(-1), axis=0)
    return net, net.gemm(net("Reshape", x, shape), 16, 10)


def _mobile() -> tuple[GraphWriter, str]:
    """Depthwise, grouped and dilated convolutions, clipped."""
    net = GraphWriter(3, 16, 16)

    def relu6(x: str) -> str:
        return str(net("Clip", x, net.scalar(0.0), net.scalar(6.0)))

    x = net("HardSwish", net.conv("image", (8, 3, 3, 3), strides=[2, 2], pads=[0, 0, 1, 1]))
    y = relu6(net.conv(x, (16, 8, 1, 1)))
    y = relu6(net.conv(y, (16, 1, 3, 3), group=16, pads=[1, 1, 1, 1]))
    x = net("Add", x, net.conv(y, (8, 16, 1, 1)))
    x = relu6(net.conv(x, (12, 4, 3, 3), group=2, dilations=[2, 2], pads=[2, 2, 2, 2]))
    x = relu6(net.conv(x, (12, 1, 5, 3), group=12, strides=[2, 1], pads=[2, 1, 2, 1]))
    x = net("Dropout", net("ReduceMean", x, axes=[2, 3], keepdims=0))
    return net, net.gemm(x, 12, 10)


def _tensorflow() -> tuple[GraphWriter, str]:
    """Channels last, as tf2onnx writes Keras: transposes around each convolution, paddings by SAME."""
    net = GraphWriter(11, 11, 3, opset=15, batch="unk__1")

    def conv2d(x: str, shape: tuple[int, int, int, int], stride: int) -> str:
        x = net("Transpose", x, perm=[0, 3, 1, 2])
        x = net.conv(x, shape, bias=False, strides=[stride] * 2, auto_pad="SAME_UPPER")
        return str(net("Transpose", x, perm=[0, 2, 3, 1]))

    x = net("Add", conv2d("image", (8, 3, 3, 3), 2), net.vector(8))
    # A batch norm as a factor and an offset.
    x = net("Add", net("Mul", conv2d(net("Relu", x), (12, 8, 3, 3), 2), net.vector(12, 0.5, 1.5)), net.vector(12))
    x = net("Min", net("Max", x, net.scalar(0.0)), net.scalar(6.0))
    x = net("Transpose", x, perm=[0, 3, 1, 2])
    x = net("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    x = net("Reshape", net("Transpose", x, perm=[0, 2, 3, 1]), net.integers(-1, 4 * 12))
    return net, net("Softmax", net.matmul_add(x, 48, 10, "StatefulPartitionedCall/dense/MatMul"), axis=-1)


def _squeeze_excite() -> tuple[GraphWriter, str]:
    """A gate for each channel; SiLU and hard swish by their formulas."""
    net = GraphWriter(3, 10, 10, opset=11)
    x = net.conv("image", (8, 3, 3, 3), pads=[1, 1, 1, 1])
    x = net("Mul", x, net("Sigmoid", x))
    gate = net("Relu", net.conv(net("GlobalAveragePool", x), (4, 8, 1, 1)))
    gate = net("HardSigmoid", net.conv(gate, (8, 4, 1, 1)), alpha=1 / 6, beta=0.5)
    x = net("Mul", gate, x)
    x = net.conv(x, (12, 8, 3, 3), strides=[2, 2])
    raised = net("Clip", net("Add", x, net.scalar(3.0)), net.scalar(0.0), net.scalar(6.0))
    x = net("Div", net("Mul", x, raised), net.scalar(6.0))
    x = net("Squeeze", net("GlobalAveragePool", x), axes=[2, 3])
    return net, net.gemm(x, 12, 10)


def _inception() -> tuple[GraphWriter, str]:
    """Branches put beside each other, pools with padding and with rounding up."""
    net = GraphWriter(3, 11, 11)
    x = net("Relu", net.conv("image", (6, 3, 3, 3), pads=[1, 1, 1, 1]))
    branches = [
        net("Relu", net.conv(x, (4, 6, 1, 1))),
        net("Relu", net.conv(x, (4, 6, 3, 3), pads=[1, 1, 1, 1])),
        net("Relu", net.conv(x, (4, 6, 1, 5), pads=[0, 2, 0, 2])),
        net("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        net("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    x = net("Concat", *branches, axis=1)
    x = net("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    x = net("AveragePool", x, kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    return net, net("LogSoftmax", net.gemm(net("Flatten", x), 24 * 2 * 2, 10), axis=1)


def _mlp() -> tuple[GraphWriter, str]:
    """Linear layers on vectors, any number of images at a time."""
    net = GraphWriter(20, opset=9, batch="batch")
    x = net("LeakyRelu", net.matmul_add("image", 20, 32), alpha=0.1)
    x = net("Tanh", net.gemm(net("Dropout", x, ratio=0.5), 32, 32))
    left, right = net("Split", x, outputs=2, axis=1, split=[20, 12])
    x = net("Concat", net("Sigmoid", right), net("Sub", net.scalar(1.0), left), axis=-1)
    return net, net("Softmax", net.gemm(x, 32, 10))


def _decomposed_norm(net: GraphWriter, x: str, features: int) -> str:
    centred = net("Sub", x, net("ReduceMean", x, axes=[-1], keepdims=1))
    variance = net("ReduceMean", net("Pow", centred, net.scalar(2.0)), axes=[-1], keepdims=1)
    normal = net("Div", centred, net("Sqrt", net("Add", variance, net.scalar(1e-5))))
    return str(net("Add", net("Mul", normal, net.vector(features, 0.5, 1.5)), net.vector(features)))


def _decomposed_gelu(net: GraphWriter, x: str) -> str:
    one_and_erf = net("Add", net("Erf", net("Div", x, net.scalar(math.sqrt(2)))), net.scalar(1.0))
    return str(net("Mul", net("Mul", x, one_and_erf), net.scalar(0.5)))


def _vit() -> tuple[GraphWriter, str]:
    """A vision transformer by TorchScript before operator set 17: layer norm and GELU taken apart, shapes computed."""
    net = GraphWriter(3, 8, 8, opset=11)
    features, heads, tokens = 24, 3, 5
    x = net.conv("image", (features, 3, 4, 4), strides=[4, 4])
    shape = net("Concat", net("Slice", net("Shape", x), net.integers(0), net.integers(2)), net.integers(-1), axis=0)
    x = net("Transpose", net("Reshape", x, shape), perm=[0, 2, 1])
    batch = net("Unsqueeze", net("Gather", net("Shape", x), net.initial(0, np.int64), axis=0), axes=[0])
    wanted = net("Concat", batch, net.integers(-1), net.integers(-1), axis=0)
    ones = net("ConstantOfShape", net("Shape", wanted), value=_integer_tensor(1))
    kept = net("Equal", wanted, net("Mul", ones, net.initial(-1, np.int64)))
    token = net("Expand", net.weight(1, 1, features), net("Where", kept, ones, wanted))
    x = net("Add", net("Concat", token, x, axis=1), net.weight(1, tokens, features))
    y = net.matmul_add(_decomposed_norm(net, x, features), features, 3 * features)
    target = net("Concat", batch, net.integers(tokens), net.integers(3, heads, features // heads), axis=0)
    y = net("Transpose", net("Reshape", y, target), perm=[2, 0, 3, 1, 4])
    query, key, value = (net("Squeeze", part, axes=[0]) for part in net("Split", y, outputs=3, axis=0, split=[1, 1, 1]))
    scores = net("MatMul", query, net("Transpose", key, perm=[0, 1, 3, 2]), name="/attention/scores")
    scores = net("Div", scores, net("Sqrt", net.scalar(features / heads)))
    y = net("MatMul", net("Softmax", scores, axis=3), value, name="/attention/mix")
    y = net(
        "Reshape", net("Transpose", y, perm=[0, 2, 1, 3]), net("Concat", batch, net.integers(tokens, features), axis=0)
    )
    x = net("Add", x, net.matmul_add(y, features, features))
    y = net.matmul_add(_decomposed_norm(net, x, features), features, 2 * features)
    x = net("Add", x, net.matmul_add(_decomposed_gelu(net, y), 2 * features, features))
    x = net("Gather", _decomposed_norm(net, x, features), net.initial(0, np.int64), axis=1)
    return net, net.gemm(x, features, 10)


def _integer_tensor(value: int) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([value], np.int64))


def _sequence_first() -> tuple[GraphWriter, str]:
    """An encoder layer on tokens [T, B, D] (nn.MultiheadAttention): the batch in the middle, then with the heads."""
    net = GraphWriter(3, 8, 8, opset=17, batch=1)
    features, heads, tokens = 16, 2, 4
    x = net("Reshape", net.conv("image", (features, 3, 4, 4), strides=[4, 4]), net.integers(1, features, tokens))
    x = net("Transpose", x, perm=[2, 0, 1])
    y = net("LayerNormalization", x, net.vector(features, 0.5, 1.5), net.vector(features), axis=-1)
    y = net.matmul_add(y, features, 3 * features)
    y = net("Reshape", y, net.integers(tokens, 1, 3, features))
    y = net("Squeeze", net("Transpose", net("Unsqueeze", y, net.integers(0)), perm=[3, 1, 2, 0, 4]), net.integers(3))
    parts = []
    for index, order in enumerate(([1, 0, 2], [1, 2, 0], [1, 0, 2])):
        part = net("Gather", y, net.initial(index, np.int64), axis=0)
        part = net("Reshape", part, net.integers(tokens, heads, features // heads))
        parts.append(net("Transpose", part, perm=order))
    query, key, value = parts
    scores = net("MatMul", net("Mul", query, net.scalar((features / heads) ** -0.5)), key)
    y = net("Transpose", net("MatMul", net("Softmax", scores), value), perm=[1, 0, 2])
    y = net.gemm(net("Reshape", y, net.integers(tokens, features)), features, features)
    x = net("Add", x, net("Reshape", y, net.integers(tokens, 1, features)))
    y = net("Gelu", net.matmul_add(x, features, 2 * features)) if net.opset >= 20 else _tanh_gelu(net, x, features)
    x = net("Add", x, net.matmul_add(y, 2 * features, features))
    return net, net.gemm(net("ReduceMean", x, axes=[0], keepdims=0), features, 10)


def _tanh_gelu(net: GraphWriter, x: str, features: int) -> str:
    y = net.matmul_add(x, features, 2 * features)
    cubic = net("Mul", net("Pow", y, net.scalar(3.0)), net.scalar(0.044715))
    bent = net("Tanh", net("Mul", net("Add", y, cubic), net.scalar(math.sqrt(2 / math.pi))))
    return str(net("Mul", net("Mul", net.scalar(0.5), y), net("Add", bent, net.scalar(1.0))))


def _keras_mixer() -> tuple[GraphWriter, str]:
    """A mixer with the layer norm of Keras, a depthwise convolution over one side and a pad of its own."""
    net = GraphWriter(6, 10, opset=13)
    weight, bias = net.vector(10, 0.5, 1.5), net.vector(10)
    mean = net("ReduceMean", "image", axes=[2], keepdims=1)
    centred = net("Sub", "image", mean)
    variance = net("ReduceMean", net("Mul", centred, centred), axes=[2], keepdims=1)
    inverse = net("Reciprocal", net("Sqrt", net("Add", variance, net.scalar(1e-3))))
    ratio = net("Mul", inverse, weight)
    offset = net("Sub", bias, net("Mul", mean, ratio))
    x = net("Add", net("Mul", "image", ratio), offset)
    x = net("Transpose", net.matmul_add(net("Transpose", x, perm=[0, 2, 1]), 6, 6), perm=[0, 2, 1])
    x = net("Pad", x, net.integers(0, 0, 1, 0, 0, 2), net.scalar(0.0))
    x = net("Conv", x, net.weight(6, 1, 3), group=6, strides=[2])
    x = net("MaxPool", x, kernel_shape=[2], strides=[2])
    return net, net.gemm(net("ReduceMean", x, axes=[2], keepdims=0), 6, 4)


ARCHITECTURES: Mapping[str, Callable[[], tuple[GraphWriter, str]]] = {
    "cnn": _cnn,
    "residual": _residual,
    "mobile": _mobile,
    "tensorflow": _tensorflow,
    "squeeze_excite": _squeeze_excite,
    "inception": _inception,
    "mlp": _mlp,
    "vit": _vit,
    "sequence_first": _sequence_first,
    "keras_mixer": _keras_mixer,
}


@pytest.fixture
def writer() -> type[GraphWriter]:
    """To write graphs in a test."""
    return GraphWriter


@pytest.fixture
def architecture(tmp_path: Path) -> Callable[[str], Path]:
    """The file of an architecture by name."""

    def write(name: str) -> Path:
        net, output = ARCHITECTURES[name]()
        return net.save(tmp_path / f"{name}.onnx", output)

    return write


@pytest.fixture
def onnxruntime() -> Any:
    """onnxruntime, as quiet as it gets."""
    module = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    module.set_default_logger_severity(4)
    return module


@pytest.fixture
def run(onnxruntime: Any) -> Callable[..., Array]:
    """The output of a model file by onnxruntime: ``run(path, images)``, one image at a time where the batch is 1."""

    def run(path: Path, images: Array, *, optimise: bool = True) -> Array:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (source,) = session.get_inputs()
        batches = images[:, None] if source.shape[0] == 1 else images[None]
        return np.concatenate([session.run(None, {source.name: batch})[0] for batch in batches])

    return run
