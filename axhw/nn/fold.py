"""Batch norms folded into the convolutions before them: the same function with fewer layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Graph, Node
from axhw.nn.layers.base import Reals, WeightLayer
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.routing import Combine
from axhw.nn.network import Network


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """A graph without batch norms, and what became of them.

    Attributes
    ----------
    graph : Graph
    targets : dict of str to tuple of str
        For each batch norm the layers that it is now part of; its own name where it became a convolution.
    renamed : dict of str to str
        For each tensor of the old graph the one that has its values now.
    """

    graph: Graph
    targets: dict[str, tuple[str, ...]]
    renamed: dict[str, str]


def folded_graph(graph: Graph) -> Graph:
    """The graph without batch norms: those behind a convolution or linear layer are part of it, with a bias.

    Behind experts they are part of each of them, as the weights of a gate sum to 1.
    """
    return _plan(graph).graph


def fold_batch_norms(network: Network) -> Network:
    """A network without batch norms that computes the same.

    Each one behind a convolution or linear layer, or behind experts that end in one, becomes part of its weights and
    bias, one elsewhere a depthwise 1x1 convolution of its own.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Network
        With float32 parameters; `network` itself where there is nothing to fold.

    Raises
    ------
    AxhwError
        For a batch norm that follows no convolution and has no image.
    """
    plan = _plan(network.graph)
    if not plan.targets:
        return network
    parameters: dict[str, Reals] = {name: np.asarray(array, np.float64) for name, array in network.parameters.items()}
    for norm, targets in plan.targets.items():
        norm_layer = network.graph[norm].layer
        assert isinstance(norm_layer, BatchNorm2d)
        factor, offset = norm_layer.affine(network.layer_parameters(norm))
        for local in norm_layer.parameter_shapes:
            del parameters[f"{norm}.{local}"]
        for target in targets:
            layer = plan.graph[target].layer
            assert isinstance(layer, WeightLayer)
            weight = parameters.get(f"{target}.weight", np.ones(layer.weight_shape))
            bias = parameters.get(f"{target}.bias", np.zeros(layer.outputs))
            parameters[f"{target}.weight"] = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
            parameters[f"{target}.bias"] = offset + bias * factor
    return Network(
        graph=plan.graph,
        parameters={name: parameters[name].astype(np.float32) for name in plan.graph.parameter_shapes},
        ranges={plan.renamed[name]: value for name, value in network.ranges.items()},
    )


def _plan(graph: Graph) -> _Fold:
    renamed = {INPUT: INPUT}
    targets: dict[str, tuple[str, ...]] = {}
    nodes: dict[str, Node] = {}
    for node in graph:
        inputs = tuple(renamed[name] for name in node.inputs)
        renamed[node.name] = node.name
        nodes[node.name] = replace(node, inputs=inputs)
        if not isinstance(node.layer, BatchNorm2d):
            continue
        makers = tuple(renamed[name] for name in _makers(graph, node.inputs[0]))
        if makers and all(isinstance(nodes[name].layer, Conv2d | Linear) for name in makers):
            del nodes[node.name]
            for name in makers:
                layer = nodes[name].layer
                assert isinstance(layer, Conv2d | Linear)
                nodes[name] = replace(nodes[name], layer=replace(layer, bias=True))
            renamed[node.name] = inputs[0]
            targets[node.name] = makers
        else:
            nodes[node.name] = replace(nodes[node.name], layer=_depthwise(node, graph))
            targets[node.name] = (node.name,)
    folded = Graph(name=graph.name, input_shape=graph.input_shape, nodes=tuple(nodes.values()))
    return _Fold(graph=folded, targets=targets, renamed=renamed)


def _makers(graph: Graph, tensor: str) -> tuple[str, ...]:
    """The node that makes a tensor, or the last nodes of the experts of which it is combined; none if others take
    what they make, too."""
    if tensor == INPUT or len(graph.consumers[tensor]) != 1:
        return ()
    if not isinstance(graph[tensor].layer, Combine):
        return (tensor,)
    experts = graph[tensor].inputs[1:]
    return experts if all(len(graph.consumers[name]) == 1 for name in experts) else ()


def _depthwise(node: Node, graph: Graph) -> Conv2d:
    shape = graph.shapes[node.name]
    if len(shape) != 3:
        raise AxhwError(f"Expected images into the batch norm {node.name} that follows no convolution, found {shape}.")
    return Conv2d.square(shape[0], shape[0], kernel=1, groups=shape[0])
