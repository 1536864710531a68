"""Sums of single layers, and moments of pairs of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Node
from axhw.nn.layer_sums import SumExecutor, SumMoments
from axhw.nn.quantized import QuantizedNetwork
from axhw.sim.product_table import ProductTable


def test_moments_of_parts_add_up() -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(-(2**20), 2**20, (300, 4)).astype(np.int32)
    sums = reference // 2 + rng.integers(-5000, 9000, (300, 4), dtype=np.int32)
    found = SumMoments.of(sums[:100], reference[:100]) + SumMoments.of(sums[100:], reference[100:])
    assert found.positions == 300
    assert np.allclose(found.mean_error, (sums - reference).mean(axis=0), rtol=1e-12)
    assert np.allclose(found.variance, sums.var(axis=0), rtol=1e-9)
    assert np.allclose(found.reference_variance, reference.var(axis=0), rtol=1e-9)
    expected = [np.cov(x, y, bias=True)[0, 1] for x, y in zip(sums.T, reference.T)]
    assert np.allclose(found.covariance, expected, rtol=1e-9)


@pytest.mark.parametrize("signed", [True, False])
def test_sums_are_those_that_become_logits(
    signed: bool, quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: Callable[..., ProductTable]
) -> None:
    network = quantized[signed]
    run = SumExecutor(network, make_table("bam:ha=1,v=5", signed=signed))
    seen: dict[str, tuple[Value, Value]] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        seen[node.name] = (inputs[0], output)

    run(splits.validation.images[:3], observe=observe)
    product, (x, logits) = network.products["linear"], seen["linear"]
    sums = run.sums(network.graph["linear"], x)
    assert np.array_equal((sums + product.constant).astype(np.float32) * product.unit, logits)
    x, codes = seen["conv2"]
    sums = run.sums(network.graph["conv2"], x)
    assert sums.shape == (codes.size // codes.shape[1], codes.shape[1])
    assert np.array_equal(run.run(network.graph["conv2"], (x,)), codes)


def test_a_corrected_layer_is_that_of_a_corrected_network(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: Callable[..., ProductTable]
) -> None:
    network, table, images = quantized[True], make_table("evoapprox:mul8s_1L2L"), splits.validation.images[:20]
    run = SumExecutor(network, table)
    for name in ("conv2", "linear"):
        product = network.products[name]
        scale = product.weights.scale * np.float32(1.25)
        weights = dataclasses.replace(product.weights, scale=scale)
        run.correct(name, dataclasses.replace(product, bias=product.bias + 500, weights=weights))
        assert np.array_equal(run(images), Executor(run.network, table)(images))
    assert not np.array_equal(run(images), Executor(network, table)(images))
