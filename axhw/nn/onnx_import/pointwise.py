"""Operators that work element by element, on one tensor, two, or a tensor and a constant."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers.activations import Clip, Elementwise, Relu
from axhw.nn.layers.base import Layer
from axhw.nn.layers.joins import Add, AddLearned, Multiply, ScaleLearned
from axhw.nn.layers.pairwise import Pairwise
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.draft import keeps_coding
from axhw.nn.onnx_import.quantised import SAME
from axhw.nn.onnx_import.values import Tensor, Value, without

Learned: TypeAlias = Literal["add", "scale"]

_LARGEST = float(np.finfo(np.float32).max)


def scaled(call: Call, x: Tensor, factor: float, offset: float = 0.0) -> Tensor:
    """x * factor + offset."""
    if (factor, offset) == (1, 0):
        return x
    return call.apply(Elementwise(function="scale", factor=factor, offset=offset), x)


def _with_constant(call: Call, kind: Learned, x: Tensor, values: npt.NDArray[np.float32]) -> Tensor:
    """A tensor plus or times a constant."""
    rank = max(len(x.shape), values.ndim)
    x = call.reshape(x, (1,) * (rank - len(x.shape)) + x.shape)
    if values.size == 1:
        number = float(values.reshape(()))
        return scaled(call, x, 1.0, number) if kind == "add" else scaled(call, x, number)
    sides = (1,) * (rank - values.ndim) + values.shape
    if x.unit is not None and sides[x.unit] != 1:
        x = call.leave_out(x, None)
    shape = np.broadcast_shapes(x.shape, sides)
    learned = values.reshape(without(sides, x.unit))
    layer = AddLearned(shape=learned.shape) if kind == "add" else ScaleLearned(shape=learned.shape)
    return call.add(layer, x, shape=shape, unit=x.unit, parameters={"value": learned})


def _pair(call: Call, layer_of: Callable[[bool], Layer], first: Tensor, second: Tensor) -> Tensor:
    """Two tensors brought together by a layer that depends on whether their shapes are equal."""
    a, b = call.aligned(first, second)
    shape = np.broadcast_shapes(a.shape, b.shape)
    return call.add(layer_of(a.shape == b.shape), a, b, shape=shape, unit=a.unit)


def _sum_of(call: Call, first: Tensor, second: Tensor) -> Tensor:
    return _pair(call, lambda equal: Add() if equal else Pairwise(function="add"), first, second)


def _add(call: Call) -> tuple[Value, ...]:
    constants, tensors = _sides(call)
    if constants:
        return (_with_constant(call, "add", tensors[0], call.floats(constants[0])),)
    return (_sum_of(call, tensors[0], tensors[1]),)


def _sum(call: Call) -> tuple[Value, ...]:
    constants, tensors = _sides(call)
    total = functools.reduce(functools.partial(_sum_of, call), tensors)
    for index in constants:
        total = _with_constant(call, "add", total, call.floats(index))
    return (total,)


def _subtract(call: Call) -> tuple[Value, ...]:
    constants, tensors = _sides(call)
    if constants == [0]:
        return (_with_constant(call, "add", scaled(call, tensors[0], -1.0), call.floats(0)),)
    if constants == [1]:
        return (_with_constant(call, "add", tensors[0], -call.floats(1)),)
    return (_pair(call, lambda equal: Pairwise(function="subtract"), *tensors),)


def _multiply(call: Call) -> tuple[Value, ...]:
    constants, tensors = _sides(call)
    if constants:
        return (_with_constant(call, "scale", tensors[0], call.floats(constants[0])),)
    if tensors[0] == tensors[1]:
        return (call.apply(Elementwise(function="power", factor=2.0), tensors[0]),)
    return (_pair(call, lambda equal: Multiply(), *tensors),)


def _divide(call: Call) -> tuple[Value, ...]:
    constants, tensors = _sides(call)
    if constants == [0]:
        return (
            _with_constant(call, "scale", call.apply(Elementwise(function="reciprocal"), tensors[0]), call.floats(0)),
        )
    if constants == [1]:
        divisors = call.floats(1)
        if not divisors.all():
            raise AxhwError("Expected constants other than 0 to divide by, found 0.")
        return (_with_constant(call, "scale", tensors[0], np.float32(1) / divisors),)
    return (_pair(call, lambda equal: Pairwise(function="divide"), *tensors),)


def _extreme(call: Call, *, largest: bool) -> tuple[Value, ...]:
    constants, tensors = _sides(call)
    function = "maximum" if largest else "minimum"
    x = functools.reduce(lambda a, b: _pair(call, lambda equal: Pairwise(function=function), a, b), tensors)
    for index in constants:
        limit = call.number(index, 0.0)
        x = _clipped(call, x, limit if largest else -math.inf, math.inf if largest else limit)
    return (x,)


def _sides(call: Call) -> tuple[list[int], list[Tensor]]:
    """Indices of the constants among the inputs, and the tensors."""
    constants = [index for index, value in enumerate(call.inputs) if not isinstance(value, Tensor)]
    return constants, [call.tensor(index) for index in range(len(call.inputs)) if index not in constants]


def _clip(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    low = call.number(1, call.operation.real("min", -math.inf))
    high = call.number(2, call.operation.real("max", math.inf))
    if x.coded:
        # Codes of fewer bits, as PyTorch rounds to in training: the limits are codes as well.
        coding = call.draft.codings[x.node]
        low, high = (float(coding.scale * np.float32(limit - coding.zero_point)) for limit in (low, high))
    return (_clipped(call, x, low, high),)


def _clipped(call: Call, x: Tensor, low: float, high: float) -> Tensor:
    # Exporters write the largest float for no limit.
    low, high = (-math.inf if low <= -_LARGEST else low), (math.inf if high >= _LARGEST else high)
    if (low, high) == (-math.inf, math.inf):
        return x
    layer = Relu() if (low, high) == (0, math.inf) else Clip(low=low, high=high)
    coding = call.draft.codings.get(x.node)
    if coding is not None and not keeps_coding(layer, coding):
        # A limit between two codes cuts off real values, not codes.
        x = call.apply(SAME, x)
    return call.apply(layer, x)


def _relu(call: Call) -> tuple[Value, ...]:
    return (call.apply(Relu(), call.tensor(0)),)


def _negate(call: Call) -> tuple[Value, ...]:
    return (scaled(call, call.tensor(0), -1.0),)


def _power(call: Call) -> tuple[Value, ...]:
    exponent = call.number(1, 1.0)
    return (call.apply(Elementwise(function="power", factor=exponent), call.tensor(0)),)


def _gelu(call: Call) -> tuple[Value, ...]:
    kind = call.operation.text("approximate", "none")
    return (call.apply(Elementwise(function="gelu_tanh" if kind == "tanh" else "gelu"), call.tensor(0)),)


def _leaky_relu(call: Call) -> tuple[Value, ...]:
    slope = call.operation.real("alpha", 0.01)
    return (call.apply(Elementwise(function="leaky_relu", factor=slope), call.tensor(0)),)


def _learned_slope(call: Call) -> tuple[Value, ...]:
    return (call.apply(Elementwise(function="leaky_relu", factor=call.number(1, 0.0)), call.tensor(0)),)


def _hard_sigmoid(call: Call) -> tuple[Value, ...]:
    slope, offset = call.operation.real("alpha", 0.2), call.operation.real("beta", 0.5)
    return (call.apply(Elementwise(function="hard_sigmoid", factor=slope, offset=offset), call.tensor(0)),)


def _swish(call: Call) -> tuple[Value, ...]:
    if call.operation.real("alpha", 1.0) != 1:
        raise AxhwError(f"Expected a Swish with alpha 1, found {call.operation.real('alpha', 1.0):g}.")
    return (call.apply(Elementwise(function="silu"), call.tensor(0)),)


def _named(function: str) -> Handler:
    def handler(call: Call) -> tuple[Value, ...]:
        return (call.apply(Elementwise(function=function), call.tensor(0)),)

    return handler


HANDLERS: Mapping[str, Handler] = {
    "Add": _add,
    "Sum": _sum,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Max": functools.partial(_extreme, largest=True),
    "Min": functools.partial(_extreme, largest=False),
    "Clip": _clip,
    "Relu": _relu,
    "Neg": _negate,
    "Pow": _power,
    "Gelu": _gelu,
    "com.microsoft.Gelu": _gelu,
    "LeakyRelu": _leaky_relu,
    "PRelu": _learned_slope,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _named("hard_swish"),
    "Swish": _swish,
    "Sigmoid": _named("sigmoid"),
    "Tanh": _named("tanh"),
    "Erf": _named("erf"),
    "Exp": _named("exp"),
    "Sqrt": _named("sqrt"),
    "Reciprocal": _named("reciprocal"),
    "Abs": _named("abs"),
}
