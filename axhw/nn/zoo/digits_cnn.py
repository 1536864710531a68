"""The embedded network for scikit-learn's digits: three convolutions and a linear layer, small enough to ship."""

from __future__ import annotations

from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.base import Shape
from axhw.nn.layers.pooling import AvgPool2d, MaxPool2d
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten


def digits_cnn(*, input_shape: Shape = (1, 8, 8), classes: int = 10) -> Graph:
    """Convolutions of 16, 24 and 32 channels on images with sides that are multiples of 4."""
    channels, height, width = input_shape
    build = Builder("digits_cnn", input_shape=input_shape)
    build("conv1", Conv2d.square(channels, 16))
    build("relu1", Relu())
    build("conv2", Conv2d.square(16, 24))
    build("relu2", Relu())
    build("pool2", MaxPool2d.square(2))
    build("conv3", Conv2d.square(24, 32))
    build("relu3", Relu())
    build("pool3", AvgPool2d.square(2))
    build("flatten", Flatten())
    build("linear", Linear(in_features=32 * (height // 4) * (width // 4), out_features=classes))
    return build.graph()
