"""Experts in PyTorch: each computes all rows, and weights of 0 drop what it should not have.

That keeps every shape the same from step to step, so that a step can be recorded once for a GPU, and gives gates a
gradient. Gates that need no gradient let experts compute only the rows chosen for them (`ChosenRows`), in a recorded
step in a fixed number of slots (`Capacity`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from axhw.nn.graph import Graph, Node
from axhw.nn.layers.routing import Combine, Gate

_SLOTS_AT_ONCE, _SLOTS_SPARE = 8, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Capacity:
    """Slots for the rows that the experts of a gate get, which gives each row to one of them.

    Attributes
    ----------
    slots : tuple of int
        For each expert.
    first, end : int64 tensors, shape (experts,)
        The slots of each expert among those of all.
    """

    slots: tuple[int, ...]
    first: torch.Tensor
    end: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[int], device: torch.device) -> Capacity:
        """Enough for a number of rows for each expert, and somewhat more, as another epoch may have more."""
        slots = tuple(-(-(count + _SLOTS_SPARE) // _SLOTS_AT_ONCE) * _SLOTS_AT_ONCE for count in rows)
        end = torch.tensor(slots, device=device).cumsum(dim=0)
        return cls(slots=slots, first=end - torch.tensor(slots, device=device), end=end)

    def holds(self, rows: Sequence[int]) -> bool:
        """Whether there is a slot for each row."""
        return all(count <= slots for count, slots in zip(rows, self.slots))


class _Slots:
    """Which row of a gate lies in which slot.

    Slots that are left over hold the first row, and nothing takes what becomes of it. A row without a slot has a place
    behind the last, where nothing can be taken from.
    """

    def __init__(self, sizes: Sequence[int], chosen: torch.Tensor, row: torch.Tensor, place: torch.Tensor) -> None:
        self._sizes = list(sizes)
        self._chosen = chosen
        self._row = row
        self._place = place
        self._filled: dict[str, tuple[torch.Tensor, ...]] = {}

    @classmethod
    def of_gates(cls, capacities: Sequence[Capacity], chosen: Sequence[torch.Tensor]) -> list[_Slots]:
        """Those of gates with the same number of experts, from what each gate chose, bool [rows, experts]."""
        every = torch.stack(list(chosen))
        gates, count, _ = every.shape
        first, end = (torch.stack([getattr(each, side) for each in capacities])[:, None] for side in ("first", "end"))
        slot = every.cumsum(dim=1) - 1 + first
        slot = torch.where(slot < end, slot, end[:, :, -1:])
        place = torch.where(every, slot, 0).sum(dim=2)
        totals = [sum(each.slots) for each in capacities]
        number = torch.arange(count, device=place.device).expand(gates, count)
        row = number.new_zeros(gates, max(totals) + 1).scatter_(1, place, number)
        return [
            cls(capacity.slots, own, row[gate, :total], place[gate])
            for gate, (capacity, own, total) in enumerate(zip(capacities, chosen, totals))
        ]

    def rows(self, name: str, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What each expert takes of a tensor, which is moved once for all of them."""
        if name not in self._filled:
            self._filled[name] = _taken(x, self._row).split(self._sizes)
        return self._filled[name]

    def back(self, experts: Sequence[torch.Tensor]) -> torch.Tensor:
        """All rows in their order, from what experts made of them."""
        return _taken(torch.cat(list(experts)), self._place)

    def spread(self, experts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """What each expert made of all rows, 0 where a row was not chosen."""
        rows = self.back(experts)
        own = (chosen.reshape(-1, *(1,) * (rows.ndim - 1)) for chosen in self._chosen.unbind(dim=1))
        return tuple(torch.where(chosen, rows, 0) for chosen in own)


class ChosenRows:
    """The rows of each expert, of gates that have decided.

    Parameters
    ----------
    graph : Graph
    capacities : mapping of str to Capacity
        Of gates whose experts are to compute the same number of rows every time.
    """

    def __init__(self, graph: Graph, capacities: Mapping[str, Capacity]) -> None:
        self._graph = graph
        self._capacities = capacities
        self._slots: dict[str, _Slots] = {}
        self._of_gate: dict[str, list[torch.Tensor]] = {}

    def decide(self, gate: str, chosen: torch.Tensor) -> None:
        """From now on experts compute the chosen rows only.

        Parameters
        ----------
        gate : str
        chosen : bool tensor, shape (..., experts)
            For each row.
        """
        self.decide_all({gate: chosen})

    def decide_all(self, chosen: Mapping[str, torch.Tensor]) -> None:
        """The same for several gates, by name."""
        by_row = {gate: each.reshape(-1, each.shape[-1]) for gate, each in chosen.items()}
        for experts in {each.shape[-1] for each in by_row.values()}:
            gates = [gate for gate in by_row if gate in self._capacities and by_row[gate].shape[-1] == experts]
            if gates:
                slots = _Slots.of_gates([self._capacities[gate] for gate in gates], [by_row[gate] for gate in gates])
                self._slots |= dict(zip(gates, slots))
        for gate in by_row.keys() - self._capacities.keys():
            self._of_gate[gate] = [torch.nonzero(column).reshape(-1) for column in by_row[gate].unbind(dim=1)]

    def inputs(self, node: Node, values: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """What a node takes of the tensors made so far: nodes of experts the chosen rows, or all of them, [rows, ...].

        What lies behind experts takes all rows again, with 0 where a row was not chosen.
        """
        taken = dense_inputs(self._graph, node, values)
        outside = [self._graph.route_of(name) is None for name in node.inputs]
        if node.route is not None and node.route.gate in self._slots:
            slots, expert = self._slots[node.route.gate], node.route.expert
            named = zip(node.inputs, taken, outside)
            return tuple(slots.rows(name, x)[expert] if whole else x for name, x, whole in named)
        if node.route is not None and node.route.gate in self._of_gate:
            rows = self._of_gate[node.route.gate][node.route.expert]
            return tuple(_taken(x, rows) if whole else x for x, whole in zip(taken, outside))
        if isinstance(node.layer, Combine) and node.inputs[0] in self._slots:
            return (taken[0], *self._slots[node.inputs[0]].spread(taken[1:]))
        if isinstance(node.layer, Combine) and node.inputs[0] in self._of_gate:
            weights, *experts = taken
            count = weights.shape[:-1].numel()
            spread = (
                x.new_zeros((count, *x.shape[1:])).index_copy(0, rows, x)
                for rows, x in zip(self._of_gate[node.inputs[0]], experts)
            )
            return (weights, *spread)
        return taken

    def picked(self, node: Node, values: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        """All rows, each from its expert, for a `Combine` whose gate gives each to one; None for other nodes."""
        if not isinstance(node.layer, Combine):
            return None
        if node.inputs[0] in self._slots:
            return self._slots[node.inputs[0]].back([values[name] for name in node.inputs[1:]])
        if node.inputs[0] not in self._of_gate:
            return None
        gate = self._graph[node.inputs[0]].layer
        if not isinstance(gate, Gate) or gate.k > 1:
            return None
        rows = torch.cat(self._of_gate[node.inputs[0]])
        place = torch.empty_like(rows).scatter_(0, rows, torch.arange(len(rows), device=rows.device))
        all_rows = _taken(torch.cat([values[name] for name in node.inputs[1:]]), place)
        return all_rows.unflatten(0, values[node.inputs[0]].shape[:-1])


def _taken(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Some rows, with the channels of a pixel side by side in memory where they were."""
    if x.ndim == 4 and not x.is_contiguous():
        return x.permute(0, 2, 3, 1).index_select(0, rows).permute(0, 3, 1, 2)
    return x.index_select(0, rows)


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
