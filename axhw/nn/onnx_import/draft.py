"""A network while it is read: nodes that can still be changed, with their parameters, weights and codings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from axhw.nn.graph import INPUT, Graph, Node
from axhw.nn.layers.activations import Clip
from axhw.nn.layers.base import CodeLayer, Layer, Reals, Shape
from axhw.nn.layers.shaping import Flatten, Reshape
from axhw.nn.onnx_import.values import Codes, Tensor, free_axis, without
from axhw.nn.quantize import Quantization


@dataclass(kw_only=True, eq=False)
class Draft:
    """Nodes in an order in which they can be computed.

    Attributes
    ----------
    name : str
    input_shape : tuple of int
        Of an image.
    nodes : dict of str to Node
    shapes : dict of str to tuple of int
        Of each node's output for one image.
    parameters : dict of str to float32 array
    weights : dict of str to Codes
        Of nodes whose weights are codes.
    biases : dict of str to Codes
        Of nodes whose biases are codes.
    codings : dict of str to Quantization
        Of tensors in codes.
    """

    name: str
    input_shape: Shape
    nodes: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    parameters: dict[str, Reals] = field(default_factory=dict)
    weights: dict[str, Codes] = field(default_factory=dict)
    biases: dict[str, Codes] = field(default_factory=dict)
    codings: dict[str, Quantization] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shapes[INPUT] = self.input_shape

    def add(self, name: str, layer: Layer, *inputs: str, parameters: Mapping[str, Reals] | None = None) -> str:
        """Add a node behind all others, under `name` or the like, and return the name it got.

        Raises
        ------
        AxhwError
            If the layer can't take its inputs.
        """
        shape = layer.output_shape(*(self.shapes[source] for source in inputs))
        unique = self._unique(name)
        self.nodes[unique] = Node(name=unique, layer=layer, inputs=inputs)
        self.shapes[unique] = shape
        coding = self.codings.get(inputs[0])
        if coding is not None and keeps_coding(layer, coding):
            self.codings[unique] = coding
        for local, values in (parameters or {}).items():
            self.parameters[f"{unique}.{local}"] = values
        return unique

    def _unique(self, name: str) -> str:
        base = re.sub(r"[^0-9A-Za-z_.]+", "_", name).strip("_.") or "node"
        taken = {INPUT, *self.nodes}
        number, unique = 1, base
        while unique in taken:
            number += 1
            unique = f"{base}_{number}"
        return unique

    def layer_parameters(self, node: str) -> dict[str, Reals]:
        """Parameters of a node under their local names."""
        return {local: self.parameters[f"{node}.{local}"] for local in self.nodes[node].layer.parameter_shapes}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that take each tensor."""
        consumers: dict[str, list[Node]] = {name: [] for name in (INPUT, *self.nodes)}
        for node in self.nodes.values():
            for source in dict.fromkeys(node.inputs):
                consumers[source].append(node)
        return consumers

    def change(self, name: str, layer: Layer, *inputs: str, parameters: Mapping[str, Reals] | None = None) -> None:
        """Put another layer in the place of a node; it makes a tensor of the same shape."""
        for local in self.nodes[name].layer.parameter_shapes:
            del self.parameters[f"{name}.{local}"]
        self.nodes[name] = Node(name=name, layer=layer, inputs=inputs)
        for local, values in (parameters or {}).items():
            self.parameters[f"{name}.{local}"] = values

    def bypass(self, name: str, source: str, output: str) -> str:
        """Let the nodes behind `name` take `source` instead; the network's output, after that."""
        for node in self.nodes.values():
            if name in node.inputs:
                inputs = tuple(source if taken == name else taken for taken in node.inputs)
                self.nodes[node.name] = replace(node, inputs=inputs)
        return source if output == name else output

    def absorb(self, name: str, source: str, output: str) -> str:
        """Take out `name`, which `source` does the work of now, with its coding; return the output's new name."""
        output = self.bypass(name, source, output)
        del self.nodes[name]
        if name in self.codings:
            self.codings[source] = self.codings.pop(name)
        return output

    def prune(self, output: str) -> None:
        """Drop the nodes that the output does not need."""
        needed = {output}
        for node in reversed(self.nodes.values()):
            if node.name in needed:
                needed.update(node.inputs)
        self.nodes = {name: node for name, node in self.nodes.items() if name in needed}
        self.codings = {name: coding for name, coding in self.codings.items() if name in needed}
        kept = {f"{node.name}.{local}" for node in self.nodes.values() for local in node.layer.parameter_shapes}
        self.parameters = {name: values for name, values in self.parameters.items() if name in kept}

    def graph(self) -> Graph:
        """The graph of all nodes."""
        return Graph(name=self.name, input_shape=self.input_shape, nodes=tuple(self.nodes.values()))

    def reshape(self, name: str, tensor: Tensor, shape: Shape) -> Tensor:
        """The tensor in another shape of ONNX."""
        return self._view(name, tensor, shape, free_axis(shape, tensor.unit))

    def leave_out(self, name: str, tensor: Tensor, axis: int | None) -> Tensor:
        """The tensor with another axis, which has one place, or none left out."""
        return self._view(name, tensor, tensor.shape, axis)

    def _view(self, name: str, tensor: Tensor, shape: Shape, unit: int | None) -> Tensor:
        target = without(shape, unit)
        node = tensor.node
        if target != tensor.image_shape:
            layer = Flatten() if len(target) == 1 else Reshape(shape=target)
            node = self.add(name, layer, node)
        return replace(tensor, node=node, shape=shape, unit=unit)


def keeps_coding(layer: Layer, coding: Quantization) -> bool:
    """Whether the layer makes of decoded codes what decoding the codes it makes gives, bit for bit."""
    if isinstance(layer, Clip):
        lowest, highest = coding.decode(coding.saturate(np.array(coding.code_range)))
        return all(
            not lowest <= limit <= highest or coding.decode(coding.encode(np.float32(limit))) == np.float32(limit)
            for limit in (layer.low, layer.high)
        )
    return isinstance(layer, CodeLayer)
