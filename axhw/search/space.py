"""The configurations a search moves in: a few whole numbers a layer, whatever the level.

Choosing a design for each of thousands of kernels one by one would leave a search nothing to go by. A layer's genes are
instead, by level,

    layer    the design
    filter   two designs, and how many of the filters take the second: those to which the change does least harm
    kernel   the same for kernels
    mixed    as for filters and kernels, and which of the three levels the layer is on

where harm is the predicted noise at the logits with the second design less that with the first
(`axhw.search.noise`). All filters of a layer, and all its kernels, have equally many multiplications, so for any two
designs and a number of filters no other choice of them has less predicted noise. Designs are numbered by energy, from
the highest down, so that a step in a gene is a small change; designs of which another one has less energy and less
noise in the same layer are left out there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.assignment import approximated_layers
from axhw.nn.graph import Graph
from axhw.search.assignment import Ids, Level, canonical
from axhw.search.configuration import Choice
from axhw.search.energy import EnergyModel
from axhw.search.margins import Margins
from axhw.search.noise import NoiseModel

Genome: TypeAlias = tuple[int, ...]
SpaceLevel: TypeAlias = Literal["layer", "filter", "kernel", "mixed"]
SPACE_LEVELS: tuple[SpaceLevel, ...] = get_args(SpaceLevel)

LEAST_SHARE = 0.001
"""Layers with fewer of a network's multiplications stay exact unless they are asked for."""

