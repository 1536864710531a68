"""Operations of all passes of a run, made out of the graph of its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.pim.accounting import Accounting
from axhw.pim.figures import Figures, whole_ps
from axhw.pim.model import DecoderModel
from axhw.pim.model_graph import model_graph
from axhw.pim.operations import IntArray, Program
from axhw.pim.parameters import Parameters
from axhw.pim.places import Places
from axhw.pim.routing import LayerRouting
from axhw.pim.workload import Passes


def build_program(
    model: DecoderModel,
    passes: Passes,
    routing: Sequence[LayerRouting],
    *,
    parameters: Parameters,
    accounting: Accounting,
    group: int = 1,
) -> Program:
    """All operations of some passes.

    Parameters
    ----------
    model : DecoderModel
    passes : Passes
        At least one.
    routing : sequence of LayerRouting
        One for each layer with experts. Schedules are for the first pass.
    parameters : Parameters
    accounting : Accounting
    group : int
        Crossbars at a shared periphery: what an MVM of them costs; who shares with whom is in `routing`.

    Raises
    ------
    AxhwError
        Without passes, if there is not one routing for each layer with experts, and for schedules that the accounting
        does not count.
    """
    if not len(passes):
        raise AxhwError("Expected at least 1 pass to simulate, found none.")
    if len(routing) != len(model.expert_layers):
        raise AxhwError(f"Expected the routing of {len(model.expert_layers)} layers, found that of {len(routing)}.")
    if any(layer.grouping.experts != model.experts for layer in routing):
        raise AxhwError(f"Expected groups of the {model.experts} experts of {model.name}, found others.")
    if not accounting.scheduler and any(layer.schedule is not None for layer in routing):
        raise AxhwError(f"Expected no schedules with the accounting {accounting.name}, which has no scheduler.")
    places = Places(model, passes, routing)
    figures = Figures(model, places, parameters=parameters, accounting=accounting, group=group)
    maker = _Maker(model_graph(model, accounting), places, figures)
    core = parameters.core
    return Program(
        passes=len(passes),
        digital_units=parameters.digital_units,
        mvm_ps=whole_ps(core.mvm_ns),
        crossing_ps=whole_ps(parameters.crossing_time_ns(core.columns)),
        partial_ps=whole_ps(parameters.add_time_ns(core.columns)),
        crossing_nj=parameters.crossing_nj(core.columns),
        partial_nj=parameters.add_nj(core.columns),
        **maker.columns(),
        **maker.order(),
    )


class _Maker:
    """Adds the operations of one node after the other, and joins those that wait for each other."""

    def __init__(self, graph: nx.DiGraph, places: Places, figures: Figures) -> None:
        self._graph, self._places, self._figures = graph, places, figures
        self._columns: dict[str, list[npt.NDArray[Any]]] = {}
        self._edges: list[tuple[IntArray, IntArray]] = []
        self._count = 0
        self._numbers: dict[str, IntArray] = {}
        for number, name in enumerate(graph):
            self._numbers[name] = self._add(number, name, graph.nodes[name])
        # A pass begins with the token that the one before it ends with.
        later = places.pass_of_token > 0
        self._connect(self._numbers["sample"][places.pass_of_token[later] - 1], self._numbers["embedding"][later])

    def columns(self) -> dict[str, Any]:
        """What operations are."""
        columns: dict[str, Any] = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        columns["names"] = tuple(self._graph)
        columns["categories"] = tuple(category for _, category in self._graph.nodes(data="category"))
        columns["capacity"] = np.asarray(self._figures.capacity, np.int64)
        return columns

    def order(self) -> dict[str, Any]:
        """What they wait for. Those that wait for the same one are in the order in which they were added."""
        source, target = (np.concatenate(ends) for ends in zip(*self._edges))
        start = np.zeros(self._count + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=self._count), out=start[1:])
        return {
            "successor_start": start,
            "successors": target[np.argsort(source, kind="stable")],
            "waits_for": np.bincount(target, minlength=self._count).astype(np.int64),
        }

    def _add(self, place: int, name: str, node: Mapping[str, Any]) -> IntArray:
        """The operations of one node: the number of each, -1 for what is not there."""
        present, columns = self._figures.of(name, node)
        count = int(present.sum())
        numbers = np.full(len(present), -1, np.int64)
        numbers[present] = self._count + np.arange(count)
        self._count += count
        for column, values in {"node": place, **columns}.items():
            self._columns.setdefault(column, []).append(np.broadcast_to(values, len(present))[present])
        for source, _, last in self._graph.in_edges(name, data="last"):
            scopes = (self._graph.nodes[source]["scope"], node["scope"])
            self._connect(*self._places.joined(self._numbers[source], numbers, scopes, node["layer"], last=last))
        return self._chained(numbers, node) if node.get("chained") else numbers

    def _chained(self, numbers: IntArray, node: Mapping[str, Any]) -> IntArray:
        """Let each operation wait for the one before it; those of a token, where another node has the first of them."""
        if node.get("merges"):
            numbers, own = np.where(numbers < 0, self._numbers[node["merges"]], numbers), numbers
        else:
            own = numbers
        later = np.flatnonzero(own >= 0)
        later = later[later > 0]
        self._connect(numbers[later - 1], own[later])
        return numbers

    def _connect(self, source: IntArray, target: IntArray) -> None:
        there = (source >= 0) & (target >= 0)
        self._edges.append((source[there], target[there]))
