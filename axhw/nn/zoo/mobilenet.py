"""Networks of depthwise separable convolutions: MobileNetV1 for small images, and a DS-CNN for keyword spectrograms.

A block is a depthwise 3x3 convolution, which sees one channel at a time, and a pointwise 1x1 convolution.
"""

from __future__ import annotations

from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.base import Shape
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.pooling import GlobalAvgPool
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten

# Output channels at width 1 and stride of each block: MobileNetV1 (Howard et al. 2017) with the strides of the first
# layers left out, as images have 32 pixels a side and not 224.
_MOBILENET = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1))


def mobilenet(*, width: float = 0.5, input_shape: Shape = (3, 32, 32), classes: int = 10) -> Graph:
    """MobileNetV1 of eight blocks; `width` scales the channels."""
    build = Builder("mobilenet", input_shape=input_shape)
    channels = _scaled(32, width)
    _conv(build, "conv1", Conv2d.square(input_shape[0], channels, bias=False))
    for number, (full, stride) in enumerate(_MOBILENET, start=2):
        outputs = _scaled(full, width)
        _separable(build, number, channels, outputs, stride)
        channels = outputs
    return _head(build, channels, classes)


def ds_cnn(*, channels: int = 64, blocks: int = 4, input_shape: Shape = (1, 49, 10), classes: int = 12) -> Graph:
    """DS-CNN of Zhang et al. 2017 (Hello Edge, size S): on spectrograms of 49 frames by 10 features."""
    build = Builder("ds_cnn", input_shape=input_shape)
    first = Conv2d(
        in_channels=input_shape[0],
        out_channels=channels,
        kernel=(10, 4),
        stride=(2, 2),
        padding=(4, 1, 5, 1),
        bias=False,
    )
    _conv(build, "conv1", first)
    for number in range(2, blocks + 2):
        _separable(build, number, channels, channels, 1)
    return _head(build, channels, classes)


def _scaled(channels: int, width: float) -> int:
    """A multiple of 8, at least 8."""
    return max(8, round(channels * width / 8) * 8)


def _conv(build: Builder, name: str, conv: Conv2d) -> None:
    build(name, conv)
    build(f"{name}_norm", BatchNorm2d(channels=conv.out_channels))
    build(f"{name}_relu", Relu())


def _separable(build: Builder, number: int, channels: int, outputs: int, stride: int) -> None:
    _conv(build, f"depthwise{number}", Conv2d.square(channels, channels, stride=stride, groups=channels, bias=False))
    _conv(build, f"pointwise{number}", Conv2d.square(channels, outputs, kernel=1, bias=False))


def _head(build: Builder, channels: int, classes: int) -> Graph:
    build("pool", GlobalAvgPool())
    build("flatten", Flatten())
    build("linear", Linear(in_features=channels, out_features=classes))
    return build.graph()
