"""Quantisation in PyTorch equals that in numpy bit by bit, and passes gradients where nothing is cut off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.emulate.add import Affine, add_codes  # noqa: E402
from axhw.emulate.requantize import Epilogue  # noqa: E402
from axhw.emulate.requantize import requantize as numpy_requantize  # noqa: E402
from axhw.nn.quantize import Quantization  # noqa: E402
from axhw.train.coding import AddCodes, Coding, Requantize, Units, round_significant  # noqa: E402

SCHEMES = [(True, None), (True, False), (False, None)]
# Steps between codes are a 255th of these, and no subnormal numbers either.
FINITE = st.floats(-1e4, 1e4).filter(lambda value: value == 0 or abs(value) > 1e-300)
ENDS = st.lists(
    st.tuples(FINITE, FINITE).map(lambda pair: (min(pair), max(pair))),
    min_size=1,
    max_size=20,
)


@pytest.mark.parametrize(("signed", "symmetric"), SCHEMES)
@given(ends=ENDS, smallest=st.floats(0, 1e-3, allow_subnormal=False))
@settings(max_examples=100)
def test_from_range_equals_numpy(
    signed: bool, symmetric: bool | None, ends: list[tuple[float, float]], smallest: float
) -> None:
    low, high = (np.array(side) for side in zip(*ends))
    expected = Quantization.from_range(low, high, signed=signed, symmetric=symmetric, smallest_scale=smallest)
    found = Coding.from_range(
        torch.from_numpy(low),
        torch.from_numpy(high),
        signed=signed,
        symmetric=symmetric,
        smallest_scale=torch.full((len(low),), smallest, dtype=torch.float64),
    ).quantization()
    np.testing.assert_array_equal(found.scale, expected.scale)
    np.testing.assert_array_equal(found.zero_point, expected.zero_point)
    assert found.code_range == expected.code_range


@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=50))
@settings(max_examples=100)
def test_sixteen_significant_bits(values: list[float]) -> None:
    found = round_significant(torch.tensor(values, dtype=torch.float64)).numpy()
    mantissa, exponent = np.frexp(values)
    np.testing.assert_array_equal(found, np.ldexp(np.rint(mantissa * 65536), exponent - 16))
    assert float(round_significant(torch.zeros(1, dtype=torch.float64))) == 0


@pytest.mark.parametrize(("signed", "symmetric"), SCHEMES)
def test_codes_equal_numpy(signed: bool, symmetric: bool | None) -> None:
    values = np.random.default_rng(0).normal(0, 2, 10_000).astype(np.float32)
    expected = Quantization.from_range(-3.1, 4.2, signed=signed, symmetric=symmetric)
    found = Coding.from_range(
        torch.tensor(-3.1, dtype=torch.float64),
        torch.tensor(4.2, dtype=torch.float64),
        signed=signed,
        symmetric=symmetric,
    )
    codes = found.encode(torch.from_numpy(values))
    np.testing.assert_array_equal(codes.numpy(), expected.encode(values))
    np.testing.assert_array_equal(found.decode(codes).numpy(), expected.decode(expected.encode(values)))


def test_gradient_of_encoding_stops_at_saturation() -> None:
    coding = Coding.from_range(
        torch.tensor(-1.27, dtype=torch.float64), torch.tensor(1.27, dtype=torch.float64), signed=True
    )
    values = torch.tensor([-2.0, -1.0, 0.0, 0.004, 1.27, 3.0], requires_grad=True)
    coding.encode(values).sum().backward()
    assert values.grad is not None
    steps = 1 / float(coding.scale)
    np.testing.assert_allclose(values.grad.numpy(), [0, steps, steps, steps, steps, 0], rtol=1e-6)


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_requantization_equals_the_emulator(images: bool, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(1)
    sums = rng.integers(-(1 << 23), 1 << 23, (50, 40, 6)).astype(np.int32)
    constant = rng.integers(-(1 << 28), 1 << 28, 6).astype(np.int32)
    constant[:3] = [0, 77, -123_456]
    scale = rng.uniform(1e-6, 1e-4, 6).astype(np.float32)
    epilogue = Epilogue(constant=constant, scale=scale, zero_point=3, low=-20, high=127, dtype=np.int8)
    expected = numpy_requantize(sums, epilogue)
    given_sums = torch.from_numpy(sums).to(dtype)
    given_sums = given_sums.permute(0, 2, 1)[:, :, :, None] if images else given_sums
    found = Requantize.apply(
        given_sums, torch.from_numpy(constant).to(torch.float64), torch.from_numpy(scale), torch.tensor([3.0, -20, 127])
    )
    found = found[:, :, :, 0].permute(0, 2, 1) if images else found
    np.testing.assert_array_equal(found.numpy(), expected)


def test_gradient_of_requantization() -> None:
    sums = torch.tensor([[10.0, 500.0], [-900.0, 20.0], [30.0, 40.0]], requires_grad=True)
    constant = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    ratio = torch.tensor([0.25, 0.5])
    codes = Requantize.apply(sums, constant, ratio, torch.tensor([0.0, -128, 127]))
    codes.backward(torch.tensor([[1.0, 1], [1, 2], [3, 4]]))
    assert sums.grad is not None
    assert constant.grad is not None
    assert sums.grad.tolist() == [[0.25, 0], [0, 1], [0.75, 2]]
    assert constant.grad.tolist() == [1, 3]


def test_sum_of_codes_equals_the_emulator() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 256, (2, 100, 70)).astype(np.uint8)
    sides = [(0.0123, 7), (0.0456, 200), (0.0789, 31)]
    first, second, total = (
        Affine(scale=scale, zero_point=zero, low=31 if zero == 31 else 0, high=255, dtype=np.uint8)
        for scale, zero in sides
    )
    expected = add_codes(a, b, a_coding=first, b_coding=second, output=total)
    coding = torch.tensor([number for side in sides for number in side] + [31, 255])
    x, y = (torch.from_numpy(side).to(torch.float32).requires_grad_() for side in (a, b))
    found = AddCodes.apply(x, y, coding)
    np.testing.assert_array_equal(found.detach().numpy(), expected)
    found.sum().backward()
    inside = (expected > 31) & (expected < 255)
    for operand, scale in ((x, 0.0123), (y, 0.0456)):
        assert operand.grad is not None
        np.testing.assert_allclose(operand.grad.numpy()[inside], scale / 0.0789, rtol=1e-6)
        assert float(operand.grad.min()) == 0


def test_bias_in_units() -> None:
    bias = torch.tensor([0.26, -0.24], dtype=torch.float64, requires_grad=True)
    unit = torch.tensor([0.1, 0.01], dtype=torch.float64)
    Units.apply(bias, unit).sum().backward()
    assert Units.apply(bias, unit).tolist() == [3, -24]
    assert bias.grad is not None
    np.testing.assert_allclose(bias.grad.numpy(), [10, 100])
