"""Statistics of activations against those of the operands written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Builder
from axhw.nn.layers.products import Conv2d, Linear, MatMul
from axhw.nn.layers.shaping import Transpose
from axhw.nn.network import Network
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]


@pytest.mark.parametrize("signed", [True, False])
def test_statistics_are_those_of_the_operands(signed: bool) -> None:
    rng = np.random.default_rng(4)
    build = Builder("one", input_shape=(4, 5, 6))
    build("layer", Conv2d.square(4, 4, stride=2, groups=2))
    graph = build.graph()
    parameters = {name: rng.normal(size=shape) for name, shape in graph.parameter_shapes.items()}
    images = rng.normal(0.3, 1.0, (6, *graph.input_shape)).astype(np.float32)
    quantized = quantize_network(Network(graph=graph, parameters=parameters), images, signed=signed)
    found = operand_statistics(quantized, images, batch=4)["layer"]
    layer, zero = quantized.graph.weight_layers["layer"], int(quantized.input.zero_point)
    rows = layer.rows(quantized.input.encode(images), zero=zero).astype(np.int64)
    assert found.counts.shape == (2, 18, 256)
    assert found.positions == len(rows) == 6 * 3 * 3
    lowest = -128 if signed else 0
    assert np.array_equal(found.counts[1, 7], np.bincount(rows[:, 1, 7] - lowest, minlength=256))
    assert np.allclose(found.means, rows.mean(axis=0))
    for group in range(2):
        assert np.allclose(found.covariances[group], np.cov(rows[:, group].T, bias=True), atol=1e-6)
        alone = found.without_products().covariances[group]
        assert np.allclose(alone, np.diag(rows[:, group].var(axis=0)), atol=1e-6)
    once = operand_statistics(quantized, images, batch=100)["layer"]
    assert np.array_equal(found.counts, once.counts)
    assert found.products is not None
    assert once.products is not None
    assert np.array_equal(found.products, once.products)


def test_products_are_taken_of_layers_with_few_terms(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    network = quantized[True]
    terms = {name: layer.terms for name, layer in network.graph.weight_layers.items()}
    found = operand_statistics(network, splits.train.images[:2], most_terms=terms["conv2"])
    taken = {name for name, layer in found.items() if layer.products is not None}
    assert taken == {name for name, count in terms.items() if count <= terms["conv2"]} != set(terms)


def test_products_of_activations_have_none() -> None:
    build = Builder("attention", input_shape=(4, 6))
    query = build("query", Linear(in_features=6, out_features=5), INPUT)
    key = build("key", Transpose(axes=(1, 0)), build("rows", Linear(in_features=6, out_features=5), INPUT))
    build("scores", MatMul(), query, key)
    rng = np.random.default_rng(5)
    graph = build.graph()
    parameters = {name: rng.normal(size=shape) for name, shape in graph.parameter_shapes.items()}
    images = rng.normal(size=(3, 4, 6)).astype(np.float32)
    quantized = quantize_network(Network(graph=graph, parameters=parameters), images, signed=True)
    found = operand_statistics(quantized, images)
    assert {name: layer.positions for name, layer in found.items()} == {"query": 12, "rows": 12}


def test_statistics_see_what_tables_make_of_activations(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    images = splits.train.images[:8]
    table = make_table("evoapprox:mul8s_1L2N")
    exact, approximate = (operand_statistics(quantized[True], images, tables) for tables in (None, table))
    assert np.array_equal(exact["conv1"].counts, approximate["conv1"].counts)
    assert not np.array_equal(exact["conv2"].counts, approximate["conv2"].counts)


def test_bad_input_is_refused(quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable) -> None:
    network, images = quantized[True], splits.train.images[:4]
    with pytest.raises(AxhwError, match="at least one image to learn the errors of a network from, found none"):
        operand_statistics(network, images[:0])
    with pytest.raises(AxhwError, match="Expected a batch of at least 1 image, found -1"):
        operand_statistics(network, images, batch=-1)
    with pytest.raises(AxhwError, match=r"Expected images of shape \(1, 8, 8\) for digits_cnn"):
        operand_statistics(network, images[..., :7])
    with pytest.raises(AxhwError, match="Expected tables of signed operands"):
        operand_statistics(network, images, make_table("exact", signed=False))
