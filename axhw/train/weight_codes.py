"""Weights as codes, as `axhw.nn.quantizer` makes them, with gradients to the real weights.

All layers go through each operation together: on a GPU a step of a small network is mostly the launching of kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from axhw.nn.quantized import ACCUMULATOR_BITS
from axhw.train.coding import Coding, EncodeByChannel, Units
from axhw.train.codings import Codings
from axhw.train.torch_model import GraphModule

_LARGEST_BIAS = 1 << (ACCUMULATOR_BITS - 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightCodes:
    """The weights of a layer.

    Attributes
    ----------
    codes : float32 tensor, the shape of the weights
        Less their zero point.
    zero_point : float32 tensor that broadcasts to the weights, or None
        None for 0.
    bias : float64 tensor, shape (outputs,)
        In units of the sums.
    unit : float32 tensor, shape (outputs,)
        Real value of 1 in the sums.
    ratio : float32 tensor, shape (outputs,)
        The same in steps of the output's codes; in itself where the output has none.
    """

    codes: torch.Tensor
    zero_point: torch.Tensor | None
    bias: torch.Tensor
    unit: torch.Tensor
    ratio: torch.Tensor


class WeightQuantizer(nn.Module):
    """Makes the codes of all weights of a model.

    Parameters
    ----------
    model : GraphModule
    signed, per_channel : bool
        As in `axhw.nn.quantizer.quantize_network`.
    """

    def __init__(self, model: GraphModule, *, signed: bool, per_channel: bool) -> None:
        super().__init__()
        self._layers = dict(model.graph.weight_layers)
        self._signed = signed
        self._outputs = [layer.outputs for layer in self._layers.values()]
        self._sizes = [math.prod(layer.weight_shape) for layer in self._layers.values()]
        channels = np.arange(sum(self._outputs))
        terms = [layer.terms for layer in self._layers.values()]
        # The output of each weight. Outputs that share a range lie side by side: how many weights they have together,
        # and for each output which of the ranges it has.
        channel = np.repeat(channels, np.repeat(terms, self._outputs))
        sharing = channels if per_channel else np.repeat(np.arange(len(self._layers)), self._outputs)
        sizes = np.repeat(terms, self._outputs) if per_channel else np.array(self._sizes)
        self.register_buffer("channel", torch.from_numpy(channel.astype(np.int32)))
        self.register_buffer("sharing", torch.from_numpy(sharing))
        self.register_buffer("sizes", torch.from_numpy(sizes))
        self.register_buffer("one", torch.ones((), dtype=torch.float32))
        self.register_buffer("no_bias", torch.zeros(max(self._outputs), dtype=torch.float32))

    def forward(self, model: GraphModule, codings: Codings) -> dict[str, WeightCodes]:
        """The codes of each layer."""
        layers = {name: model.tensor(f"{name}.weight") for name in self._layers}
        last = {name for name, weight in layers.items() if _has_channels_last(weight)}
        weights = torch.cat([(_channels_last(w) if name in last else w).reshape(-1) for name, w in layers.items()])
        biases = torch.cat([self._bias(model, name) for name in self._layers]).to(torch.float64)
        sources = [codings.tensors[model.graph[name].inputs[0]].scale for name in self._layers]
        targets = [codings.tensors[name].scale if name in codings.tensors else self.one for name in self._layers]
        with torch.no_grad():
            source, target = (
                torch.cat([scale.expand(count) for scale, count in zip(scales, self._outputs)])
                for scales in (sources, targets)
            )
            # A channel whose weights all but vanish would have steps so fine that its bias overflows the accumulator.
            least = biases.abs() / (source * _LARGEST_BIAS)
            low, high = (self._extremes(weights, which) for which in ("min", "max"))
            joint = Coding.from_range(low, high, signed=self._signed, smallest_scale=least)
            unit = source.to(torch.float64) * joint.scale.to(torch.float64)
            short_unit = source * joint.scale
        zero_point = joint.zero_point[:1] if joint.narrow else joint.zero_point
        codes = EncodeByChannel.apply(
            weights, joint.scale, zero_point, self.channel, float(joint.low), float(joint.high)
        )
        parts = zip(
            (codes if joint.narrow else codes - zero_point[self.channel]).split(self._sizes),
            joint.zero_point.split(self._outputs),
            Units.apply(biases, unit).split(self._outputs),
            short_unit.split(self._outputs),
            (short_unit / target).split(self._outputs),
        )
        return {
            name: WeightCodes(
                codes=_shaped(part, layer.weight_shape, channels_last=name in last),
                zero_point=None if joint.narrow else zero.reshape(-1, *(1,) * (len(layer.weight_shape) - 1)),
                bias=bias,
                unit=layer_unit,
                ratio=ratio,
            )
            for (name, layer), (part, zero, bias, layer_unit, ratio) in zip(self._layers.items(), parts)
        }

    def _bias(self, model: GraphModule, name: str) -> torch.Tensor:
        layer = self._layers[name]
        return model.tensor(f"{name}.bias") if layer.bias else self.no_bias[: layer.outputs]

    def _extremes(self, weights: torch.Tensor, which: str) -> torch.Tensor:
        """Smallest or largest weight for each output, of all that share its range; float64."""
        # Not checked on the host that the sizes are those of the weights, which would wait for the device.
        found = torch.segment_reduce(weights, which, lengths=self.sizes, unsafe=True)
        return found[self.sharing].to(torch.float64)


def _has_channels_last(weights: torch.Tensor) -> bool:
    return weights.ndim == 4 and bool(weights.is_contiguous(memory_format=torch.channels_last))


def _channels_last(weights: torch.Tensor) -> torch.Tensor:
    return weights.permute(0, 2, 3, 1)


def _shaped(flat: torch.Tensor, shape: tuple[int, ...], *, channels_last: bool) -> torch.Tensor:
    """Weights of a layer out of those of all, in the order that they lie in."""
    if not channels_last:
        return flat.reshape(shape)
    outputs, channels, *kernel = shape
    return flat.reshape(outputs, *kernel, channels).permute(0, 3, 1, 2)
