"""Ranges, and what is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.calibrate import Calibration, quantize_network
from axhw.nn.layers import Linear, Relu
from axhw.nn.network import Network

MLP = Architecture(
    name="mlp",
    input_shape=(2,),
    hidden_layers=(Linear(name="first", in_features=2, out_features=2), Relu()),
    output_layer=Linear(name="second", in_features=2, out_features=2),
)
IDENTITY = np.eye(2)
IMAGES = np.array([[-8.0, 4.0], [2.0, 1.0], [1.0, 0.5]])


def mlp(weight: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> Network:
    parameters = {"first.weight": weight, "first.bias": bias, "second.weight": IDENTITY, "second.bias": np.zeros(2)}
    return Network(architecture=MLP, parameters=parameters)


def test_ranges_are_measured_behind_a_relu() -> None:
    network = quantize_network(mlp(IDENTITY, np.zeros(2)), IMAGES, signed=True)
    assert network.input.scale == pytest.approx(8 / 127, rel=1e-4)
    assert network.requantizers["first"].target.scale == pytest.approx(4 / 127, rel=1e-4)
    assert network.products["second"].source is network.requantizers["first"].target
    unsigned = quantize_network(mlp(IDENTITY, np.zeros(2)), IMAGES, signed=False)
    assert unsigned.input.zero_point == 170
    assert unsigned.requantizers["first"].target.zero_point == 0


def test_percentiles_let_outliers_saturate() -> None:
    images = np.concatenate([np.linspace(0, 1, 2000).reshape(-1, 2), [[100.0, 0.0]]])
    calibration = Calibration(method="percentile", percentile=99)
    network = quantize_network(mlp(IDENTITY, np.zeros(2)), images, signed=True, calibration=calibration)
    assert network.input.scale == pytest.approx(0.99 / 127, rel=1e-2)


def test_the_last_layer_has_no_codes() -> None:
    network = quantize_network(mlp(IDENTITY, np.zeros(2)), IMAGES, signed=True)
    assert set(network.requantizers) == {"first"}
    assert network.forward(IMAGES) == pytest.approx(np.maximum(IMAGES, 0), abs=0.05)


@pytest.mark.parametrize("signed", [True, False])
def test_a_channel_of_vanishing_weights_keeps_its_bias(signed: bool) -> None:
    # Steps as fine as these weights would make the bias overflow 32 bits.
    weight, bias = np.array([[1.0, 0.0], [1e-30, -1e-30]]), np.array([0.0, 1.5])
    network = quantize_network(mlp(weight, bias), IMAGES, signed=signed)
    assert network.forward(IMAGES)[:, 1] == pytest.approx([1.5] * 3, abs=0.02)


@pytest.mark.parametrize("signed", [True, False])
def test_a_channel_without_weights_keeps_its_bias(signed: bool) -> None:
    weight, bias = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([0.0, 1.5])
    network = quantize_network(mlp(weight, bias), IMAGES, signed=signed)
    assert network.forward(IMAGES)[:, 1] == pytest.approx([1.5] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("bias", "images", "message"),
    [
        (0.0, IMAGES[:0], "Expected at least one calibration image, found none"),
        (0.0, np.zeros((3, 2)), "Expected calibration images that give the input a range above 0, found 0 to 0"),
        (-100.0, IMAGES, "give the output of first a range above 0"),
        (0.0, IMAGES[:, :1], r"Expected images of shape \(2,\) for mlp"),
        (0.0, IMAGES * np.nan, "Expected finite pixel values for mlp"),
    ],
)
def test_bad_calibration_images_are_refused(bias: float, images: npt.NDArray[np.float64], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        quantize_network(mlp(IDENTITY, np.full(2, bias)), images, signed=True)


def test_bad_calibration_parameters_are_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected a percentile above 50 and at most 100, found 0\.999"):
        Calibration(method="percentile", percentile=0.999)
    with pytest.raises(AxhwError, match=r"Expected a calibration method out of .*, found 'mse'"):
        Calibration(method="mse")  # type: ignore[arg-type]
