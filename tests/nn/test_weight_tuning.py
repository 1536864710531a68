"""Tuned weights against their definition, written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.evaluate import evaluate
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.weight_tuning import activation_histogram, tuned, tuned_tables, weight_map
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]


@pytest.mark.parametrize("signed", [True, False])
def test_no_other_code_errs_less(make_table: MakeTable, signed: bool) -> None:
    table = make_table("roup:p=2,r=3", signed=signed)
    frequency = np.random.default_rng(0).integers(0, 5, 256)
    for weights in (np.ones(256), frequency):
        codes = table.operand_codes()
        cost = np.array([[weights @ np.abs(codes * w - table.values[:, v]) for v in range(256)] for w in codes[::17]])
        chosen = weight_map(table, None if weights is not frequency else frequency)[::17]
        np.testing.assert_array_equal(cost[np.arange(len(cost)), chosen], cost.min(axis=1))
        own = np.arange(256)[::17]
        kept = cost[np.arange(len(cost)), own] == cost.min(axis=1)
        np.testing.assert_array_equal(chosen[kept], own[kept])


def test_an_exact_multiplier_keeps_its_weights(make_table: MakeTable) -> None:
    table = make_table("exact")
    assert tuned(table) is table


def test_a_tuned_table_has_the_products_of_the_codes_given(make_table: MakeTable) -> None:
    table = make_table("evoapprox:mul8s_1L2L")
    found = tuned(table)
    np.testing.assert_array_equal(found.values, table.values[:, weight_map(table)])
    assert (found.name, found.source["weights_tuned"]) == ("evoapprox_v2022_mul8s_1L2L_tuned", "plain")
    error, before = (np.abs(own.values - own.exact()).mean() for own in (found, table))
    assert error < before


def test_the_histogram_of_a_layer_counts_what_it_multiplies(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    network, images = quantized[True], splits.train.images[:16]
    statistics = operand_statistics(network, images)
    for name, layer in network.graph.weight_layers.items():
        products = network.multiplications[name] // (layer.outputs // layer.groups)
        assert activation_histogram(statistics, name).sum() == len(images) * products
    table = make_table("evoapprox:mul8s_1L2N")
    accuracy = {
        method: evaluate(
            network,
            splits.test,
            tuned_tables(network.graph, statistics, table, method=method, signed=True),
        ).approximate_accuracy
        for method in ("plain", "histogram")
    }
    untuned = evaluate(network, splits.test, table).approximate_accuracy
    assert accuracy["histogram"] > untuned


def test_bad_input(quantized: dict[bool, QuantizedNetwork], make_table: MakeTable) -> None:
    table = make_table("roup:p=2,r=3")
    graph = quantized[True].graph
    with pytest.raises(AxhwError, match="Expected a weight tuning out of plain, histogram, found 'other'"):
        tuned_tables(graph, {}, table, method="other", signed=True)  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="Expected operand statistics of conv1, found those of none"):
        tuned_tables(graph, {}, table, method="histogram", signed=True)
    with pytest.raises(AxhwError, match="Expected how often each of 256 activation codes occurs, found .* 0 to 0"):
        weight_map(table, np.zeros(256))
    with pytest.raises(AxhwError, match="Expected an 8-bit multiplier to tune weights for, found 4 bits"):
        weight_map(make_table("exact", width=4))
