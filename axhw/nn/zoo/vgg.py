"""VGG with batch norm (Simonyan and Zisserman 2015), as used on 32x32 images: one linear layer at the end."""

from __future__ import annotations

from collections.abc import Mapping

from axhw.errors import AxhwError
from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.base import Shape
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.pooling import GlobalAvgPool, MaxPool2d
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten

_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS: Mapping[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg_bn(depth: int, *, input_shape: Shape = (3, 32, 32), classes: int = 10) -> Graph:
    """VGG of `depth` 11, 13, 16 or 19: five stages of 3x3 convolutions, each ending in a 2x2 max pool.

    Raises
    ------
    AxhwError
        For another depth, and images of less than 32 pixels a side.
    """
    if depth not in _CONVOLUTIONS:
        raise AxhwError(f"Expected a VGG depth out of {', '.join(map(str, _CONVOLUTIONS))}, found {depth}.")
    if min(input_shape[1:]) < 2 ** len(_WIDTHS):
        raise AxhwError(f"Expected images of at least 32 pixels a side for VGG, found the shape {input_shape}.")
    build = Builder(f"vgg{depth}_bn", input_shape=input_shape)
    channels = input_shape[0]
    number = 1
    for stage, (width, count) in enumerate(zip(_WIDTHS, _CONVOLUTIONS[depth]), start=1):
        for _ in range(count):
            build(f"conv{number}", Conv2d.square(channels, width))
            build(f"conv{number}_norm", BatchNorm2d(channels=width))
            build(f"relu{number}", Relu())
            channels = width
            number += 1
        build(f"pool{stage}", MaxPool2d.square(2))
    build("pool", GlobalAvgPool())
    build("flatten", Flatten())
    build("linear", Linear(in_features=channels, out_features=classes))
    return build.graph()
