"""What a network with experts costs for one image: energy of its multiplications, of routing, and memory of weights.

    energy = sum over product layers of multiplications done * energy of the layer's multiplier
           + comparisons of the gates' top-k units * energy of a comparator
           + multiplications of outputs of experts by their weights * energy of the exact multiplier

Gates and products of activations multiply exactly. Left out, as nothing here makes circuits for them: additions, the
exponentials of gates that choose several experts (counted, but without an energy), activation functions, memory
accesses and control. With one expert a row its weight is 1, so nothing is multiplied by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from axhw.errors import AxhwError
from axhw.moe.normalized_cost import by_approximated_layer
from axhw.moe.rows import ExpertRows, gate_sizes
from axhw.nn.graph import Graph, Node
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.routing import Combine, Gate
from axhw.search.assignment import shares
from axhw.search.configuration import Choice
from axhw.search.energy import EnergyModel

Role: TypeAlias = Literal["shared", "expert", "gate", "attention"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What product layers do: for all rows, for those of an expert, for gates alone, and products of activations."""

_NJ_PER_FJ = 1e-6


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """A product layer for one image.

    Attributes
    ----------
    layer : str
    role : {"shared", "expert", "gate", "attention"}
    multiplications : float
        Done, the mean over the images.
    energy_fj : float
        Of one.
    weight_bytes : int
        Of its weights, one byte each; biases and scales are left out.
    fetched_bytes : float
        The same for one image, the mean: weights of experts only where a row has chosen them.
    """

    layer: str
    role: Role
    multiplications: float
    energy_fj: float
    weight_bytes: int
    fetched_bytes: float

    @property
    def energy_nj(self) -> float:
        """Of its multiplications."""
        return _NJ_PER_FJ * self.multiplications * self.energy_fj


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Operations for one image that choose experts and bring their outputs together, means over the images.

    Attributes
    ----------
    comparisons : float
        The largest of E logits takes E - 1, the next one E - 2, ...; none where all experts are chosen.
    exponentials : float
        One for each chosen expert of a row, where there are several.
    weightings : float
        Outputs of experts multiplied by their weight; none with one expert a row.
    additions : float
        Of what was multiplied.
    """

    comparisons: float
    exponentials: float
    weightings: float
    additions: float


@dataclass(frozen=True, kw_only=True)
class InferenceCost:
    """A network for one image.

    Attributes
    ----------
    network : str
    layers : tuple of LayerCost
        Every product layer, in order.
    routing : Routing
    comparison_fj, exact_fj : float
        Energy of a comparison, and of the exact multiplications in `routing`.
    """

    network: str
    layers: tuple[LayerCost, ...]
    routing: Routing
    comparison_fj: float
    exact_fj: float

    @property
    def multiplications(self) -> float:
        """Of product layers."""
        return sum(layer.multiplications for layer in self.layers)

    @property
    def layers_nj(self) -> float:
        """Energy of the multiplications of product layers."""
        return sum(layer.energy_nj for layer in self.layers)

    @property
    def comparisons_nj(self) -> float:
        """Energy of the comparisons of top-k units."""
        return _NJ_PER_FJ * self.routing.comparisons * self.comparison_fj

    @property
    def weightings_nj(self) -> float:
        """Energy of multiplying outputs of experts by their weights."""
        return _NJ_PER_FJ * self.routing.weightings * self.exact_fj

    @property
    def routing_nj(self) -> float:
        """Energy of routing: multiplications of gates, comparisons, and weights of experts."""
        return self.role_nj("gate") + self.comparisons_nj + self.weightings_nj

    @property
    def energy_nj(self) -> float:
        """All of it."""
        return self.layers_nj + self.comparisons_nj + self.weightings_nj

    @property
    def weight_bytes(self) -> int:
        """Of all weights."""
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def fetched_bytes(self) -> float:
        """Of the weights that an image needs."""
        return sum(layer.fetched_bytes for layer in self.layers)

    @property
    def expert_bytes(self) -> int:
        """Of the weights of all experts, which are all resident."""
        return sum(layer.weight_bytes for layer in self._of("expert"))

    @property
    def fetched_expert_bytes(self) -> float:
        """Of the weights of the experts that an image has chosen."""
        return sum(layer.fetched_bytes for layer in self._of("expert"))

    def role_nj(self, role: Role) -> float:
        """Energy of the multiplications of the layers of a role."""
        return sum(layer.energy_nj for layer in self._of(role))

    def _of(self, role: Role) -> Iterable[LayerCost]:
        return (layer for layer in self.layers if layer.role == role)


def inference_cost(
    rows: ExpertRows, *, energy_fj: float | Mapping[str, float], exact_fj: float, comparison_fj: float
) -> InferenceCost:
    """The cost of a network whose layers have multipliers of their own.

    Parameters
    ----------
    rows : ExpertRows
        Balanced for plans, executed for reports.
    energy_fj : float, or mapping of layer name to float
        Mean energy of a multiplication in all `approximated_layers`, or in each layer that multiplies approximately
        (`assigned_energies` has those of an assignment); others are exact.
    exact_fj : float
        That of the exact multiplier.
    comparison_fj : float
        That of a comparator (`axhw.moe.comparator.comparator_cost`).

    Raises
    ------
    AxhwError
        For a layer that the network does not have, and energies that are not finite or below 0.
    """
    graph = rows.graph
    by_layer = by_approximated_layer(energy_fj, graph)
    for name, energy in (("an exact product", exact_fj), ("a comparison", comparison_fj)):
        if not (math.isfinite(energy) and energy >= 0):
            raise AxhwError(f"Expected a finite energy of at least 0 fJ for {name}, found {energy}.")
    roles = layer_roles(graph)
    layers = []
    for node in graph.product_nodes:
        size = math.prod(node.layer.weight_shape) if isinstance(node.layer, WeightLayer) else 0
        layers.append(
            LayerCost(
                layer=node.name,
                role=roles[node.name],
                multiplications=rows.multiplications[node.name],
                energy_fj=by_layer.get(node.name, exact_fj),
                weight_bytes=size,
                fetched_bytes=size * rows.used(node.name),
            )
        )
    return InferenceCost(
        network=graph.name,
        layers=tuple(layers),
        routing=routing_operations(rows),
        comparison_fj=comparison_fj,
        exact_fj=exact_fj,
    )


def layer_roles(graph: Graph) -> dict[str, Role]:
    """What each product layer does."""
    gates = {node.name for node in graph.gate_nodes}

    def role(node: Node) -> Role:
        if node.name in gates:
            return "gate"
        if not isinstance(node.layer, WeightLayer):
            return "attention"
        return "shared" if node.route is None else "expert"

    return {node.name: role(node) for node in graph.product_nodes}


def routing_operations(rows: ExpertRows) -> Routing:
    """The operations of all gates and of what combines their experts."""
    graph = rows.graph
    comparisons, exponentials, weightings, additions = 0, 0, 0.0, 0.0
    sizes = gate_sizes(graph)
    for name, (count, experts) in sizes.items():
        k = _chosen(graph, name)
        if k < experts:
            comparisons += count * sum(experts - place for place in range(1, k + 1))
        if k > 1:
            exponentials += count * k
    for node in graph:
        if not isinstance(node.layer, Combine):
            continue
        gate = node.inputs[0]
        if _chosen(graph, gate) == 1:
            continue
        count, _ = sizes[gate]
        outputs = math.prod(graph.shapes[node.name]) // count
        chosen = float(rows.by_gate[gate].sum(axis=1).mean())
        weightings += chosen * outputs
        additions += (chosen - count) * outputs
    return Routing(comparisons=comparisons, exponentials=exponentials, weightings=weightings, additions=additions)


def assigned_energies(model: EnergyModel, choice: Choice) -> dict[str, float]:
    """Mean energy of a multiplication of each layer with the designs that a search has chosen for it."""
    return {
        name: float(shares(ids, model.graph[name].layer, len(model.by_layer_fj[name])) @ model.by_layer_fj[name])
        for name, ids in choice.items()
    }


def _chosen(graph: Graph, gate: str) -> int:
    layer = graph[gate].layer
    assert isinstance(layer, Gate)
    return layer.k
