"""The networks of the zoo: their sizes, and the weights that come with them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.evaluate import evaluate
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.weights_file import TrainedNetwork, load_shipped, read_weights, shipped_weights, write_weights
from axhw.nn.zoo.mobilenet import ds_cnn
from axhw.nn.zoo.names import GRAPHS, build_graph
from axhw.nn.zoo.resnet import resnet
from axhw.nn.zoo.vgg import vgg_bn
from axhw.nn.zoo.vit import vit, vit_small, vit_tiny

WEIGHTS = resources.files("axhw.nn") / "weights"


def parameter_count(name: str, shape: tuple[int, ...], classes: int) -> int:
    shapes = build_graph(name, input_shape=shape, classes=classes).parameter_shapes
    return sum(math.prod(shape) for local, shape in shapes.items() if "running" not in local)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "parameters"),
    [
        # He et al. 2016, table 6: 0.27 M and 0.46 M.
        ("resnet20", (3, 32, 32), 10, 269_722),
        ("resnet32", (3, 32, 32), 10, 464_154),
        ("resnet8", (3, 32, 32), 10, 75_290),
        # torchvision's vgg11_bn without its three linear layers, and one of 512 x 10.
        ("vgg11_bn", (3, 32, 32), 10, 9_225_984 + 5130),
        # DeiT-Ti has 5.7 M, 0.6 M of them in its larger patches and 1000 classes.
        ("vit_tiny", (3, 32, 32), 10, 5_362_762),
    ],
)
def test_sizes_are_the_published_ones(name: str, shape: tuple[int, ...], classes: int, parameters: int) -> None:
    assert parameter_count(name, shape, classes) == parameters


def test_resnet8_has_the_multiplications_of_max_dnn() -> None:
    counts = resnet(8).multiplications
    convolutions = [count for name, count in counts.items() if name.startswith("conv")]
    assert convolutions == [442_368, 2_359_296, 2_359_296, 1_179_648, 2_359_296, 1_179_648, 2_359_296]
    assert sum(convolutions) == 12_238_848


def test_multiplications_of_larger_networks() -> None:
    # 40.55 million of the convolutions, 640 of the linear layer.
    assert sum(resnet(20).multiplications.values()) == 40_550_400 + 640
    # Zhang et al. 2017: DS-CNN S does 5.4 million operations an inference, 2.7 million multiplications.
    assert sum(ds_cnn().multiplications.values()) == pytest.approx(2.66e6, rel=0.02)
    products = vit_small().multiplications
    assert sum(count for name, count in products.items() if "scores" in name or "mix" in name) < 0.05 * sum(
        products.values()
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_every_network_can_be_built_for_other_images(name: str) -> None:
    shape = (2, 32, 32) if "vit" not in name else (2, 16, 16)
    graph = build_graph(name, input_shape=shape, classes=7)
    assert (graph.name, graph.classes, graph.input_shape) == (name, 7, shape)


def test_a_block_of_a_vit_is_pre_norm() -> None:
    graph = vit("v", patch=2, features=8, blocks=1, heads=2, input_shape=(1, 4, 4), classes=3)
    assert graph["block1_norm1"].inputs == ("position",)
    assert graph["block1_add1"].inputs == ("block1_attention_project", "position")
    assert graph["block1_add2"].inputs == ("block1_fc2", "block1_add1")
    assert graph.shapes["block1_attention_scores"] == (2, 5, 5)


def test_networks_that_can_not_be_are_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected a network out of digits_cnn, .*, found 'resnet_20' \(did you"):
        build_graph("resnet_20", input_shape=(3, 32, 32), classes=10)
    with pytest.raises(AxhwError, match="Expected a ResNet depth of 6 n \\+ 2, e.g. 8, 20 or 32, found 18"):
        resnet(18)
    with pytest.raises(AxhwError, match="Expected a VGG depth out of 11, 13, 16, 19, found 12"):
        vgg_bn(12)
    with pytest.raises(AxhwError, match="Expected images of at least 32 pixels a side for VGG"):
        vgg_bn(11, input_shape=(3, 28, 28))
    with pytest.raises(AxhwError, match="Expected images in multiples of the patch of 4 pixels"):
        vit_tiny(input_shape=(3, 30, 30))
    with pytest.raises(AxhwError, match="Expected features in multiples of the 3 heads, found 8"):
        vit("v", patch=2, features=8, blocks=1, heads=3)


def test_shipped_weights_are_small() -> None:
    sizes = [len((WEIGHTS / name).read_bytes()) for name in shipped_weights().values()]
    assert max(sizes) < 2_000_000
    assert sum(sizes) < 10_000_000


@pytest.mark.parametrize(("model", "data"), shipped_weights())
def test_shipped_weights_are_those_of_their_log(model: str, data: str) -> None:
    log = (WEIGHTS / f"{model}-{data}.log").read_text(encoding="utf-8")
    trained = load_shipped(model, data)
    assert (trained.model, trained.data) == (model, data)
    digest = hashlib.sha256((WEIGHTS / f"{model}-{data}.safetensors").read_bytes()).hexdigest()
    assert f"weights sha256: {digest}" in log


def test_accuracies_of_the_digits_are_those_of_the_log(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    log = (WEIGHTS / "digits_cnn-digits.log").read_text(encoding="utf-8")
    stated = [float(value) for value in re.findall(r"^final weights.*: test accuracy ([\d.]+)$", log, re.MULTILINE)]
    signed, unsigned = (evaluate(quantized[kind], splits.test, None) for kind in (True, False))
    assert stated == [signed.float_accuracy, signed.exact_accuracy, unsigned.exact_accuracy]
    assert signed.float_accuracy is not None
    assert signed.float_accuracy >= 0.98
    assert min(signed.exact_accuracy, unsigned.exact_accuracy) >= signed.float_accuracy - 0.005


def test_weights_come_back(tmp_path: Path) -> None:
    graph = resnet(8, input_shape=(1, 8, 8), classes=3)
    rng = np.random.default_rng(0)
    parameters = {name: rng.normal(size=shape).astype(np.float32) for name, shape in graph.parameter_shapes.items()}
    network = Network(graph=graph, parameters=parameters, ranges={"relu1": (0.0, 2.5)})
    path = tmp_path / "net.safetensors"
    write_weights(path, TrainedNetwork(network=network, model="resnet8", data="noise"), folded=False)
    back = read_weights(path)
    assert (back.model, back.data) == ("resnet8", "noise")
    assert back.network.graph == graph
    assert back.network.ranges == network.ranges
    assert all(np.array_equal(back.network.parameters[name], parameters[name]) for name in parameters)


def test_weights_that_are_not_there_are_refused() -> None:
    with pytest.raises(AxhwError, match="Expected trained weights of vgg19_bn on digits; axhw comes with .*digits"):
        load_shipped("vgg19_bn", "digits")


def test_unreadable_weights_are_refused(tmp_path: Path, network: Network) -> None:
    with pytest.raises(AxhwError, match=r"Expected weights at .*none.safetensors: No such file"):
        read_weights(tmp_path / "none.safetensors")
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes((WEIGHTS / "digits_cnn-digits.safetensors").read_bytes()[:1000])
    with pytest.raises(AxhwError, match=r"Expected a safetensors file at .*truncated.safetensors, found something"):
        read_weights(truncated)
    other = tmp_path / "other.safetensors"
    save_file(dict(network.parameters), other)
    with pytest.raises(AxhwError, match=r"Expected .*other.safetensors to say which network it holds"):
        read_weights(other)
    header = {"model": "digits_cnn", "data": "x", "input_shape": [1, 8, 8], "classes": 9, "folded": True, "ranges": {}}
    save_file(dict(network.parameters), other, metadata={"axhw": json.dumps(header)})
    with pytest.raises(AxhwError, match=r"Expected shape \(9,\) for the parameter linear.bias, found \(10,\)"):
        read_weights(other)
