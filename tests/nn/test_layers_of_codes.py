"""Softmax, gates and layer norms of codes: within the rounding of a code of the real function, in any order."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.emulate.codes import Codes
from axhw.nn.layers.base import RealLayer
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.routing import Gate
from axhw.nn.layers.softmax import Softmax, power_table, powers_of_codes, shares_of_powers
from axhw.nn.quantize import Quantization

CODINGS = {
    "symmetric": Quantization.from_range(-9.0, 7.0, signed=True),
    "affine": Quantization.from_range(-9.0, 1.0, signed=True, symmetric=False),
    "unsigned": Quantization.from_range(-0.5, 11.0, signed=False),
}
SHARES = Quantization.from_range(0.0, 1.0, signed=False)


def codes_of(coding: Quantization, shape: tuple[int, ...]) -> Codes:
    low, high = coding.code_range
    return np.random.default_rng(7).integers(low, high + 1, shape).astype(coding.dtype)


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
@pytest.mark.parametrize("layer", [Softmax(), Gate(k=2), Gate(k=5), Gate(k=1)], ids=repr)
def test_shares_are_those_of_exact_exponentials(layer: RealLayer, coding: Quantization) -> None:
    x = codes_of(coding, (40, 3, 5))
    x[0, 0] = x[0, 0, 0]
    found = layer.on_codes((coding,), SHARES, x, parameters={})
    exact = layer.forward(coding.decode(x).astype(np.float64), parameters={})
    assert found is not None
    assert np.abs(SHARES.decode(found) - exact).max() <= SHARES.scale * (0.5 + 1e-4)
    assert (found[exact > 0.003] > SHARES.zero_point).all()
    assert (found[exact == 0] == SHARES.zero_point).all()


def test_powers() -> None:
    coding = Quantization.from_range(-1.27, 1.27, signed=True)
    powers = power_table(coding)
    np.testing.assert_allclose(powers, np.exp(-float(coding.scale) * np.arange(256)), rtol=1e-7)
    assert not power_table(Quantization.from_range(-127.0, 127.0, signed=True))[30:].any()
    x = np.array([[-127, 127, 0], [5, 5, 5]], np.int8)
    assert powers_of_codes(x, coding).tolist() == [powers[[254, 0, 127]].tolist(), [1.0] * 3]


@pytest.mark.parametrize("high", [0.001, 9.0])
def test_sums_of_powers_do_not_depend_on_their_order(high: float) -> None:
    coding = Quantization.from_range(-high, high, signed=True)
    x = codes_of(coding, (40, 1000))
    order = np.random.default_rng(1).permutation(1000)
    shares = shares_of_powers(powers_of_codes(x, coding))
    assert np.array_equal(shares[:, order], shares_of_powers(powers_of_codes(x[:, order], coding)))


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
@pytest.mark.parametrize("features", [7, 60, 1500])
def test_a_layer_norm_is_within_rounding_of_the_exact_one(features: int, coding: Quantization) -> None:
    rng = np.random.default_rng(3)
    layer = LayerNorm(features=features)
    parameters = {
        "weight": rng.normal(1, 0.3, features).astype(np.float32),
        "bias": rng.normal(0, 0.3, features).astype(np.float32),
    }
    x = codes_of(coding, (30, features))
    x[0] = x[0, 0]
    output = Quantization.from_range(-4.0, 4.0, signed=True)
    found = layer.on_codes((coding,), output, x, parameters=parameters)
    wide = {name: array.astype(np.float64) for name, array in parameters.items()}
    exact = layer.forward(coding.decode(x).astype(np.float64), parameters=wide) / output.scale
    assert np.abs(found - np.clip(exact, -127, 127)).max() <= 0.5 + 1e-4


def test_a_layer_norm_does_not_depend_on_the_order_of_features() -> None:
    coding = CODINGS["unsigned"]
    layer = LayerNorm(features=1500)
    parameters = {"weight": np.full(1500, 3, np.float32), "bias": np.zeros(1500, np.float32)}
    x = codes_of(coding, (20, 1500))
    order = np.random.default_rng(1).permutation(1500)
    found = layer.on_codes((coding,), SHARES, x, parameters=parameters)
    assert np.array_equal(
        found[:, order], layer.on_codes((coding,), SHARES, np.ascontiguousarray(x[:, order]), parameters=parameters)
    )
