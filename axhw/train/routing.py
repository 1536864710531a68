"""Experts in PyTorch: each computes all rows, and weights of 0 drop what it should not have.

That keeps every shape the same from step to step, so that a step can be recorded once for a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from axhw.nn.graph import Graph, Node
from axhw.nn.layers.routing import Gate


def dense_inputs(graph: Graph, node: Node, values: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """What a node takes of the tensors made so far: nodes of experts all rows, [rows, ...]."""
    inputs = tuple(values[name] for name in node.inputs)
    if node.route is None:
        return inputs
    axes = values[node.route.gate].ndim - 1
    return tuple(
        x.flatten(0, axes - 1) if axes > 1 and graph.route_of(name) is None else x
        for name, x in zip(node.inputs, inputs)
    )


def gate_weights(layer: Gate, logits: torch.Tensor) -> torch.Tensor:
    """`Gate.forward`; of one expert the weight is 1, and its gradient that of the softmax (straight-through)."""
    if layer.k == 1:
        probabilities = torch.softmax(logits, dim=-1)
        return chosen_experts(layer, logits).to(probabilities.dtype) + (probabilities - probabilities.detach())
    largest = logits.detach().amax(dim=-1, keepdim=True)
    powers = torch.exp(logits - largest) * chosen_experts(layer, logits)
    return powers / powers.sum(dim=-1, keepdim=True)


def chosen_experts(layer: Gate, logits: torch.Tensor) -> torch.Tensor:
    """Whether each expert is among the `k` with the largest logits, the first of equal ones; bool."""
    experts = torch.arange(logits.shape[-1], device=logits.device)
    first, second = logits.detach().unsqueeze(-1), logits.detach().unsqueeze(-2)
    larger = (second > first) | ((second == first) & (experts < experts[:, None]))
    return larger.sum(dim=-1) < layer.k


def combined(weights: torch.Tensor, experts: Sequence[torch.Tensor]) -> torch.Tensor:
    """`Combine.forward` of what experts make of all rows, with its bits."""
    by_row = weights.reshape(-1, weights.shape[-1])
    total: torch.Tensor | None = None
    for expert, x in enumerate(experts):
        part = x * by_row[:, expert].to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
        total = part if total is None else total + part
    assert total is not None
    return total if weights.ndim == 2 else total.unflatten(0, weights.shape[:-1])


class LoadBalance:
    """How unevenly gates use their experts, as a loss (Fedus et al. 2022, Switch Transformers, equations 4 to 6).

    For each gate of E experts, E times the sum over experts of f P: f is the share of the choices that fall on the
    expert, P the mean of its probability. It is 1 for even use, and only P has a gradient.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self._gates = {node.inputs[0]: node.layer for node in graph if isinstance(node.layer, Gate)}
        self._losses: list[torch.Tensor] = []

    def observe(self, name: str, value: torch.Tensor) -> None:
        """Look at a tensor of the graph."""
        if name not in self._gates:
            return
        layer = self._gates[name]
        rows = value.float().flatten(0, -2)
        shares = chosen_experts(layer, rows).float().mean(dim=0) / layer.k
        self._losses.append(rows.shape[-1] * (shares * torch.softmax(rows, dim=-1).mean(dim=0)).sum())

    def loss(self) -> torch.Tensor:
        """The mean over the gates seen."""
        return torch.stack(self._losses).mean()
