"""Sensitivity of single filters and kernels: one at a time has a multiplier that errs, all else multiplies exactly.

The layers in front of it are run once for all (`axhw.search.evaluator`), so a filter costs the layers from its own on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from axhw.data.dataset import Dataset
from axhw.errors import AxhwError
from axhw.evaluation import Bench, eight_bit_table
from axhw.hdl.registry import parse
from axhw.nn.assignment import approximated_layers
from axhw.nn.graph import Graph
from axhw.nn.layers.base import WeightLayer
from axhw.nn.logit_change import LogitChange, logit_change
from axhw.nn.quantized import QuantizedNetwork
from axhw.record import DesignRecord
from axhw.search.assignment import Ids
from axhw.search.configuration import Choice
from axhw.search.evaluator import Evaluator
from axhw.sim.product_table import ProductTable, golden_table


@dataclass(frozen=True, kw_only=True)
class Site:
    """A filter, or one kernel of it.

    Attributes
    ----------
    layer : str
    filter : int
        Output channel or feature.
    channel : int, optional
        Input channel or feature of the kernel; without, the site is the whole filter.
    """

    layer: str
    filter: int
    channel: int | None = None

    def ids(self, layer: WeightLayer) -> Ids:
        """1 at the site and 0 elsewhere, as numbers of designs in an assignment."""
        if self.channel is None:
            return np.asarray(np.arange(layer.outputs) == self.filter, np.int64)
        found = np.zeros((layer.outputs, layer.channels), np.int64)
        found[self.filter, self.channel] = 1
        return found

    def multiplications(self, graph: Graph) -> float:
        """For one image: filters of a layer have equally many, and so have kernels."""
        layer = graph.weight_layers[self.layer]
        sites = layer.outputs if self.channel is None else layer.outputs * layer.channels
        return graph.nominal_multiplications[self.layer] / sites


def filters(graph: Graph, layers: Sequence[str]) -> list[Site]:
    """All filters of some layers.

    Raises
    ------
    AxhwError
        For a layer without weights.
    """
    return [Site(layer=name, filter=number) for name in layers for number in range(_with_weights(graph, name).outputs)]


def draw_kernels(graph: Graph, layers: Sequence[str], *, most: int, rng: np.random.Generator) -> list[Site]:
    """Kernels drawn at random, at most so many of each layer and none twice.

    Raises
    ------
    AxhwError
        For a layer without weights.
    """
    found = []
    for name in layers:
        layer = _with_weights(graph, name)
        kernels = layer.outputs * layer.channels
        for number in np.sort(rng.choice(kernels, min(most, kernels), replace=False)).tolist():
            place, channel = divmod(number, layer.channels)
            found.append(Site(layer=name, filter=place, channel=channel))
    return found


def site_changes(
    network: QuantizedNetwork,
    data: Dataset,
    table: ProductTable,
    sites: Sequence[Site],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[LogitChange]:
    """What a table at each site alone does to the logits of exact products.

    Parameters
    ----------
    network : QuantizedNetwork
    data : Dataset
    table : ProductTable
    sites : sequence of Site
    threads : int, optional
        All processors by default.
    progress : callable, optional
        Called with the sites done and their number.
    """
    graph = network.graph
    tables = (golden_table(parse("exact", signed=network.signed)), table)
    evaluator = Evaluator(network, data, {node.name: tables for node in graph.product_nodes}, threads=threads)
    exact: Choice = {node.name: np.asarray(0) for node in graph.product_nodes}
    before = evaluator.logits(exact)
    found = []
    for done, site in enumerate(sites, 1):
        choice = {**exact, site.layer: site.ids(graph.weight_layers[site.layer])}
        found.append(logit_change(before, evaluator.logits(choice), data.labels))
        if progress is not None:
            progress(done, len(sites))
    return found


def filter_sensitivities(
    bench: Bench,
    record: DesignRecord,
    *,
    layers: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, object]]:
    """Rows of `site_row` for a design in each filter alone, on the test images.

    Parameters
    ----------
    bench : Bench
    record : DesignRecord
        An 8-bit multiplier.
    layers : sequence of str, optional
        Whose filters; by default of all layers with weights but those of gates.
    progress : callable, optional
        Called with the filters done and their number.

    Raises
    ------
    AxhwError
        For another design, and a layer without weights.
    """
    table = eight_bit_table(record)
    network, data = bench.quantized(signed=table.signed), bench.data.test
    sites = filters(network.graph, approximated_layers(network.graph) if layers is None else layers)
    changes = site_changes(network, data, table, sites, progress=progress)
    return [site_row(record.name, network, data, site, change) for site, change in zip(sites, changes)]


def site_row(name: str, network: QuantizedNetwork, data: Dataset, site: Site, change: LogitChange) -> dict[str, object]:
    """One site with the design of that name, flat: what ``axhw eval --each-filter`` tells."""
    return {
        "name": name,
        "network": network.graph.name,
        "dataset": data.name,
        "split": data.split,
        "images": len(data),
        "number": layer_number(network.graph, site.layer),
        "layer": site.layer,
        "filter": site.filter,
        **({} if site.channel is None else {"channel": site.channel}),
        "multiplications": round(site.multiplications(network.graph)),
        "loss_pct": change.loss_pct,
        "changed_pct": change.changed_pct,
        "cross_entropy_rise": change.cross_entropy_rise,
        "cross_entropy_error": change.cross_entropy_error,
        "noise": change.noise,
    }


def layer_number(graph: Graph, name: str) -> int:
    """Of a product layer, from 1."""
    return [node.name for node in graph.product_nodes].index(name) + 1


def _with_weights(graph: Graph, name: str) -> WeightLayer:
    if name not in graph.weight_layers:
        raise AxhwError(f"Expected layers with weights, found {name!r}: only they have filters.")
    return graph.weight_layers[name]
