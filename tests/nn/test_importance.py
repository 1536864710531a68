"""Importance of outputs: exact where the network behind them is linear."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Node
from axhw.nn.importance import output_importance
from axhw.nn.layer_sums import SumExecutor
from axhw.nn.quantized import QuantizedNetwork


def test_the_last_layer_makes_the_logits(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    """An error e in one of C sums changes the logits, less their mean, by (1 - 1 / C) (unit e)^2 in all."""
    for network in quantized.values():
        own = output_importance(network, splits.train.images[:64])["linear"]
        unit = network.products["linear"].unit.astype(np.float64)
        expected = unit**2 * (1 - 1 / 10) / 10
        np.testing.assert_allclose(own.shift, expected, rtol=0.02)
        np.testing.assert_allclose(own.noise, expected, rtol=0.6)


def test_biases_moved_by_hand(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    network, images = quantized[True], splits.train.images[:16]
    own = output_importance(network, images)["conv2"]
    output = int(np.argmax(own.shift))
    moved = np.zeros(24, np.int64)
    # As large as the errors that importance is measured with.
    sums: list[float] = []
    run = SumExecutor(network)
    run(images, observe=lambda node, inputs, _: sums.append(_deviation(run, node, inputs, output)))
    error = max(sums)
    moved[output] = round(error)
    exact, changed = (Executor(some)(images) for some in (network, network.with_bias_added({"conv2": moved})))
    change = changed - exact
    change = change - change.mean(axis=1, keepdims=True)
    assert own.shift[output] * moved[output] ** 2 == pytest.approx(float((change**2).mean()), rel=0.1)


def _deviation(run: SumExecutor, node: Node, inputs: tuple[Value, ...], output: int) -> float:
    """Of the errors that conv2 is disturbed with."""
    if node.name != "conv2":
        return 0.0
    return float(np.sqrt(0.1 * run.sums(node, inputs[0])[:, output].var()))


def test_grouped_outputs_share_an_importance(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    network, images = quantized[True], splits.train.images[:8]
    own = output_importance(network, images, most_outputs=4)["conv2"]
    assert own.noise.shape == (24,)
    assert len(set(own.noise.tolist())) == 4


def test_no_images_tell_nothing(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    with pytest.raises(AxhwError, match="Expected at least one image to learn"):
        output_importance(quantized[True], splits.train.images[:0])
