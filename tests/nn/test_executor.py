"""The integer network against one written out: every product looked up on its own, rounding step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import INPUT, Builder, Graph, Node
from axhw.nn.histograms import operand_histograms
from axhw.nn.layers.activations import Clip, Elementwise, Relu
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.joins import Add
from axhw.nn.layers.pooling import GlobalAvgPool, MaxPool2d
from axhw.nn.layers.products import Conv2d, Linear, MatMul
from axhw.nn.layers.shaping import Flatten, Reshape, Transpose
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]
Choice = Mapping[str, LayerTables]


def small_graph() -> Graph:
    """A residual block with stride, groups and dilation, a clip, and codes of zero that are not 0."""
    build = Builder("small", input_shape=(2, 7, 6))
    build("conv1", Conv2d(in_channels=2, out_channels=4, kernel=(3, 2), padding=(1, 0, 1, 1)))
    x = build("pool", MaxPool2d(kernel=(2, 2), stride=(1, 1)))
    y = build("depthwise", Conv2d.square(4, 4, groups=4))
    y = build("clip", Clip(low=-0.5, high=1.5), y)
    y = build(
        "grouped", Conv2d(in_channels=4, out_channels=4, kernel=(2, 2), groups=2, dilation=(1, 2), padding=(1, 1, 0, 1))
    )
    build("add", Add(), y, x)
    build("relu", Relu())
    build("strided", Conv2d.square(4, 6, stride=2))
    build("gelu", Elementwise(function="gelu"))
    build("mean", GlobalAvgPool())
    build("flat", Flatten())
    build("fc", Linear(in_features=6, out_features=3))
    return build.graph()


def attention_graph() -> Graph:
    build = Builder("attention", input_shape=(4, 6))
    build("query", Linear(in_features=6, out_features=6), INPUT)
    query = build("query_heads", Transpose(axes=(1, 0, 2)), build("query_split", Reshape(shape=(4, 2, 3))))
    build("key", Linear(in_features=6, out_features=6), INPUT)
    key = build("key_heads", Transpose(axes=(1, 2, 0)), build("key_split", Reshape(shape=(4, 2, 3))))
    build("scores", MatMul(scale=0.5), query, key)
    build("flat", Flatten())
    build("fc", Linear(in_features=32, out_features=3))
    return build.graph()


def random_network(graph: Graph, seed: int) -> tuple[Network, npt.NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    parameters = {name: rng.normal(size=shape) for name, shape in graph.parameter_shapes.items()}
    # Off centre, so that no zero point is that of a symmetric range.
    images = rng.normal(0.3, 1.0, (30, *graph.input_shape)).astype(np.float32)
    return Network(graph=graph, parameters=parameters), images


def looked_up(choice: LayerTables, index: tuple[int, ...], a: npt.NDArray[np.int64], w: int) -> npt.NDArray[np.int64]:
    """Products of activations with one weight, whose table is that of its filter or kernel."""
    number = choice.table_of[index[: choice.table_of.ndim]]
    table = choice.tables[int(number)]
    return table.values[a - table.lowest, w - table.lowest].astype(np.int64)


def sums_by_hand(
    network: QuantizedNetwork, node: Node, x: npt.NDArray[np.int64], choice: LayerTables
) -> npt.NDArray[np.int64]:
    """Corrected sums [B, O, H, W], or [B, ..., O] of a linear layer."""
    product, layer = network.products[node.name], node.layer
    zero_a = int(product.source.zero_point)
    linear, before = isinstance(layer, Linear), x.shape[:-1]
    if linear:
        x = x.reshape(-1, x.shape[-1], 1, 1)
    kernel, stride, dilation, groups = (1, 1), (1, 1), (1, 1), 1
    if isinstance(layer, Conv2d):
        kernel, stride, dilation, groups = layer.kernel, layer.stride, layer.dilation, layer.groups
        top, left, bottom, right = layer.padding
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=zero_a)
    weights = product.codes.reshape(*product.codes.shape[:2], *kernel)
    height, width = ((side - (k - 1) * d - 1) // s + 1 for side, k, d, s in zip(x.shape[2:], kernel, dilation, stride))
    outputs, inputs = weights.shape[:2]
    result = np.zeros((len(x), outputs, height, width), np.int64)
    for o, c, u, v in itertools.product(range(outputs), range(inputs), *map(range, kernel)):
        channel = o // (outputs // groups) * inputs + c
        rows = slice(u * dilation[0], u * dilation[0] + (height - 1) * stride[0] + 1, stride[0])
        columns = slice(v * dilation[1], v * dilation[1] + (width - 1) * stride[1] + 1, stride[1])
        a, w, zero_w = x[:, channel, rows, columns], int(weights[o, c, u, v]), int(product.zero_points[o])
        result[:, o] += looked_up(choice, (o, c), a, w) - zero_w * a - zero_a * w + zero_a * zero_w
    result += product.bias[:, None, None]
    return result[:, :, 0, 0].reshape(*before, -1) if linear else result


def forward_by_hand(
    network: QuantizedNetwork, images: npt.NDArray[np.float32], choice: Choice
) -> npt.NDArray[np.float32]:
    """The whole network; layers without products by decoding, computing and encoding."""
    values: dict[str, npt.NDArray[np.generic]] = {INPUT: network.input.encode(images)}
    for node in network.graph:
        inputs = [values[name] for name in node.inputs]
        target = network.codings.get(node.name)
        if isinstance(node.layer, WeightLayer):
            sums = sums_by_hand(network, node, inputs[0].astype(np.int64), choice[node.name])
            sides = (-1, 1, 1) if sums.ndim == 4 else (-1,)
            unit = network.products[node.name].unit.reshape(sides)
            if target is None:
                values[node.name] = sums.astype(np.float32) * unit
            else:
                ratio = (unit / target.scale).astype(np.float32)
                values[node.name] = target.saturate(np.rint(sums.astype(np.float32) * ratio) + target.zero_point)
        elif isinstance(node.layer, MatMul):
            first, second = (network.codings[name] for name in node.inputs)
            a, b = (value.astype(np.int64) for value in inputs)
            sums = np.zeros((*a.shape[:-1], b.shape[-1]), np.int64)
            for k in range(a.shape[-1]):
                x, y = a[..., k, None], b[..., k, :][..., None, :]
                table = choice[node.name].tables[0]
                sums += table.values[x - table.lowest, y - table.lowest]
                sums += -first.zero_point * y - second.zero_point * x + first.zero_point * second.zero_point
            assert target is not None
            ratio = np.float32(first.scale * second.scale * np.float32(node.layer.scale)) / target.scale
            values[node.name] = target.saturate(np.rint(sums.astype(np.float32) * ratio) + target.zero_point)
        else:
            decoded = [network.codings[name].decode(value) for name, value in zip(node.inputs, inputs)]
            assert target is not None
            values[node.name] = target.encode(node.layer.forward(*decoded, parameters={}))
    return values[network.graph.output].astype(np.float32)


def choose(graph: Graph, *tables: ProductTable, level: str = "layer", seed: int = 0) -> dict[str, LayerTables]:
    """Tables for every product layer, at random for its filters or kernels."""
    rng = np.random.default_rng(seed)
    chosen = {}
    for node in graph.product_nodes:
        layer, shape = node.layer, ()
        if isinstance(layer, WeightLayer):
            shape = {"layer": (), "filter": (layer.outputs,), "kernel": (layer.outputs, layer.channels)}[level]
        chosen[node.name] = LayerTables(tables=tables, table_of=np.asarray(rng.integers(0, len(tables), shape)))
    return chosen


@pytest.mark.parametrize("level", ["layer", "filter", "kernel"])
@pytest.mark.parametrize("signed", [True, False])
def test_equals_the_network_written_out(level: str, signed: bool, make_table: MakeTable) -> None:
    network, images = random_network(small_graph(), seed=7)
    quantized = quantize_network(network, images, signed=signed)
    texts = ["evoapprox:mul8s_1L2J", "roup:p=1,r=4", "exact"] if signed else ["bam:ha=1,hb=3,v=5", "exact", "drum:k=4"]
    choice = choose(quantized.graph, *(make_table(text, signed=signed) for text in texts), level=level)
    assert np.array_equal(Executor(quantized, choice)(images), forward_by_hand(quantized, images, choice))


@pytest.mark.parametrize(("signed", "symmetric"), [(True, True), (True, False), (False, None)])
def test_exact_products_need_no_table(signed: bool, symmetric: bool | None, make_table: MakeTable) -> None:
    network, images = random_network(small_graph(), seed=8)
    quantized = quantize_network(network, images, signed=signed, symmetric=symmetric)
    choice = choose(quantized.graph, make_table("exact", signed=signed))
    found = Executor(quantized)(images)
    assert np.array_equal(found, forward_by_hand(quantized, images, choice))
    assert np.array_equal(found, Executor(quantized, choice)(images))
    expected = network.forward(images)
    assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()


@pytest.mark.parametrize("signed", [True, False])
def test_products_of_activations_go_through_tables(signed: bool, make_table: MakeTable) -> None:
    network, images = random_network(attention_graph(), seed=9)
    quantized = quantize_network(network, images, signed=signed)
    table = make_table("evoapprox:mul8s_1L2N" if signed else "bam:ha=1,hb=3,v=5", signed=signed)
    choice = choose(quantized.graph, table)
    found = Executor(quantized, table)(images)
    assert np.array_equal(found, forward_by_hand(quantized, images, choice))
    assert not np.array_equal(found, Executor(quantized, {"query": table, "key": table, "fc": table})(images))


def test_every_kernel_gives_the_same(make_table: MakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    network, images = random_network(small_graph(), seed=10)
    quantized = quantize_network(network, images, signed=True)
    table = make_table("evoapprox:mul8s_1KXF")
    expected = Executor(quantized, table)(images)
    assert np.array_equal(Executor(quantized, table, threads=1)(images), expected)
    one_by_one = [Executor(quantized, table)(images[i : i + 1]) for i in range(4)]
    assert np.array_equal(np.concatenate(one_by_one), expected[:4])


def test_padding_goes_through_the_table(make_table: MakeTable) -> None:
    build = Builder("net", input_shape=(1, 2, 2))
    build("conv", Conv2d.square(1, 1))
    build("flat", Flatten())
    parameters = {"conv.weight": np.ones((1, 1, 3, 3)), "conv.bias": np.zeros(1)}
    network = Network(graph=build.graph(), parameters=parameters)
    quantized = quantize_network(network, np.ones((1, 1, 2, 2), np.float32), signed=True)
    values = make_table("exact").values.copy()
    values[128] += 7
    table = ProductTable(values=values, width=8, signed=True, name="7 at zero", source={})
    images = np.ones((1, 1, 2, 2), np.float32)
    difference = Executor(quantized, table)(images) - Executor(quantized)(images)
    # Each of the four windows covers five padding pixels.
    assert np.allclose(difference / quantized.products["conv"].unit, 35, rtol=1e-3)


def test_operand_order_matters(make_table: MakeTable) -> None:
    network, images = random_network(small_graph(), seed=11)
    quantized = quantize_network(network, images, signed=True)
    cut_a, cut_w = make_table("bam:ha=5"), make_table("bam:hb=5")
    assert np.array_equal(cut_a.values, cut_w.values.T)
    assert not np.array_equal(Executor(quantized, cut_a)(images), Executor(quantized, cut_w)(images))


def test_nodes_are_observed_with_codes_and_reals(make_table: MakeTable) -> None:
    network, images = random_network(small_graph(), seed=12)
    quantized = quantize_network(network, images, signed=False)
    seen: dict[str, tuple[tuple[Value, ...], Value]] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        seen[node.name] = (inputs, output)

    logits = Executor(quantized)(images, observe=observe)
    assert list(seen) == [node.name for node in quantized.graph]
    assert seen["fc"][1] is logits or np.array_equal(seen["fc"][1], logits)
    assert all(value.dtype == np.uint8 for name, (_, value) in seen.items() if name != "fc")
    assert [value.shape for value in seen["add"][0]] == [(30, 4, 6, 5)] * 2


def test_codes_of_the_other_kind_give_the_same() -> None:
    network, images = random_network(small_graph(), seed=13)
    for signed in (True, False):
        quantized = quantize_network(network, images, signed=signed)
        other = quantized.with_signedness(not signed)
        assert other.signed is not signed
        assert other.network is None
        assert np.array_equal(Executor(other)(images), Executor(quantized)(images))


def test_biases_can_be_added() -> None:
    network, images = random_network(small_graph(), seed=14)
    quantized = quantize_network(network, images, signed=True)
    added = np.array([100, -200, 0])
    difference = Executor(quantized.with_bias_added({"fc": added}))(images) - Executor(quantized)(images)
    assert np.allclose(difference, added * quantized.products["fc"].unit, atol=1e-4)


def test_sums_beyond_the_accumulator_are_refused() -> None:
    build = Builder("wide", input_shape=(40_000,))
    build("fc", Linear(in_features=40_000, out_features=1))
    parameters = {"fc.weight": np.ones((1, 40_000)), "fc.bias": np.zeros(1)}
    images = np.ones((1, 40_000), np.float32)
    quantized = quantize_network(Network(graph=build.graph(), parameters=parameters), images, signed=True)
    lowest = ProductTable(values=np.full((256, 256), -65536), width=8, signed=True, name="lowest", source={})
    with pytest.raises(
        AxhwError, match=r"Expected sums within 32 bits in fc, found -2621440000 to .* too large for its 40000 terms"
    ):
        Executor(quantized, lowest)(images)


def test_integer_logits_are_close_to_float_ones(
    quantized: dict[bool, QuantizedNetwork], network: Network, splits: Splits
) -> None:
    images = splits.validation.images
    expected = network.forward(images)
    for integer in quantized.values():
        assert np.abs(Executor(integer)(images) - expected).mean() < 0.02 * np.abs(expected).max()


def test_histograms_count_all_multiplications(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    images = splits.validation.images[:5]
    network = quantized[True]
    histograms = operand_histograms(network, images, batch=2)
    assert {name: int(counts.sum()) for name, counts in histograms.items()} == {
        name: 5 * count for name, count in network.multiplications.items()
    }
    # The columns are the weights: each is used at every position of every image.
    weights = np.bincount(network.products["conv2"].codes.astype(np.int64).ravel() + 128, minlength=256)
    assert np.array_equal(histograms["conv2"].sum(axis=0), weights * 64 * 5)
    # Behind a ReLU there is no negative activation.
    assert not histograms["conv2"][:128].any()


@pytest.mark.parametrize("graph", [small_graph(), attention_graph()], ids=lambda graph: graph.name)
def test_histograms_weigh_tables(graph: Graph, make_table: MakeTable) -> None:
    """The products of a layer, added up over all outputs, are those of its histogram, whatever the table."""
    table = make_table("evoapprox:mul8s_1L2N")
    network, images = random_network(graph, seed=15)
    quantized = quantize_network(network, images, signed=True)
    histograms = operand_histograms(quantized, images[:3])
    operands: dict[str, tuple[Value, ...]] = {}
    Executor(quantized)(images[:3], observe=lambda node, inputs, _: operands.update({node.name: inputs}))
    for node in graph.product_nodes:
        codes = [value.astype(np.int64) for value in operands[node.name]]
        if isinstance(node.layer, WeightLayer):
            sums = sums_by_hand(quantized, node, codes[0], LayerTables.uniform(table))
            bias = quantized.products[node.name].bias
            # Symmetric codes: what is not a product is the bias of each output.
            total = int(sums.sum()) - sums.size // len(bias) * int(bias.sum())
        else:
            products = table.values[codes[0][..., :, :, None] + 128, codes[1][..., None, :, :] + 128]
            total = int(products.sum())
        assert total == int((histograms[node.name] * table.values).sum())


def test_histograms_see_what_tables_make_of_activations(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    images = splits.validation.images[:5]
    exact = operand_histograms(quantized[True], images)
    approximate = operand_histograms(quantized[True], images, make_table("evoapprox:mul8s_1L2N"))
    assert np.array_equal(exact["conv1"], approximate["conv1"])
    assert not np.array_equal(exact["conv2"], approximate["conv2"])
