"""Predicted errors against errors written out, exact where the theory says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables
from axhw.nn.error_theory import (
    LayerError,
    error_of_histogram,
    kernel_errors,
    measured_errors,
    noise_to_signal,
    predict_errors,
)
from axhw.nn.executor import Executor
from axhw.nn.graph import Builder, Graph
from axhw.nn.histograms import operand_histograms
from axhw.nn.layers.activations import Relu
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.network import Network
from axhw.nn.operand_statistics import operand_statistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]
Images = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


def noisy_table(seed: int, *, signed: bool = True) -> ProductTable:
    """Exact products and errors that follow no rule, with a mean."""
    codes = np.arange(-128, 128) if signed else np.arange(256)
    errors = np.random.default_rng(seed).integers(-400, 600, (256, 256))
    values = np.multiply.outer(codes, codes) + errors
    if not signed:
        values = np.maximum(values, 0)
    return ProductTable(values=values.astype(np.int32), width=8, signed=signed, name=f"noisy{seed}", source={})


def one_layer(layer: Conv2d | Linear, input_shape: tuple[int, ...], seed: int) -> tuple[Network, Images]:
    """A layer alone: its output is its sums times their unit."""
    build = Builder("one", input_shape=input_shape)
    build("layer", layer)
    return random_network(build.graph(), seed)


def random_network(graph: Graph, seed: int) -> tuple[Network, Images]:
    rng = np.random.default_rng(seed)
    parameters = {name: rng.normal(size=shape) for name, shape in graph.parameter_shapes.items()}
    images = rng.normal(0.3, 1.0, (6, *graph.input_shape)).astype(np.float32)
    # Neighbours alike: activations of different terms are correlated.
    for axis in range(1, images.ndim):
        images = (images + np.roll(images, 1, axis=axis)) / np.float32(1.5)
    return Network(graph=graph, parameters=parameters), images


def linear_network(weights: npt.ArrayLike) -> QuantizedNetwork:
    """A linear layer of integer weights, 127 among those of each output, on images that are codes: all scales are 1."""
    matrix = np.asarray(weights, np.float64)
    build = Builder("linear", input_shape=(matrix.shape[1],))
    build("layer", Linear(in_features=matrix.shape[1], out_features=len(matrix), bias=False))
    network = Network(graph=build.graph(), parameters={"layer.weight": matrix}, ranges={"input": (-127.0, 127.0)})
    quantized = quantize_network(network, np.ones((1, matrix.shape[1]), np.float32), signed=True)
    assert np.array_equal(quantized.products["layer"].codes, matrix)
    return quantized


def errors_by_hand(table: ProductTable, a: Codes, w: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Errors of the sums [rows, outputs] for activations [rows, terms] and weights [outputs, terms]."""
    a, weights = a[:, None, :], np.asarray(w)[None]
    errors: npt.NDArray[np.int64] = (table.values[a + 128, weights + 128] - a * weights).sum(axis=2)
    return errors.astype(np.float64)


def errors_of_run(network: QuantizedNetwork, images: Images, tables: object) -> npt.NDArray[np.float64]:
    """Errors of the sums of a lone layer at each position [positions, outputs], from its outputs."""
    difference = Executor(network, {"layer": tables})(images) - Executor(network)(images)  # type: ignore[dict-item]
    by_position = np.moveaxis(difference, 1, -1).reshape(-1, difference.shape[1])
    return np.rint(by_position / network.products["layer"].unit.astype(np.float64))


