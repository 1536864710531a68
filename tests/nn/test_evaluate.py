"""Evaluation of the shipped network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from axhw.data.dataset import Splits
from axhw.errors import AxhwError
from axhw.nn.evaluate import batch_size, classify, evaluate, reference
from axhw.nn.executor import Executor
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.zoo.resnet import resnet
from axhw.nn.zoo.vgg import vgg_bn
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("exact", 495),
        ("roup:p=1,r=4", 495),
        ("roup:p=2,r=3", 495),
        ("evoapprox:mul8s_1KVA", 496),
        ("evoapprox:mul8s_1L2L", 495),
        ("evoapprox:mul8s_1L2N", 490),
        ("evoapprox:mul8s_1L12", 46),
    ],
)
def test_every_machine_classifies_the_same_images(
    text: str, right: int, quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    result = evaluate(quantized[True], splits.test, make_table(text))
    assert round(result.approximate_accuracy * result.images) == right


def test_accuracies_and_agreement_are_counted(
    quantized: dict[bool, QuantizedNetwork], network: Network, splits: Splits, make_table: MakeTable
) -> None:
    integer, table, data = quantized[True], make_table("evoapprox:mul8s_1L2N"), splits.validation
    result = evaluate(integer, data, table, batch=64)
    exact = Executor(integer)(data.images).argmax(axis=1)
    approximate = Executor(integer, table)(data.images).argmax(axis=1)
    assert result.float_accuracy == np.mean(network.forward(data.images).argmax(axis=1) == data.labels)
    assert result.exact_accuracy == np.mean(exact == data.labels)
    assert result.approximate_accuracy == np.mean(approximate == data.labels)
    assert result.agreement == np.mean(approximate == exact)
    assert result.agreement < 1
    assert (result.images, result.split, result.seed, result.signed) == (200, "validation", 0, True)
    assert (result.network, result.dataset) == ("digits_cnn", "scikit-learn digits (8x8, 10 classes)")
    known = reference(integer, data)
    assert evaluate(integer, data, table, compared_with=known) == result


def test_an_integer_network_has_no_float_accuracy(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    integer = dataclasses.replace(quantized[True], network=None)
    result = evaluate(integer, splits.validation, None)
    assert result.float_accuracy is None
    assert result.exact_accuracy == result.approximate_accuracy


def test_exact_products_agree_for_both_kinds_of_operands(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    for signed, network in quantized.items():
        result = evaluate(network, splits.validation, make_table("exact", signed=signed))
        assert result.agreement == 1.0
        assert result.approximate_accuracy == result.exact_accuracy


def test_energy_is_multiplications_times_energy(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    network, data = quantized[True], splits.validation
    result = evaluate(network, data, None, energy_fj=250.0)
    assert result.multiplications == 342_272
    assert result.energy_nj == pytest.approx(342_272 * 250e-6)
    by_layer = {"conv1": 100.0, "conv2": 0.0, "conv3": 0.0, "linear": 1000.0}
    result = evaluate(network, data, None, energy_fj=by_layer)
    assert result.energy_nj == pytest.approx((9216 * 100 + 1280 * 1000) * 1e-6)
    assert evaluate(network, data, None).energy_nj is None


def test_progress_is_told(quantized: dict[bool, QuantizedNetwork], splits: Splits) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(quantized[True], splits.validation, None, batch=80, progress=lambda *step: calls.append(step))
    assert calls == [(80, 200), (160, 200), (200, 200)]
    calls.clear()
    reference(quantized[True], splits.validation, progress=lambda *step: calls.append(step))
    assert calls[0][1] == calls[-1][0] == calls[-1][1] == 400


def test_batches_fit_into_memory() -> None:
    # 32 x 32 pixels of 16 channels under 3 x 3 weights: 147,456 values in the patches of an image.
    assert batch_size(resnet(20)) == (1 << 24) // 147_456
    large = vgg_bn(19, input_shape=(3, 224, 224))
    assert batch_size(large) == 1


@pytest.mark.parametrize(
    ("energy_fj", "message"),
    [
        (-1.0, "Expected a finite energy of at least 0 fJ per multiplication, found -1.0 for conv1"),
        (float("nan"), "found nan for conv1"),
        ({"conv1": 1.0}, "an energy for each of the product layers conv1, conv2, conv3, linear, found conv1"),
    ],
)
def test_impossible_energies_are_refused(
    energy_fj: float | Mapping[str, float], message: str, quantized: dict[bool, QuantizedNetwork], splits: Splits
) -> None:
    with pytest.raises(AxhwError, match=message):
        evaluate(quantized[True], splits.validation, None, energy_fj=energy_fj)


def test_data_that_does_not_fit_is_refused(
    quantized: dict[bool, QuantizedNetwork], splits: Splits, make_table: MakeTable
) -> None:
    network, good = quantized[True], splits.validation
    more = dataclasses.replace(good, labels=good.labels + 1, classes=tuple("0123456789x"))
    with pytest.raises(AxhwError, match="Expected labels from 0 to 9, found 1 to 10"):
        evaluate(network, more, None)
    narrow = dataclasses.replace(good, pixels=good.pixels[..., :7])
    with pytest.raises(AxhwError, match=r"Expected images of shape \(1, 8, 8\) for digits_cnn"):
        evaluate(network, narrow, None)
    with pytest.raises(AxhwError, match="Expected a batch of at least 1 image, found 0"):
        classify(Executor(network), good, batch=0)
    with pytest.raises(AxhwError, match="of signed operands for a network of signed codes"):
        evaluate(network, good, make_table("exact", signed=False))
