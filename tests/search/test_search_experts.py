"""Searches over experts: configurations evaluated with reuse equal evaluations from scratch."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.data import digits
from axhw.errors import AxhwError
from axhw.evaluation import Bench
from axhw.nn.compensation import Compensation
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.zoo.moe import mixture_of_experts, parse_mixture
from axhw.nn.zoo.names import build_graph
from axhw.nn.zoo.vit import vit
from axhw.search.assignment import Ids, layer_tables
from axhw.search.palette import Palette
from axhw.search.workbench import Workbench


def bench_of(graph: Graph) -> Bench:
    """A network with random weights, whose gates are balanced on the training images."""
    splits = digits.load()
    rng = np.random.default_rng(0)
    parameters = {}
    for name, shape in graph.parameter_shapes.items():
        deviation = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.2
        value = rng.uniform(0.5, 1.5, shape) if "var" in name else rng.normal(0.0, deviation, shape)
        parameters[name] = value.astype(np.float32)
    network = Network(graph=graph, parameters=parameters)

    def center(name: str, logits: np.ndarray) -> None:
        if name.endswith("gate_logits"):
            parameters[f"{name}.bias"] -= logits.reshape(-1, logits.shape[-1]).mean(axis=0)

    network.forward(splits.train.images[:100], observe=center)
    limited = type(splits)(
        train=splits.train.limited(24),
        validation=splits.validation.limited(20),
        test=splits.test.limited(20),
        augmentation=splits.augmentation,
    )
    return Bench(network=network, data=limited, weights="random")


@pytest.fixture(scope="module")
def images_bench() -> Bench:
    return bench_of(build_graph("digits_cnn_hard3", input_shape=(1, 8, 8), classes=10))


@pytest.fixture(scope="module")
def tokens_bench() -> Bench:
    dense = vit("vit", patch=4, features=12, blocks=1, heads=2, input_shape=(1, 8, 8), classes=10)
    found = parse_mixture("vit_hard3")
    assert found is not None
    return bench_of(mixture_of_experts(dense, found[1], name="vit_hard3"))


def choices(graph: Graph, palette: Palette) -> list[dict[str, Ids]]:
    """Configurations of layers that begin alike; gates are exact."""
    gates = {node.name for node in graph.gate_nodes}
    rng = np.random.default_rng(0)
    first, second = (
        {
            node.name: np.asarray(palette.exact if node.name in gates else rng.integers(0, len(palette)))
            for node in graph.product_nodes
        }
        for _ in range(2)
    )
    last = graph.product_nodes[-1].name
    return [first, second, {**first, last: second[last]}, first]


@pytest.mark.parametrize("compensate", [None, "bias", "affine"])
def test_experts_on_images(images_bench: Bench, palette: Palette, compensate: Compensation | None) -> None:
    check(images_bench, palette, compensate)


@pytest.mark.parametrize("compensate", [None, "bias"])
def test_experts_on_tokens(tokens_bench: Bench, palette: Palette, compensate: Compensation | None) -> None:
    check(tokens_bench, palette, compensate)


def check(bench: Bench, palette: Palette, compensate: Compensation | None) -> None:
    workbench = Workbench(bench=bench, palette=palette, compensate=compensate, threads=1)
    evaluator = workbench.evaluator(bench.data.test)
    configurations = choices(workbench.network.graph, palette)
    found = evaluator.evaluate(configurations)
    for choice, accuracy in zip(configurations, found):
        tables = {name: layer_tables(ids, palette.tables) for name, ids in choice.items()}
        expected = bench.evaluate_tables(tables, signed=True, compensate=compensate)
        assert accuracy == expected.approximate_accuracy
    assert evaluator.layers_reused > 0


def test_sums_of_other_rows_are_not_compared(tokens_bench: Bench, palette: Palette) -> None:
    workbench = Workbench(bench=tokens_bench, palette=palette, compensate="affine", threads=1)
    evaluator = workbench.evaluator(tokens_bench.data.test)
    with pytest.raises(AxhwError, match="Expected gates that choose as with exact products for an affine compensation"):
        evaluator.evaluate(choices(workbench.network.graph, palette))


def test_each_expert_has_a_gene_and_gates_have_none(images_bench: Bench, palette: Palette) -> None:
    workbench = Workbench(bench=images_bench, palette=palette, threads=1)
    space = workbench.space("layer")
    graph = workbench.network.graph
    gates = {node.name for node in graph.gate_nodes}
    assert set(space.options) == {node.name for node in graph.product_nodes} - gates
    assert workbench.uniform_energy.exact_nj == pytest.approx(
        1e-6 * palette.energies_fj[palette.exact] * sum(graph.nominal_multiplications.values())
    )
    predicted = space.predicted(space.exact())
    assert predicted[1] == pytest.approx(1.0)
