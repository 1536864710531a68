"""Definitions that do not fit are refused; multiplications are counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.layers import Conv2d, Flatten, Linear, Relu
from axhw.nn.zoo import DIGITS_CNN

CONV = Conv2d(name="conv", in_channels=1, out_channels=2, kernel=3)


def test_multiplications_of_the_digits_network() -> None:
    assert DIGITS_CNN.multiplications == {
        "conv1": 8 * 8 * 16 * 9,
        "conv2": 8 * 8 * 24 * 16 * 9,
        "conv3": 4 * 4 * 32 * 24 * 9,
        "linear": 128 * 10,
    }


def test_shapes_and_parameters() -> None:
    net = Architecture(
        name="net",
        input_shape=(1, 4, 4),
        hidden_layers=(CONV, Relu(), Flatten()),
        output_layer=Linear(name="fc", in_features=8, out_features=3),
    )
    assert net.shapes == ((1, 4, 4), (2, 2, 2), (2, 2, 2), (8,), (3,))
    assert net.parameter_shapes == {
        "conv.weight": (2, 1, 3, 3),
        "conv.bias": (2,),
        "fc.weight": (3, 8),
        "fc.bias": (3,),
    }


def test_layers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected a flat input of 9 for fc, found the shape \(2, 2, 2\)"):
        Architecture(
            name="net",
            input_shape=(1, 4, 4),
            hidden_layers=(CONV,),
            output_layer=Linear(name="fc", in_features=9, out_features=3),
        )


def test_equal_names_are_refused() -> None:
    with pytest.raises(AxhwError, match=r"a name of its own for each product layer of net, found \['fc', 'fc'\]"):
        Architecture(
            name="net",
            input_shape=(2,),
            hidden_layers=(Linear(name="fc", in_features=2, out_features=2),),
            output_layer=Linear(name="fc", in_features=2, out_features=2),
        )


def test_an_output_that_is_an_image_is_refused() -> None:
    with pytest.raises(AxhwError, match=r"Expected one axis of logits out of net, found the shape \(2, 2, 2\)"):
        Architecture(name="net", input_shape=(1, 4, 4), hidden_layers=(), output_layer=CONV)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 1, 28, 28)), r"images of shape \(1, 8, 8\) for digits_cnn, found an array of shape \(2, 1, 28"),
        (np.zeros((1, 8, 8)), r"found an array of shape \(1, 8, 8\)"),
        (np.zeros((1, 1, 8, 8), np.uint8), "normalised images as real values for digits_cnn, found uint8"),
        (np.full((1, 1, 8, 8), np.nan), "finite pixel values for digits_cnn, found NaN or infinity"),
        (np.full((1, 1, 8, 8), np.inf), "finite pixel values"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: npt.NDArray[np.floating], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        DIGITS_CNN.check_images(images)
