"""What is learnt and predicted of experts: from the rows chosen for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.nn.compensation import COMPENSATIONS, compensated
from axhw.nn.error_theory import measured_errors, predict_errors
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Graph, Node
from axhw.nn.histograms import operand_histograms
from axhw.nn.importance import output_importance
from axhw.nn.network import Network
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.nn.weight_tuning import tuned_tables
from axhw.nn.zoo.moe import mixture_of_experts, parse_mixture
from axhw.nn.zoo.names import build_graph
from axhw.nn.zoo.vit import vit
from axhw.sim.product_table import ProductTable
from axhw.workload import layer_operands

Images = np.ndarray


def token_graph() -> Graph:
    dense = vit("vit", patch=4, features=12, blocks=1, heads=2, input_shape=(1, 8, 8), classes=10)
    found = parse_mixture("vit_hard3")
    assert found is not None
    return mixture_of_experts(dense, found[1], name="vit_hard3")


@pytest.fixture(scope="module")
def images(splits: Splits) -> Images:
    return splits.train.images[:24]


@pytest.fixture(scope="module")
def networks(random_network: Callable[..., Network], images: Images) -> dict[str, QuantizedNetwork]:
    found = {}
    for name in ("digits_cnn_hard3", "digits_cnn_cluster2", "vit_hard3"):
        graph = token_graph() if name.startswith("vit") else build_graph(name, input_shape=(1, 8, 8), classes=10)
        found[name] = quantize_network(random_network(graph, images), images, signed=True)
    return found


def rows_of(network: QuantizedNetwork, images: Images) -> dict[str, int]:
    rows = {node.name: 0 for node in network.graph if node.route is not None}

    def count(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if node.name in rows:
            rows[node.name] += len(output)

    Executor(network)(images, observe=count)
    return rows


def without_expert(network: QuantizedNetwork, gate: str, expert: int) -> QuantizedNetwork:
    """The network with a bias so low that a gate never chooses an expert."""
    product = network.products[f"{gate}_logits"]
    bias = product.bias.copy()
    bias[expert] = -(1 << 29)
    return replace(network, products={**network.products, f"{gate}_logits": replace(product, bias=bias)})


@pytest.mark.parametrize("name", ["digits_cnn_hard3", "vit_hard3"])
def test_histograms_and_statistics_are_of_chosen_rows(
    name: str, networks: dict[str, QuantizedNetwork], images: Images
) -> None:
    network = networks[name]
    layer = "conv2_expert1" if name.startswith("digits") else "block1_fc1_expert1"
    rows = rows_of(network, images)[layer]
    assert 0 < rows < len(images) * network.graph.most_rows(layer)
    assert operand_histograms(network, images)[layer].sum() == rows * network.graph.multiplications[layer]
    found = operand_statistics(network, images, batch=7)
    weights = network.graph.weight_layers[layer]
    assert found[layer].positions == rows * network.graph.multiplications[layer] // (weights.terms * weights.outputs)
    assert set(found) == set(network.products)


def test_operands_of_a_trace_are_those_of_chosen_rows(networks: dict[str, QuantizedNetwork], images: Images) -> None:
    network = networks["digits_cnn_hard3"]
    rows = rows_of(network, images)
    found = layer_operands(network, images)
    assert set(found) == set(network.products)
    for expert in range(3):
        # An idle expert is traced through all images.
        images_of = rows[f"conv2_expert{expert}"] or len(images)
        assert found[f"conv2_expert{expert}"].activations.shape == (images_of, 64, 144)
        assert found[f"conv2_expert{expert}"].multiplications == 64 * 144 * 24 // 3


def test_an_idle_expert_is_learnt_about_from_all_rows(networks: dict[str, QuantizedNetwork], images: Images) -> None:
    network = without_expert(networks["digits_cnn_hard3"], "conv2_gate", 0)
    assert rows_of(network, images)["conv2_expert0"] == 0
    assert operand_statistics(network, images)["conv2_expert0"].positions == 64 * len(images)
    own = output_importance(network, images[:4])["conv2_expert0"]
    assert not own.noise.any()
    assert not own.shift.any()


@pytest.mark.parametrize("name", ["digits_cnn_hard3", "digits_cnn_cluster2", "vit_hard3"])
def test_predicted_mean_errors_are_those_measured(
    name: str, networks: dict[str, QuantizedNetwork], images: Images, make_table: Callable[..., ProductTable]
) -> None:
    network, table = networks[name], make_table("evoapprox:mul8s_1L2L")
    predicted = predict_errors(network, operand_statistics(network, images), table)
    measured = measured_errors(network, images, table)
    assert set(predicted) == set(measured)
    assert not {node.name for node in network.graph.gate_nodes} & set(predicted)
    for layer, error in measured.items():
        np.testing.assert_allclose(predicted[layer].mean, error.mean, rtol=1e-9, atol=1e-6)


def test_importance_is_the_change_that_a_moved_bias_makes(
    networks: dict[str, QuantizedNetwork], images: Images
) -> None:
    network = networks["digits_cnn_cluster2"]
    found = output_importance(network, images)
    rows = rows_of(network, images)
    for copy in range(2):
        name = f"copy{copy}_linear"
        assert 0 < rows[name] < len(images)
        unit = network.products[name].unit.astype(np.float64)
        # An error of one logit, in the images that get this copy.
        expected = unit**2 * (1 - 1 / 10) / 10 * rows[name] / len(images)
        np.testing.assert_allclose(found[name].shift, expected, rtol=0.02)


@pytest.mark.parametrize("name", ["digits_cnn_hard3", "vit_hard3"])
def test_compensated_biases_take_the_mean_error_of_experts_away(
    name: str, networks: dict[str, QuantizedNetwork], images: Images, make_table: Callable[..., ProductTable]
) -> None:
    network, table = networks[name], make_table("evoapprox:mul8s_1L2L")
    found = compensated(network, images, table, method="bias", batch=5)
    exact, run = Executor(found), Executor(found, table)
    errors: dict[str, list[np.ndarray]] = {}

    def compare(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if node.name in found.products:
            errors.setdefault(node.name, []).append(run.sums(node, inputs[0]) - exact.sums(node, inputs[0]))

    run(images, observe=compare)
    compensations = {layer: found.products[layer].bias - network.products[layer].bias for layer in found.products}
    gates = {node.name for node in network.graph.gate_nodes}
    for layer, parts in errors.items():
        mean = np.concatenate(parts).mean(axis=0)
        if layer not in gates:
            np.testing.assert_array_equal(compensations[layer], -np.rint(mean))
    assert not any(compensations[layer].any() for layer in gates & set(compensations))


@pytest.mark.parametrize("method", COMPENSATIONS)
def test_idle_experts_stay_as_they_are(
    method: str, networks: dict[str, QuantizedNetwork], images: Images, make_table: Callable[..., ProductTable]
) -> None:
    network = without_expert(networks["digits_cnn_hard3"], "conv2_gate", 0)
    found = compensated(network, images, make_table("evoapprox:mul8s_1L2L"), method=method)  # type: ignore[arg-type]
    assert found.products["conv2_expert0"] is network.products["conv2_expert0"]
    assert found.products["conv2_expert1"] is not network.products["conv2_expert1"]


def test_affine_compensation_goes_on_where_routes_change(
    networks: dict[str, QuantizedNetwork], images: Images, make_table: Callable[..., ProductTable]
) -> None:
    network, table = networks["vit_hard3"], make_table("roup:p=2,r=5")
    gates: list[dict[str, np.ndarray]] = [{}, {}]
    for found, tables in zip(gates, (None, table)):

        def note(node: Node, inputs: tuple[Value, ...], output: Value, found: dict[str, np.ndarray] = found) -> None:
            found[node.name] = np.array(output)

        Executor(network, tables)(images, observe=note)
    # Experts see other tokens with the table than without.
    assert not np.array_equal(gates[0]["block1_fc2_gate"], gates[1]["block1_fc2_gate"])
    first, second = (compensated(network, images, table, method="affine", batch=batch) for batch in (11, 24))
    for name, product in network.products.items():
        assert np.array_equal(first.products[name].bias, second.products[name].bias)
        assert np.isfinite(first.products[name].weights.scale).all()
        if "expert" in name:
            assert not np.array_equal(first.products[name].weights.scale, product.weights.scale)


def test_tables_are_tuned_for_the_codes_of_experts(
    networks: dict[str, QuantizedNetwork], images: Images, make_table: Callable[..., ProductTable]
) -> None:
    network, table = networks["digits_cnn_hard3"], make_table("roup:p=2,r=4")
    statistics = operand_statistics(network, images)
    found = tuned_tables(network.graph, statistics, table, method="histogram", signed=True)
    values = [found[f"conv3_expert{expert}"].tables[0].values for expert in range(3)]
    assert set(found) == set(network.products) - {node.name for node in network.graph.gate_nodes}
    assert not all(np.array_equal(values[0], other) for other in values[1:])
