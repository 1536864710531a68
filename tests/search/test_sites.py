"""Single filters and kernels: by hand in a tiny network, and equal to evaluations of the same assignment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.data import digits
from axhw.data.dataset import Dataset
from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.hdl.registry import parse
from axhw.nn.assignment import LayerTables
from axhw.nn.executor import Executor
from axhw.nn.graph import Builder
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten
from axhw.nn.logit_change import logit_change
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.record import DesignRecord
from axhw.search.sites import Site, draw_kernels, filter_sensitivities, filters, site_changes
from axhw.sim.product_table import ProductTable, golden_table

FEEDS_NOTHING = 2


@pytest.fixture(scope="module")
def data() -> Dataset:
    return digits.load().test.limited(40)


@pytest.fixture(scope="module")
def tiny(data: Dataset) -> QuantizedNetwork:
    """Two convolutions and a linear layer, in which nothing reads one filter of the first."""
    build = Builder("tiny", input_shape=(1, 8, 8))
    build("conv1", Conv2d.square(1, 4), "input")
    build("relu", Relu())
    build("conv2", Conv2d.square(4, 3))
    build("flat", Flatten())
    build("linear", Linear(in_features=192, out_features=10))
    graph = build.graph()
    rng = np.random.default_rng(1)
    parameters = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in graph.parameter_shapes.items()}
    # No filter is silent behind the ReLU.
    parameters["conv1.weight"] = np.abs(parameters["conv1.weight"])
    parameters["conv2.weight"][:, FEEDS_NOTHING] = 0
    return quantize_network(Network(graph=graph, parameters=parameters), data.images, signed=True)


@pytest.fixture(scope="module")
def table() -> ProductTable:
    return golden_table(parse("roup:p=3,r=2"))


def test_a_filter_that_feeds_nothing_is_not_sensitive(
    tiny: QuantizedNetwork, data: Dataset, table: ProductTable
) -> None:
    sites = filters(tiny.graph, ["conv1"])
    assert [site.filter for site in sites] == [0, 1, 2, 3]
    changes = site_changes(tiny, data, table, sites, threads=1)
    for site, change in zip(sites, changes):
        idle = site.filter == FEEDS_NOTHING
        assert (change.noise == 0) == idle
        assert (change.cross_entropy_rise == 0) == idle
    assert changes[FEEDS_NOTHING].changed_pct == changes[FEEDS_NOTHING].cross_entropy_error == 0


@pytest.mark.parametrize(
    "site", [Site(layer="conv1", filter=1), Site(layer="conv2", filter=0), Site(layer="conv2", filter=2, channel=3)]
)
def test_as_with_the_tables_of_that_site_alone(
    tiny: QuantizedNetwork, data: Dataset, table: ProductTable, site: Site
) -> None:
    exact = golden_table(parse("exact"))
    ids = np.zeros((3, 4) if site.layer == "conv2" else (4, 1), np.int64)
    ids[site.filter, slice(None) if site.channel is None else site.channel] = 1
    alone = Executor(tiny, {site.layer: LayerTables(tables=(exact, table), table_of=ids)}, threads=1)
    expected = logit_change(Executor(tiny, threads=1)(data.images), alone(data.images), data.labels)
    # Others before it: what is reused of them must not show.
    others = [Site(layer="conv1", filter=0), Site(layer="conv2", filter=1), Site(layer="linear", filter=5)]
    *_, found = site_changes(tiny, data, table, [*others, site], threads=1)
    assert found == expected
    assert found.noise > 0


def test_an_error_of_one_logit(tiny: QuantizedNetwork, data: Dataset, table: ProductTable) -> None:
    """An error e of one logit changes ten of them, less their mean, by (1 - 1/10) e^2 in all."""
    (change,) = site_changes(tiny, data, table, [Site(layer="linear", filter=3)], threads=1)
    exact, wrong = (
        Executor(tiny, {"linear": each}, threads=1)(data.images)[:, 3].astype(np.float64)
        for each in (golden_table(parse("exact")), table)
    )
    assert change.noise == pytest.approx(float(((wrong - exact) ** 2).mean()) * 0.09)


def test_filters_as_the_bench_evaluates_them(bench: Bench, characterized: Callable[..., DesignRecord]) -> None:
    record = characterized("roup:p=4,r=0")
    rows = filter_sensitivities(bench, record, layers=["linear"])
    assert len(rows) == 10
    assert record.table is not None
    for row in rows[:3]:
        table_of = np.asarray(np.arange(10) == row["filter"], np.int64)
        both = (golden_table(parse("exact")), record.table)
        direct = bench.evaluate_tables({"linear": LayerTables(tables=both, table_of=table_of)}, signed=True)
        assert row["loss_pct"] == pytest.approx(100 * (direct.exact_accuracy - direct.approximate_accuracy))
        assert row["changed_pct"] == pytest.approx(100 * (1 - direct.agreement))
        assert (row["number"], row["layer"], row["multiplications"]) == (4, "linear", 128)
    assert any(row["changed_pct"] for row in rows)


def test_all_layers_with_weights_by_default(bench: Bench, characterized: Callable[..., DesignRecord]) -> None:
    rows = filter_sensitivities(bench, characterized("exact"))
    assert [row["layer"] for row in rows if row["filter"] == 0] == ["conv1", "conv2", "conv3", "linear"]
    assert {row["noise"] for row in rows} == {0}


def test_kernels_are_drawn_once_each(tiny: QuantizedNetwork) -> None:
    drawn = draw_kernels(tiny.graph, ["conv1", "conv2"], most=5, rng=np.random.default_rng(0))
    assert [site.layer for site in drawn] == ["conv1"] * 4 + ["conv2"] * 5
    assert len({(site.layer, site.filter, site.channel) for site in drawn}) == 9
    assert drawn == draw_kernels(tiny.graph, ["conv1", "conv2"], most=5, rng=np.random.default_rng(0))
    assert Site(layer="conv2", filter=0).multiplications(tiny.graph) == 64 * 36
    assert Site(layer="conv2", filter=0, channel=1).multiplications(tiny.graph) == 64 * 9


def test_only_layers_with_weights_have_filters(tiny: QuantizedNetwork) -> None:
    with pytest.raises(AxhwError, match="Expected layers with weights, found 'relu'"):
        filters(tiny.graph, ["relu"])
