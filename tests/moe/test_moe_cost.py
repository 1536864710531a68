from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.moe.cost import Routing, assigned_energies, inference_cost, layer_roles, routing_operations
from axhw.moe.rows import ExpertRows
from axhw.nn.graph import Graph
from axhw.nn.zoo.names import build_graph
from axhw.search.energy import EnergyModel

ImageExperts = Callable[[int], Graph]


def test_energy_by_hand(image_experts: ImageExperts) -> None:
    """Two images choose experts 0 and 1, and a third expert 1: by image 2/3 and 1 row of them."""
    graph = image_experts(1)
    rows = ExpertRows(graph=graph, by_gate={"gate": np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]])})
    cost = inference_cost(rows, energy_fj={"expert0": 10.0, "expert1": 20.0}, exact_fj=100.0, comparison_fj=7.0)
    by_layer = {layer.layer: layer for layer in cost.layers}
    assert by_layer["expert0"].energy_nj == pytest.approx(1e-6 * 64 / 3 * 10)
    assert by_layer["expert1"].energy_nj == pytest.approx(1e-6 * 128 / 3 * 20)
    assert by_layer["expert2"].multiplications == 0
    assert by_layer["expert2"].energy_fj == 100
    assert cost.multiplications == pytest.approx(6 + 64 + 4)
    assert cost.role_nj("gate") == pytest.approx(1e-6 * 6 * 100)
    assert cost.role_nj("shared") == pytest.approx(1e-6 * 4 * 100)
    assert cost.routing == Routing(comparisons=2, exponentials=0, weightings=0, additions=0)
    assert cost.routing_nj == pytest.approx(1e-6 * (600 + 14))
    experts = 64 / 3 * 10 + 128 / 3 * 20
    assert cost.energy_nj == pytest.approx(1e-6 * (600 + 14 + 400 + experts))


def test_memory_by_hand(image_experts: ImageExperts) -> None:
    rows = ExpertRows(graph=image_experts(1), by_gate={"gate": np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]])})
    cost = inference_cost(rows, energy_fj=1.0, exact_fj=1.0, comparison_fj=1.0)
    # 2 x 3 of the gate, 2 x 2 of each expert and of the head.
    assert [layer.weight_bytes for layer in cost.layers] == [6, 4, 4, 4, 4]
    assert cost.weight_bytes == 22
    assert cost.expert_bytes == 12
    assert cost.fetched_expert_bytes == pytest.approx(4)
    assert cost.fetched_bytes == pytest.approx(6 + 4 + 4)


def test_tokens_fetch_an_expert_once(token_experts: Graph) -> None:
    rows = ExpertRows(graph=token_experts, by_gate={"gate": np.array([[5, 0], [2, 3]])})
    cost = inference_cost(rows, energy_fj=1.0, exact_fj=1.0, comparison_fj=1.0)
    by_layer = {layer.layer: layer for layer in cost.layers}
    assert by_layer["up0"].fetched_bytes == by_layer["up0"].weight_bytes == 32
    assert by_layer["up1"].fetched_bytes == 16
    assert by_layer["up0"].multiplications == pytest.approx(32 * 3.5)
    assert cost.routing.comparisons == 5


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, Routing(comparisons=2, exponentials=0, weightings=0, additions=0)),
        (2, Routing(comparisons=3, exponentials=2, weightings=64, additions=32)),
        (3, Routing(comparisons=0, exponentials=3, weightings=96, additions=64)),
    ],
)
def test_routing_by_hand(image_experts: ImageExperts, k: int, expected: Routing) -> None:
    """An expert's output has 2 * 16 values."""
    rows = ExpertRows.balanced(image_experts(k))
    assert routing_operations(rows) == expected
    cost = inference_cost(rows, energy_fj=10.0, exact_fj=100.0, comparison_fj=7.0)
    assert cost.weightings_nj == pytest.approx(1e-6 * expected.weightings * 100)
    assert cost.energy_nj == pytest.approx(cost.layers_nj + cost.comparisons_nj + cost.weightings_nj)
    assert cost.layers_nj == pytest.approx(1e-6 * (6 * 100 + (k * 64 + 4) * 10))


def test_roles() -> None:
    graph = build_graph("vit_tiny", input_shape=(3, 32, 32), classes=10)
    roles = layer_roles(graph)
    assert {name for name, role in roles.items() if role == "attention"} == {
        f"block{block}_attention_{what}" for block in range(1, 13) for what in ("scores", "mix")
    }
    assert set(roles.values()) == {"attention", "shared"}
    roles = layer_roles(build_graph("resnet8_hard2", input_shape=(3, 32, 32), classes=10))
    assert roles["conv3_expert1"] == "expert"
    assert roles["conv3_gate_logits"] == "gate"
    assert roles["linear"] == "shared"
    assert all(role == "gate" for name, role in roles.items() if name.startswith("gateway"))


def test_a_dense_network_has_no_routing() -> None:
    graph = build_graph("resnet8", input_shape=(3, 32, 32), classes=10)
    cost = inference_cost(ExpertRows.balanced(graph), energy_fj=1000.0, exact_fj=1000.0, comparison_fj=50.0)
    assert cost.routing_nj == 0
    assert cost.expert_bytes == 0
    assert cost.energy_nj == pytest.approx(1e-6 * 1000 * sum(graph.multiplications.values()))
    assert (
        cost.weight_bytes
        == cost.fetched_bytes
        == sum(
            size
            for name, shape in graph.parameter_shapes.items()
            if "norm" not in name and name.endswith("weight")
            for size in [int(np.prod(shape))]
        )
    )


def test_energies_of_an_assignment(image_experts: ImageExperts) -> None:
    graph = image_experts(1)
    energies = np.array([100.0, 10.0])
    model = EnergyModel(
        kind="uniform", graph=graph, by_layer_fj={node.name: energies for node in graph.product_nodes}, exact=0
    )
    found = assigned_energies(model, {"expert0": np.asarray(1), "expert1": np.array([0, 1]), "head": np.asarray(0)})
    assert found == pytest.approx({"expert0": 10, "expert1": 55, "head": 100})


def test_what_is_refused(image_experts: ImageExperts) -> None:
    rows = ExpertRows.balanced(image_experts(1))
    for exact, comparison, what in ((-1.0, 1.0, "an exact product"), (1.0, float("inf"), "a comparison")):
        with pytest.raises(AxhwError, match=rf"^Expected a finite energy of at least 0 fJ for {what}, found "):
            inference_cost(rows, energy_fj=1.0, exact_fj=exact, comparison_fj=comparison)
    with pytest.raises(AxhwError, match=r"^Expected product layers of image_experts out of .*, found 'gate'\.$"):
        inference_cost(rows, energy_fj={"gate": 1.0}, exact_fj=1.0, comparison_fj=1.0)
