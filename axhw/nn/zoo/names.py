"""The networks by name."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping

from axhw.errors import AxhwError
from axhw.nn.graph import Graph
from axhw.nn.layers.base import Shape
from axhw.nn.zoo.digits_cnn import digits_cnn
from axhw.nn.zoo.mobilenet import ds_cnn, mobilenet
from axhw.nn.zoo.resnet import resnet
from axhw.nn.zoo.vgg import vgg_bn
from axhw.nn.zoo.vit import vit_small, vit_tiny

GRAPHS: Mapping[str, Callable[..., Graph]] = {
    "digits_cnn": digits_cnn,
    "resnet8": functools.partial(resnet, 8),
    "resnet20": functools.partial(resnet, 20),
    "resnet32": functools.partial(resnet, 32),
    "vgg11_bn": functools.partial(vgg_bn, 11),
    "vgg19_bn": functools.partial(vgg_bn, 19),
    "mobilenet": mobilenet,
    "ds_cnn": ds_cnn,
    "vit_tiny": vit_tiny,
    "vit_small": vit_small,
}
"""Definitions by name; each takes `input_shape` and `classes`."""


def check_name(name: str) -> None:
    """Refuse a name that no network has.

    Raises
    ------
    AxhwError
    """
    if name not in GRAPHS:
        near = difflib.get_close_matches(name, GRAPHS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise AxhwError(f"Expected a network out of {', '.join(GRAPHS)}, found {name!r}{hint}.")


def build_graph(name: str, *, input_shape: Shape, classes: int) -> Graph:
    """The network `name` for images of one shape and a number of classes.

    Raises
    ------
    AxhwError
        For an unknown name, and for images that the network can't take.
    """
    check_name(name)
    return GRAPHS[name](input_shape=input_shape, classes=classes)
