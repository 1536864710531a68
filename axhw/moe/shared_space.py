"""Configurations in which layers share a design: all experts of a layer, to see what it is worth that they need not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.graph import Graph
from axhw.search.assignment import Ids
from axhw.search.configuration import Choice
from axhw.search.space import Genome, Space


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedSpace(Space):
    """A space by layer in which one gene is for several layers.

    Attributes
    ----------
    groups : mapping of str to tuple of str
        For each layer with a gene all that have its design, itself included.
    """

    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def sharing(cls, space: Space) -> SharedSpace:
        """A space by layer whose experts have to share.

        Raises
        ------
        AxhwError
            For a space of another level.
        """
        if space.level != "layer":
            raise AxhwError(f"Expected a space by layer for experts that share, found one by {space.level}.")
        groups = {members[0]: members for members in expert_groups(space.graph, tuple(space.options))}
        # What is beaten in one expert may not be in another.
        options = {
            name: np.unique(np.concatenate([space.options[member] for member in members]))
            for name, members in groups.items()
        }
        return cls(
            graph=space.graph,
            level=space.level,
            options=options,
            noise=space.noise,
            energy=space.energy,
            margins=space.margins,
            groups=groups,
        )

    def choice(self, genome: Genome) -> dict[str, Ids]:
        """The designs of all product layers; those that are not searched are exact."""
        found = super().choice(genome)
        for name, members in self.groups.items():
            found.update(dict.fromkeys(members, found[name]))
        return found

    def uniform(self, design: int) -> Choice:
        """One design in all layers that are searched."""
        found = dict(super().uniform(design))
        for name, members in self.groups.items():
            found.update(dict.fromkeys(members, found[name]))
        return found

    @cached_property
    def _fixed_energy(self) -> float:
        searched = {member for members in self.groups.values() for member in members}
        others = {name: np.asarray(self.energy.exact) for name in self.energy.by_layer_fj if name not in searched}
        return self.energy.energy_nj(others) / self.energy.exact_nj

    def _layer(self, name: str, genes: Genome) -> tuple[Ids, float, float]:
        """Designs, and noise and relative energy of all layers that share them."""
        key = (name, genes)
        if key not in self._cache:
            parts = [super(SharedSpace, self)._layer(member, genes) for member in self.groups[name]]
            self._cache[key] = parts[0][0], sum(part[1] for part in parts), sum(part[2] for part in parts)
        return self._cache[key]

    def _decoded(self, name: str, genes: Genome) -> Ids:
        return np.asarray(self.options[self._leader[name]][genes[0]])

    @cached_property
    def _leader(self) -> Mapping[str, str]:
        return {member: name for name, members in self.groups.items() for member in members}


def expert_groups(graph: Graph, layers: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Layers with those that do the same in other experts of the same gate, in the order of the graph.

    Parameters
    ----------
    graph : Graph
    layers : tuple of str
        Product layers; a layer of no expert is alone.
    """
    places: dict[tuple[str, int], int] = {}
    groups: dict[object, list[str]] = {}
    for node in graph.product_nodes:
        key: object = node.name
        if node.route is not None:
            expert = (node.route.gate, node.route.expert)
            places[expert] = place = places.get(expert, -1) + 1
            key = (node.route.gate, place)
        if node.name in layers:
            groups.setdefault(key, []).append(node.name)
    return [tuple(members) for members in groups.values()]
