"""Pools and means."""

from __future__ import annotations

import math
from collections.abc import Mapping

from axhw.errors import AxhwError
from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from axhw.nn.layers.reductions import Mean
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.values import Tensor, Value
from axhw.nn.onnx_import.windows import Windows


def _max_pool(call: Call) -> tuple[Value, ...]:
    operation = call.operation
    if len([name for name in operation.outputs if name]) > 1:
        raise AxhwError("Expected the largest values alone of a MaxPool, found its indices taken as well.")
    x = call.image(call.tensor(0, codes=True))
    windows = _windows(call, x)
    layer = MaxPool2d(kernel=windows.kernel, stride=windows.stride, padding=windows.rounded_padding)
    return (_pool(call, layer, windows, x),)


def _average_pool(call: Call) -> tuple[Value, ...]:
    operation = call.operation
    x = call.image(call.tensor(0))
    windows = _windows(call, x)
    count_padding = bool(operation.integer("count_include_pad", 0))
    if count_padding and any(windows.rounding) and any(windows.padding):
        raise AxhwError("Expected either padding that counts or ceil_mode in a pool, found both.")
    layer = AvgPool2d(
        kernel=windows.kernel,
        stride=windows.stride,
        padding=windows.rounded_padding,
        count_padding=count_padding and not any(windows.rounding),
    )
    return (_pool(call, layer, windows, x),)


def _windows(call: Call, x: Tensor) -> Windows:
    windows = Windows.of(call.operation, kernel=(), image=x.shape[2:])
    if windows.dilation != (1, 1):
        raise AxhwError(f"Expected pools without gaps, found dilations of {windows.dilation}.")
    return windows


def _pool(call: Call, layer: MaxPool2d | AvgPool2d, windows: Windows, x: Tensor) -> Tensor:
    image = windows.with_rows(call, x)
    pooled = call.add(layer, image, shape=(1, *layer.output_shape(image.image_shape)), unit=0)
    return windows.without_rows(call, pooled)


def _global_max_pool(call: Call) -> tuple[Value, ...]:
    x = call.image(call.tensor(0, codes=True))
    return (_largest(call, x, tuple(range(2, len(x.shape))), keep=True),)


def _reduce_max(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    return (_largest(call, x, _axes(call, x), keep=_keeps(call)),)


def _largest(call: Call, x: Tensor, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    first = len(x.shape) - len(axes)
    if x.unit == 0 and axes == tuple(range(first, len(x.shape))):
        # One pool over all that is left, as a column.
        rows, columns = math.prod(x.shape[1:first]), math.prod(x.shape[first:])
        column = call.reshape(x, (1, rows, columns, 1))
        layer = MaxPool2d(kernel=(columns, 1), stride=(1, 1))
        pooled = call.add(layer, column, shape=(1, rows, 1, 1), unit=0)
        return call.reshape(pooled, _reduced(x, axes, keep=keep))
    raise AxhwError(f"Expected the largest values over the last axes of {x.shape}, found axes {axes}.")


def _global_average_pool(call: Call) -> tuple[Value, ...]:
    x = call.image(call.tensor(0))
    return (_mean(call, x, tuple(range(2, len(x.shape))), keep=True),)


def _reduce_mean(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0)
    return (_mean(call, x, _axes(call, x), keep=_keeps(call)),)


def _reduce_sum(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0)
    axes = _axes(call, x)
    mean = _mean(call, x, axes, keep=_keeps(call))
    return (call.apply(Elementwise(function="scale", factor=math.prod(x.shape[axis] for axis in axes)), mean),)


def _mean(call: Call, x: Tensor, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    target = _reduced(x, axes, keep=keep)
    inner = tuple(x.image_axis(axis) for axis in axes if x.shape[axis] > 1)
    image = x.image_shape
    if not inner:
        return call.reshape(x, target)
    if inner == tuple(range(len(inner))) and len(image) == len(inner) + 1:
        # All axes but the last, e.g. the pixels of an image with its channels behind: the mean of tokens.
        features = image[-1]
        tokens = call.reshape(x, (1, math.prod(image[:-1]), features))
        mean = call.add(GlobalAvgPool(), tokens, shape=(1, features), unit=0)
    elif inner == (1, 2) and len(image) == 3:
        mean = call.add(GlobalAvgPool(), call.reshape(x, (1, *image)), shape=(1, image[0], 1, 1), unit=0)
    else:
        kept = tuple(1 if axis in axes else side for axis, side in enumerate(x.shape))
        mean = call.add(Mean(axes=inner), x, shape=kept, unit=x.unit)
    return call.reshape(mean, target)


def _axes(call: Call, x: Tensor) -> tuple[int, ...]:
    rank = len(x.shape)
    axes = call.integers(1, "axes")
    if not axes:
        return () if call.operation.integer("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted(call.axis(axis, rank) for axis in axes))


def _keeps(call: Call) -> bool:
    return bool(call.operation.integer("keepdims", 1))


def _reduced(x: Tensor, axes: tuple[int, ...], *, keep: bool) -> tuple[int, ...]:
    if keep:
        return tuple(1 if axis in axes else side for axis, side in enumerate(x.shape))
    return tuple(side for axis, side in enumerate(x.shape) if axis not in axes)


HANDLERS: Mapping[str, Handler] = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalMaxPool": _global_max_pool,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMax": _reduce_max,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
}
