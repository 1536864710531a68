"""Convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.products import Conv2d, Linear, MatMul
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.operation import as_floats
from axhw.nn.onnx_import.values import Codes, Tensor, Value
from axhw.nn.onnx_import.windows import Windows


@dataclass(frozen=True, kw_only=True, eq=False)
class _Weights:
    """Weights with the outputs in front, as values and, where they come from some, as codes."""

    values: npt.NDArray[np.float32]
    codes: Codes | None


def _weights(call: Call, index: int, *, outputs: int, axes: tuple[int, ...] | None = None) -> _Weights:
    """A constant as weights.

    Parameters
    ----------
    outputs : int
        Its axis of output channels or features.
    axes : tuple of int, optional
        In the order that the layer wants.
    """
    constant = call.constant(index)
    values = as_floats(constant.values)
    if axes is not None:
        values = values.transpose(axes)
    codes = constant.codes
    if codes is not None:
        if codes.coding is None:
            raise AxhwError(f"Expected weights of 8 bits, found {codes.values.dtype}.")
        if codes.axis not in (None, outputs):
            raise AxhwError(f"Expected one scale for each output of the weights, found scales on axis {codes.axis}.")
        arranged = codes.values if axes is None else codes.values.transpose(axes)
        codes = replace(codes, values=arranged, axis=None if codes.axis is None else 0)
    return _Weights(values=values, codes=codes)


def _add_product(call: Call, layer: WeightLayer, x: Tensor, weights: _Weights, *, shape: tuple[int, ...]) -> Tensor:
    """The layer with its weights, and with input 3 as the bias where it has one."""
    parameters: dict[str, npt.NDArray[np.float32]] = {"weight": np.ascontiguousarray(weights.values)}
    if layer.bias:
        bias = call.floats(2).reshape(-1)
        if bias.size not in (1, layer.outputs):
            raise AxhwError(f"Expected a bias for each of {layer.outputs} outputs, found {bias.size}.")
        beta = np.float32(call.operation.real("beta", 1.0))
        parameters["bias"] = np.broadcast_to(bias * beta, (layer.outputs,)).copy()
    product = call.add(layer, x, shape=shape, unit=x.unit, parameters=parameters)
    if weights.codes is not None:
        call.draft.weights[product.node] = weights.codes
        if layer.bias and (bias_codes := call.constant(2).codes) is not None:
            call.draft.biases[product.node] = bias_codes
    return product


def _conv(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0)
    weights = _weights(call, 1, outputs=0)
    sides = weights.values.ndim - 2
    if sides not in (1, 2):
        raise AxhwError(f"Expected a convolution over 1 or 2 sides, found weights of shape {weights.values.shape}.")
    x = call.image(x, sides)
    windows = Windows.of(call.operation, kernel=weights.values.shape[2:], image=x.shape[2:])
    groups = call.operation.integer("group", 1)
    layer = Conv2d(
        in_channels=weights.values.shape[1] * groups,
        out_channels=weights.values.shape[0],
        kernel=windows.kernel,
        stride=windows.stride,
        padding=windows.padding,
        dilation=windows.dilation,
        groups=groups,
        bias=call.given(2),
    )
    if sides == 1:
        weights = _with_row_axis(weights)
    image = windows.with_rows(call, x)
    shape = (1, *layer.output_shape(image.image_shape))
    product = _add_product(call, layer, image, weights, shape=shape)
    return (windows.without_rows(call, product),)


def _with_row_axis(weights: _Weights) -> _Weights:
    codes = weights.codes
    if codes is not None:
        codes = replace(codes, values=codes.values[:, :, None])
    return _Weights(values=weights.values[:, :, None], codes=codes)


def _gemm(call: Call) -> tuple[Value, ...]:
    operation = call.operation
    x = call.tensor(0)
    transposed = operation.integer("transB", 0)
    if operation.integer("transA", 0):
        raise AxhwError("Expected activations as they are for a Gemm, found transA.")
    weights = _weights(call, 1, outputs=0 if transposed else 1, axes=None if transposed else (1, 0))
    alpha = operation.real("alpha", 1.0)
    if alpha != 1:
        weights = _Weights(values=weights.values * np.float32(alpha), codes=None)
    outputs, inputs = weights.values.shape
    layer = Linear(in_features=inputs, out_features=outputs, bias=call.given(2))
    return (_linear(call, layer, x, weights),)


def _linear(call: Call, layer: Linear, x: Tensor, weights: _Weights) -> Tensor:
    rank = len(x.shape)
    if x.unit == rank - 1:
        x = call.leave_out(x, 0 if rank > 1 and x.shape[0] == 1 else None)
    return _add_product(call, layer, x, weights, shape=(*x.shape[:-1], layer.out_features))


def _matmul(call: Call) -> tuple[Value, ...]:
    if not isinstance(call.inputs[1], Tensor):
        return (_matmul_weights(call),)
    first, second = call.aligned(call.tensor(0), call.tensor(1))
    rank = len(first.shape)
    if rank < 2:
        raise AxhwError(f"Expected two stacks of matrices, found {first.shape} and {second.shape}.")
    if first.unit is not None and first.unit >= rank - 2:
        first, second = call.leave_out(first, None), call.leave_out(second, None)
    shape = (*first.shape[:-1], second.shape[-1])
    return (call.add(MatMul(), first, second, shape=shape, unit=first.unit),)


def _matmul_weights(call: Call) -> Tensor:
    constant = call.constant(1)
    rank = constant.values.ndim
    if rank < 2 or any(side != 1 for side in constant.values.shape[:-2]):
        raise AxhwError(f"Expected one matrix of weights, found the shape {constant.values.shape}.")
    x = call.tensor(0)
    if rank > len(x.shape):
        x = call.reshape(x, (1,) * (rank - len(x.shape)) + x.shape)
    stacked = _weights(call, 1, outputs=rank - 1, axes=(rank - 1, rank - 2, *range(rank - 2)))
    shape = stacked.values.shape[:2]
    codes = stacked.codes
    if codes is not None:
        codes = replace(codes, values=codes.values.reshape(shape))
    weights = _Weights(values=stacked.values.reshape(shape), codes=codes)
    layer = Linear(in_features=shape[1], out_features=shape[0], bias=False)
    return _linear(call, layer, x, weights)


HANDLERS: Mapping[str, Handler] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
