"""Networks with experts: rows that are chosen give what all rows would, in real values and in codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.assignment import approximated_layers, assign
from axhw.nn.calibrate import Calibration, measure_ranges
from axhw.nn.evaluate import batch_size, evaluate
from axhw.nn.executor import Executor
from axhw.nn.fold import fold_batch_norms
from axhw.nn.graph import INPUT, Builder, Graph, Node, Route
from axhw.nn.histograms import operand_histograms
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.joins import Add
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.routing import Combine, Gate, chosen_rows
from axhw.nn.layers.shaping import Flatten
from axhw.nn.network import Network
from axhw.nn.quantizer import quantize_network, range_sources
from axhw.nn.zoo.moe import mixture_of_experts, parse_mixture
from axhw.nn.zoo.names import build_graph
from axhw.nn.zoo.vit import vit
from axhw.sim.product_table import ProductTable

Images = np.ndarray
MakeNetwork = Callable[..., Network]
SHAPE = (3, 8, 8)
SMALL_VIT = vit("vit", patch=4, features=24, blocks=2, heads=3, input_shape=SHAPE, classes=5)
NAMES = [
    "resnet8_hard4",
    "resnet8_soft3",
    "digits_cnn_hard3_top2_r50",
    "digits_cnn_cluster3",
    "vit_hard3",
    "vit_hard4_top2",
]


def graph_of(name: str) -> Graph:
    if name.startswith("vit"):
        found = parse_mixture(name)
        assert found is not None
        return mixture_of_experts(SMALL_VIT, found[1], name=name)
    return build_graph(name, input_shape=SHAPE, classes=5)


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(1).normal(size=(7, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_chosen_rows_give_what_all_rows_would(name: str, random_network: MakeNetwork, images: Images) -> None:
    network = random_network(graph_of(name), images)
    sparse, dense = (network.forward(images, dtype=np.float64, dense=dense) for dense in (False, True))
    np.testing.assert_allclose(sparse, dense, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "signed"), [*((name, True) for name in NAMES), ("digits_cnn_hard3_top2_r50", False), ("vit_hard3", False)]
)
def test_codes_of_chosen_rows_are_those_of_all_rows(
    name: str, signed: bool, random_network: MakeNetwork, images: Images, make_table: Callable[..., ProductTable]
) -> None:
    network = quantize_network(random_network(graph_of(name), images), images, signed=signed)
    run = Executor(network, make_table("roup:p=1,r=4", signed=signed))
    seen: dict[str, np.ndarray] = {}
    logits = run(images, observe=lambda node, inputs, output: seen.__setitem__(node.name, np.array(output)))

    def compare(node: Node, inputs: object, output: np.ndarray) -> None:
        if node.route is not None:
            zero = int(network.codings[node.route.gate].zero_point)
            output = output[chosen_rows(seen[node.route.gate], node.route.expert, zero=zero)]
            if not len(output):
                assert node.name not in seen
                return
        assert np.array_equal(output, seen[node.name]), node.name

    assert np.array_equal(run(images, observe=compare, dense=True), logits)
    assert np.array_equal(np.concatenate([run(image[None]) for image in images]), logits)
    rows = [len(seen[node.name]) for node in network.graph if node.route is not None and node.name in seen]
    assert rows
    if "soft" not in name:
        # Otherwise nothing was sparse here.
        assert len(set(rows)) > 1


def test_experts_without_rows_do_not_run(random_network: MakeNetwork, images: Images) -> None:
    network = random_network(graph_of("digits_cnn_hard2"))
    parameters = dict(network.parameters)
    for layer in ("conv1", "conv2", "conv3"):
        parameters[f"{layer}_gate_logits.weight"] = np.zeros_like(parameters[f"{layer}_gate_logits.weight"])
        parameters[f"{layer}_gate_logits.bias"] = np.array([0.0, 1.0], np.float32)
    network = replace(network, parameters=parameters)
    seen: list[str] = []
    network.forward(images, observe=lambda name, values: seen.append(name))
    assert "conv2_expert1" in seen
    assert "conv2_expert0" not in seen
    # Ranges of idle experts come from all rows, so every image finds codes.
    quantized = quantize_network(network, images, signed=True)
    counts = operand_histograms(quantized, images)
    assert all(counts[f"conv2_expert{expert}"].sum() == 16 * 24 * 9 * 64 * len(images) for expert in (0, 1))
    done: list[str] = []
    Executor(quantized)(images, observe=lambda node, inputs, output: done.append(node.name))
    assert "conv2_expert0" not in done
    first = quantized.graph.shapes["conv2_expert0"]
    assert first == (24, 8, 8)


def test_gates_have_the_range_of_weights(random_network: MakeNetwork, images: Images) -> None:
    network = fold_batch_norms(random_network(graph_of("resnet8_soft3")))
    found = measure_ranges(
        network,
        images,
        tensors=["conv3_gate", "conv3"],
        calibration=Calibration(method="percentile", percentile=90.0),
        signed=True,
        symmetric=None,
    )
    assert found["conv3_gate"] == (0.0, 1.0)
    assert found["conv3"] != (0.0, 1.0)


def test_experts_of_which_one_is_chosen_share_a_coding() -> None:
    hard, soft, cluster = (
        range_sources(fold_batch_norms_of(graph_of(name)))
        for name in ("resnet8_hard2", "resnet8_soft2", "resnet8_cluster2")
    )
    assert {hard["conv2_expert0"], hard["conv2_expert1"], hard["conv2"], hard["relu2"]} == {"relu2"}
    assert hard["conv3_expert1"] == hard["conv3"] == "conv3"
    assert soft["conv2_expert1"] == "conv2_expert1"
    assert soft["conv2"] == "relu2"
    # The logits of copies are real, as those of the network.
    assert not {"copy0_linear", "copy1_linear", "linear"} & set(cluster)
    assert cluster["copy1_conv2"] == "copy1_relu2"


def fold_batch_norms_of(graph: Graph) -> Graph:
    zeros = {name: np.ones(shape, np.float32) for name, shape in graph.parameter_shapes.items()}
    return fold_batch_norms(Network(graph=graph, parameters=zeros)).graph


@pytest.mark.parametrize("name", ["resnet8_hard4", "resnet8_soft3", "resnet8_cluster2"])
def test_batch_norms_behind_experts_become_part_of_them(name: str, random_network: MakeNetwork, images: Images) -> None:
    network = random_network(graph_of(name), images)
    folded = fold_batch_norms(network)
    assert not any(isinstance(node.layer, BatchNorm2d) for node in folded.graph)
    # That of the gateway follows no convolution.
    assert set(folded.graph.weight_layers) == {*network.graph.weight_layers, "gateway_norm"}
    np.testing.assert_allclose(folded.forward(images), network.forward(images), rtol=1e-4, atol=1e-5)


def test_a_batch_norm_behind_experts_that_others_take_is_a_layer_of_its_own(
    random_network: MakeNetwork, images: Images
) -> None:
    build = Builder("shared", input_shape=SHAPE)
    experts = image_experts(build, lambda: Conv2d.square(3, 4))
    x = build("both", Combine(), "gate", *experts)
    build("norm", BatchNorm2d(channels=4), x)
    y = build("relu", Relu(), x)
    build("flatten", Flatten(), "norm")
    build("flat", Flatten(), y)
    build("add", Add(), "flatten", "flat")
    network = random_network(build.graph())
    folded = fold_batch_norms(network)
    assert isinstance(folded.graph["norm"].layer, Conv2d)
    np.testing.assert_allclose(folded.forward(images), network.forward(images), rtol=1e-4, atol=1e-5)


def image_experts(build: Builder, layer: Callable[[], Conv2d], *, experts: int = 2) -> list[str]:
    build("flat_image", Flatten(), INPUT)
    build("logits", Linear(in_features=192, out_features=experts))
    build("gate", Gate(k=1))
    return [build(f"e{number}", layer(), INPUT, route=Route(gate="gate", expert=number)) for number in range(experts)]


def test_multiplications_are_those_of_a_row_of_an_image_or_of_what_was_done(
    random_network: MakeNetwork, splits: Splits
) -> None:
    graph = build_graph("digits_cnn_hard3", input_shape=(1, 8, 8), classes=10)
    dense = build_graph("digits_cnn", input_shape=(1, 8, 8), classes=10)
    assert graph.multiplications["conv2_expert1"] == dense.multiplications["conv2"]
    assert graph.nominal_multiplications["conv2_expert1"] == dense.multiplications["conv2"] / 3
    assert graph.nominal_multiplications["linear"] == 1280
    assert isinstance(graph.nominal_multiplications["linear"], int)
    assert (graph.most_rows("conv2_expert1"), graph.nominal_rows("conv2_expert1")) == (1, 1 / 3)
    data = splits.test.limited(50)
    images = splits.train.images[:50]
    network = quantize_network(random_network(graph, images), images, signed=True)
    rows = dict.fromkeys(network.graph.multiplications, 0)

    def count(node: Node, inputs: object, output: np.ndarray) -> None:
        if node.name in rows:
            rows[node.name] += len(output)

    Executor(network)(data.images, observe=count)
    energies = {name: 100.0 + number for number, name in enumerate(rows)}
    result = evaluate(network, data, None, energy_fj=energies, batch=16)
    assert sum(rows[f"conv2_expert{expert}"] for expert in range(3)) == 50
    assert max(rows[f"conv2_expert{expert}"] for expert in range(3)) < 50
    expected = {name: network.graph.multiplications[name] * done / 50 for name, done in rows.items()}
    assert result.layer_multiplications == expected
    assert result.multiplications == pytest.approx(sum(network.graph.nominal_multiplications.values()))
    assert result.energy_nj == pytest.approx(1e-6 * sum(energies[name] * expected[name] for name in expected))


def test_multiplications_of_tokens() -> None:
    graph = graph_of("vit_hard4_top2")
    tokens = 5
    assert graph.shapes["block2_fc2_gate"] == (tokens, 4)
    assert graph.shapes["block2_fc1_expert3"] == (96,)
    assert graph.multiplications["block2_fc1_expert3"] == 24 * 96
    assert graph.nominal_multiplications["block2_fc1_expert3"] == tokens * 24 * 96 / 2
    assert (graph.most_rows("block2_fc1_expert3"), graph.nominal_rows("block2_fc1_expert3")) == (tokens, 2.5)
    assert batch_size(graph) == batch_size(SMALL_VIT) == 256


def test_gates_multiply_exactly_unless_named(make_table: Callable[..., ProductTable]) -> None:
    table = make_table("roup:p=1,r=4")
    graph = graph_of("resnet8_hard2")
    gates = {node.name for node in graph.gate_nodes}
    assert {"gateway_conv1", "gateway_norm1", "gateway_pool", "conv3_gate_logits", "conv3_gate"} < gates
    assert not {"conv3", "conv3_expert0", "linear"} & gates
    named = set(assign(table, graph=graph, signed=True))
    assert named == set(approximated_layers(graph)) == {node.name for node in graph.product_nodes} - gates
    assert set(assign({"gateway_conv1": table}, graph=graph, signed=True)) == {"gateway_conv1"}
    tokens = graph_of("vit_hard2")
    assert "block1_attention_scores" in approximated_layers(tokens, attention=True)
    assert "block1_attention_scores" not in approximated_layers(tokens)
    assert "block1_norm2" not in {node.name for node in tokens.gate_nodes}
    assert not SMALL_VIT.gate_nodes


def test_experts_that_do_not_fit_are_refused() -> None:
    def graph(finish: Callable[[Builder, list[str]], object], **options: int) -> Graph:
        build = Builder("net", input_shape=SHAPE)
        finish(build, image_experts(build, lambda: Conv2d.square(3, 4), **options))
        return build.graph()

    route = Route(gate="gate", expert=0)
    with pytest.raises(AxhwError, match=r"Expected a Combine behind the experts of gate, found the end of net."):
        graph(lambda build, experts: None)
    with pytest.raises(
        AxhwError, match=r"In relu of net: Expected a Combine behind the experts of gate, found one take e1"
    ):
        graph(lambda build, experts: build("relu", Relu()))
    with pytest.raises(AxhwError, match=r"Expected the experts of gate in their order, found e1, e0."):
        graph(lambda build, experts: build("both", Combine(), "gate", *reversed(experts)))
    with pytest.raises(AxhwError, match=r"Expected an expert for each weight of the shape \(2,\), found 1."):
        graph(lambda build, experts: build("both", Combine(), "gate", experts[0]))
    with pytest.raises(AxhwError, match=r"Expected inputs of expert 0 of gate or of none, found e1."):
        graph(lambda build, experts: build("relu", Relu(), "e1", route=route))
    with pytest.raises(AxhwError, match=r"Expected an expert from 0 to 1 of gate, found 2."):
        graph(lambda build, experts: build("relu", Relu(), INPUT, route=Route(gate="gate", expert=2)))
    with pytest.raises(AxhwError, match=r"Expected experts of a Gate, found those of logits."):
        graph(lambda build, experts: build("relu", Relu(), INPUT, route=Route(gate="logits", expert=0)))
    with pytest.raises(AxhwError, match=r"Expected experts of a Gate, found those of input."):
        graph(lambda build, experts: build("both", Combine(), INPUT, *experts))
    with pytest.raises(AxhwError, match=r"Expected the inputs of relu to be made before it, found 'later'."):
        graph(lambda build, experts: build("relu", Relu(), INPUT, route=Route(gate="later", expert=0)))
    with pytest.raises(
        AxhwError, match=r"Expected experts without gates of their own, found one in an expert of gate."
    ):
        graph(lambda build, experts: build("inner", Gate(k=1), "logits", route=route))
    build = Builder("tokens", input_shape=(4, 6))
    build("logits", Linear(in_features=6, out_features=2))
    build("gate", Gate(k=1))
    build("flat", Flatten(), INPUT)
    build("e0", Linear(in_features=24, out_features=2), "flat", route=route)
    with pytest.raises(
        AxhwError, match=r"In e0 of tokens: Expected tensors of \(4,\) tokens, as gate has, found \(24,\) in"
    ):
        build.graph()
