"""Networks of the zoo with experts in place of layers or of the whole network (AxMoE, arXiv 2605.04754).

hard, soft   each convolution, or each feed-forward part of a transformer, becomes experts with a gate of its own. The
             gates of a convolutional network see the image through a small gateway that they share, and choose for it;
             those of a transformer see the tokens that the experts get, and choose for each token
cluster      the experts are copies of the whole network, and the gateway chooses for the image

``hard`` and ``cluster`` give each row to one expert, ``soft`` to all; a name ending in ``_top2`` says otherwise, and
one in ``_r25`` that only every fourth layer has experts: ``resnet20_hard4``, ``vit_tiny_hard4_top2_r25``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Builder, Graph, Node, Route
from axhw.nn.layers.activations import Elementwise, Relu
from axhw.nn.layers.base import Shape
from axhw.nn.layers.norms import BatchNorm2d, LayerNorm
from axhw.nn.layers.pooling import GlobalAvgPool
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.layers.shaping import Flatten

Topology: TypeAlias = Literal["hard", "soft", "cluster"]
TOPOLOGIES: tuple[Topology, ...] = get_args(Topology)

_NUMBERS = r"(?P<experts>\d+)(_top(?P<k>\d+))?(_r(?P<percent>\d+))?"
_NAME = re.compile(rf"(?P<base>\w+)_(?P<topology>{'|'.join(TOPOLOGIES)}){_NUMBERS}")
_GATEWAY_CHANNELS = (8, 16)


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Experts in a network.

    Attributes
    ----------
    topology : {"hard", "soft", "cluster"}
    experts : int
    k : int
        Experts that each row is given to.
    share : float
        Of the layers that can have experts, above 0 and at most 1; they are evenly spaced, and the last one is always
        among them. 1 for clusters.

    Raises
    ------
    AxhwError
        For numbers that no mixture can have.
    """

    topology: Topology
    experts: int
    k: int
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.experts < 2:
            raise AxhwError(f"Expected at least 2 experts, found {self.experts}.")
        if not 1 <= self.k <= self.experts:
            raise AxhwError(f"Expected 1 to {self.experts} experts for each row, found {self.k}.")
        if not 0 < self.share <= 1:
            raise AxhwError(f"Expected experts in 1 to 100 % of the layers, found {100 * self.share:g} %.")
        if self.topology == "cluster" and self.share != 1:
            raise AxhwError(f"Expected a cluster of whole networks, found one of {100 * self.share:g} % of the layers.")


