"""Residual networks for small images: three stages of basic blocks (He et al. 2016, section 4.2).

ResNet-8 has the seven 3x3 convolutions that MAx-DNN approximates, and 16, 16, 32 and 64 filters; ResNet-20 and
ResNet-32 have 3 and 5 blocks a stage. Shortcuts across stages cost no products: every other pixel, and zeros for the
channels that are new (option A).
"""

from __future__ import annotations

from axhw.errors import AxhwError
from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.base import Shape
from axhw.nn.layers.joins import Add
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.pooling import GlobalAvgPool
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten, Pad, Slice

_STAGES = (16, 32, 64)


def resnet(depth: int, *, input_shape: Shape = (3, 32, 32), classes: int = 10) -> Graph:
    """ResNet of `depth` 6 n + 2, e.g. 8, 20 or 32.

    Raises
    ------
    AxhwError
        For another depth.
    """
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        raise AxhwError(f"Expected a ResNet depth of 6 n + 2, e.g. 8, 20 or 32, found {depth}.")
    build = Builder(f"resnet{depth}", input_shape=input_shape)
    x = _conv_norm(build, "conv1", Conv2d.square(input_shape[0], _STAGES[0], bias=False))
    x = build("relu1", Relu(), x)
    channels = _STAGES[0]
    side = input_shape[1:]
    number = 2
    for stage, width in enumerate(_STAGES):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = _conv_norm(build, f"conv{number}", Conv2d.square(channels, width, stride=stride, bias=False), x)
            y = build(f"relu{number}", Relu(), y)
            y = _conv_norm(build, f"conv{number + 1}", Conv2d.square(width, width, bias=False), y)
            if stride > 1:
                x = _shortcut(build, f"shortcut{number}", x, side=side, added=width - channels)
                side = tuple((length + 1) // 2 for length in side)
            x = build(f"add{number + 1}", Add(), y, x)
            x = build(f"relu{number + 1}", Relu(), x)
            channels = width
            number += 2
    build("pool", GlobalAvgPool(), x)
    build("flatten", Flatten())
    build("linear", Linear(in_features=channels, out_features=classes))
    return build.graph()


def _conv_norm(build: Builder, name: str, conv: Conv2d, *inputs: str) -> str:
    x = build(name, conv, *inputs)
    return build(f"{name}_norm", BatchNorm2d(channels=conv.out_channels), x)


def _shortcut(build: Builder, name: str, x: str, *, side: Shape, added: int) -> str:
    """Every other row and column, and `added` channels of zeros, half before and half behind."""
    x = build(f"{name}_rows", Slice(axis=1, start=0, stop=side[0], step=2), x)
    x = build(f"{name}_columns", Slice(axis=2, start=0, stop=side[1], step=2), x)
    return build(f"{name}_pad", Pad(before=(added // 2, 0, 0), after=(added - added // 2, 0, 0)), x)
