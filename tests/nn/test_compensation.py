"""Compensated networks: errors of each layer before and after, written out from the operands it was given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables
from axhw.nn.compensation import COMPENSATIONS, LARGEST_FACTOR, Compensation, compensated, predicted_corrections
from axhw.nn.error_theory import predict_errors
from axhw.nn.evaluate import evaluate
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import INPUT, Builder, Graph, Node
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.base import WeightLayer
from axhw.nn.layers.joins import Add
from axhw.nn.layers.pooling import GlobalAvgPool
from axhw.nn.layers.products import Conv2d, Linear, MatMul
from axhw.nn.layers.shaping import Flatten, Transpose
from axhw.nn.network import Network
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]
Images = npt.NDArray[np.float32]
Sums = npt.NDArray[np.int64]


def residual_graph() -> Graph:
    build = Builder("residual", input_shape=(2, 6, 6))
    build("stem", Conv2d.square(2, 4))
    x = build("stem_relu", Relu())
    build("depthwise", Conv2d.square(4, 4, groups=4))
    build("inner_relu", Relu())
    build("grouped", Conv2d.square(4, 4, groups=2))
    build("add", Add(), "grouped", x)
    build("pool", GlobalAvgPool())
    build("flat", Flatten())
    build("fc", Linear(in_features=4, out_features=3))
    return build.graph()


def attention_graph() -> Graph:
    build = Builder("attention", input_shape=(4, 6))
    query = build("query", Linear(in_features=6, out_features=6), INPUT)
    key = build("key", Transpose(axes=(1, 0)), build("key_rows", Linear(in_features=6, out_features=6), INPUT))
    build("scores", MatMul(scale=0.5), query, key)
    build("flat", Flatten())
    build("fc", Linear(in_features=16, out_features=3))
    return build.graph()


def random_network(graph: Graph, *, signed: bool = True, seed: int = 0) -> tuple[QuantizedNetwork, Images]:
    rng = np.random.default_rng(seed)
    parameters = {name: rng.normal(size=shape) for name, shape in graph.parameter_shapes.items()}
    images = rng.normal(0.3, 1.0, (40, *graph.input_shape)).astype(np.float32)
    return quantize_network(Network(graph=graph, parameters=parameters), images, signed=signed), images


def inputs_of(network: QuantizedNetwork, images: Images, tables: object = None) -> dict[str, Value]:
    """What each layer with weights is given in a run."""
    found: dict[str, Value] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if isinstance(node.layer, WeightLayer):
            found[node.name] = inputs[0]

    Executor(network, tables)(images, observe=observe)  # type: ignore[arg-type]
    return found


def sums_by_hand(network: QuantizedNetwork, name: str, x: Value, tables: LayerTables | None = None) -> Sums:
    """All of a layer's real sums over their unit, constants included, shape (positions, outputs)."""
    layer, product = network.graph.weight_layers[name], network.products[name]
    zero = int(product.source.zero_point)
    rows = layer.rows(x, zero=zero).astype(np.int64)
    weights = layer.weight_matrices(product.codes).astype(np.int64)
    zero_w = product.zero_points.reshape(layer.groups, -1)
    table_of = np.zeros(product.codes.shape, np.int64)
    if tables is not None:
        table_of += tables.for_weights(product.codes.shape)
    chosen = layer.weight_matrices(table_of)
    low = -128 if network.signed else 0
    columns = []
    for group in range(layer.groups):
        for output in range(weights.shape[2]):
            a, w = rows[:, group], weights[group, :, output]
            products = a * w
            if tables is not None:
                values = np.stack([table.values for table in tables.tables])
                products = values[chosen[group, :, output], a - low, w - low].astype(np.int64)
            columns.append((products - zero_w[group, output] * a).sum(axis=1))
    return np.stack(columns, axis=1) + product.constant


