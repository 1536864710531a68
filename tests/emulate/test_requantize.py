"""Requantisation and addition of codes against float32 arithmetic by numpy, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.emulate.add import Affine, add_codes
from axhw.emulate.codes import Codes
from axhw.emulate.conv import prepare_conv2d
from axhw.emulate.gemm import exact_products, prepare_gemm
from axhw.emulate.requantize import Epilogue, requantize
from axhw.errors import AxhwError

INT8, UINT8 = np.dtype(np.int8), np.dtype(np.uint8)


def reference(sums: npt.NDArray[np.integer], epilogue: Epilogue) -> npt.NDArray[np.float32]:
    total = np.asarray(sums + epilogue.constant).astype(np.float32) * epilogue.scale
    codes: npt.NDArray[np.float32] = np.clip(
        np.rint(total) + np.float32(epilogue.zero_point), epilogue.low, epilogue.high
    )
    return codes


def random_epilogue(rng: np.random.Generator, channels: int, dtype: npt.DTypeLike, scale: float = 1e-3) -> Epilogue:
    limits = np.iinfo(np.dtype(dtype).name)
    low, high = sorted(rng.integers(limits.min, limits.max + 1, 2).tolist())
    return Epilogue(
        constant=rng.integers(-(10**6), 10**6, channels).astype(np.int32),
        scale=(rng.random(channels) * scale).astype(np.float32),
        zero_point=int(rng.integers(limits.min, limits.max + 1)),
        low=low,
        high=high,
        dtype=dtype,
    )


@settings(max_examples=60)
@given(
    rows=st.integers(0, 40),
    channels=st.integers(0, 70),
    dtype=st.sampled_from([INT8, UINT8]),
    wide=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_codes_equal_float32_arithmetic(rows: int, channels: int, dtype: npt.DTypeLike, wide: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = rng.integers(-(2**30), 2**30, (rows, channels)) >> rng.integers(0, 30)
    epilogue = random_epilogue(rng, channels, dtype)
    codes = requantize(sums if wide else sums.astype(np.int32), epilogue)
    assert codes.dtype == dtype
    assert np.array_equal(codes, reference(sums, epilogue))


@pytest.mark.parametrize("sums", [np.arange(-300, 300), np.arange(-300, 300) * 2 + 1])
def test_halves_go_to_the_even_code(sums: npt.NDArray[np.int64]) -> None:
    epilogue = Epilogue(
        constant=np.zeros(1, np.int32),
        scale=np.full(1, 0.5, np.float32),
        zero_point=0,
        low=-128,
        high=127,
        dtype=np.int8,
    )
    expected = [max(-128, min(127, round(int(s) / 2))) for s in sums]
    assert requantize(sums.astype(np.int32)[:, None], epilogue)[:, 0].tolist() == expected


def test_sums_beyond_24_bits_are_rounded_once_to_float32() -> None:
    # 2**24 + 1 is no float32: it becomes 2**24, and the product with 2**-18 is 64, not 64.0000038.
    sums = np.array([[2**24 + 1, 2**24 + 3]], np.int32)
    scale = np.full(2, 2.0**-18, np.float32)
    epilogue = Epilogue(constant=np.zeros(2, np.int32), scale=scale, zero_point=0, low=0, high=255, dtype=np.uint8)
    assert requantize(sums, epilogue).tolist() == [[64, 64]]


def test_without_a_compiler_codes_are_the_same(no_compiler: None) -> None:
    rng = np.random.default_rng(1)
    sums = rng.integers(-(2**30), 2**30, (50, 9)).astype(np.int32)
    epilogue = random_epilogue(rng, 9, np.int8, scale=1e-6)
    assert np.array_equal(requantize(sums, epilogue), reference(sums, epilogue))


@pytest.mark.parametrize("channels", [3, 16, 40])
def test_fused_codes_equal_requantised_sums(channels: int) -> None:
    rng = np.random.default_rng(2)
    x: Codes = rng.integers(-128, 128, (3, 6, 9, 10)).astype(np.int8)
    weight: Codes = rng.integers(-128, 128, (channels, 6, 3, 3)).astype(np.int8)
    epilogue = random_epilogue(rng, channels, np.uint8)
    for table in (exact_products(np.int8, np.int8), rng.integers(-20_000, 20_000, (256, 256))):
        multiplication = prepare_conv2d(weight, table, a_dtype=np.int8, padding=(1, 1, 1, 1), zero=-5)
        codes = multiplication.codes(x, epilogue)
        sums = multiplication(x).transpose(0, 2, 3, 1)
        assert np.array_equal(codes.transpose(0, 2, 3, 1), requantize(sums, epilogue))
        assert codes.dtype == np.uint8
        assert codes.transpose(0, 2, 3, 1).flags.c_contiguous


def test_fused_codes_of_sums_beyond_int32() -> None:
    rng = np.random.default_rng(3)
    a, w = rng.integers(0, 256, (5, 40)).astype(np.uint8), rng.integers(0, 256, (40, 6)).astype(np.uint8)
    table = rng.integers(-(2**31), 2**31, (256, 256))
    multiplication = prepare_gemm(w, table, a_dtype=np.uint8)
    assert multiplication.plan.accumulator == "int64"
    epilogue = random_epilogue(rng, 6, np.uint8, scale=1e-8)
    assert np.array_equal(multiplication.codes(a, epilogue), reference(multiplication(a), epilogue))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtypes", [(INT8, INT8, INT8), (UINT8, INT8, UINT8), (INT8, UINT8, UINT8)])
def test_added_codes(compiled: bool, dtypes: tuple[npt.DTypeLike, ...], request: pytest.FixtureRequest) -> None:
    if not compiled:
        request.getfixturevalue("no_compiler")
    rng = np.random.default_rng(4)
    a, b = (rng.integers(0, 256, (3, 7, 5, 9)).astype(np.uint8).view(np.dtype(d).name) for d in dtypes[:2])
    by_pixel = a.transpose(0, 3, 1, 2)
    other = np.ascontiguousarray(b.transpose(0, 3, 1, 2))
    codings = [
        Affine(scale=0.01 + float(rng.random()), zero_point=int(rng.integers(0, 100)), low=2, high=120, dtype=d)
        for d in dtypes
    ]
    result = add_codes(by_pixel, other, a_coding=codings[0], b_coding=codings[1], output=codings[2])
    reals = [
        (codes.astype(np.float32) - np.float32(coding.zero_point)) * np.float32(coding.scale)
        for codes, coding in zip((by_pixel, other), codings)
    ]
    ratio = (reals[0] + reals[1]) / np.float32(codings[2].scale)
    assert np.array_equal(result, np.clip(np.rint(ratio) + np.float32(codings[2].zero_point), 2, 120))
    assert result.dtype == dtypes[2]
    assert result.strides == by_pixel.strides


GOOD: dict[str, Any] = {
    "constant": np.zeros(2, np.int32),
    "scale": np.ones(2, np.float32),
    "zero_point": 0,
    "low": 0,
    "high": 9,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": np.int16}, "the output of a requantisation as an int8 or uint8 array of codes, found int16"),
        ({"low": -1}, "limits within 0 to 255 for uint8 codes, found -1 to 9"),
        ({"low": 10}, "found 10 to 9"),
        ({"zero_point": 256}, "a zero point that is a code of uint8, found 256"),
        (
            {"scale": np.ones(3, np.float32)},
            r"scale as an array float32 \[N\], as many as constants, found float32",
        ),
        ({"constant": np.zeros(2)}, r"constant as an array int32 \[N\]"),
        ({"scale": np.array([1, np.nan], np.float32)}, "finite scales, found infinity or NaN"),
    ],
)
def test_bad_epilogues_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        Epilogue(**{**GOOD, "dtype": np.uint8, **change})


def test_other_numbers_of_channels_are_refused() -> None:
    epilogue = Epilogue(**GOOD, dtype=np.uint8)
    with pytest.raises(AxhwError, match=r"sums of 2 channels in the last axis, found the shape \(4, 3\)"):
        requantize(np.zeros((4, 3), np.int32), epilogue)
    w: Codes = np.zeros((4, 3), np.int8)
    with pytest.raises(AxhwError, match="an epilogue for 3 channels, found one for 2"):
        prepare_gemm(w, exact_products(np.int8, np.int8), a_dtype=np.int8).codes(np.zeros((1, 4), np.int8), epilogue)


def test_bad_sums_of_codes_are_refused() -> None:
    coding = Affine(scale=1.0, zero_point=0, low=0, high=127, dtype=np.int8)
    zeros: Codes = np.zeros((2, 3), np.int8)
    with pytest.raises(AxhwError, match="Expected b as int8 codes, as its coding says, found uint8"):
        add_codes(zeros, zeros.view(np.uint8), a_coding=coding, b_coding=coding, output=coding)
    with pytest.raises(AxhwError, match=r"codes of one shape to add, found \(2, 3\) and \(3, 2\)"):
        add_codes(zeros, zeros.T, a_coding=coding, b_coding=coding, output=coding)
    with pytest.raises(AxhwError, match="a positive scale within float32, found 0"):
        Affine(scale=0.0, zero_point=0, low=0, high=127, dtype=np.int8)
    with pytest.raises(AxhwError, match="zero point and limits that are codes of int8, found 128"):
        Affine(scale=1.0, zero_point=128, low=0, high=127, dtype=np.int8)
