"""Every network of the zoo gives the same values in PyTorch as in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.nn.graph import Graph  # noqa: E402
from axhw.nn.network import Network  # noqa: E402
from axhw.nn.zoo.names import GRAPHS, build_graph  # noqa: E402
from axhw.train.torch_model import GraphModule, initial_parameters, to_network  # noqa: E402

SHAPES = {
    "digits_cnn": (1, 8, 8),
    "vgg11_bn": (3, 32, 32),
    "vgg19_bn": (3, 32, 32),
    "ds_cnn": (1, 49, 10),
    "vit_tiny": (3, 8, 8),
    "vit_small": (3, 16, 16),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_forward_equals_numpy(
    name: str, make_network: Callable[[Graph], Network], noise: Callable[..., np.ndarray]
) -> None:
    graph = build_graph(name, input_shape=SHAPES.get(name, (3, 16, 16)), classes=7)
    network = make_network(graph)
    images = noise(2, graph.input_shape)
    expected: dict[str, np.ndarray] = {}
    network.forward(images, observe=lambda tensor, value: expected.__setitem__(tensor, value))
    model = GraphModule(graph, network.parameters).eval()

    def check(tensor: str, value: torch.Tensor) -> None:
        scale = max(float(np.abs(expected[tensor]).max()), 1.0)
        np.testing.assert_allclose(value.numpy(), expected[tensor], rtol=0, atol=1e-4 * scale, err_msg=tensor)

    with torch.no_grad():
        model(torch.from_numpy(images), check)


def test_parameters_come_back_as_they_went_in(make_network: Callable[[Graph], Network]) -> None:
    network = make_network(build_graph("resnet8", input_shape=(3, 8, 8), classes=3))
    back = to_network(GraphModule(network.graph, network.parameters), ranges={"input": (-1.0, 2.0)})
    assert back.ranges == {"input": (-1.0, 2.0)}
    assert set(back.parameters) == set(network.parameters)
    for name, value in network.parameters.items():
        np.testing.assert_array_equal(back.parameters[name], value)


def test_training_moves_running_statistics_towards_the_batch(noise: Callable[..., np.ndarray]) -> None:
    graph = build_graph("resnet8", input_shape=(3, 8, 8), classes=3)
    parameters = initial_parameters(graph, seed=0)
    model = GraphModule(graph, parameters)
    images = torch.from_numpy(noise(16, (3, 8, 8)))
    seen: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        model(images, lambda name, value: seen.__setitem__(name, value))
    mean = seen["conv1"].mean(dim=(0, 2, 3))
    torch.testing.assert_close(model.tensor("conv1_norm.running_mean"), 0.1 * mean)
    # A network made before training keeps its own copy.
    kept = to_network(model)
    with torch.no_grad():
        model.tensor("conv1.weight").zero_()
    assert np.abs(kept.parameters["conv1.weight"]).min() > 0


def test_initial_parameters_depend_on_the_seed_alone() -> None:
    graph = build_graph("vit_tiny", input_shape=(3, 8, 8), classes=3)
    first, again, other = (initial_parameters(graph, seed=seed) for seed in (0, 0, 1))
    weight = "block1_fc1.weight"
    np.testing.assert_array_equal(first[weight], again[weight])
    assert not np.array_equal(first[weight], other[weight])
    assert first[weight].std() == pytest.approx(0.02, rel=0.05)
    assert (first["block1_norm1.weight"] == 1).all()
    assert (first["block1_fc1.bias"] == 0).all()


def test_weights_of_convolutions_keep_the_variance() -> None:
    graph = build_graph("vgg11_bn", input_shape=(3, 32, 32), classes=3)
    weight = initial_parameters(graph, seed=0)["conv4.weight"]
    assert weight.std() == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.02)