def random_tables(network: QuantizedNetwork, level: str, make_table: MakeTable) -> dict[str, LayerTables]:
    """Tables with large errors for all layers but one."""
    texts = ("evoapprox:mul8s_1KVA", "bam:ha=2,v=6", "roup:p=2,r=3") if network.signed else ("bam:v=7", "bam:ha=3,v=5")
    tables = tuple(make_table(text, signed=network.signed) for text in texts)
    rng = np.random.default_rng(1)
    chosen = {}
    for name, layer in network.graph.weight_layers.items():
        shape = {"layer": (), "filter": (layer.outputs,), "kernel": (layer.outputs, layer.channels)}[level]
        chosen[name] = LayerTables(tables=tables, table_of=np.asarray(rng.integers(0, len(tables), shape)))
    return chosen


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("level", ["layer", "filter", "kernel"])
def test_biases_take_back_mean_errors(level: str, signed: bool, make_table: MakeTable) -> None:
    """To half a unit in each output of each layer, on what the corrected layers before it make of the images."""
    network, images = random_network(residual_graph(), signed=signed)
    tables = random_tables(network, level, make_table)
    del tables["depthwise"]
    found = compensated(network, images, tables, method="bias", batch=7)
    before = inputs_of(network, images, tables)
    after = inputs_of(found, images, tables)
    for name in tables:
        uncorrected = sums_by_hand(network, name, before[name], tables[name]) - sums_by_hand(
            network, name, before[name]
        )
        assert np.abs(uncorrected.mean(axis=0)).max() > 30
        # The constants of the corrected layer, against those it had.
        error = sums_by_hand(found, name, after[name], tables[name]) - sums_by_hand(network, name, after[name])
        assert np.abs(error.mean(axis=0)).max() <= 0.5
    assert found.products["depthwise"] is network.products["depthwise"]
    assert all(np.array_equal(found.products[n].codes, network.products[n].codes) for n in network.products)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("level", ["layer", "kernel"])
def test_affine_corrections_restore_slope_and_mean(level: str, signed: bool, make_table: MakeTable) -> None:
    """Of each output, over what the exact network computes from the same images."""
    network, images = random_network(residual_graph(), signed=signed, seed=2)
    tables = random_tables(network, level, make_table)
    del tables["depthwise"]
    found = compensated(network, images, tables, method="affine", batch=16)
    exact_inputs, inputs = inputs_of(network, images), inputs_of(found, images, tables)
    for name in network.products:
        wanted = sums_by_hand(network, name, exact_inputs[name]) * network.products[name].unit.astype(np.float64)
        unit = found.products[name].unit.astype(np.float64)
        sums = sums_by_hand(found, name, inputs[name], tables.get(name)) * unit
        assert (np.abs(sums.mean(axis=0) - wanted.mean(axis=0)) <= 0.51 * unit).all()
        factors = found.products[name].weights.scale / network.products[name].weights.scale
        within = (factors < 0.99 * LARGEST_FACTOR) & (factors > 1.01 / LARGEST_FACTOR)
        slopes = [np.polyfit(w, s, 1)[0] for w, s in zip(wanted.T, sums.T)]
        assert np.allclose(np.array(slopes)[within], 1, atol=1e-4)
        assert within.any()


@pytest.mark.parametrize("method", COMPENSATIONS)
def test_exact_products_need_no_compensation(method: Compensation, make_table: MakeTable) -> None:
    for signed in (True, False):
        network, images = random_network(residual_graph(), signed=signed)
        found = compensated(network, images, make_table("exact", signed=signed), method=method)
        for name, product in network.products.items():
            assert np.array_equal(found.products[name].bias, product.bias)
            assert np.allclose(found.products[name].weights.scale, product.weights.scale, rtol=1e-6)


def test_a_gain_is_taken_back(make_table: MakeTable) -> None:
    """A multiplier that gives three quarters of each product, and 50 less."""
    codes = np.arange(-128, 128)
    values = np.rint(0.75 * np.multiply.outer(codes, codes)).astype(np.int32) - 50
    table = ProductTable(values=values, width=8, signed=True, name="three quarters", source={})
    build = Builder("one", input_shape=(2, 6, 6))
    build("conv", Conv2d.square(2, 3))
    network, images = random_network(build.graph(), seed=3)
    found = compensated(network, images, table)
    factors = found.products["conv"].weights.scale / network.products["conv"].weights.scale
    assert np.allclose(factors, 4 / 3, rtol=1e-4)
    error = Executor(found, table)(images) - Executor(network)(images)
    spread = Executor(network)(images).std()
    assert np.abs(error).max() < 2e-3 * spread
    biased = compensated(network, images, table, method="bias")
    assert (Executor(biased, table)(images) - Executor(network)(images)).std() > 0.2 * spread


def test_lost_signals_are_not_blown_up() -> None:
    """All products 0, and weights that are all 0."""
    values = np.zeros((256, 256), np.int32)
    nothing = ProductTable(values=values, width=8, signed=True, name="nothing", source={})
    network, images = random_network(residual_graph(), seed=4)
    found = compensated(network, images, nothing)
    wanted = Executor(network)(images).mean(axis=0)
    assert np.allclose(Executor(found, nothing)(images), wanted, rtol=1e-3, atol=1e-3)
    factors = found.products["fc"].weights.scale / network.products["fc"].weights.scale
    assert np.allclose(factors, LARGEST_FACTOR)
    dead = Network(
        graph=network.graph,
        parameters={name: np.zeros(shape) for name, shape in network.graph.parameter_shapes.items()},
        ranges=dict.fromkeys(("stem_relu", "inner_relu", "grouped", "add", "pool"), (-1.0, 1.0)),
    )
    still = compensated(quantize_network(dead, images, signed=True), images, nothing)
    assert np.isfinite(Executor(still, nothing)(images)).all()


