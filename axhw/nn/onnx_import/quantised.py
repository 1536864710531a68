"""QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.layers.activations import Elementwise
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.operation import Array, as_floats
from axhw.nn.onnx_import.values import Codes, Constant, Tensor, Value
from axhw.nn.quantize import Quantization

SAME = Elementwise(function="scale")
"""Values as they are: with a coding of its own a change of codes, without one the real values of codes."""

_TYPES = {0: np.dtype(np.uint8), 2: np.dtype(np.uint8), 3: np.dtype(np.int8)}
"""Types of codes by their TensorProto numbers; 0 says nothing."""

_EIGHT_BITS = tuple(_TYPES.values())


def same_coding(a: Quantization, b: Quantization) -> bool:
    """Whether two tensors have the same codes for the same values."""
    return a.signed == b.signed and np.array_equal(a.scale, b.scale) and np.array_equal(a.zero_point, b.zero_point)


def _zero_point(call: Call, dtype: np.dtype[Any]) -> Array:
    """The zero point, whose type is that of the codes; 0 of `dtype` where it is left out."""
    return call.constant(2).values if call.given(2) else np.zeros((), dtype)


def _coding(call: Call, zero_point: Array) -> Quantization:
    """The coding by inputs 2 and 3, 8 bits and one scale, or one for each channel."""
    if zero_point.dtype not in _EIGHT_BITS:
        raise AxhwError(f"Expected codes of 8 bits, found {zero_point.dtype}.")
    if call.operation.integer("block_size", 0):
        raise AxhwError("Expected one scale for a tensor or for each of its channels, found one for each block.")
    scale = call.floats(1)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise AxhwError("Expected finite scales above 0, found others.")
    shape = () if scale.size == 1 else scale.shape
    zeros = np.broadcast_to(zero_point.reshape(-1) if zero_point.size > 1 else zero_point.reshape(()), shape)
    return Quantization(
        scale=scale.reshape(shape), zero_point=zeros.astype(np.int32), signed=zero_point.dtype == np.dtype(np.int8)
    )


def _channel_axis(call: Call, scale: Array, rank: int) -> int | None:
    """The axis along which the scales are, None for a single one."""
    return None if scale.size == 1 else call.axis(call.operation.integer("axis", 1), rank)


def _along(values: Array, axis: int | None, rank: int) -> Array:
    """Values for each channel, with axes of 1 behind to stand beside a tensor of `rank` axes."""
    return values.reshape(()) if axis is None else values.reshape(-1, *(1,) * (rank - axis - 1))


def _quantize(call: Call) -> tuple[Value, ...]:
    value = call.inputs[0]
    number = call.operation.integer("output_dtype", 0)
    if number not in _TYPES:
        raise AxhwError(f"Expected codes of 8 bits, found an output_dtype of {number}.")
    coding = _coding(call, _zero_point(call, _TYPES[number]))
    if isinstance(value, Constant):
        rank = value.values.ndim
        axis = _channel_axis(call, coding.scale, rank)
        steps = np.rint(as_floats(value.values) / _along(coding.scale, axis, rank))
        return (Constant(values=coding.saturate(steps + _along(coding.zero_point, axis, rank))),)
    x = call.tensor(0)
    if coding.scale.size > 1:
        raise AxhwError(f"Expected one scale for activations, found {coding.scale.size}.")
    node = call.draft.add(call.operation.name, SAME, x.node)
    call.draft.codings[node] = coding
    return (Tensor(node=node, shape=x.shape, unit=x.unit, coded=True),)


def _dequantize(call: Call) -> tuple[Value, ...]:
    value = call.inputs[0]
    if isinstance(value, Constant):
        return (_decoded(call, value.values, _zero_point(call, value.values.dtype)),)
    x = call.tensor(0, codes=True)
    own = call.draft.codings.get(x.node)
    if not x.coded or own is None or not same_coding(own, _coding(call, _zero_point(call, own.dtype))):
        raise AxhwError("Expected codes with the scale and zero point they were made with, found others.")
    return (Tensor(node=x.node, shape=x.shape, unit=x.unit),)


def _decoded(call: Call, codes: Array, zero_point: Array) -> Constant:
    scale = call.floats(1)
    rank = codes.ndim
    axis = _channel_axis(call, scale, rank)
    # Biases have 32 bits, and differences of 8-bit codes 9.
    centred = codes.astype(np.int64) - _along(zero_point.astype(np.int64), axis if zero_point.size > 1 else None, rank)
    values = centred.astype(np.float32) * _along(scale, axis, rank)
    coding = _coding(call, zero_point) if codes.dtype in _EIGHT_BITS else None
    if coding is None and zero_point.any():
        raise AxhwError(f"Expected a zero point of 0 for codes of {codes.dtype}, found another.")
    source = Codes(values=codes, coding=coding, scale=scale.reshape(() if axis is None else -1), axis=axis)
    return Constant(values=values, codes=source)


HANDLERS: Mapping[str, Handler] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "com.microsoft.QuantizeLinear": _quantize,
    "com.microsoft.DequantizeLinear": _dequantize,
}
