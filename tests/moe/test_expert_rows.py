from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.data.dataset import Dataset
from axhw.data.normalization import Normalization
from axhw.errors import AxhwError
from axhw.moe.rows import ExpertRows
from axhw.nn.evaluate import evaluate
from axhw.nn.graph import INPUT, Builder, Graph, Route
from axhw.nn.layers.products import Linear
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.network import Network
from axhw.nn.quantizer import quantize_network
from axhw.nn.zoo.names import build_graph

ImageExperts = Callable[[int], Graph]


def with_random_parameters(graph: Graph, rng: np.random.Generator) -> Network:
    parameters = {name: rng.normal(size=shape).astype(np.float32) for name, shape in graph.parameter_shapes.items()}
    return Network(graph=graph, parameters=parameters)


def test_balanced_images_take_turns(image_experts: ImageExperts) -> None:
    rows = ExpertRows.balanced(image_experts(1))
    assert rows.images == 3
    counts = rows.by_gate["gate"]
    np.testing.assert_array_equal(counts.sum(axis=1), 1)
    np.testing.assert_array_equal(counts.sum(axis=0), 1)
    assert rows.used("expert0") == pytest.approx(1 / 3)
    assert rows.used("head") == 1
    np.testing.assert_array_equal(rows.of("head"), [1, 1, 1])
    assert rows.multiplications == pytest.approx(
        {"gate_logits": 6, "expert0": 64 / 3, "expert1": 64 / 3, "expert2": 64 / 3, "head": 4}
    )


def test_balanced_tokens_take_turns(token_experts: Graph) -> None:
    rows = ExpertRows.balanced(token_experts)
    assert sorted(rows.by_gate["gate"].tolist()) == [[2, 3], [3, 2]]
    assert rows.multiplications == {
        "gate_logits": 40, "up0": 80, "down0": 80, "up1": 80, "down1": 80, "head": 40,
    }  # fmt: skip


def linear_experts(*, tokens: int, gates: list[tuple[int, int]]) -> Graph:
    build = Builder("experts", input_shape=(tokens, 3))
    x = INPUT
    for number, (experts, k) in enumerate(gates):
        build(f"logits{number}", Linear(in_features=3, out_features=experts), x)
        gate = build(f"gate{number}", Gate(k=k))
        outputs = [
            build(
                f"expert{number}_{expert}",
                Linear(in_features=3, out_features=3),
                x,
                route=Route(gate=gate, expert=expert),
            )
            for expert in range(experts)
        ]
        x = build(f"mixed{number}", Combine(), gate, *outputs)
    return build.graph()


@settings(max_examples=50)
@given(
    tokens=st.integers(1, 9),
    gates=st.lists(
        st.integers(2, 5).flatmap(lambda experts: st.tuples(st.just(experts), st.integers(1, experts))),
        min_size=1,
        max_size=3,
    ),
)
def test_balanced_rows_are_the_nominal_ones(tokens: int, gates: list[tuple[int, int]]) -> None:
    graph = linear_experts(tokens=tokens, gates=gates)
    rows = ExpertRows.balanced(graph)
    assert rows.multiplications == pytest.approx(graph.nominal_multiplications)
    for number, (_, k) in enumerate(gates):
        counts = rows.by_gate[f"gate{number}"]
        np.testing.assert_array_equal(counts.sum(axis=1), tokens * k)
        assert counts.max() <= tokens
        assert counts.max() - counts.min() <= 1


def test_a_network_without_experts_is_one_image() -> None:
    graph = build_graph("digits_cnn", input_shape=(1, 8, 8), classes=10)
    rows = ExpertRows.balanced(graph)
    assert rows.images == 1
    assert rows.multiplications == graph.multiplications


@pytest.mark.parametrize("signed", [True, False])
def test_executed_rows_are_those_of_the_gate(image_experts: ImageExperts, signed: bool) -> None:
    rng = np.random.default_rng(3)
    graph = image_experts(1)
    network = with_random_parameters(graph, rng)
    images = rng.normal(size=(40, 2, 4, 4)).astype(np.float32)
    quantized = quantize_network(network, images, signed=signed)
    rows = ExpertRows.executed(quantized, images, batch=7)
    assert rows.images == 40
    np.testing.assert_array_equal(rows.by_gate["gate"].sum(axis=1), 1)
    # Codes of logits may tie where real values don't.
    pooled = images.mean(axis=(2, 3))
    logits = pooled @ network.parameters["gate_logits.weight"].T + network.parameters["gate_logits.bias"]
    assert np.mean(rows.by_gate["gate"].argmax(axis=1) == logits.argmax(axis=1)) > 0.9


@pytest.mark.parametrize("k", [1, 2, 3])
def test_executed_rows_agree_with_evaluation(image_experts: ImageExperts, k: int) -> None:
    rng = np.random.default_rng(5)
    network = with_random_parameters(image_experts(k), rng)
    pixels = 3 * rng.normal(size=(24, 2, 4, 4)).astype(np.float32)
    data = Dataset(
        name="random",
        split="test",
        seed=0,
        pixels=pixels,
        labels=np.zeros(24, np.int64),
        classes=("a", "b"),
        normalization=Normalization(mean=(0.0, 0.0), std=(1.0, 1.0), scale=1.0),
    )
    quantized = quantize_network(network, pixels, signed=True)
    rows = ExpertRows.executed(quantized, data.images)
    found = evaluate(quantized, data, None, threads=1)
    assert rows.multiplications == pytest.approx(found.layer_multiplications)


def test_executed_tokens_each_have_an_expert(token_experts: Graph) -> None:
    rng = np.random.default_rng(5)
    images = rng.normal(size=(24, 5, 4)).astype(np.float32)
    quantized = quantize_network(with_random_parameters(token_experts, rng), images, signed=False)
    counts = ExpertRows.executed(quantized, images, batch=5).by_gate["gate"]
    np.testing.assert_array_equal(counts.sum(axis=1), 5)
    assert len(np.unique(counts)) > 2


def test_networks_of_the_zoo() -> None:
    graph = build_graph("resnet8_hard4", input_shape=(3, 32, 32), classes=10)
    rows = ExpertRows.balanced(graph)
    assert rows.images == 4
    assert rows.multiplications == pytest.approx(graph.nominal_multiplications)


def test_what_is_refused(image_experts: ImageExperts) -> None:
    graph = image_experts(1)
    with pytest.raises(AxhwError, match=r"^Expected rows of the gates gate of image_experts, found those of none\.$"):
        ExpertRows(graph=graph, by_gate={})
    with pytest.raises(AxhwError, match=r"^Expected rows of shape \(4, 3\) for gate of image_experts, found \(4, 2\)"):
        ExpertRows(graph=graph, by_gate={"gate": np.zeros((4, 2), np.int64)})
    with pytest.raises(AxhwError, match=r"^Expected rows of shape \(images, 3\) for gate"):
        ExpertRows(graph=graph, by_gate={"gate": np.zeros((0, 3), np.int64)})
    for wrong in (np.full((1, 3), 2), np.full((1, 3), -1), np.zeros((1, 3))):
        with pytest.raises(AxhwError, match=r"^Expected numbers of rows from 0 to 1 for gate, found others\.$"):
            ExpertRows(graph=graph, by_gate={"gate": wrong})
    quantized = quantize_network(
        with_random_parameters(graph, np.random.default_rng(0)), np.ones((1, 2, 4, 4), np.float32), signed=True
    )
    with pytest.raises(AxhwError, match=r"^Expected at least one image to count the rows of image_experts with"):
        ExpertRows.executed(quantized, np.zeros((0, 2, 4, 4), np.float32))
