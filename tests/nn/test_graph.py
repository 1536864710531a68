"""Graphs: shapes, order, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Builder, Graph, Node
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.joins import Add
from axhw.nn.layers.products import Conv2d, Linear, MatMul
from axhw.nn.layers.shaping import Flatten, Reshape


def residual() -> Graph:
    build = Builder("residual", input_shape=(2, 4, 4))
    x = build("conv", Conv2d.square(2, 2))
    build("relu", Relu())
    y = build("conv2", Conv2d.square(2, 2))
    build("add", Add(), y, x)
    build("flat", Flatten())
    build("fc", Linear(in_features=32, out_features=5))
    return build.graph()


def test_a_builder_chains_nodes() -> None:
    graph = residual()
    assert [node.inputs for node in graph] == [
        (INPUT,),
        ("conv",),
        ("relu",),
        ("conv2", "conv"),
        ("add",),
        ("flat",),
    ]
    assert graph.shapes["add"] == (2, 4, 4)
    assert (graph.output, graph.classes) == ("fc", 5)


def test_products_are_counted() -> None:
    graph = residual()
    assert graph.multiplications == {"conv": 16 * 2 * 18, "conv2": 16 * 2 * 18, "fc": 160}
    assert list(graph.weight_layers) == ["conv", "conv2", "fc"]


def test_tensors_die_with_their_last_use() -> None:
    graph = residual()
    assert graph.last_use["relu"] == ()
    assert graph.last_use["conv2"] == ("relu",)
    assert set(graph.last_use["add"]) == {"conv", "conv2"}
    assert [node.name for node in graph.consumers["conv"]] == ["relu", "add"]


def test_a_product_of_activations_is_a_product_node_without_weights() -> None:
    build = Builder("attention", input_shape=(3, 4))
    build("turned", Reshape(shape=(4, 3)))
    build("scores", MatMul(), INPUT, "turned")
    graph = build.graph()
    assert graph.multiplications == {"scores": 36}
    assert not graph.weight_layers


def node(name: str, *inputs: str) -> Node:
    return Node(name=name, layer=Relu(), inputs=inputs)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((), "Expected at least one layer in bad, found none"),
        ((node("a", "b"),), "Expected the inputs of a to be made before it, found 'b'"),
        ((node("a", INPUT), node("a", "a")), "Expected a name of its own for each node of bad, found 'a' twice"),
        ((node("a", INPUT, INPUT),), "Expected 1 inputs for a, found 2"),
        (
            (Node(name="fc", layer=Linear(in_features=3, out_features=1), inputs=(INPUT,)),),
            r"In fc of bad: Expected 3 features on the last axis, found the shape \(4,\)",
        ),
    ],
)
def test_graphs_that_do_not_fit_are_refused(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Graph(name="bad", input_shape=(4,), nodes=nodes)


def test_an_output_that_is_no_row_of_logits_has_no_classes() -> None:
    graph = Graph(name="image", input_shape=(1, 2, 2), nodes=(node("relu", INPUT),))
    with pytest.raises(AxhwError, match=r"Expected one axis of logits out of image, found the shape \(1, 2, 2\)"):
        _ = graph.classes


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 2, 4, 5)), r"Expected images of shape \(2, 4, 4\) for residual, found an array of shape"),
        (np.zeros((1, 2, 4, 4), np.uint8), "Expected normalised images as real values for residual, found uint8"),
        (np.full((1, 2, 4, 4), np.nan), "Expected finite pixel values for residual, found NaN"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        residual().check_images(images)
