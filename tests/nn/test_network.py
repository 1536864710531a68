"""The float network, and batch norms folded into it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.nn.fold import fold_batch_norms, folded_graph
from axhw.nn.graph import INPUT, Builder, Graph
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.joins import Add
from axhw.nn.layers.norms import BatchNorm2d
from axhw.nn.layers.pooling import MaxPool2d
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten
from axhw.nn.network import Network


def tiny() -> Graph:
    build = Builder("tiny", input_shape=(1, 2, 2))
    build("conv", Conv2d.square(1, 1))
    build("relu", Relu())
    build("pool", MaxPool2d.square(2))
    build("flat", Flatten())
    build("fc", Linear(in_features=1, out_features=2))
    return build.graph()


def parameters(**changes: npt.NDArray[np.floating]) -> Mapping[str, npt.NDArray[np.floating]]:
    kernel = np.array([[0, 0, 0], [0, 1, 10], [0, 100, 1000]], np.float32)
    base = {
        "conv.weight": kernel[None, None],
        "conv.bias": np.array([-5000.0]),
        "fc.weight": np.array([[2.0], [-1.0]]),
        "fc.bias": np.array([0.5, 0.0]),
    }
    return {**base, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_logits_by_hand() -> None:
    image = np.array([[[[6.0, 2.0], [3.0, 4.0]]]])
    # Sums: 6 + 20 + 300 + 4000 = 4326, and less elsewhere; all below the bias, so ReLU leaves 0.
    network = Network(graph=tiny(), parameters=parameters())
    assert network.forward(image).tolist() == [[0.5, 0.0]]
    lifted = Network(graph=tiny(), parameters=parameters(conv__bias=np.array([-4000.0])))
    assert lifted.forward(image).tolist() == [[652.5, -326.0]]
    assert network.forward(image).dtype == np.float32
    assert network.forward(image, dtype=np.float64).dtype == np.float64


def test_tensors_are_observed_in_order() -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []
    network = Network(graph=tiny(), parameters=parameters())
    network.forward(np.zeros((3, 1, 2, 2)), observe=lambda name, x: seen.append((name, x.shape)))
    assert seen == [
        (INPUT, (3, 1, 2, 2)),
        ("conv", (3, 1, 2, 2)),
        ("relu", (3, 1, 2, 2)),
        ("pool", (3, 1, 1, 1)),
        ("flat", (3, 1)),
        ("fc", (3, 2)),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc__weight": np.zeros((1, 2))}, r"Expected shape \(2, 1\) for the parameter fc.weight, found \(1, 2\)"),
        ({"fc__bias": np.array([0.0, np.nan])}, "Expected finite values for the parameter fc.bias, found NaN"),
        ({"fc__bias": np.array([0, 1])}, "Expected real values for the parameter fc.bias, found int64"),
        ({"bn__weight": np.zeros(1)}, "fc.bias for tiny, found bn.weight beside them"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change: dict[str, npt.NDArray[np.floating]], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Network(graph=tiny(), parameters=parameters(**change))


def test_a_missing_parameter_is_named() -> None:
    incomplete = {name: value for name, value in parameters().items() if name != "conv.bias"}
    with pytest.raises(AxhwError, match=r"Expected the parameters conv.weight, .* for tiny, found conv.bias missing"):
        Network(graph=tiny(), parameters=incomplete)


def test_ranges_are_of_tensors() -> None:
    with pytest.raises(AxhwError, match="Expected ranges of tensors of tiny, found one of 'conv9'"):
        Network(graph=tiny(), parameters=parameters(), ranges={"conv9": (0.0, 1.0)})


def normed() -> Network:
    """Batch norms behind a convolution with and one without bias, behind each other, and behind a sum."""
    build = Builder("normed", input_shape=(2, 6, 6))
    build("conv1", Conv2d.square(2, 3))
    build("norm1", BatchNorm2d(channels=3))
    x = build("norm2", BatchNorm2d(channels=3))
    build("relu", Relu())
    y = build("conv2", Conv2d.square(3, 3, bias=False))
    y = build("norm3", BatchNorm2d(channels=3), y)
    build("add", Add(), y, x)
    build("norm4", BatchNorm2d(channels=3))
    build("flat", Flatten())
    build("fc", Linear(in_features=108, out_features=4))
    graph = build.graph()
    rng = np.random.default_rng(2)
    values = {
        name: rng.uniform(0.5, 2.0, shape) if name.endswith("running_var") else rng.normal(size=shape)
        for name, shape in graph.parameter_shapes.items()
    }
    return Network(graph=graph, parameters=values, ranges={"norm2": (-1.0, 1.0), INPUT: (0.0, 1.0)})


def test_folding_keeps_the_function() -> None:
    network = normed()
    folded = fold_batch_norms(network)
    assert [node.name for node in folded.graph] == ["conv1", "relu", "conv2", "add", "norm4", "flat", "fc"]
    assert not any(isinstance(node.layer, BatchNorm2d) for node in folded.graph)
    assert folded.graph == folded_graph(network.graph)
    assert folded.ranges == {"conv1": (-1.0, 1.0), INPUT: (0.0, 1.0)}
    images = np.random.default_rng(3).normal(size=(5, 2, 6, 6))
    expected = network.forward(images, dtype=np.float64)
    assert np.allclose(folded.forward(images, dtype=np.float64), expected, rtol=1e-4, atol=1e-4)
    assert fold_batch_norms(folded) is folded


def test_a_convolution_that_others_read_is_left_alone() -> None:
    build = Builder("shared", input_shape=(1, 4, 4))
    x = build("conv", Conv2d.square(1, 1))
    y = build("norm", BatchNorm2d(channels=1))
    build("add", Add(), x, y)
    folded = folded_graph(build.graph())
    assert [node.name for node in folded] == ["conv", "norm", "add"]
    norm = folded["norm"].layer
    assert isinstance(norm, Conv2d)
    assert norm.kernel == (1, 1)
