"""The module gives the integers of the numpy executor, node by node, and straight-through gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.errors import AxhwError, VerificationError  # noqa: E402
from axhw.nn.executor import Executor  # noqa: E402
from axhw.nn.graph import INPUT, Builder, Graph, Node  # noqa: E402
from axhw.nn.layers.activations import Elementwise, Relu  # noqa: E402
from axhw.nn.layers.products import Conv2d, Linear  # noqa: E402
from axhw.nn.layers.shaping import Flatten  # noqa: E402
from axhw.nn.network import Network  # noqa: E402
from axhw.nn.quantizer import quantize_network  # noqa: E402
from axhw.nn.zoo.names import build_graph  # noqa: E402
from axhw.nn.zoo.vit import vit  # noqa: E402
from axhw.train.quantization_aware import QuantizedModule  # noqa: E402

SCHEMES = [(True, None), (True, False), (False, None)]
SMALL_VIT = vit("small", patch=4, features=24, blocks=2, heads=3, input_shape=(3, 8, 8), classes=5)


def gated() -> Graph:
    """Functions with tables, two inputs of one layer, and an asymmetric convolution."""
    build = Builder("gated", input_shape=(2, 9, 7))
    conv = Conv2d(in_channels=2, out_channels=6, kernel=(3, 2), stride=(2, 1), padding=(0, 1, 1, 0))
    x = build("conv", conv, INPUT)
    y = build("act", Elementwise(function="hard_swish"), x)
    build("depthwise", Conv2d.square(6, 6, groups=6), y)
    build("silu", Elementwise(function="silu"))
    build("flatten", Flatten())
    build("linear", Linear(in_features=6 * 4 * 7, out_features=4, bias=False))
    return build.graph()


def graph_of(name: str) -> Graph:
    if name == "small_vit":
        return SMALL_VIT
    if name == "wide":
        # Sums past 2**24, which float32 can't hold.
        build = Builder("wide", input_shape=(600, 3, 3))
        build("conv", Conv2d.square(600, 3), INPUT)
        build("relu", Relu())
        build("flatten", Flatten())
        build("linear", Linear(in_features=27, out_features=2))
        return build.graph()
    if name == "gated":
        return gated()
    shape = {"digits_cnn": (1, 8, 8), "ds_cnn": (1, 25, 10)}.get(name, (3, 8, 8))
    return build_graph(name, input_shape=shape, classes=5)


@pytest.mark.parametrize(("signed", "symmetric"), SCHEMES)
@pytest.mark.parametrize(
    "name", ["digits_cnn", "resnet8", "resnet20", "mobilenet", "ds_cnn", "small_vit", "gated", "wide"]
)
def test_integers_equal_the_executor(
    name: str,
    signed: bool,
    symmetric: bool | None,
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., np.ndarray],
) -> None:
    network = make_network(graph_of(name))
    images = noise(2, network.graph.input_shape)
    network = calibrated(network, images, signed=signed, symmetric=symmetric)
    compare(
        QuantizedModule(network, signed=signed, symmetric=symmetric),
        Executor(quantize_network(network, images, signed=signed, symmetric=symmetric)),
        images,
    )


def test_one_scale_for_all_weights_of_a_layer(
    make_network: Callable[[Graph], Network], calibrated: Callable[..., Network], noise: Callable[..., np.ndarray]
) -> None:
    network = make_network(graph_of("digits_cnn"))
    images = noise(2, network.graph.input_shape)
    network = calibrated(network, images, signed=True)
    executor = Executor(quantize_network(network, images, signed=True, per_channel=False))
    compare(QuantizedModule(network, signed=True, per_channel=False), executor, images)


def test_vanishing_channels_keep_their_bias(noise: Callable[..., np.ndarray]) -> None:
    build = Builder("tiny", input_shape=(3,))
    build("linear1", Linear(in_features=3, out_features=2), INPUT)
    build("relu", Relu())
    build("linear2", Linear(in_features=2, out_features=2))
    parameters = {
        "linear1.weight": np.array([[1, 2, 3], [1e-20, 0, 0]], np.float32),
        "linear1.bias": np.array([0.1, 0.7], np.float32),
        "linear2.weight": np.array([[1, 2], [0, 0]], np.float32),
        "linear2.bias": np.array([0.0, -0.3], np.float32),
    }
    ranges = {"input": (-2.0, 2.0), "relu": (0.0, 8.0)}
    network = Network(graph=build.graph(), parameters=parameters, ranges=ranges)
    images = noise(50, (3,))
    for signed in (True, False):
        executor = Executor(quantize_network(network, images, signed=signed))
        compare(QuantizedModule(network, signed=signed), executor, images)


def compare(module: QuantizedModule, executor: Executor, images: np.ndarray) -> None:
    """All tensors bit by bit; the module cuts off at once what a clip behind a sum or a mean will cut off."""
    graph = module.graph
    expected: dict[str, np.ndarray] = {}
    logits = executor(images, observe=lambda node, inputs, output: expected.__setitem__(node.name, np.array(output)))
    compared = []

    def check(node: Node, found: torch.Tensor) -> None:
        consumers = graph.consumers[node.name]
        if len(consumers) == 1 and isinstance(consumers[0].layer, Relu):
            return
        np.testing.assert_array_equal(found.numpy(), expected[node.name], err_msg=node.name)
        compared.append(node.name)

    with torch.no_grad():
        found = module(torch.from_numpy(images), check)
    np.testing.assert_array_equal(found.numpy(), logits)
    assert graph.output in compared


def test_gradients_are_those_of_the_real_network_where_codes_are_fine(
    make_network: Callable[[Graph], Network], noise: Callable[..., np.ndarray]
) -> None:
    network = make_network(graph_of("gated"))
    images = noise(8, network.graph.input_shape)
    ranges = {"input": (-6.0, 6.0), "conv": (-9.0, 9.0), "act": (-1.0, 9.0), "depthwise": (-9.0, 9.0)}
    module = QuantizedModule(replace(network, ranges={**ranges, "silu": (-1.0, 9.0)}), signed=True)
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=(8, 4)).astype(np.float32))
    for forward in (module, module.model):
        (forward(torch.from_numpy(images)) * direction).sum().backward()
        for name in network.parameters:
            tensor = module.model.tensor(name)
            if forward is module:
                kept = tensor.grad.clone()
                tensor.kept = kept
                tensor.grad = None
            else:
                cosine = torch.cosine_similarity(tensor.kept.flatten(), tensor.grad.flatten(), dim=0)
                assert cosine > 0.995, name
                assert tensor.kept.norm() / tensor.grad.norm() == pytest.approx(1, abs=0.05), name


def test_ranges_follow_the_activations_until_they_are_fixed(
    make_network: Callable[[Graph], Network], calibrated: Callable[..., Network], noise: Callable[..., np.ndarray]
) -> None:
    network = make_network(graph_of("resnet8"))
    images = noise(4, network.graph.input_shape)
    network = calibrated(network, images, signed=True)
    wide = replace(network, ranges={name: (low - 20, high + 20) for name, (low, high) in network.ranges.items()})
    module = QuantizedModule(wide, signed=True).train()
    batch = torch.from_numpy(images)
    assert module.follow_ranges(True)
    for _ in range(400):
        module(batch)
    assert not module.follow_ranges(True)
    assert module.follow_ranges(False)
    followed = module.ranges
    extremes: dict[str, tuple[float, float]] = {}
    network.forward(
        images, observe=lambda name, value: extremes.__setitem__(name, (float(value.min()), float(value.max())))
    )
    for name, (low, high) in followed.items():
        scale = max(-extremes[name][0], extremes[name][1])
        assert low == pytest.approx(extremes[name][0], abs=0.15 * scale + 0.3), name
        assert high == pytest.approx(extremes[name][1], abs=0.15 * scale + 0.3), name
    module(batch)
    assert module.ranges == followed
    executor = Executor(quantize_network(module.network(), images, signed=True))
    compare(module, executor, images)


def test_missing_ranges_are_refused(make_network: Callable[[Graph], Network]) -> None:
    network = make_network(graph_of("digits_cnn"))
    with pytest.raises(AxhwError, match="Expected the ranges of all tensors of digits_cnn, found none of input."):
        QuantizedModule(network, signed=True)


def test_order_of_weights_in_memory_changes_nothing(
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., np.ndarray],
) -> None:
    network = make_network(graph_of("digits_cnn"))
    images = noise(4, network.graph.input_shape)
    fixed = calibrated(network, images, signed=True)
    modules = [QuantizedModule(fixed, signed=True) for _ in range(2)]
    modules[1].to(memory_format=torch.channels_last)
    batch = torch.from_numpy(images)
    logits = [module(batch) for module in modules]
    assert torch.equal(*logits)
    for found in logits:
        torch.nn.functional.cross_entropy(found, torch.arange(4)).backward()
    for (name, first), (_, second) in zip(*(module.named_parameters() for module in modules)):
        torch.testing.assert_close(first.grad, second.grad, msg=name)


def test_a_wrong_kernel_is_found_out(
    make_network: Callable[[Graph], Network],
    calibrated: Callable[..., Network],
    noise: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = make_network(graph_of("digits_cnn"))
    images = noise(2, network.graph.input_shape)
    module = QuantizedModule(calibrated(network, images, signed=True), signed=True)
    batch = torch.from_numpy(images)
    module.check_sums(batch)
    from axhw.train import quantization_aware

    exact = quantization_aware.exact_sums

    def rounded(*operands: object, **bounds: int) -> torch.Tensor:
        return exact(*operands, **bounds).to(torch.float16).to(torch.float32)

    monkeypatch.setattr(quantization_aware, "exact_sums", rounded)
    with pytest.raises(VerificationError, match="Expected exact sums of products in conv1 on cpu, found some off by"):
        module.check_sums(batch)