def parse_mixture(name: str) -> tuple[str, Mixture] | None:
    """The base and the mixture that a name stands for; None for names of another form.

    Raises
    ------
    AxhwError
        For numbers that no mixture can have.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    topology: Topology = next(known for known in TOPOLOGIES if known == found["topology"])
    experts = int(found["experts"])
    usual = experts if topology == "soft" else 1
    share = 1.0 if found["percent"] is None else int(found["percent"]) / 100
    k = usual if found["k"] is None else int(found["k"])
    return found["base"], Mixture(topology=topology, experts=experts, k=k, share=share)


def dense_name(network: str) -> str:
    """The network that one with experts was made of; itself for all others."""
    found = parse_mixture(network)
    return network if found is None else found[0]


def topology(network: str) -> str:
    """``dense``, ``hard``, ``soft`` or ``cluster``."""
    found = parse_mixture(network)
    return "dense" if found is None else found[1].topology


def mixture_of_experts(graph: Graph, mixture: Mixture, *, name: str) -> Graph:
    """A dense network with experts.

    Experts are called after what they stand for, e.g. ``conv5_expert0``, and what combines them has the name of that,
    ``conv5``, so that names behind it stay. Nodes of a copy of the network begin with ``copy0_``.

    Parameters
    ----------
    graph : Graph
    mixture : Mixture
    name : str
        Of the network to be made.

    Raises
    ------
    AxhwError
        For a network without layers that can have experts.
    """
    build = Builder(name, input_shape=graph.input_shape)
    if mixture.topology == "cluster":
        return _cluster(build, graph, mixture)
    if any(isinstance(node.layer, LayerNorm) for node in graph):
        return _with_experts(build, graph, mixture, _feed_forwards(graph), _own_logits)
    convolutions: list[_Part] = [(node,) for node in graph if isinstance(node.layer, Conv2d)]
    return _with_experts(build, graph, mixture, convolutions, _gateway(build, graph.input_shape))


_Part: TypeAlias = tuple[Node, ...]
"""A chain of nodes that experts take the place of."""

_Logits: TypeAlias = Callable[[Builder, str, Node, Shape, int], str]
"""Adds what makes logits for a number of experts under a name, for a part that begins with a node and its input's
shape."""


def _with_experts(build: Builder, graph: Graph, mixture: Mixture, parts: Sequence[_Part], logits: _Logits) -> Graph:
    """The network with experts in place of some of its parts."""
    if not parts:
        raise AxhwError(f"Expected convolutions or feed-forward parts to make experts of, found none in {graph.name}.")
    chosen = _evenly(parts, mixture.share)
    first = {part[0].name: part for part in chosen}
    others = {node.name for part in chosen for node in part[1:]}
    for node in graph:
        if node.name in first:
            part = first[node.name]
            shape = graph.shapes[node.inputs[0]]
            _experts(build, part, mixture, logits(build, part[-1].name, node, shape, mixture.experts))
        elif node.name not in others:
            build(node.name, node.layer, *node.inputs)
    return build.graph()


def _experts(build: Builder, part: _Part, mixture: Mixture, logits: str) -> None:
    """Experts in place of a chain of nodes."""
    name = part[-1].name
    gate = build(f"{name}_gate", Gate(k=mixture.k), logits)
    outputs = []
    for expert in range(mixture.experts):
        route = Route(gate=gate, expert=expert)
        x = part[0].inputs[0]
        for node in part:
            x = build(f"{node.name}_expert{expert}", node.layer, x, route=route)
        outputs.append(x)
    build(name, Combine(), gate, *outputs)


def _cluster(build: Builder, graph: Graph, mixture: Mixture) -> Graph:
    """Copies of the whole network."""
    name = graph.output
    logits = _gateway(build, graph.input_shape)(build, name, graph[name], graph.input_shape, mixture.experts)
    gate = build(f"{name}_gate", Gate(k=mixture.k), logits)
    outputs = []
    for expert in range(mixture.experts):
        names = {INPUT: INPUT}
        for node in graph:
            inputs = (names[given] for given in node.inputs)
            route = Route(gate=gate, expert=expert)
            names[node.name] = build(f"copy{expert}_{node.name}", node.layer, *inputs, route=route)
        outputs.append(names[name])
    build(name, Combine(), gate, *outputs)
    return build.graph()


def _gateway(build: Builder, input_shape: Shape) -> _Logits:
    """Adds the part that sees the image, once for all gates."""
    x, channels = INPUT, input_shape[0]
    for number, width in enumerate(_GATEWAY_CHANNELS, start=1):
        build(f"gateway_conv{number}", Conv2d.square(channels, width, stride=2, bias=False), x)
        build(f"gateway_norm{number}", BatchNorm2d(channels=width))
        x, channels = build(f"gateway_relu{number}", Relu()), width
    build("gateway_pool", GlobalAvgPool())
    # Means over an image hardly differ from image to image: gates that see them as they are choose one expert for all.
    build("gateway_norm", BatchNorm2d(channels=channels))
    features = build("gateway_flatten", Flatten())

    def logits(build: Builder, name: str, first: Node, shape: Shape, experts: int) -> str:
        return build(f"{name}_gate_logits", Linear(in_features=channels, out_features=experts), features)

    return logits


def _own_logits(build: Builder, name: str, first: Node, shape: Shape, experts: int) -> str:
    """For each token, of what the experts get."""
    layer = Linear(in_features=shape[-1], out_features=experts)
    return build(f"{name}_gate_logits", layer, first.inputs[0])


def _feed_forwards(graph: Graph) -> list[_Part]:
    """Linear layer, function, linear layer on tokens, each the only one to take what the one before makes."""
    found: list[_Part] = []
    for node in graph:
        chain = [node]
        while len(chain) < 3 and len(users := graph.consumers[chain[-1].name]) == 1:
            chain.append(users[0])
        kinds = [type(part.layer) for part in chain]
        if kinds == [Linear, Elementwise, Linear] and len(graph.shapes[node.name]) == 2:
            found.append(tuple(chain))
    return found


def _evenly(parts: Sequence[_Part], share: float) -> list[_Part]:
    """A share of the parts, at least one, evenly spaced up to the last."""
    count = max(1, round(share * len(parts)))
    return [parts[-(-(number + 1) * len(parts) // count) - 1] for number in range(count)]


def stands_for(node: str) -> str:
    """Name of the node of the dense network that a node of `mixture_of_experts` stands for; of others their own."""
    return re.sub(r"_expert\d+$", "", re.sub(r"^copy\d+_", "", node))


def near_names(bases: Mapping[str, object], name: str) -> list[str]:
    """Names of mixtures that one could have meant: of each base and topology, with the numbers of the name."""
    numbers = re.search(rf"(?<=[a-z]){_NUMBERS}$", name)
    ending = "4" if numbers is None else numbers[0]
    return [f"{base}_{topology}{ending}" for base in bases for topology in TOPOLOGIES]
