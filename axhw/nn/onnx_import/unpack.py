"""Operators on codes, written as operators on real values between DequantizeLinear and QuantizeLinear.

So QLinearConv becomes what a QDQ graph has in its place, and one reader does for both. The scale of a bias is the
product of those of activations and weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from axhw.nn.onnx_import.operation import Operation

_OPSET = 19
"""Operator set of the operators that are written here."""


@dataclass(kw_only=True)
class _Writer:
    """Operators around one that works on real values."""

    source: Operation
    operations: list[Operation] = field(default_factory=list)

    def write(self, kind: str, *inputs: str, axis: int = 1, output: str | None = None) -> str:
        """Add an operator and return the name of its output; `axis` is that of the channels."""
        name = output or f"{self.source.name}/{len(self.operations)}"
        attributes = {} if kind == "Mul" else {"axis": axis}
        operation = Operation(
            name=name, kind=kind, inputs=inputs, outputs=(name,), attributes=attributes, version=_OPSET
        )
        self.operations.append(operation)
        return name

    def real(self, first: int, *, axis: int = 1) -> str:
        """The real values of the codes at inputs `first` to `first` + 2: codes, scale, zero point."""
        return self.write("DequantizeLinear", *self.source.inputs[first : first + 3], axis=axis)

    def bias(self, index: int, *scales: int) -> tuple[str, ...]:
        """The real values of an optional bias, whose scale is the product of two."""
        names = self.source.inputs
        if index >= len(names) or not names[index]:
            return ()
        scale = self.write("Mul", *(names[place] for place in scales))
        return (self.write("DequantizeLinear", names[index], scale, axis=0),)

    def compute(self, kind: str, *inputs: str, version: int | None = None) -> str:
        """The operator on real values, with the name and the attributes of the one on codes."""
        output = f"{self.source.name}/real"
        version = _OPSET if version is None else version
        self.operations.append(replace(self.source, kind=kind, inputs=inputs, outputs=(output,), version=version))
        return output

    def codes(self, real: str, first: int) -> tuple[Operation, ...]:
        """All operators, the last one making the codes by the scale and zero point at `first` and `first` + 1."""
        places = self.source.inputs[first : first + 2]
        self.write("QuantizeLinear", real, *places, output=self.source.outputs[0])
        return tuple(self.operations)


def _conv(operation: Operation) -> tuple[Operation, ...]:
    writer = _Writer(source=operation)
    real = writer.compute("Conv", writer.real(0), writer.real(3, axis=0), *writer.bias(8, 1, 4))
    return writer.codes(real, 6)


def _matmul(operation: Operation) -> tuple[Operation, ...]:
    writer = _Writer(source=operation)
    real = writer.compute("MatMul", writer.real(0), writer.real(3, axis=-1))
    return writer.codes(real, 6)


def _gemm(operation: Operation) -> tuple[Operation, ...]:
    writer = _Writer(source=operation)
    columns = 0 if operation.integer("transB", 0) else 1
    real = writer.compute("Gemm", writer.real(0), writer.real(3, axis=columns), *writer.bias(6, 1, 4))
    if len(operation.inputs) > 7 and operation.inputs[7]:
        return writer.codes(real, 7)
    writer.operations[-1] = replace(writer.operations[-1], outputs=operation.outputs)
    return tuple(writer.operations)


def _pair(kind: str) -> Callable[[Operation], tuple[Operation, ...]]:
    def unpack(operation: Operation) -> tuple[Operation, ...]:
        writer = _Writer(source=operation)
        return writer.codes(writer.compute(kind, writer.real(0), writer.real(3)), 6)

    return unpack


def _single(kind: str) -> Callable[[Operation], tuple[Operation, ...]]:
    def unpack(operation: Operation) -> tuple[Operation, ...]:
        writer = _Writer(source=operation)
        version = operation.integer("opset", _OPSET)
        return writer.codes(writer.compute(kind, writer.real(0), version=version), 3)

    return unpack


def _concat(operation: Operation) -> tuple[Operation, ...]:
    writer = _Writer(source=operation)
    reals = [writer.real(first) for first in range(2, len(operation.inputs), 3)]
    return writer.codes(writer.compute("Concat", *reals), 0)


UNPACKERS: Mapping[str, Callable[[Operation], tuple[Operation, ...]]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "com.microsoft.QGemm": _gemm,
    "com.microsoft.QLinearAdd": _pair("Add"),
    "com.microsoft.QLinearMul": _pair("Mul"),
    "com.microsoft.QLinearConcat": _concat,
    "com.microsoft.QLinearAveragePool": _single("AveragePool"),
    "com.microsoft.QLinearGlobalAveragePool": _single("GlobalAveragePool"),
    "com.microsoft.QLinearLeakyRelu": _single("LeakyRelu"),
    "com.microsoft.QLinearSigmoid": _single("Sigmoid"),
    "com.microsoft.QLinearSoftmax": _single("Softmax"),
}


def unpacked(operation: Operation) -> tuple[Operation, ...]:
    """An operator on codes as operators on real values; any other as it is."""
    unpack = UNPACKERS.get(operation.kind)
    if unpack is None or operation.integer("channels_last", 0):
        return (operation,)
    return unpack(operation)
