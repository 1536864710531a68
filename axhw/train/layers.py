"""What the layers of a graph do, in PyTorch: the counterparts of their numpy `forward`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F

from axhw.errors import AxhwError
from axhw.nn.layers.activations import Clip, Elementwise, Relu
from axhw.nn.layers.base import Layer
from axhw.nn.layers.joins import Add, AddLearned, Concat, Multiply, PrependToken, ScaleLearned
from axhw.nn.layers.norms import BatchNorm2d, LayerNorm
from axhw.nn.layers.pooling import AvgPool2d, GlobalAvgPool, MaxPool2d
from axhw.nn.layers.products import Conv2d, Linear, MatMul, Sides
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.layers.shaping import Flatten, Pad, Reshape, Slice, Transpose
from axhw.nn.layers.softmax import Softmax
from axhw.train.routing import combined, gate_weights

Tensors: TypeAlias = Mapping[str, torch.Tensor]

BATCH_NORM_MOMENTUM = 0.1
"""Share of a new batch in the running statistics."""


def forward(
    layer: Layer, *inputs: torch.Tensor, parameters: Tensors, training: bool = False, zero: float = 0.0
) -> torch.Tensor:
    """The output of a layer for a batch.

    Parameters
    ----------
    layer : Layer
    inputs : tensors
    parameters : mapping of str to tensor
        Under their local names. In training a batch norm changes its running statistics in place.
    training : bool
        Whether batch norms normalise with the statistics of the batch.
    zero : float
        What `Pad` fills with: on codes, the zero point.

    Raises
    ------
    AxhwError
        For a kind of layer without a counterpart.
    """
    x = inputs[0]
    match layer:
        case Conv2d():
            return convolve(layer, x, parameters["weight"], parameters.get("bias"))
        case Linear():
            return F.linear(x, parameters["weight"], parameters.get("bias"))
        case MatMul():
            return torch.matmul(x, inputs[1]) * layer.scale
        case Relu():
            return F.relu(x)
        case Clip():
            return torch.clamp(x, layer.low, layer.high)
        case Elementwise():
            return FUNCTIONS[layer.function](x, layer.factor, layer.offset)
        case Add():
            return x + inputs[1]
        case Multiply():
            return x * inputs[1]
        case Concat():
            return torch.cat(inputs, dim=layer.axis + 1)
        case AddLearned():
            return x + parameters["value"]
        case ScaleLearned():
            return x * parameters["value"]
        case PrependToken():
            return torch.cat([parameters["value"].to(x.dtype).expand(len(x), 1, layer.features), x], dim=1)
        case BatchNorm2d():
            return _batch_norm(layer, x, parameters, training)
        case LayerNorm():
            return F.layer_norm(x, (layer.features,), parameters["weight"], parameters["bias"], layer.epsilon)
        case Gate():
            return gate_weights(layer, x)
        case Combine():
            return combined(x, inputs[1:])
        case Softmax():
            return torch.softmax(x, dim=-1)
        case MaxPool2d():
            return F.max_pool2d(_padded(x, layer.padding, -math.inf), layer.kernel, layer.stride)
        case AvgPool2d():
            return _average(layer, x)
        case GlobalAvgPool():
            return x.mean(dim=(2, 3), keepdim=True) if x.ndim == 4 else x.mean(dim=1)
        case Flatten():
            return x.flatten(1)
        case Reshape():
            return x.reshape(len(x), *layer.output_shape(tuple(x.shape[1:])))
        case Transpose():
            return x.permute(0, *(axis + 1 for axis in layer.axes))
        case Slice():
            return _slice(layer, x)
        case Pad():
            sides = [side for pair in zip(reversed(layer.before), reversed(layer.after)) for side in pair]
            return F.pad(x, sides, value=zero)
    raise AxhwError(f"Expected a layer with a PyTorch counterpart, found {type(layer).__name__}.")


def convolve(layer: Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """The convolution that `layer` describes, with padding that may differ from side to side."""
    top, left, bottom, right = layer.padding
    even = top == bottom and left == right
    if not even:
        x = _padded(x, layer.padding, 0.0)
    margin = (top, left) if even else (0, 0)
    return F.conv2d(x, weight, bias, layer.stride, margin, layer.dilation, layer.groups)


def _padded(x: torch.Tensor, padding: Sides, fill: float) -> torch.Tensor:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=fill) if any(padding) else x


def _batch_norm(layer: BatchNorm2d, x: torch.Tensor, parameters: Tensors, training: bool) -> torch.Tensor:
    return F.batch_norm(
        x,
        parameters["running_mean"],
        parameters["running_var"],
        parameters["weight"],
        parameters["bias"],
        training=training,
        momentum=BATCH_NORM_MOMENTUM,
        eps=layer.epsilon,
    )


def _average(layer: AvgPool2d, x: torch.Tensor) -> torch.Tensor:
    mean = F.avg_pool2d(_padded(x, layer.padding, 0.0), layer.kernel, layer.stride)
    if layer.count_padding or not any(layer.padding):
        return mean
    inside = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    return mean / F.avg_pool2d(_padded(inside, layer.padding, 0.0), layer.kernel, layer.stride)


def _slice(layer: Slice, x: torch.Tensor) -> torch.Tensor:
    if layer.drop:
        return x.select(layer.axis + 1, layer.start)
    which = (*(slice(None),) * (layer.axis + 1), slice(layer.start, layer.stop, layer.step))
    return x[which]


FUNCTIONS: Mapping[str, Callable[[torch.Tensor, float, float], torch.Tensor]] = {
    "gelu": lambda x, factor, offset: F.gelu(x),
    "gelu_tanh": lambda x, factor, offset: F.gelu(x, approximate="tanh"),
    "sigmoid": lambda x, factor, offset: torch.sigmoid(x),
    "silu": lambda x, factor, offset: F.silu(x),
    "tanh": lambda x, factor, offset: torch.tanh(x),
    "erf": lambda x, factor, offset: torch.erf(x),
    "exp": lambda x, factor, offset: torch.exp(x),
    "sqrt": lambda x, factor, offset: torch.sqrt(x),
    "reciprocal": lambda x, factor, offset: torch.reciprocal(x),
    "power": lambda x, factor, offset: torch.pow(x, factor),
    "abs": lambda x, factor, offset: torch.abs(x),
    "leaky_relu": lambda x, factor, offset: F.leaky_relu(x, factor),
    "hard_sigmoid": lambda x, factor, offset: torch.clamp(x * factor + offset, 0, 1),
    "hard_swish": lambda x, factor, offset: x * torch.clamp(x * (1 / 6) + 0.5, 0, 1),
    "scale": lambda x, factor, offset: x * factor + offset,
}
"""The functions of `axhw.nn.layers.activations.Elementwise` by name, of (x, factor, offset)."""
