"""From float networks to integer ones: which ranges are measured, and what is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.nn.calibrate import Calibration
from axhw.nn.executor import Executor
from axhw.nn.graph import INPUT, Builder, Graph
from axhw.nn.layers.activations import Clip, Relu
from axhw.nn.layers.joins import Add
from axhw.nn.layers.products import Linear
from axhw.nn.layers.shaping import Flatten
from axhw.nn.layers.softmax import Softmax
from axhw.nn.network import Network
from axhw.nn.quantizer import quantize_network, range_sources

IDENTITY = np.eye(2)
IMAGES = np.array([[-8.0, 4.0], [2.0, 1.0], [1.0, 0.5]], np.float32)


def mlp() -> Graph:
    build = Builder("mlp", input_shape=(2,))
    build("first", Linear(in_features=2, out_features=2))
    build("relu", Relu())
    build("second", Linear(in_features=2, out_features=2))
    return build.graph()


def network(
    weight: npt.NDArray[np.float64] = IDENTITY, bias: npt.ArrayLike = (0.0, 0.0), **ranges: tuple[float, float]
) -> Network:
    parameters = {
        "first.weight": weight,
        "first.bias": np.asarray(bias),
        "second.weight": IDENTITY,
        "second.bias": np.zeros(2),
    }
    return Network(graph=mlp(), parameters=parameters, ranges=ranges)


def test_ranges_are_measured_behind_a_relu() -> None:
    quantized = quantize_network(network(), IMAGES, signed=True)
    assert quantized.input.scale == pytest.approx(8 / 127, rel=1e-4)
    assert quantized.codings["first"].scale == pytest.approx(4 / 127, rel=1e-4)
    assert quantized.products["second"].source is quantized.codings["relu"]
    unsigned = quantize_network(network(), IMAGES, signed=False)
    assert unsigned.input.zero_point == 170
    assert unsigned.codings["first"].zero_point == 0


def test_what_has_codes_of_its_own() -> None:
    build = Builder("net", input_shape=(2,))
    x = build("fc1", Linear(in_features=2, out_features=2))
    build("clip", Clip(high=1.0))
    y = build("relu", Relu())
    build("fc2", Linear(in_features=2, out_features=2))
    z = build("relu2", Relu())
    build("add", Add(), y, z)
    build("add2", Add(), "add", "fc2")
    build("out", Softmax())
    build("flat", Flatten())
    assert range_sources(build.graph()) == {
        INPUT: INPUT,
        # Cut off twice, and nothing else reads it.
        "fc1": "relu",
        "clip": "relu",
        "relu": "relu",
        # Read by another layer as it is.
        "fc2": "fc2",
        "relu2": "fc2",
        "add": "add",
        "add2": "add2",
    }
    assert x == "fc1"


def test_fixed_ranges_are_kept() -> None:
    fixed = network(relu=(0.0, 12.7), **{INPUT: (-127.0, 0.0)})
    quantized = quantize_network(fixed, IMAGES[:0], signed=True)
    assert quantized.input.scale == pytest.approx(1.0, rel=1e-4)
    assert quantized.codings["first"].scale == pytest.approx(0.1, rel=1e-4)


def test_weights_have_one_scale_for_each_output_or_one_for_all() -> None:
    weight = np.array([[1.0, -0.5], [0.25, 0.125]])
    by_channel = quantize_network(network(weight), IMAGES, signed=True)
    assert by_channel.products["first"].codes.tolist() == [[127, -64], [127, 64]]
    by_tensor = quantize_network(network(weight), IMAGES, signed=True, per_channel=False)
    assert by_tensor.products["first"].codes.tolist() == [[127, -64], [32, 16]]


def test_signed_activations_may_have_a_zero_point() -> None:
    quantized = quantize_network(network(), IMAGES, signed=True, symmetric=False)
    assert quantized.input.zero_point == 170 - 128
    assert quantized.codings["relu"].zero_point == -128
    assert np.allclose(Executor(quantized)(IMAGES), np.maximum(IMAGES, 0), atol=0.05)


def test_percentiles_let_outliers_saturate() -> None:
    images = np.concatenate([np.linspace(0, 1, 2000).reshape(-1, 2), [[1.5, 0.0]]]).astype(np.float32)
    calibration = Calibration(method="percentile", percentile=99)
    quantized = quantize_network(network(), images, signed=True, calibration=calibration)
    assert quantized.input.scale == pytest.approx(0.99 / 127, rel=1e-2)


def test_the_mean_squared_error_lets_far_outliers_saturate() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (5000, 2)).astype(np.float32)
    images[0, 0] = 1.6
    widest = quantize_network(network(), images, signed=True)
    least = quantize_network(network(), images, signed=True, calibration=Calibration(method="mse"))
    assert widest.input.scale == pytest.approx(1.6 / 127, rel=1e-3)
    assert 0.99 / 127 < least.input.scale < 1.55 / 127
    # No outliers: all of the range.
    images[0, 0] = 0.0
    least = quantize_network(network(), images, signed=True, calibration=Calibration(method="mse"))
    assert least.input.scale == pytest.approx(1 / 127, rel=0.02)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("small", [1e-30, 0.0])
def test_a_channel_of_vanishing_weights_keeps_its_bias(signed: bool, small: float) -> None:
    # Steps as fine as these weights would make the bias overflow 32 bits.
    weight = np.array([[1.0, 0.0], [small, -small]])
    quantized = quantize_network(network(weight, (0.0, 1.5)), IMAGES, signed=signed)
    assert Executor(quantized)(IMAGES)[:, 1] == pytest.approx([1.5] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("bias", "images", "message"),
    [
        (0.0, IMAGES[:0], "Expected at least one calibration image, found none"),
        (0.0, np.zeros((3, 2)), "Expected calibration images that give input a range above 0, found 0 to 0"),
        (-100.0, IMAGES, "give relu a range above 0"),
        (0.0, IMAGES[:, :1], r"Expected images of shape \(2,\) for mlp"),
        (0.0, IMAGES * np.nan, "Expected finite pixel values for mlp"),
    ],
)
def test_bad_calibration_images_are_refused(bias: float, images: npt.NDArray[np.float32], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        quantize_network(network(bias=(bias, bias)), images, signed=True)


def test_bad_calibration_parameters_are_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected a percentile above 50 and at most 100, found 0\.999"):
        Calibration(method="percentile", percentile=0.999)
    with pytest.raises(AxhwError, match=r"Expected a calibration method out of .*, found 'entropy'"):
        Calibration(method="entropy")  # type: ignore[arg-type]
