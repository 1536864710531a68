"""The columns of tables of networks with experts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.hdl.registry import parse
from axhw.moe.cells import circuit_table
from axhw.moe.evaluation import (
    Prices,
    circuit_name,
    cost_columns,
    dense_graph,
    dense_name,
    error_columns,
    evaluated,
    topology,
)
from axhw.moe.rows import ExpertRows
from axhw.nn.zoo.names import build_graph
from axhw.record import DesignRecord

Characterized = Callable[..., DesignRecord]


@pytest.fixture(scope="module")
def prices(characterized: Characterized) -> Prices:
    return Prices(exact=characterized("evoapprox:mul8s_1KV6"), comparison_fj=100.0)


def test_names() -> None:
    assert [dense_name(name) for name in ("resnet20", "vit_tiny_hard4_r25", "mine")] == ["resnet20", "vit_tiny", "mine"]
    names = ("resnet20", "resnet20_soft4", "vgg11_bn_cluster2")
    assert [topology(name) for name in names] == ["dense", "soft", "cluster"]
    assert circuit_name(parse("evoapprox:mul8s_1L2L")) == "mul8s_1L2L"
    assert circuit_name(parse("evoapprox:circuit=mul8s_1L2L,adder=ripple")) == "evoapprox_v2022_mul8s_1L2L_ripple"
    assert circuit_name(parse("roup:p=1,r=4")) == parse("roup:p=1,r=4").name


def test_the_base_of_costs_is_the_dense_network() -> None:
    graph = build_graph("resnet8_hard4", input_shape=(3, 32, 32), classes=10)
    assert dense_graph(graph).name == "resnet8"
    assert dense_graph(dense_graph(graph)).name == "resnet8"


def test_costs_of_hard_are_those_of_dense_and_its_gates(characterized: Characterized, prices: Prices) -> None:
    """Published: 0.200 mW of 0.425 mW in all but the gates, whose multiplications come on top."""
    rows = ExpertRows.balanced(build_graph("resnet8_hard4", input_shape=(3, 32, 32), classes=10))
    columns = cost_columns(rows, characterized("evoapprox:mul8s_1L2L"), prices)
    dense = columns["dense_multiplications"]
    gates = columns["multiplications"] - dense
    assert 0 < gates < 0.02 * dense
    assert columns["approximate_share"] == pytest.approx(dense / (dense + gates))
    assert columns["published_cost"] == pytest.approx((dense * 0.200 / 0.425 + gates) / dense)
    exact, own = prices.exact_fj, characterized("evoapprox:mul8s_1L2L").circuit_cost.energy_fj
    assert columns["cost"] == pytest.approx((dense * own / exact + gates) / dense)
    assert columns["energy_nj"] == pytest.approx(1e-6 * dense * own + columns["routing_nj"])
    assert columns["fetched_expert_bytes"] == pytest.approx(columns["expert_bytes"] / 4)


def test_designs_that_are_not_published_have_no_published_cost(characterized: Characterized, prices: Prices) -> None:
    bench = Bench.load(model="digits_cnn_hard2", data="digits", images=40)
    rows, loads = evaluated(bench, [characterized("roup:p=1,r=3"), prices.exact], prices, compensate="bias")
    first, second = rows
    assert first["published_cost"] is None
    assert second["published_cost"] == pytest.approx(second["cost"]) == pytest.approx(1.017, abs=0.001)
    assert second["accuracy"] == second["int8_accuracy"]
    assert first["routing_agreement"] == 1
    assert len(loads) == 6


@pytest.mark.parametrize(("circuit", "bias"), [("mul8s_1KV6", 0.0), ("mul8s_1KVA", -12.25), ("mul8s_1L2L", 3.75)])
def test_biases_of_published_circuits(circuit: str, bias: float) -> None:
    columns = error_columns(circuit_table(circuit))
    assert columns["bias"] == bias
    errors = circuit_table(circuit).values - circuit_table(circuit).exact()
    assert columns["standard_deviation"] == pytest.approx(float(np.sqrt((errors.astype(float) ** 2).mean() - bias**2)))
