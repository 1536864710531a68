"""What a network is before it has weights: layers as nodes of a graph, each fed by tensors made before it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers.base import Layer, ProductLayer, Shape, WeightLayer
from axhw.nn.layers.routing import Combine, Gate

INPUT = "input"
"""Name of the tensor that holds the images."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """To which expert a node belongs.

    Attributes
    ----------
    gate : str
        Node of the `Gate` whose weights say which rows are given to which expert. Rows are images for weights
        (experts,) and tokens for weights (tokens, experts).
    expert : int
    """

    gate: str
    expert: int


@dataclass(frozen=True, kw_only=True)
class Node:
    """A layer in its place.

    Attributes
    ----------
    name : str
        Unique in the graph; names the output, the parameters ``name.weight`` and the layer in assignments.
    layer : Layer
    inputs : tuple of str
        Tensors it takes: `INPUT` or names of nodes.
    route : Route or None
        Of a node of an expert, which computes only the rows that the gate gives to that expert: its shapes are those
        of one row. Of inputs that belong to no expert it takes the rows; others must belong to the same one.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    route: Route | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """All tensors that it needs: its inputs, and the weights of its gate."""
        return self.inputs if self.route is None else (*self.inputs, self.route.gate)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Nodes in an order in which they can be computed; the last one's output is the network's.

    Attributes
    ----------
    name : str
    input_shape : tuple of int
        Shape of one image, e.g. (3, 32, 32).
    nodes : tuple of Node

    Raises
    ------
    AxhwError
        For an empty graph, names given twice, inputs that no node before makes, layers that don't fit each other, and
        experts that are not between a gate and a `Combine` of the same gate.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.nodes:
            raise AxhwError(f"Expected at least one layer in {self.name}, found none.")
        known = {INPUT}
        for node in self.nodes:
            missing = [name for name in node.sources if name not in known]
            if missing:
                raise AxhwError(f"Expected the inputs of {node.name} to be made before it, found {missing[0]!r}.")
            if node.name in known:
                raise AxhwError(f"Expected a name of its own for each node of {self.name}, found {node.name!r} twice.")
            if (node.layer.arity or max(len(node.inputs), 1)) != len(node.inputs):
                raise AxhwError(f"Expected {node.layer.arity} inputs for {node.name}, found {len(node.inputs)}.")
            known.add(node.name)
        _ = self.shapes
        if (route := self.nodes[-1].route) is not None:
            raise AxhwError(f"Expected a Combine behind the experts of {route.gate}, found the end of {self.name}.")

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    @property
    def output(self) -> str:
        """Name of the last node."""
        return self.nodes[-1].name

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every tensor for one image, of those of experts for one row."""
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            try:
                shapes[node.name] = node.layer.output_shape(*self._taken_shapes(node, shapes))
            except AxhwError as error:
                raise AxhwError(f"In {node.name} of {self.name}: {error}") from error
        return shapes

    def _taken_shapes(self, node: Node, shapes: Mapping[str, Shape]) -> tuple[Shape, ...]:
        """Shapes of what a node takes for one image, or for one row."""
        route = node.route
        self._check_routes(node, shapes)
        if route is None:
            return tuple(shapes[name] for name in node.inputs)
        rows = shapes[route.gate][:-1]
        taken = []
        for name in node.inputs:
            shape = shapes[name]
            if self.route_of(name) is None:
                if shape[: len(rows)] != rows:
                    raise AxhwError(f"Expected tensors of {rows} tokens, as {route.gate} has, found {shape} in {name}.")
                shape = shape[len(rows) :]
            taken.append(shape)
        return tuple(taken)

    def _check_routes(self, node: Node, shapes: Mapping[str, Shape]) -> None:
        """Refuse experts that are not between a gate and what combines them."""
        routes = [self.route_of(name) for name in node.inputs]
        own = node.route
        if isinstance(node.layer, Combine) and own is None:
            gate = node.inputs[0]
            self._check_gate(gate)
            expected = [Route(gate=gate, expert=expert) for expert in range(len(routes) - 1)]
            if routes[1:] != expected:
                raise AxhwError(f"Expected the experts of {gate} in their order, found {', '.join(node.inputs[1:])}.")
            return
        if own is None:
            for name, route in zip(node.inputs, routes):
                if route is not None:
                    raise AxhwError(f"Expected a Combine behind the experts of {route.gate}, found one take {name}.")
            return
        self._check_gate(own.gate)
        experts = shapes[own.gate][-1]
        if not 0 <= own.expert < experts:
            raise AxhwError(f"Expected an expert from 0 to {experts - 1} of {own.gate}, found {own.expert}.")
        if isinstance(node.layer, Gate | Combine):
            raise AxhwError(f"Expected experts without gates of their own, found one in an expert of {own.gate}.")
        for name, route in zip(node.inputs, routes):
            if route not in (None, own):
                raise AxhwError(f"Expected inputs of expert {own.expert} of {own.gate} or of none, found {name}.")

    def _check_gate(self, name: str) -> None:
        if name == INPUT or not isinstance(self[name].layer, Gate):
            raise AxhwError(f"Expected experts of a Gate, found those of {name}.")

    def route_of(self, tensor: str) -> Route | None:
        """The expert that a tensor belongs to."""
        return None if tensor == INPUT else self[tensor].route

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that need each tensor."""
        consumers: dict[str, list[Node]] = {name: [] for name in (INPUT, *self._by_name)}
        for node in self.nodes:
            for name in dict.fromkeys(node.sources):
                consumers[name].append(node)
        return {name: tuple(nodes) for name, nodes in consumers.items()}

    @cached_property
    def last_use(self) -> Mapping[str, tuple[str, ...]]:
        """The tensors that no node behind the one named needs any more."""
        final = {name: nodes[-1].name for name, nodes in self.consumers.items() if nodes}
        return {node.name: tuple(name for name in final if final[name] == node.name) for node in self.nodes}

    @property
    def product_nodes(self) -> tuple[Node, ...]:
        """The nodes that multiply, in order."""
        return tuple(node for node in self.nodes if isinstance(node.layer, ProductLayer))

    @property
    def weight_layers(self) -> Mapping[str, WeightLayer]:
        """The layers with weights, by the name of their node."""
        return {node.name: node.layer for node in self.nodes if isinstance(node.layer, WeightLayer)}

    @cached_property
    def gate_nodes(self) -> tuple[Node, ...]:
        """The gates and the nodes whose outputs lead to gates alone, in order."""
        found: set[str] = set()
        for node in reversed(self.nodes):
            users = self.consumers[node.name]
            if isinstance(node.layer, Gate) or (users and all(user.name in found for user in users)):
                found.add(node.name)
        return tuple(node for node in self.nodes if node.name in found)

    def leading_to(self, names: Iterable[str]) -> tuple[Node, ...]:
        """Some nodes and all that they are computed from, in order."""
        found = set(names)
        for node in reversed(self.nodes):
            if node.name in found:
                found.update(node.sources)
        return tuple(node for node in self.nodes if node.name in found)

    @cached_property
    def multiplications(self) -> Mapping[str, int]:
        """Multiplications by product node: for one image, of nodes of experts for one row."""
        return {
            node.name: node.layer.multiplications(*self._taken_shapes(node, self.shapes))
            for node in self.nodes
            if isinstance(node.layer, ProductLayer)
        }

    @cached_property
    def nominal_multiplications(self) -> Mapping[str, float]:
        """Multiplications for one image by product node, if gates choose all their experts equally often.

        Whole numbers are int. `axhw.nn.evaluate` counts those that are really done.
        """
        found: dict[str, float] = {}
        for name, count in self.multiplications.items():
            k, experts = self._chosen(name)
            total = count * self.most_rows(name) * k
            found[name] = total / experts if total % experts else total // experts
        return found

    def most_rows(self, name: str) -> int:
        """Rows that a node computes for one image if its expert is chosen for all; 1 for nodes of no expert."""
        route = self[name].route
        return 1 if route is None else math.prod(self.shapes[route.gate][:-1])

    def nominal_rows(self, name: str) -> float:
        """Rows that a node computes for one image if its gate chooses all experts equally often."""
        k, experts = self._chosen(name)
        return self.most_rows(name) * k / experts

    def _chosen(self, name: str) -> tuple[int, int]:
        """How many experts are chosen out of how many where a node is, (1, 1) for nodes of no expert."""
        route = self[name].route
        if route is None:
            return 1, 1
        gate = self[route.gate].layer
        assert isinstance(gate, Gate)
        return gate.k, self.shapes[route.gate][-1]

    @cached_property
    def parameter_shapes(self) -> Mapping[str, Shape]:
        """Names and shapes of all parameters."""
        return {
            f"{node.name}.{local}": shape for node in self.nodes for local, shape in node.layer.parameter_shapes.items()
        }

    @property
    def classes(self) -> int:
        """Number of logits.

        Raises
        ------
        AxhwError
            If the output is no row of logits.
        """
        shape = self.shapes[self.output]
        if len(shape) != 1:
            raise AxhwError(f"Expected one axis of logits out of {self.name}, found the shape {shape}.")
        return shape[0]

    def check_images(self, images: npt.NDArray[np.floating]) -> None:
        """Refuse anything but a batch of finite images of the input shape."""
        if images.ndim != 1 + len(self.input_shape) or images.shape[1:] != self.input_shape:
            raise AxhwError(
                f"Expected images of shape {self.input_shape} for {self.name}, found an array of shape {images.shape}."
            )
        if images.dtype.kind != "f":
            raise AxhwError(f"Expected normalised images as real values for {self.name}, found {images.dtype}.")
        if not np.isfinite(images).all():
            raise AxhwError(f"Expected finite pixel values for {self.name}, found NaN or infinity.")


class Builder:
    """Writes a graph down layer by layer: each call adds a node and returns the name of its output.

    Examples
    --------
    >>> build = Builder("tiny", input_shape=(1, 8, 8))
    >>> x = build("conv", Conv2d.square(1, 4), INPUT)
    >>> x = build("flat", Flatten(), x)
    >>> graph = build.graph()
    """

    def __init__(self, name: str, *, input_shape: Shape) -> None:
        self._name = name
        self._input_shape = input_shape
        self._nodes: list[Node] = []

    def __call__(self, name: str, layer: Layer, *inputs: str, route: Route | None = None) -> str:
        """Add a node; without inputs it takes the output of the node before."""
        taken = inputs or ((self._nodes[-1].name if self._nodes else INPUT),)
        self._nodes.append(Node(name=name, layer=layer, inputs=taken, route=route))
        return name

    def graph(self) -> Graph:
        """The graph of all nodes added."""
        return Graph(name=self._name, input_shape=self._input_shape, nodes=tuple(self._nodes))
