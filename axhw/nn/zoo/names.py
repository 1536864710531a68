"""The networks by name; with experts see `axhw.nn.zoo.moe`."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping

from axhw.errors import AxhwError
from axhw.nn.graph import Graph
from axhw.nn.layers.base import Shape
from axhw.nn.zoo.digits_cnn import digits_cnn
from axhw.nn.zoo.mobilenet import ds_cnn, mobilenet
from axhw.nn.zoo.moe import Mixture, mixture_of_experts, near_names, parse_mixture
from axhw.nn.zoo.resnet import resnet
from axhw.nn.zoo.vgg import vgg_bn
from axhw.nn.zoo.vit import vit_mini, vit_small, vit_tiny

GRAPHS: Mapping[str, Callable[..., Graph]] = {
    "digits_cnn": digits_cnn,
    "resnet8": functools.partial(resnet, 8),
    "resnet20": functools.partial(resnet, 20),
    "resnet32": functools.partial(resnet, 32),
    "vgg11_bn": functools.partial(vgg_bn, 11),
    "vgg19_bn": functools.partial(vgg_bn, 19),
    "mobilenet": mobilenet,
    "ds_cnn": ds_cnn,
    "vit_mini": vit_mini,
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
    _parsed(name)


def build_graph(name: str, *, input_shape: Shape, classes: int) -> Graph:
    """The network `name` for images of one shape and a number of classes.

    Raises
    ------
    AxhwError
        For an unknown name, and for images that the network can't take.
    """
    base, mixture = _parsed(name)
    graph = GRAPHS[base](input_shape=input_shape, classes=classes)
    return graph if mixture is None else mixture_of_experts(graph, mixture, name=name)


def _parsed(name: str) -> tuple[str, Mixture | None]:
    """The definition and the experts that a name stands for."""
    if name in GRAPHS:
        return name, None
    found = parse_mixture(name)
    if found is not None and found[0] in GRAPHS:
        return found
    near = difflib.get_close_matches(name, [*GRAPHS, *near_names(GRAPHS, name)], n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise AxhwError(
        f"Expected a network out of {', '.join(GRAPHS)}, or one with experts such as resnet20_hard4, "
        f"found {name!r}{hint}."
    )
