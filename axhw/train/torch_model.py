"""A graph as a PyTorch module with real weights, and its parameters back in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from axhw.nn.graph import INPUT, Graph, Node
from axhw.nn.layers.joins import AddLearned, PrependToken, ScaleLearned
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.routing import Gate
from axhw.nn.network import Network
from axhw.nn.zoo.moe import stands_for
from axhw.train.branches import Branches
from axhw.train.layers import forward
from axhw.train.routing import dense_inputs

_STATISTICS = ("running_mean", "running_var")
_SMALL_DEVIATION = 0.02


class GraphModule(nn.Module):
    """Any graph of axhw with trainable parameters; batch norms use the batch in training mode.

    Parameters
    ----------
    graph : Graph
    parameters : mapping of str to array
        Under axhw's names, e.g. those of a `Network`.
    """

    def __init__(self, graph: Graph, parameters: Mapping[str, npt.NDArray[np.floating]]) -> None:
        super().__init__()
        self.graph = graph
        self.frozen: frozenset[str] = frozenset()
        for name in graph.parameter_shapes:
            value = torch.from_numpy(np.array(parameters[name], np.float32))
            if name.rpartition(".")[2] in _STATISTICS:
                self.register_buffer(_attribute(name), value)
            else:
                self.register_parameter(_attribute(name), nn.Parameter(value))

    def tensor(self, name: str) -> torch.Tensor:
        """A parameter or running statistic by axhw's name."""
        return getattr(self, _attribute(name))

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of them by axhw's names."""
        return {name: self.tensor(name) for name in self.graph.parameter_shapes}

    def freeze(self, nodes: Iterable[str]) -> None:
        """Leave the parameters of these nodes, and of no others, out of training."""
        self.frozen = frozenset(nodes)
        for node in self.graph:
            for tensor in self._local(node).values():
                if isinstance(tensor, nn.Parameter):
                    tensor.requires_grad_(node.name not in self.frozen)

    def forward(self, images: torch.Tensor, observe: Callable[[str, torch.Tensor], None] | None = None) -> torch.Tensor:
        """The output for normalised images [B, *input_shape]; `observe` gets each tensor with its name.

        Experts compute all rows.
        """
        values = {INPUT: images}
        branches = Branches(self.graph, images.device)
        if observe is not None:
            observe(INPUT, images)
        for node in self.graph:
            training = self.training and node.name not in self.frozen
            with branches.at(node, values):
                inputs = dense_inputs(self.graph, node, values)
                values[node.name] = forward(node.layer, *inputs, parameters=self._local(node), training=training)
            if observe is not None:
                observe(node.name, values[node.name])
            for name in self.graph.last_use[node.name]:
                del values[name]
        return values[self.graph.output]

    def _local(self, node: Node) -> dict[str, torch.Tensor]:
        return {local: self.tensor(f"{node.name}.{local}") for local in node.layer.parameter_shapes}


def initial_parameters(graph: Graph, *, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Random parameters to train from, the same on every machine.

    Weights are normal with the variance 2 / inputs (He et al. 2015), in networks with layer norms with a standard
    deviation of 0.02 (Dosovitskiy et al. 2021), which those that make the logits of gates have in any network: at first
    experts are about equally likely. Biases are 0, norms do nothing.
    """
    rng = np.random.default_rng(seed)
    transformer = any(isinstance(node.layer, LayerNorm) for node in graph)
    heads = {node.inputs[0] for node in graph if isinstance(node.layer, Gate)}
    values: dict[str, npt.NDArray[np.float32]] = {}
    for node in graph:
        for local, shape in node.layer.parameter_shapes.items():
            deviation = _deviation(node, local, small=transformer or node.name in heads)
            if deviation is not None:
                value = rng.normal(0.0, deviation, shape)
            else:
                scales = local in ("weight", "running_var") or isinstance(node.layer, ScaleLearned)
                value = np.ones(shape) if scales else np.zeros(shape)
            values[f"{node.name}.{local}"] = value.astype(np.float32)
    return values


def upcycled(graph: Graph, dense: Network) -> dict[str, npt.NDArray[np.float32]]:
    """What a network with experts takes over from the one without: all experts start as what they stand for.

    Parameters
    ----------
    graph : Graph
        Made by `axhw.nn.zoo.moe.mixture_of_experts` from that of `dense`.
    dense : Network

    Returns
    -------
    dict of str to float32 array
        Without the parameters of gates.
    """
    found = {}
    for name in graph.parameter_shapes:
        node, _, local = name.rpartition(".")
        value = dense.parameters.get(f"{stands_for(node)}.{local}")
        if value is not None:
            found[name] = np.array(value, np.float32)
    return found


def to_network(model: GraphModule, *, ranges: Mapping[str, tuple[float, float]] | None = None) -> Network:
    """The model's parameters, copied, as a network of numpy arrays."""
    # Copies: the model's own arrays go on changing while it is trained.
    parameters = {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.tensors().items()}
    return Network(graph=model.graph, parameters=parameters, ranges=dict(ranges or {}))


def _deviation(node: Node, local: str, *, small: bool) -> float | None:
    """Standard deviation to draw a parameter with; None for those that are not drawn."""
    layer = node.layer
    if isinstance(layer, AddLearned | PrependToken):
        return _SMALL_DEVIATION
    if isinstance(layer, Conv2d | Linear) and local == "weight":
        return _SMALL_DEVIATION if small else math.sqrt(2 / layer.terms)
    return None


def _attribute(name: str) -> str:
    """PyTorch wants names without dots; they stay distinct, since local names hold no slash."""
    return name.replace(".", "/")
