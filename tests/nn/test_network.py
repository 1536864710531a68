"""The float network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.layers import Conv2d, Flatten, Linear, MaxPool2d, Relu
from axhw.nn.network import Network

TINY = Architecture(
    name="tiny",
    input_shape=(1, 2, 2),
    hidden_layers=(
        Conv2d(name="conv", in_channels=1, out_channels=1, kernel=3, padding=1),
        Relu(),
        MaxPool2d(size=2),
        Flatten(),
    ),
    output_layer=Linear(name="fc", in_features=1, out_features=2),
)


def parameters(**changes: npt.NDArray[np.floating]) -> Mapping[str, npt.NDArray[np.floating]]:
    kernel = np.array([[0, 0, 0], [0, 1, 10], [0, 100, 1000]], np.float32)
    base = {
        "conv.weight": kernel[None, None],
        "conv.bias": np.array([-5000.0]),
        "fc.weight": np.array([[2.0], [-1.0]]),
        "fc.bias": np.array([0.5, 0.0]),
    }
    return {**base, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_logits_by_hand() -> None:
    image = np.array([[[[6.0, 2.0], [3.0, 4.0]]]])
    # Sums: 6 + 20 + 300 + 4000 = 4326, and less elsewhere; all below the bias, so ReLU leaves 0.
    tiny = Network(architecture=TINY, parameters=parameters())
    assert tiny.forward(image).tolist() == [[0.5, 0.0]]
    lifted = Network(architecture=TINY, parameters=parameters(conv__bias=np.array([-4000.0])))
    assert lifted.forward(image).tolist() == [[652.5, -326.0]]


def test_layers_are_observed_in_order() -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []
    tiny = Network(architecture=TINY, parameters=parameters())
    tiny.forward(np.zeros((3, 1, 2, 2)), observe=lambda index, x: seen.append((index, x.shape)))
    assert seen == [(0, (3, 1, 2, 2)), (1, (3, 1, 2, 2)), (2, (3, 1, 1, 1)), (3, (3, 1)), (4, (3, 2))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc__weight": np.zeros((1, 2))}, r"Expected shape \(2, 1\) for the parameter fc.weight, found \(1, 2\)"),
        ({"fc__bias": np.array([0.0, np.nan])}, "Expected finite values for the parameter fc.bias, found NaN"),
        ({"fc__bias": np.array([0, 1])}, "Expected real values for the parameter fc.bias, found int64"),
        ({"bn__weight": np.zeros(1)}, "fc.bias for tiny, found bn.weight beside them"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change: dict[str, npt.NDArray[np.floating]], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Network(architecture=TINY, parameters=parameters(**change))


def test_a_missing_parameter_is_named() -> None:
    incomplete = {name: value for name, value in parameters().items() if name != "conv.bias"}
    with pytest.raises(AxhwError, match=r"Expected the parameters conv.weight, .* for tiny, found conv.bias missing"):
        Network(architecture=TINY, parameters=incomplete)