_MOST_STEPS = 32
_MIXED: tuple[Level, ...] = ("layer", "filter", "kernel")
_GENES: Mapping[str, int] = {"layer": 1, "filter": 3, "kernel": 3, "mixed": 4}


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """Configurations by genome.

    Attributes
    ----------
    graph : Graph
    level : {"layer", "filter", "kernel", "mixed"}
    options : mapping of str to int64 array
        For each layer that is searched the designs it may have, from the highest energy down.
    noise : NoiseModel
    energy : EnergyModel
    margins : Margins
        What noise at the logits does to the accuracy.
    """

    graph: Graph
    level: SpaceLevel
    options: Mapping[str, Ids]
    noise: NoiseModel
    energy: EnergyModel
    margins: Margins

    @classmethod
    def of(
        cls,
        graph: Graph,
        *,
        level: SpaceLevel,
        noise: NoiseModel,
        energy: EnergyModel,
        margins: Margins,
        layers: Sequence[str] | None = None,
    ) -> Space:
        """The space of some layers; by default of those with weights and at least `LEAST_SHARE` of the products, but
        for those that lead to gates alone.

        Raises
        ------
        AxhwError
            For a layer without weights, or when no layer is left.
        """
        if layers is None:
            layers = _worth_searching(graph, noise)
        for name in layers:
            if name not in noise.filters:
                raise AxhwError(f"Expected layers with weights to search, found {name!r}, which has none.")
        if not layers:
            raise AxhwError(f"Expected at least one layer of {graph.name} to search, found none.")
        options = {name: _worth_having(energy, noise, name) for name in layers}
        return cls(graph=graph, level=level, options=options, noise=noise, energy=energy, margins=margins)

    @property
    def genes(self) -> int:
        """Genes of a layer."""
        return _GENES[self.level]

    @cached_property
    def highest(self) -> Ids:
        """The largest value of each gene; the smallest is 0."""
        found: list[int] = []
        for name, options in self.options.items():
            most = len(options) - 1
            match self.level:
                case "layer":
                    found += [most]
                case "mixed":
                    found += [len(_MIXED) - 1, most, most, _MOST_STEPS]
                case level:
                    found += [most, most, self._steps(name, level)]
        return np.array(found, np.int64)

    def choice(self, genome: Genome) -> dict[str, Ids]:
        """The designs of all product layers; those that are not searched are exact."""
        found = {node.name: np.asarray(self.energy.exact) for node in self.graph.product_nodes}
        for name, genes in self._by_layer(genome):
            found[name] = self._layer(name, genes)[0]
        return found

    def predicted(self, genome: Genome) -> tuple[float, float]:
        """Predicted noise in squared logits, and energy relative to exact products."""
        found = self._predictions.get(genome)
        if found is None:
            parts = [self._layer(name, genes) for name, genes in self._by_layer(genome)]
            found = sum(part[1] for part in parts), self._fixed_energy + sum(part[2] for part in parts)
            self._predictions[genome] = found
        return found

    def uniform(self, design: int) -> Choice:
        """One design in all layers that are searched."""
        exact = np.asarray(self.energy.exact)
        names = (node.name for node in self.graph.product_nodes)
        return {name: np.asarray(design) if name in self.options else exact for name in names}

    def exact(self) -> Genome:
        """The genome of the exact configuration."""
        found: list[int] = []
        for options in self.options.values():
            place = int(np.flatnonzero(options == self.energy.exact)[0])
            found += {"layer": [place], "mixed": [0, place, place, 0]}.get(self.level, [place, place, 0])
        return tuple(found)

    def random(self, rng: np.random.Generator) -> Genome:
        """Every gene uniformly."""
        return tuple(rng.integers(0, self.highest + 1).tolist())

    def _by_layer(self, genome: Genome) -> list[tuple[str, Genome]]:
        return [
            (name, genome[number * self.genes : (number + 1) * self.genes]) for number, name in enumerate(self.options)
        ]

    @cached_property
    def _cache(self) -> dict[tuple[str, Genome], tuple[Ids, float, float]]:
        return {}

    @cached_property
    def _predictions(self) -> dict[Genome, tuple[float, float]]:
        return {}

    @cached_property
    def _orders(self) -> dict[tuple[str, Level, int, int], Ids]:
        return {}

    @cached_property
    def _fixed_energy(self) -> float:
        """Of the layers that are not searched."""
        others = {name: np.asarray(self.energy.exact) for name in self.energy.by_layer_fj if name not in self.options}
        return self.energy.energy_nj(others) / self.energy.exact_nj

    def _layer(self, name: str, genes: Genome) -> tuple[Ids, float, float]:
        """Designs, noise and relative energy of one layer."""
        key = (name, genes)
        if key not in self._cache:
            ids = canonical(self._decoded(name, genes))
            relative = self.energy.layer_nj(name, ids) / self.energy.exact_nj
            self._cache[key] = ids, self.noise.layer(name, ids), relative
        return self._cache[key]

    def _decoded(self, name: str, genes: Genome) -> Ids:
        options = self.options[name]
        match self.level:
            case "layer":
                return np.asarray(options[genes[0]])
            case "mixed":
                level, first, second, taken = _MIXED[genes[0]], *genes[1:]
                steps = _MOST_STEPS
            case level:
                first, second, taken = genes
                steps = self._steps(name, level)
        if level == "layer":
            return np.asarray(options[first])
        order = self._order(name, level, int(options[first]), int(options[second]))
        shape = self.noise.kernels[name].shape[1 : 2 if level == "filter" else 3]
        ids = np.full(order.size, options[first], np.int64)
        ids[order[: round(order.size * taken / steps)]] = options[second]
        return ids.reshape(shape)

    def _order(self, name: str, level: Level, first: int, second: int) -> Ids:
        """Filters or kernels by what changing them from one design to the other does, the least harm first."""
        key = (name, level, first, second)
        if key not in self._orders:
            noise = (self.noise.filters if level == "filter" else self.noise.kernels)[name]
            self._orders[key] = np.argsort((noise[second] - noise[first]).ravel(), kind="stable")
        return self._orders[key]

    def _steps(self, name: str, level: str) -> int:
        """Into how many steps the number of filters or kernels is divided."""
        _, outputs, channels = self.noise.kernels[name].shape
        units: int = outputs if level == "filter" else outputs * channels
        return min(_MOST_STEPS, units)


def _worth_searching(graph: Graph, noise: NoiseModel) -> list[str]:
    counts = graph.nominal_multiplications
    least = LEAST_SHARE * sum(counts.values())
    return [name for name in approximated_layers(graph) if name in noise.filters and counts[name] >= least]


def _worth_having(energy: EnergyModel, noise: NoiseModel, name: str) -> Ids:
    """The designs of a layer of which no other has at most the energy and at most the noise; the exact one is."""
    own_energy, own_noise = energy.by_layer_fj[name], noise.filters[name].sum(axis=1)
    best = np.inf
    kept: list[int] = []
    for design in np.lexsort((own_noise, own_energy)):
        if own_noise[design] < best:
            best = own_noise[design]
            kept.append(int(design))
    if energy.exact not in kept:
        kept.append(energy.exact)
    ordered: npt.NDArray[np.int64] = np.array(sorted(kept, key=lambda design: -own_energy[design]), np.int64)
    return ordered
