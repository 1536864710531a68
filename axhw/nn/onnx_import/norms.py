"""Normalisations."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.layers.base import Layer
from axhw.nn.layers.norms import BatchNorm2d, LayerNorm
from axhw.nn.layers.shaping import Transpose
from axhw.nn.layers.softmax import LogSoftmax, Softmax
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.values import Tensor, Value

_LAST_AXIS_SINCE = 13
"""Operator set from which on a softmax is over one axis, the last by default."""


def _batch_norm(call: Call) -> tuple[Value, ...]:
    if call.operation.integer("training_mode", 0):
        raise AxhwError(
            "Expected the statistics of training in a batch norm, found training_mode: export for inference."
        )
    x = call.image(call.tensor(0))
    names = ("weight", "bias", "running_mean", "running_var")
    parameters = {name: call.floats(index) for index, name in enumerate(names, start=1)}
    layer = BatchNorm2d(channels=len(parameters["weight"]), epsilon=call.operation.real("epsilon", 1e-5))
    return (call.apply(layer, x, parameters),)


def _layer_norm(call: Call) -> tuple[Value, ...]:
    if any(call.operation.outputs[1:]):
        raise AxhwError("Expected the normalised values alone, found mean or deviation of a layer norm taken as well.")
    x = call.tensor(0)
    rank = len(x.shape)
    axis = call.axis(call.operation.integer("axis", -1), rank)
    normalised = x.shape[axis:]
    features = math.prod(normalised)
    weight, bias = (
        np.broadcast_to(call.floats(index) if call.given(index) else np.float32(default), normalised).reshape(-1).copy()
        for index, default in ((1, 1), (2, 0))
    )
    layer = LayerNorm(features=features, epsilon=call.operation.real("epsilon", 1e-5))
    rows = call.reshape(x, (*x.shape[:axis], features))
    if rows.unit == axis:
        rows = call.leave_out(rows, None)
    normal = call.apply(layer, rows, {"weight": weight, "bias": bias})
    return (call.reshape(normal, x.shape),)


def _softmax(call: Call, layer: Layer) -> tuple[Value, ...]:
    x = call.tensor(0)
    rank = len(x.shape)
    if call.operation.version < _LAST_AXIS_SINCE:
        # Over all axes from the one given on.
        axis = call.axis(call.operation.integer("axis", 1), rank)
        rows = call.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        return (call.reshape(_on_last(call, layer, rows), x.shape),)
    axis = call.axis(call.operation.integer("axis", -1), rank)
    if all(side == 1 for side in x.shape[axis + 1 :]):
        rows = call.reshape(x, x.shape[: axis + 1])
        return (call.reshape(_on_last(call, layer, rows), x.shape),)
    x = call.leave_out(x, None) if x.unit == axis else x
    inner, last = x.image_axis(axis), len(x.image_shape) - 1
    order = list(range(last + 1))
    order[inner], order[last] = last, inner
    swap = Transpose(axes=tuple(order))
    place = rank - 1 if x.unit != rank - 1 else rank - 2
    shape = list(x.shape)
    shape[axis], shape[place] = shape[place], shape[axis]
    swapped = call.add(swap, x, shape=tuple(shape), unit=x.unit)
    return (call.add(swap, call.apply(layer, swapped), shape=x.shape, unit=x.unit),)


def _on_last(call: Call, layer: Layer, x: Tensor) -> Tensor:
    last = len(x.shape) - 1
    return call.apply(layer, call.leave_out(x, None) if x.unit == last else x)


def _softmax_shares(call: Call) -> tuple[Value, ...]:
    return _softmax(call, Softmax())


def _softmax_logarithms(call: Call) -> tuple[Value, ...]:
    return _softmax(call, LogSoftmax())


HANDLERS: Mapping[str, Handler] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Softmax": _softmax_shares,
    "LogSoftmax": _softmax_logarithms,
}
