"""Sparse execution of experts: what each node of a graph takes, which of an expert is the rows chosen for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.nn.graph import Graph, Node
from axhw.nn.layers.base import Scalar
from axhw.nn.layers.routing import Combine, chosen_rows


def node_inputs(
    graph: Graph,
    node: Node,
    values: Mapping[str, npt.NDArray[Any]],
    *,
    zeros: Mapping[str, int] | None = None,
    dense: bool = False,
) -> tuple[npt.NDArray[Any], ...]:
    """What a node takes of the tensors made so far.

    Parameters
    ----------
    graph : Graph
    node : Node
    values : mapping of str to array
        Those of experts hold their rows only.
    zeros : mapping of str to int, optional
        For each gate whose weights are codes, the code of 0.
    dense : bool
        Whether experts compute all rows, so that those of `values` do: a `Combine` still takes the chosen ones.
    """
    zeros = zeros if zeros is not None else {}
    if isinstance(node.layer, Combine) and dense:
        weights = values[node.inputs[0]]
        experts = tuple(values[name] for name in node.inputs[1:])
        return (weights, *chosen_of_all(weights, experts, zero=zeros.get(node.inputs[0], 0)))
    if node.route is None:
        return tuple(values[name] for name in node.inputs)
    gate, expert = node.route.gate, node.route.expert
    weights = values[gate]
    inputs = []
    for name in node.inputs:
        x = values[name]
        if graph.route_of(name) is None:
            x = x.reshape(-1, *x.shape[weights.ndim - 1 :])
            if not dense:
                x = _taken(x, chosen_rows(weights, expert, zero=zeros.get(gate, 0)))
        inputs.append(x)
    return tuple(inputs)


def chosen_of_all(
    weights: npt.NDArray[Any], experts: tuple[npt.NDArray[Scalar], ...], *, zero: int = 0
) -> tuple[npt.NDArray[Scalar], ...]:
    """The rows that a gate chose out of what experts make of all rows."""
    return tuple(_taken(x, chosen_rows(weights, expert, zero=zero)) for expert, x in enumerate(experts))


def _taken(x: npt.NDArray[Scalar], rows: npt.NDArray[np.intp]) -> npt.NDArray[Scalar]:
    """Some rows, with the channels of a pixel as far from each other in memory as they were."""
    if len(rows) == len(x):
        return x
    if x.ndim != 4:
        return x[rows]
    some: npt.NDArray[Scalar] = x.transpose(0, 2, 3, 1)[rows].transpose(0, 3, 1, 2)
    return some
