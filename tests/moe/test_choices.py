"""What gates choose, beside what the executor counts."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.evaluation import Bench
from axhw.hdl.registry import parse
from axhw.moe.choices import RoutedRun, routed_run
from axhw.moe.cost import layer_roles
from axhw.moe.evaluation import load_rows
from axhw.moe.rows import ExpertRows
from axhw.nn.assignment import approximated_layers
from axhw.nn.evaluate import evaluate
from axhw.sim.product_table import golden_table

COARSE = golden_table(parse("evoapprox:mul8s_1L2N"))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.load(model="digits_cnn_hard2", data="digits", images=120)


@pytest.fixture(scope="module")
def exact(bench: Bench) -> RoutedRun:
    return routed_run(bench.quantized(signed=True), bench.data.test)


def test_classes_and_rows_are_those_of_the_evaluation(bench: Bench) -> None:
    network, data = bench.quantized(signed=True), bench.data.test
    tables = dict.fromkeys(approximated_layers(network.graph), COARSE)
    run = routed_run(network, data, tables, batch=50)
    result = evaluate(network, data, tables)
    assert float((run.classes == data.labels).mean()) == result.approximate_accuracy
    assert run.rows.multiplications == pytest.approx(result.layer_multiplications)
    counted = ExpertRows.executed(network, data.images, tables)
    for gate, counts in counted.by_gate.items():
        np.testing.assert_array_equal(run.rows.by_gate[gate], counts)


def test_loads_of_a_gate_sum_up_to_what_it_chooses(exact: RoutedRun) -> None:
    assert set(exact.chosen) == {"conv1_gate", "conv2_gate", "conv3_gate"}
    for gate in exact.chosen:
        assert exact.load(gate).sum() == pytest.approx(1)
    rows = load_rows(exact)
    places = [(row["gate"], row["expert"]) for row in rows]
    assert places[:3] == [("conv1_gate", 0), ("conv1_gate", 1), ("conv2_gate", 0)]
    assert all(row["share"] == row["images_share"] > 0.2 for row in rows), "no expert of the shipped network is idle"


def test_choices_change_only_where_gates_err(bench: Bench, exact: RoutedRun) -> None:
    network = bench.quantized(signed=True)
    features = dict.fromkeys(approximated_layers(network.graph), COARSE)
    assert set(routed_run(network, bench.data.test, features).agreement(exact).values()) == {1.0}
    gates = [name for name, role in layer_roles(network.graph).items() if role == "gate"]
    run = routed_run(network, bench.data.test, dict.fromkeys(gates, COARSE))
    found = run.agreement(exact)
    assert 0.5 < min(found.values()) < 1
    by_hand = (run.chosen["conv1_gate"].argmax(axis=2) == exact.chosen["conv1_gate"].argmax(axis=2)).mean()
    assert found["conv1_gate"] == pytest.approx(by_hand)


def test_a_dense_network_has_no_choices() -> None:
    dense = Bench.load(model="digits_cnn", data="digits", images=20)
    run = routed_run(dense.quantized(signed=True), dense.data.test)
    assert run.chosen == {}
    assert run.agreement(run) == {}
    assert load_rows(run) == []
    assert run.rows.images == 1
