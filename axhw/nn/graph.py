"""What a network is before it has weights: layers as nodes of a graph, each fed by tensors made before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.layers.base import Layer, ProductLayer, Shape, WeightLayer

INPUT = "input"
"""Name of the tensor that holds the images."""


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
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]


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
        For an empty graph, names given twice, inputs that no node before makes, layers that don't fit each other.
    """

    name: str
    input_shape: Shape
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if not self.nodes:
            raise AxhwError(f"Expected at least one layer in {self.name}, found none.")
        known = {INPUT}
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in known]
            if missing:
                raise AxhwError(f"Expected the inputs of {node.name} to be made before it, found {missing[0]!r}.")
            if node.name in known:
                raise AxhwError(f"Expected a name of its own for each node of {self.name}, found {node.name!r} twice.")
            if (node.layer.arity or max(len(node.inputs), 1)) != len(node.inputs):
                raise AxhwError(f"Expected {node.layer.arity} inputs for {node.name}, found {len(node.inputs)}.")
            known.add(node.name)
        _ = self.shapes

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
        """Shape of every tensor, for one image."""
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            try:
                shapes[node.name] = node.layer.output_shape(*(shapes[name] for name in node.inputs))
            except AxhwError as error:
                raise AxhwError(f"In {node.name} of {self.name}: {error}") from error
        return shapes

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that take each tensor."""
        consumers: dict[str, list[Node]] = {name: [] for name in (INPUT, *self._by_name)}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
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
    def multiplications(self) -> Mapping[str, int]:
        """Multiplications for one image by product node."""
        return {
            node.name: node.layer.multiplications(*(self.shapes[name] for name in node.inputs))
            for node in self.nodes
            if isinstance(node.layer, ProductLayer)
        }

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

    def __call__(self, name: str, layer: Layer, *inputs: str) -> str:
        """Add a node; without inputs it takes the output of the node before."""
        taken = inputs or ((self._nodes[-1].name if self._nodes else INPUT),)
        self._nodes.append(Node(name=name, layer=layer, inputs=taken))
        return name

    def graph(self) -> Graph:
        """The graph of all nodes added."""
        return Graph(name=self._name, input_shape=self._input_shape, nodes=tuple(self._nodes))
