"""Names and structure of networks with experts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.layers.products import Conv2d
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.network import Network
from axhw.nn.weights_file import TrainedNetwork, load_shipped, read_weights, write_weights
from axhw.nn.zoo.moe import Mixture, parse_mixture
from axhw.nn.zoo.names import build_graph


def build(name: str, **options: int) -> object:
    return build_graph(name, input_shape=(3, 32, 32), classes=10)


@pytest.mark.parametrize(
    ("name", "base", "mixture"),
    [
        ("resnet20_hard4", "resnet20", Mixture(topology="hard", experts=4, k=1)),
        ("vgg11_bn_soft3", "vgg11_bn", Mixture(topology="soft", experts=3, k=3)),
        ("resnet20_cluster4_top2", "resnet20", Mixture(topology="cluster", experts=4, k=2)),
        ("vit_tiny_hard4_top2_r25", "vit_tiny", Mixture(topology="hard", experts=4, k=2, share=0.25)),
        ("vit_tiny_soft2_r100", "vit_tiny", Mixture(topology="soft", experts=2, k=2)),
    ],
)
def test_names_say_what_is_in_the_network(name: str, base: str, mixture: Mixture) -> None:
    assert parse_mixture(name) == (base, mixture)
    graph = build_graph(name, input_shape=(3, 32, 32), classes=10)
    dense = build_graph(base, input_shape=(3, 32, 32), classes=10)
    assert (graph.name, graph.output, graph.classes) == (name, dense.output, 10)
    gates = [node.layer for node in graph if isinstance(node.layer, Gate)]
    assert {gate.k for gate in gates} == {mixture.k}
    # With all experts alike, what runs for an image is k times the dense network, and gates.
    share = sum(graph.nominal_multiplications[node.name] for node in graph.product_nodes if node.route is not None)
    gated = {node.name for node in graph.gate_nodes}
    rest = sum(
        graph.multiplications[node.name]
        for node in graph.product_nodes
        if node.route is None and node.name not in gated
    )
    routed = sum(dense.multiplications.values()) - rest
    assert share == pytest.approx(mixture.k * routed)


@pytest.mark.parametrize(
    "name", ["resnet20", "vgg11_bn_", "resnet20_hard", "resnet20_hard4_r", "resnet20_4", "_soft2x"]
)
def test_other_names_are_no_mixtures(name: str) -> None:
    assert parse_mixture(name) is None


def test_convolutions_become_experts_that_share_a_gateway() -> None:
    graph = build_graph("resnet8_hard4", input_shape=(3, 32, 32), classes=10)
    dense = build_graph("resnet8", input_shape=(3, 32, 32), classes=10)
    assert [node.name for node in graph if node.name in dense.shapes] == [node.name for node in dense]
    assert all(graph.shapes[node.name] == dense.shapes[node.name] for node in dense)
    assert graph["conv3"].inputs == ("conv3_gate", *(f"conv3_expert{expert}" for expert in range(4)))
    assert graph["conv3_norm"].inputs == ("conv3",)
    assert isinstance(graph["conv3"].layer, Combine)
    assert graph["conv3_expert2"].layer == dense["conv3"].layer
    assert graph["conv3_expert2"].inputs == dense["conv3"].inputs
    assert graph["conv3_gate_logits"].inputs == graph["conv7_gate_logits"].inputs == ("gateway_flatten",)
    assert graph.shapes["gateway_relu2"] == (16, 8, 8)
    assert len([node for node in graph if node.name.startswith("gateway")]) == 9


def test_a_share_of_the_layers_is_spread_up_to_the_last() -> None:
    graph = build_graph("vit_tiny_hard4_r25", input_shape=(3, 32, 32), classes=10)
    assert [node.name for node in graph if isinstance(node.layer, Combine)] == [
        "block4_fc2",
        "block8_fc2",
        "block12_fc2",
    ]
    assert graph["block8_fc1_expert0"].inputs == ("block8_norm2",)
    assert graph["block8_fc2_gate_logits"].inputs == ("block8_norm2",)
    assert "block8_fc1" not in graph.shapes
    assert "block7_fc1" in graph.shapes
    half = build_graph("resnet8_hard2_r50", input_shape=(3, 32, 32), classes=10)
    dense = [node.name for node in half if isinstance(node.layer, Conv2d) and node.route is None]
    assert dense == ["gateway_conv1", "gateway_conv2", "conv1", "conv3", "conv5"]
    assert isinstance(half["conv7"].layer, Combine)


def test_a_cluster_is_copies_of_the_network() -> None:
    graph = build_graph("resnet8_cluster3", input_shape=(3, 32, 32), classes=10)
    dense = build_graph("resnet8", input_shape=(3, 32, 32), classes=10)
    assert graph["linear"].inputs == ("linear_gate", "copy0_linear", "copy1_linear", "copy2_linear")
    for copy in range(3):
        for node in dense:
            assert graph[f"copy{copy}_{node.name}"].layer == node.layer
            assert graph.shapes[f"copy{copy}_{node.name}"] == dense.shapes[node.name]


def test_networks_that_can_not_be_are_refused() -> None:
    with pytest.raises(
        AxhwError, match=r"Expected a network out of .*, or one with experts such as .*\(did you mean res"
    ):
        build("resnet20_hrd4")
    with pytest.raises(AxhwError, match=r"found 'resnt20_soft2_r50' \(did you mean resnet20_soft2_r50\?\)"):
        build("resnt20_soft2_r50")
    with pytest.raises(AxhwError, match="Expected at least 2 experts, found 1."):
        build("resnet20_hard1")
    with pytest.raises(AxhwError, match="Expected 1 to 4 experts for each row, found 5."):
        build("resnet20_hard4_top5")
    for percent in (0, 101):
        with pytest.raises(AxhwError, match=f"Expected experts in 1 to 100 % of the layers, found {percent} %."):
            build(f"resnet20_hard4_r{percent}")
    with pytest.raises(AxhwError, match="Expected a cluster of whole networks, found one of 50 % of the layers."):
        build("resnet20_cluster4_r50")
    with pytest.raises(
        AxhwError, match="Expected trained weights of resnet8_hard4 on digits; axhw comes with those of"
    ):
        load_shipped("resnet8_hard4", "digits")


def test_weights_come_back(tmp_path: Path) -> None:
    graph = build_graph("digits_cnn_hard2", input_shape=(1, 8, 8), classes=10)
    rng = np.random.default_rng(0)
    parameters = {name: rng.normal(size=shape).astype(np.float32) for name, shape in graph.parameter_shapes.items()}
    network = Network(graph=graph, parameters=parameters, ranges={"conv1_gate": (0.0, 1.0)})
    path = tmp_path / "net.safetensors"
    write_weights(path, TrainedNetwork(network=network, model="digits_cnn_hard2", data="digits"), folded=False)
    assert read_weights(path).network.graph == graph