@settings(max_examples=25)
@given(
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    groups=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    level=st.sampled_from(["layer", "filter", "kernel"]),
    signed=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_means_are_exact(
    channels: int,
    filters: int,
    groups: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    level: str,
    signed: bool,
    seed: int,
) -> None:
    layer = Conv2d(
        in_channels=channels * groups,
        out_channels=filters * groups,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    network, images = one_layer(layer, (channels * groups, 7, 6), seed)
    quantized = quantize_network(network, images, signed=signed)
    shape = {"layer": (), "filter": (layer.outputs,), "kernel": (layer.outputs, layer.channels)}[level]
    tables = LayerTables(
        tables=tuple(noisy_table(number, signed=signed) for number in range(3)),
        table_of=np.asarray(np.random.default_rng(seed).integers(0, 3, shape)),
    )
    statistics = operand_statistics(quantized, images, batch=4)
    found = predict_errors(quantized, statistics, {"layer": tables})["layer"]
    measured = measured_errors(quantized, images, {"layer": tables}, batch=4)["layer"]
    errors = errors_of_run(quantized, images, tables)
    assert statistics["layer"].positions == len(errors)
    assert np.allclose(found.mean, errors.mean(axis=0), rtol=1e-12, atol=1e-9)
    assert np.allclose(measured.mean, errors.mean(axis=0), rtol=1e-12, atol=1e-9)
    assert np.allclose(measured.variance, errors.var(axis=0), rtol=1e-6, atol=1e-3)
    assert np.allclose(found.signal_variance, measured.signal_variance, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("products", [True, False])
def test_moments_are_exact_for_independent_operands(products: bool) -> None:
    """All combinations of the codes of three terms, some more often than others."""
    codes = ([-127, -3, 0, 90], [0, 0, 1, 7, 101], [-64, 64, 127])
    a = np.array(list(itertools.product(*codes)))
    weights = [[127, -5, 2], [-127, 127, 0], [3, 4, -127]]
    network = linear_network(weights)
    table = noisy_table(1)
    statistics = operand_statistics(network, a.astype(np.float32), most_terms=3 if products else 2)
    assert (statistics["layer"].products is not None) is products
    found = predict_errors(network, statistics, table)["layer"]
    errors, sums = errors_by_hand(table, a, weights), a @ np.transpose(weights)
    assert np.allclose(found.mean, errors.mean(axis=0), rtol=1e-12)
    assert np.allclose(found.variance, errors.var(axis=0), rtol=1e-10)
    assert np.allclose(found.signal_variance, sums.var(axis=0), rtol=1e-10)
    covariance = [np.cov(e, s, bias=True)[0, 1] for e, s in zip(errors.T, sums.T)]
    assert np.allclose(found.covariance, covariance, rtol=1e-9)


def test_moments_are_exact_for_linear_errors() -> None:
    """A circuit that adds 2 a to each product, and something that depends on the weight alone; activations alike."""
    codes = np.arange(-128, 128)
    values = np.multiply.outer(codes, codes) + 2 * codes[:, None] - codes % 11
    table = ProductTable(values=values, width=8, signed=True, name="linear", source={})
    rng = np.random.default_rng(2)
    a = np.clip(rng.integers(-50, 50, (500, 1)) + rng.integers(-60, 60, (500, 6)), -127, 127)
    weights = rng.integers(-126, 127, (4, 6))
    weights[:, 0] = 127
    network = linear_network(weights)
    statistics = operand_statistics(network, a.astype(np.float32), batch=100)
    found = predict_errors(network, statistics, table)["layer"]
    errors, sums = errors_by_hand(table, a, weights), a @ weights.T
    assert np.allclose(found.mean, errors.mean(axis=0), rtol=1e-12)
    assert np.allclose(found.variance, errors.var(axis=0), rtol=1e-10)
    slopes = [np.polyfit(s, e, 1)[0] for e, s in zip(errors.T, sums.T)]
    assert np.allclose(found.gain, 1 + np.array(slopes), rtol=1e-10)
    remainders = [e - np.polyval(np.polyfit(s, e, 1), s) for e, s in zip(errors.T, sums.T)]
    assert np.allclose(found.noise_variance, np.var(remainders, axis=1), rtol=1e-8)
    alone = predict_errors(network, {"layer": statistics["layer"].without_products()}, table)["layer"]
    assert np.allclose(alone.variance, 4 * a.var(axis=0).sum(), rtol=1e-10)
    assert (found.variance > 1.5 * alone.variance).all()


def test_what_is_neglected_is_the_covariance_of_remainders() -> None:
    """Twice the same activation: the remainders, which follow each other here, add up to four times their variance."""
    a = np.repeat(np.arange(-127, 128)[:, None], 2, axis=1)
    network = linear_network([[127, 127]])
    codes = np.arange(-128, 128, dtype=np.int32)
    values = np.multiply.outer(codes, codes) + 100 * (codes % 2)[:, None]
    table = ProductTable(values=values, width=8, signed=True, name="odd", source={})
    found = predict_errors(network, operand_statistics(network, a.astype(np.float32)), table)["layer"]
    measured = measured_errors(network, a.astype(np.float32), table)["layer"]
    assert np.allclose(measured.variance, 2 * found.variance, rtol=1e-3)
    assert np.allclose(measured.gain, found.gain, rtol=1e-12)


@pytest.mark.parametrize("signed", [True, False])
def test_gain_is_that_of_the_real_sums(signed: bool) -> None:
    """A table that halves all products of real values, zero points included, halves the sums."""
    network, images = one_layer(Conv2d.square(2, 3), (2, 6, 6), seed=3)
    quantized = quantize_network(network, images, signed=signed)
    layer, product = quantized.graph.weight_layers["layer"], quantized.products["layer"]
    rows = layer.rows(quantized.input.encode(images), zero=int(product.source.zero_point))[:, 0].astype(np.int64)
    weights = layer.weight_matrices(product.codes)[0].astype(np.int64)
    low = -128 if signed else 0
    codes = np.arange(low, low + 256)
    # The zero points of the weights differ from output to output: a table can only halve one of them.
    zero_w = int(product.zero_points[0])
    values = np.multiply.outer(codes, codes) - np.multiply.outer(codes, (codes - zero_w) // 2)
    table = ProductTable(values=values, width=8, signed=signed, name="half", source={})
    found = predict_errors(quantized, operand_statistics(quantized, images), table)["layer"]
    errors = table.values[rows[:, :, None] - low, weights - low] - rows[:, :, None] * weights
    sums = rows @ (weights - product.zero_points)
    expected = 1 + np.polyfit(sums[:, 0], errors.sum(axis=1)[:, 0], 1)[0]
    assert found.gain[0] == pytest.approx(expected, rel=1e-9)
    assert 0.45 < found.gain[0] < 0.55


def test_noise_is_what_compensation_leaves() -> None:
    error = LayerError(
        mean=np.array([3.0, 0.0]),
        variance=np.array([5.0, 1.0]),
        signal_variance=np.array([16.0, 0.0]),
        covariance=np.array([-8.0, 0.0]),
        step=np.array([0.5, 1.0]),
    )
    assert error.gain.tolist() == [0.5, 1.0]
    assert error.noise_variance.tolist() == [1.0, 1.0]
    assert error.noise_to_signal() == (14 / 4 + 1) / 4
    assert error.noise_to_signal(removed="bias") == (5 / 4 + 1) / 4
    assert error.noise_to_signal(removed="affine") == (1 / 4 + 1) / 4
    assert noise_to_signal({"a": error, "b": error}, removed="bias") == 2 * error.noise_to_signal(removed="bias")


def test_a_layer_without_signal_has_no_ratio() -> None:
    nothing = np.zeros(2)
    error = LayerError(mean=np.ones(2), variance=nothing, signal_variance=nothing, covariance=nothing, step=np.ones(2))
    assert error.noise_to_signal() == 0.0
    assert error.gain.tolist() == [1.0, 1.0]


def test_steps_are_output_codes() -> None:
    build = Builder("two", input_shape=(3, 4, 4))
    build("first", Conv2d.square(3, 2))
    build("relu", Relu())
    build("second", Conv2d.square(2, 2))
    network, images = random_network(build.graph(), seed=5)
    quantized = quantize_network(network, images, signed=True)
    found = predict_errors(quantized, operand_statistics(quantized, images), noisy_table(5))
    unit = {name: product.unit.astype(np.float64) for name, product in quantized.products.items()}
    assert np.allclose(found["first"].step, unit["first"] / float(quantized.codings["first"].scale))
    assert np.allclose(found["second"].step, unit["second"])


def test_scores_rank_tables(quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable) -> None:
    """Without a run, as runs rank them by the error of the logits."""
    network, images = quantized[True], splits.validation.images[:100]
    statistics = operand_statistics(network, splits.train.images[:64])
    circuits = ("1KV9", "1KVA", "1KVM", "1L2J", "1KX5", "1KXF", "1L2L", "1L2N", "1L12")
    texts = (
        *(f"evoapprox:mul8s_{name}" for name in circuits),
        "roup:p=0,r=6",
        "roup:p=1,r=4",
        "roup:p=2,r=5",
        "bam:v=6",
    )
    exact = Executor(network)(images)
    scores, errors = [], []
    for text in texts:
        table = make_table(text)
        scores.append(noise_to_signal(predict_errors(network, statistics, table)))
        errors.append(float(np.square(Executor(network, table)(images) - exact).mean()))
    ranks = [np.argsort(np.argsort(values)) for values in (scores, errors)]
    assert np.asarray(np.corrcoef(np.array(ranks)))[0, 1] > 0.95


def test_a_histogram_gives_the_mean_over_outputs(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    network, images, table = quantized[True], splits.train.images[:16], make_table("evoapprox:mul8s_1KVA")
    errors = predict_errors(network, operand_statistics(network, images), table)
    for name, histogram in operand_histograms(network, images).items():
        mean, variance = error_of_histogram(histogram, table, terms=network.graph.weight_layers[name].terms)
        assert mean == pytest.approx(errors[name].mean.mean(), rel=1e-9)
        assert variance > 0


def test_a_histogram_gives_the_variance_of_independent_pairs() -> None:
    a = np.array(list(itertools.product([-7, 3, 127], repeat=2)))
    network = linear_network([[127, 127]])
    table = noisy_table(6)
    histogram = operand_histograms(network, a.astype(np.float32))["layer"]
    errors = errors_by_hand(table, a, [[127, 127]])
    assert error_of_histogram(histogram, table, terms=2) == pytest.approx((errors.mean(), errors.var()), rel=1e-12)


def test_layers_without_tables_have_no_error(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    images = splits.train.images[:4]
    statistics = operand_statistics(quantized[True], images)
    table = noisy_table(7)
    assert list(predict_errors(quantized[True], statistics, {"conv2": table})) == ["conv2"]
    assert list(measured_errors(quantized[True], images, {"conv2": table})) == ["conv2"]


def test_bad_input_is_refused(quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable) -> None:
    network, images, table = quantized[True], splits.train.images[:4], noisy_table(8)
    statistics = operand_statistics(network, images)
    with pytest.raises(AxhwError, match="at least one image to learn the errors of a network from, found none"):
        measured_errors(network, images[:0], table)
    with pytest.raises(AxhwError, match="Expected a batch of at least 1 image, found 0"):
        measured_errors(network, images, table, batch=0)
    with pytest.raises(AxhwError, match="Expected tables of signed operands"):
        measured_errors(network, images, noisy_table(8, signed=False))
    with pytest.raises(AxhwError, match="Expected operand statistics of conv1, found those of conv2"):
        predict_errors(network, {"conv2": statistics["conv2"]}, table)
    with pytest.raises(AxhwError, match="Expected operand statistics of conv1, found those of none"):
        predict_errors(network, {}, table)
    with pytest.raises(
        AxhwError, match="int8 codes in 1 groups of 9 terms for conv1, found int8 codes in 1 of 144: take"
    ):
        predict_errors(network, statistics | {"conv1": statistics["conv2"]}, table)
    with pytest.raises(AxhwError, match="Expected statistics of uint8 codes .* for conv1, found int8 codes"):
        predict_errors(quantized[False], statistics, noisy_table(8, signed=False))
    with pytest.raises(AxhwError, match="Expected product layers out of conv1, conv2, conv3, linear, found 'conv9'"):
        predict_errors(network, statistics, {"conv9": table})
    with pytest.raises(AxhwError, match="a histogram of at least one pair of operands, found none"):
        error_of_histogram(np.zeros((256, 256), np.int64), table, terms=9)
    with pytest.raises(AxhwError, match=r"shape \(256, 256\), found \(256, 255\) and \(256, 256\)"):
        error_of_histogram(np.ones((256, 255), np.int64), table, terms=9)
    narrow = make_table("exact", width=4)
    with pytest.raises(AxhwError, match=r"shape \(256, 256\), found \(256, 256\) and \(16, 16\)"):
        error_of_histogram(np.ones((256, 256), np.int64), narrow, terms=9)


def test_weights_meet_their_own_terms() -> None:
    """One error at one pair of codes is found at the output and term where the pair meets."""
    network = linear_network([[127, 5], [-5, 127]])
    values = np.multiply.outer(np.arange(-128, 128), np.arange(-128, 128))
    values[127 + 128, 5 + 128] += 90
    table = ProductTable(values=values, width=8, signed=True, name="one", source={})
    a = np.array([[127, 0], [0, 127], [0, 127]], np.float32)
    statistics = operand_statistics(network, a)
    assert predict_errors(network, statistics, table)["layer"].mean.tolist() == [60.0, 0.0]


@pytest.mark.parametrize("level", ["dense", "depthwise"])
def test_kernels_of_a_layer_add_up_to_its_error(level: str) -> None:
    layer = Conv2d.square(4, 8, groups=4 if level == "depthwise" else 1)
    network, images = one_layer(layer, (4, 6, 6), 3)
    quantized = quantize_network(network, images, signed=True)
    statistics = operand_statistics(quantized, images)
    table = noisy_table(5)
    mean, variance = kernel_errors(quantized, "layer", statistics["layer"], table)
    assert mean.shape == variance.shape == (8, 1 if level == "depthwise" else 4)
    alone = {"layer": statistics["layer"].without_products()}
    whole = predict_errors(quantized, alone, table)["layer"]
    np.testing.assert_allclose(mean.sum(axis=1), whole.mean)
    np.testing.assert_allclose(variance.sum(axis=1), whole.variance, rtol=1e-6)
    # A kernel is a layer whose other kernels have exact products.
    exact = np.ones((8, 1 if level == "depthwise" else 4), np.intp)
    exact[5, 0] = 0
    products = np.multiply.outer(np.arange(-128, 128), np.arange(-128, 128)).astype(np.int32)
    tables = (table, ProductTable(values=products, width=8, signed=True, name="exact", source={}))
    one = predict_errors(quantized, alone, {"layer": LayerTables(tables=tables, table_of=exact)})["layer"]
    assert one.mean[5] == pytest.approx(mean[5, 0])
    assert one.variance[5] == pytest.approx(variance[5, 0])
