"""Operators that move values about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.layers.base import Shape
from axhw.nn.layers.joins import Concat, PrependToken
from axhw.nn.layers.shaping import Pad, Slice, Transpose
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.operation import Array
from axhw.nn.onnx_import.values import Constant, Tensor, Value, without

_FLOATS = (1, 10, 11, 16)
"""TensorProto numbers of float, float16, double and bfloat16."""

_CODES = {False: 2, True: 3}
"""Those of uint8 and int8."""


def _same(call: Call) -> tuple[Value, ...]:
    """Identity, and Dropout outside training."""
    if any(call.operation.outputs[1:]):
        raise AxhwError("Expected a Dropout without its mask, found the mask taken.")
    return (call.tensor(0, codes=True),)


def _cast(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    target = call.operation.integer("to", 1)
    # PyTorch casts codes to the type that they have.
    same = target == _CODES[call.draft.codings[x.node].signed] if x.coded else target in _FLOATS
    if not same:
        raise AxhwError("Expected activations to stay real values or codes of 8 bits, found a Cast to another type.")
    return (x,)


def _reshape(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    target = call.integers(1, "shape")
    if not call.operation.integer("allowzero", 0):
        target = tuple(x.shape[axis] if side == 0 else side for axis, side in enumerate(target))
    size = math.prod(x.shape)
    known = math.prod(side for side in target if side != -1)
    if target.count(-1) > 1 or known < 1 or (size % known if -1 in target else size != known):
        raise AxhwError(f"Expected one image of shape {x.shape} to fit into the shape {target}.")
    return (call.draft.reshape(call.operation.name, x, tuple(size // known if s == -1 else s for s in target)),)


def _flatten(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    rank = len(x.shape)
    axis = call.operation.integer("axis", 1)
    axis = rank if axis == rank else call.axis(axis, rank)
    shape = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    return (call.draft.reshape(call.operation.name, x, shape),)


def _squeeze(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    rank = len(x.shape)
    axes = {call.axis(axis, rank) for axis in call.integers(1, "axes")}
    if not axes:
        axes = {axis for axis, side in enumerate(x.shape) if side == 1}
    if any(x.shape[axis] != 1 for axis in axes):
        raise AxhwError(f"Expected one place on the axes to squeeze, found the shape {x.shape}.")
    shape = tuple(side for axis, side in enumerate(x.shape) if axis not in axes)
    return (call.draft.reshape(call.operation.name, x, shape),)


def _unsqueeze(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    added = call.integers(1, "axes")
    rank = len(x.shape) + len(added)
    axes = {call.axis(axis, rank) for axis in added}
    sides = iter(x.shape)
    shape = tuple(1 if axis in axes else next(sides) for axis in range(rank))
    return (call.draft.reshape(call.operation.name, x, shape),)


def _expand(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    target = call.integers(1, "shape")
    shape = np.broadcast_shapes(x.shape, target)
    if math.prod(shape) != math.prod(x.shape):
        raise AxhwError(f"Expected an Expand of constants, found one of activations of shape {x.shape} to {shape}.")
    return (call.draft.reshape(call.operation.name, x, shape),)


def _shape(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    sides = slice(call.operation.integer("start", 0), call.operation.integer("end", len(x.shape)))
    return (Constant(values=np.array(x.shape[sides], np.int64)),)


def _size(call: Call) -> tuple[Value, ...]:
    return (Constant(values=np.array(math.prod(call.tensor(0, codes=True).shape), np.int64)),)


def _transpose(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    return (transposed(call, x, call.operation.integers("perm", tuple(reversed(range(len(x.shape)))))),)


def transposed(call: Call, x: Tensor, order: tuple[int, ...]) -> Tensor:
    """The tensor with its axes in another order."""
    if sorted(order) != list(range(len(x.shape))):
        raise AxhwError(f"Expected each axis of {x.shape} once to transpose, found {order}.")
    shape = tuple(x.shape[axis] for axis in order)
    unit = None if x.unit is None else order.index(x.unit)
    axes = tuple(x.image_axis(axis) for axis in order if axis != x.unit)
    if axes == tuple(range(len(axes))):
        return Tensor(node=x.node, shape=shape, unit=unit, coded=x.coded)
    return call.add(Transpose(axes=axes), x, shape=shape, unit=unit)


def _part(call: Call, x: Tensor, axis: int, places: range) -> Tensor:
    """Some places of an axis."""
    if not places or (places.step < 0 and len(places) > 1):
        raise AxhwError(f"Expected places in rising order out of an axis, found {list(places)} of {x.shape}.")
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    if shape == x.shape:
        return x
    layer = Slice(axis=x.image_axis(axis), start=places[0], stop=places[-1] + 1, step=max(places.step, 1))
    return call.add(layer, x, shape=shape, unit=x.unit)


def _slice(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    rank = len(x.shape)
    starts, ends = call.integers(1, "starts"), call.integers(2, "ends")
    axes = call.integers(3, "axes") or tuple(range(len(starts)))
    steps = call.integers(4, "steps") or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        place = call.axis(axis, rank)
        # A last place before the first is how ONNX says "to the front" for steps backwards.
        x = _part(call, x, place, range(*slice(start, end, step).indices(x.shape[place])))
    return (x,)


def _gather(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    axis = call.axis(call.operation.integer("axis", 0), len(x.shape))
    indices = call.constant(1).values
    places = [int(index) % x.shape[axis] for index in indices.reshape(-1)]
    if indices.ndim == 0:
        return (_drop(call, x, axis, places[0]),)
    steps = set(np.diff(places).tolist()) or {1}
    if indices.ndim > 1 or len(steps) > 1 or min(steps) < 1:
        raise AxhwError(f"Expected a Gather of places at equal steps, found {indices.tolist()}.")
    return (_part(call, x, axis, range(places[0], places[-1] + 1, steps.pop())),)


def _drop(call: Call, x: Tensor, axis: int, place: int) -> Tensor:
    """One place of an axis, without the axis."""
    shape = without(x.shape, axis)
    if axis == x.unit:
        return Tensor(node=x.node, shape=shape, unit=None, coded=x.coded)
    unit = None if x.unit is None else x.unit - (axis < x.unit)
    layer = Slice(axis=x.image_axis(axis), start=place, stop=place + 1, drop=True)
    return call.add(layer, x, shape=shape, unit=unit)


def _split(call: Call) -> tuple[Value, ...]:
    x = call.tensor(0, codes=True)
    axis = call.axis(call.operation.integer("axis", 0), len(x.shape))
    count = len(call.operation.outputs)
    # Equal parts but for the last, which may be smaller.
    length = -(-x.shape[axis] // count)
    sizes = call.integers(1, "split") or tuple(min(length, x.shape[axis] - length * n) for n in range(count))
    if len(sizes) != count or sum(sizes) != x.shape[axis]:
        raise AxhwError(f"Expected {count} parts of the {x.shape[axis]} places of an axis, found {sizes}.")
    stops = np.cumsum(sizes).tolist()
    return tuple(_part(call, x, axis, range(stop - size, stop)) for size, stop in zip(sizes, stops))


def _concat(call: Call) -> tuple[Value, ...]:
    given = [value for value in call.inputs if value is not None]
    places = [index for index, value in enumerate(given) if isinstance(value, Tensor)]
    tensors = call.aligned(*(call.tensor(index) for index in places))
    shape = tensors[0].shape
    axis = call.axis(call.operation.integer("axis", 0), len(shape))
    if tensors[0].unit == axis:
        tensors = tuple(call.leave_out(tensor, None) for tensor in tensors)
    joined = tensors[0]
    if len(tensors) > 1:
        total = (*shape[:axis], sum(tensor.shape[axis] for tensor in tensors), *shape[axis + 1 :])
        layer = Concat(axis=joined.image_axis(axis))
        joined = call.add(layer, *tensors, shape=total, unit=joined.unit)
    if len(places) < len(given):
        if places != list(range(places[0], places[-1] + 1)):
            raise AxhwError("Expected constants before or behind all activations to concatenate, found them between.")
        before = [call.constant(index).values for index in range(places[0])]
        after = [call.constant(index).values for index in range(places[-1] + 1, len(given))]
        joined = _with_constants(call, joined, axis, before, after)
    return (joined,)


def _with_constants(call: Call, x: Tensor, axis: int, before: Sequence[Array], after: Sequence[Array]) -> Tensor:
    """Constants before and behind a tensor: zeros as padding, rows in front of tokens as class tokens."""
    if not any(values.any() for values in (*before, *after)):
        ends = [sum(values.shape[axis] for values in side) for side in (before, after)]
        return _padded(call, x, [(0, 0)] * axis + [(ends[0], ends[1])] + [(0, 0)] * (len(x.shape) - axis - 1))
    image = x.image_shape
    if after or len(image) != 2 or x.image_axis(axis) != 0:
        raise AxhwError(f"Expected constants in front of tokens to concatenate, found them with a shape {x.shape}.")
    rows = np.concatenate([values.reshape(-1, image[1]) for values in before])
    for row in rows[::-1]:
        shape = (*x.shape[:axis], x.shape[axis] + 1, *x.shape[axis + 1 :])
        token = {"value": row.astype(np.float32)}
        x = call.add(PrependToken(features=image[1]), x, shape=shape, unit=x.unit, parameters=token)
    return x


def _pad(call: Call) -> tuple[Value, ...]:
    operation = call.operation
    x = call.tensor(0, codes=True)
    mode = operation.text("mode", "constant")
    if mode != "constant":
        raise AxhwError(f"Expected a padding with zeros, found the mode {mode}.")
    value = call.number(2, operation.real("value", 0.0))
    zero = int(call.draft.codings[x.node].zero_point) if x.coded else 0
    if value != zero:
        raise AxhwError(f"Expected a padding with {zero}, found {value:g}.")
    rank = len(x.shape)
    pads = call.integers(1, "pads")
    axes = call.integers(3, "axes") or tuple(range(rank))
    if len(pads) != 2 * len(axes):
        raise AxhwError(f"Expected a padding before and after {len(axes)} axes, found {pads}.")
    sides = [(0, 0)] * rank
    for axis, low, high in zip(axes, pads, pads[len(axes) :]):
        sides[call.axis(axis, rank)] = (low, high)
    for axis, (low, high) in enumerate(sides):
        x = _part(call, x, axis, range(max(-low, 0), x.shape[axis] - max(-high, 0)))
    return (_padded(call, x, [(max(low, 0), max(high, 0)) for low, high in sides]),)


def _padded(call: Call, x: Tensor, sides: Sequence[tuple[int, int]]) -> Tensor:
    shape: Shape = tuple(low + side + high for side, (low, high) in zip(x.shape, sides))
    if shape == x.shape:
        return x
    if x.unit is not None and any(sides[x.unit]):
        x = call.leave_out(x, None)
    inner = [ends for axis, ends in enumerate(sides) if axis != x.unit]
    layer = Pad(before=tuple(low for low, _ in inner), after=tuple(high for _, high in inner))
    return call.add(layer, x, shape=shape, unit=x.unit)


HANDLERS: Mapping[str, Handler] = {
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Expand": _expand,
    "Shape": _shape,
    "Size": _size,
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "Concat": _concat,
    "Pad": _pad,
}
