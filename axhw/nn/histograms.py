"""Operand statistics of a network's layers: what their multipliers really see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, Codes
from axhw.emulate.histogram import operand_histogram
from axhw.nn.assignment import Tables
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Node
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.products import MatMul
from axhw.nn.network import Images
from axhw.nn.operand_statistics import observe_all
from axhw.nn.quantized import QuantizedNetwork


def operand_histograms(
    network: QuantizedNetwork, images: Images, tables: Tables | None = None, *, batch: int = 16
) -> dict[str, npt.NDArray[np.int64]]:
    """How often each pair of codes is multiplied, by product node.

    Parameters
    ----------
    network : QuantizedNetwork
    images : float array, shape (B, *input_shape)
    tables : ProductTable or mapping, optional
        With approximate tables, later layers see what those make of the activations.
    batch : int
        Images at a time.

    Returns
    -------
    dict of node name to int64 array, shape (256, 256)
        Indexed like a table, activation (or first operand) first; each sums to the node's multiplications times the
        images, in experts times the rows chosen for them: all rows where none is.
    """
    counts = {node.name: np.zeros((CODE_COUNT, CODE_COUNT), np.int64) for node in network.graph.product_nodes}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        counts[node.name] += operand_histogram(*product_operands(network, node, inputs))

    observe_all(Executor(network, tables), images, observe, layers=tuple(counts), batch=batch)
    return counts


def product_operands(network: QuantizedNetwork, node: Node, inputs: tuple[Value, ...]) -> tuple[Codes, Codes]:
    """The matrices [M, K] and [K, N] whose scalar products have the operand pairs of a product node.

    Groups of a convolution, and the matrices of a stack, lie behind each other on the axis K: which activation meets
    which weight stays right, and only that counts here.
    """
    layer = node.layer
    if isinstance(layer, WeightLayer):
        zero = int(network.codings[node.inputs[0]].zero_point)
        rows: Codes = layer.rows(_codes(inputs[0]), zero=zero)
        weights: Codes = layer.weight_matrices(network.products[node.name].codes)
        return rows.reshape(len(rows), -1), weights.reshape(-1, weights.shape[-1])
    assert isinstance(layer, MatMul)
    first, second = (_codes(value).reshape(-1, *value.shape[-2:]) for value in inputs)
    a = first.transpose(1, 0, 2).reshape(first.shape[1], -1)
    return a, second.reshape(-1, second.shape[-1])


def _codes(value: Value) -> Codes:
    codes: Codes = value
    return codes
