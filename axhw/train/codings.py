"""The codings of all tensors of a graph on the device, made of the ranges of some."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Graph
from axhw.nn.layers.activations import Clip
from axhw.nn.layers.base import CodeLayer
from axhw.nn.layers.joins import Add
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.network import Network
from axhw.nn.quantizer import range_sources
from axhw.train.coding import Coding


@dataclass(frozen=True, kw_only=True, eq=False)
class Codings:
    """What nodes need to know to make codes.

    Attributes
    ----------
    tensors : mapping of str to Coding
        Of every tensor held in codes.
    limits : mapping of str to float32 tensor, shape (3,)
        Zero point, lowest and highest code of the output of each node that computes codes: a clip behind it cuts off
        in one go. Those of a clip itself are by its own name.
    sums : mapping of str to float32 tensor, shape (8,)
        For each `Add` of codes: scale and zero point of both inputs and of the output, lowest and highest code.
    """

    tensors: Mapping[str, Coding]
    limits: Mapping[str, torch.Tensor]
    sums: Mapping[str, torch.Tensor]


class CodePlan:
    """Which tensors of a graph are held in codes, and whose ranges decide.

    Attributes
    ----------
    ranged : tuple of str
        The tensors with ranges of their own.
    place : mapping of str to int
        For each tensor held in codes, the place of its range in `ranged`.
    clips : mapping of str to str
        For each node that computes codes the clip that is the only one to take them, where there is one.
    choices : mapping of str to tuple of str
        For each choice of one expert the experts, whose codings are that of the choice; `candidates` are all of them.
    fixed : frozenset of str
        The tensors whose ranges layers fix.
    """

    def __init__(self, graph: Graph, *, signed: bool, symmetric: bool | None) -> None:
        sources = range_sources(graph)
        self.ranged = tuple(dict.fromkeys(sources.values()))
        self.place = {tensor: self.ranged.index(source) for tensor, source in sources.items()}
        self.clips = _clips_behind(graph, self.place)
        self.choices = _choices(graph, self.place)
        self.candidates = frozenset(name for experts in self.choices.values() for name in experts)
        self.fixed = frozenset(node.name for node in graph if node.layer.fixed_range is not None)
        self._graph = graph
        self._signed = signed
        self._symmetric = symmetric

    def limits_of(self, network: Network) -> torch.Tensor:
        """The ranges that the plan needs, float64 [ranged, 2].

        Raises
        ------
        AxhwError
            If the network lacks one.
        """
        for name in self.ranged:
            if name not in network.ranges:
                raise AxhwError(f"Expected the ranges of all tensors of {network.graph.name}, found none of {name}.")
        return torch.tensor([network.ranges[name] for name in self.ranged], dtype=torch.float64)

    def codings(self, limits: torch.Tensor) -> Codings:
        """Codings for ranges as `limits_of` gives them."""
        every = Coding.from_range(limits[:, 0], limits[:, 1], signed=self._signed, symmetric=self._symmetric)
        own = [every.at(place) for place in range(len(self.ranged))]
        tensors = {name: own[place] for name, place in self.place.items()}
        cut = {name: self._cut(name, coding) for name, coding in tensors.items()}
        sums = {}
        for node in self._graph:
            if isinstance(node.layer, Add) and all(name in tensors for name in (*node.inputs, node.name)):
                sides = [tensors[name] for name in (*node.inputs, node.name)]
                scales = [value for side in sides for value in (side.scale, side.zero_point)]
                sums[node.name] = torch.stack([*scales, *cut[self.clips.get(node.name, node.name)][1:]])
        limits_by_node = {name: cut[self.clips.get(name, name)] for name in cut}
        return Codings(tensors=tensors, limits=limits_by_node, sums=sums)

    def _cut(self, name: str, coding: Coding) -> torch.Tensor:
        ends = [torch.full_like(coding.scale, float(end)) for end in (coding.low, coding.high)]
        layer = self._graph[name].layer if name != INPUT else None
        if isinstance(layer, Clip):
            for place, value in enumerate((layer.low, layer.high)):
                if math.isfinite(value):
                    ends[place] = coding.encode(torch.full_like(coding.scale, value))
        return torch.stack([coding.zero_point, *ends])


def _choices(graph: Graph, place: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    choices: dict[str, tuple[str, ...]] = {}
    for node in graph:
        if isinstance(node.layer, Combine) and node.name in place:
            gate, experts = graph[node.inputs[0]].layer, node.inputs[1:]
            shared = all(place[name] == place[node.name] for name in experts)
            if isinstance(gate, Gate) and gate.k == 1 and shared:
                choices[node.name] = experts
    return choices


def _clips_behind(graph: Graph, coded: Mapping[str, int]) -> dict[str, str]:
    clips: dict[str, str] = {}
    for node in graph:
        consumers = graph.consumers[node.name]
        if isinstance(node.layer, CodeLayer) or node.name not in coded or len(consumers) != 1:
            continue
        if isinstance(consumers[0].layer, Clip) and consumers[0].name in coded:
            clips[node.name] = consumers[0].name
    return clips