def test_one_shot_is_the_first_layer_of_all(make_table: MakeTable) -> None:
    network, images = random_network(residual_graph(), seed=5)
    table = make_table("evoapprox:mul8s_1KX5")
    errors = predict_errors(network, operand_statistics(network, images), table)
    in_order = compensated(network, images, table, method="bias")
    in_one_shot = network.with_bias_added(predicted_corrections(errors))
    assert np.array_equal(in_one_shot.products["stem"].bias, in_order.products["stem"].bias)
    assert not np.array_equal(in_one_shot.products["fc"].bias, in_order.products["fc"].bias)


def test_batches_change_nothing(make_table: MakeTable) -> None:
    network, images = random_network(residual_graph(), seed=6)
    table = make_table("evoapprox:mul8s_1L2L")
    for method in COMPENSATIONS:
        one, many = (compensated(network, images, table, method=method, batch=size) for size in (40, 9))
        for name in network.products:
            assert np.array_equal(one.products[name].bias, many.products[name].bias)
            assert np.allclose(one.products[name].weights.scale, many.products[name].weights.scale, rtol=1e-6)


@pytest.mark.parametrize("method", COMPENSATIONS)
def test_products_of_activations_stay_as_they_are(method: Compensation, make_table: MakeTable) -> None:
    """They have no bias; the layer behind them makes up for them where it is compared with the exact network."""
    network, images = random_network(attention_graph(), seed=7)
    table = make_table("evoapprox:mul8s_1KVA")
    found = compensated(network, images, {"scores": table}, method=method)
    assert set(found.products) == {"query", "key_rows", "fc"}
    changed = {name for name in found.products if found.products[name] is not network.products[name]}
    assert changed == ({"query", "key_rows", "fc"} if method == "affine" else set())
    for name in ("query", "key_rows"):
        assert np.array_equal(found.products[name].bias, network.products[name].bias)
    error = (Executor(found, {"scores": table})(images) - Executor(network)(images)).mean(axis=0)
    if method == "affine":
        assert (np.abs(error) <= 0.51 * found.products["fc"].unit).all()


@pytest.mark.parametrize("text", ["bam:v=9", "bam:ha=3,hb=5"])
def test_accuracy_comes_back(
    text: str, quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    network, table = quantized[True], make_table(text)
    images = splits.train.images[:64]
    networks = [network, *(compensated(network, images, table, method=method) for method in COMPENSATIONS)]
    none, bias, affine = (evaluate(chosen, splits.test, table).approximate_accuracy for chosen in networks)
    assert none < bias - 0.1
    assert bias < affine - 0.02


def test_bad_input_is_refused(make_table: MakeTable) -> None:
    network, images = random_network(residual_graph())
    table = make_table("evoapprox:mul8s_1KVA")
    with pytest.raises(AxhwError, match="Expected a compensation out of bias, affine, found 'gain'"):
        compensated(network, images, table, method="gain")  # type: ignore[arg-type]
    with pytest.raises(AxhwError, match="at least one image to learn the errors of a network from, found none"):
        compensated(network, images[:0], table)
    with pytest.raises(AxhwError, match="Expected a batch of at least 1 image, found 0"):
        compensated(network, images, table, batch=0)
    with pytest.raises(AxhwError, match=r"Expected images of shape \(2, 6, 6\) for residual"):
        compensated(network, images[..., :5], table)
    with pytest.raises(AxhwError, match="Expected finite pixel values for residual, found NaN"):
        compensated(network, np.full_like(images, np.nan), table)
    with pytest.raises(AxhwError, match="Expected tables of signed operands for a network of signed codes"):
        compensated(network, images, make_table("exact", signed=False))
    with pytest.raises(AxhwError, match="Expected product layers out of stem, depthwise, grouped, fc, found 'conv'"):
        compensated(network, images, {"conv": table})


def test_compensated_networks_are_like_any_other(make_table: MakeTable) -> None:
    network, images = random_network(residual_graph(), seed=8)
    table = make_table("evoapprox:mul8s_1L2N")
    for method in COMPENSATIONS:
        found = compensated(network, images, table, method=method)
        moved = found.with_signedness(False)
        assert np.array_equal(Executor(moved)(images), Executor(found)(images))
        assert found.network is network.network
