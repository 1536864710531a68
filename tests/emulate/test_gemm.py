"""The look-up product against plain int64 arithmetic, element by element."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.emulate.gemm import Codes, Table, exact_products, gemm
from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.sim.product_table import ProductTable

LOWEST = {np.dtype(np.int8): -128, np.dtype(np.uint8): 0}


def random_codes(rng: np.random.Generator, shape: tuple[int, int], dtype: npt.DTypeLike) -> Codes:
    limits = np.iinfo(np.dtype(dtype).name)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def reference_gemm(a: Codes, w: Codes, table: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The definition, one term at a time: an int64 index, an int64 sum."""
    result = np.zeros((a.shape[0], w.shape[1]), np.int64)
    for k in range(a.shape[1]):
        rows = a[:, k].astype(np.int64) - LOWEST[a.dtype]
        columns = w[k].astype(np.int64) - LOWEST[w.dtype]
        result += table.astype(np.int64)[rows[:, None], columns]
    return result


def table_of(text: str, *, signed: bool = True) -> ProductTable:
    spec = parse(text, signed=signed)
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    return ProductTable(values=values, width=8, signed=signed, name=spec.name, source={})


def test_negative_quadrant_and_operand_order_of_an_asymmetric_circuit() -> None:
    spec = parse("evoapprox:mul8s_1KXF")
    forward, backward = int(spec.reference(-128, -127)), int(spec.reference(-127, -128))
    assert forward != backward
    table = table_of("evoapprox:mul8s_1KXF")
    a, w = np.array([[-128]], np.int8), np.array([[-127]], np.int8)
    assert gemm(a, w, table).tolist() == [[forward]]
    assert gemm(w, a, table).tolist() == [[backward]]
    assert forward > 16000


@pytest.mark.parametrize(
    ("text", "signed", "dtype"),
    [
        ("evoapprox:mul8s_1L2J", True, np.int8),
        ("roup:p=1,r=4", True, np.int8),
        ("bam:ha=1,hb=3,v=5", False, np.uint8),
        ("exact", False, np.uint8),
    ],
)
def test_every_pair_of_operands(text: str, signed: bool, dtype: npt.DTypeLike) -> None:
    spec = parse(text, signed=signed)
    codes = spec.operand_codes()
    result = gemm(codes[:, None].astype(dtype), codes[None, :].astype(dtype), table_of(text, signed=signed))
    assert np.array_equal(result, spec.reference(codes[:, None], codes))


@settings(max_examples=150)
@given(
    rows=st.integers(0, 40),
    terms=st.integers(0, 40),
    columns=st.integers(0, 40),
    dtypes=st.tuples(st.sampled_from([np.int8, np.uint8]), st.sampled_from([np.int8, np.uint8])),
    largest=st.sampled_from([1, 70_000, 2**31 - 1]),
    seed=st.integers(0, 2**32),
)
def test_any_shape_dtype_and_table(
    rows: int, terms: int, columns: int, dtypes: tuple[type, type], largest: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, w = random_codes(rng, (rows, terms), dtypes[0]), random_codes(rng, (terms, columns), dtypes[1])
    table = rng.integers(-largest - 1, largest + 1, (256, 256))
    result = gemm(a, w, table)
    assert result.dtype in (np.int32, np.int64)
    assert result.shape == (rows, columns)
    assert np.array_equal(result, reference_gemm(a, w, table))


def test_more_rows_than_one_block_holds() -> None:
    rng = np.random.default_rng(1)
    a, w = random_codes(rng, (8192 * 2 + 3, 5), np.int8), random_codes(rng, (5, 7), np.int8)
    table = table_of("evoapprox:mul8s_1L2J")
    assert np.array_equal(gemm(a, w, table), reference_gemm(a, w, table.values))


@pytest.mark.parametrize("terms", [257, 258, 259, 1024, 1025, 5001])
@pytest.mark.parametrize("dtypes", [(np.int8, np.int8), (np.uint8, np.uint8), (np.uint8, np.int8)])
def test_exact_products_stay_exact_around_the_bounds_of_float32(terms: int, dtypes: tuple[type, type]) -> None:
    # All terms at the largest odd product: one bit lost to float32 shows.
    a: Codes = np.full((3, terms), np.iinfo(dtypes[0]).max, dtypes[0])
    w: Codes = np.full((terms, 2), np.iinfo(dtypes[1]).max, dtypes[1])
    expected = a.astype(np.int64) @ w.astype(np.int64)
    assert np.array_equal(gemm(a, w, exact_products(*dtypes)), expected)
    lowest: Codes = np.full((3, terms), np.iinfo(dtypes[0]).min, dtypes[0])
    assert np.array_equal(gemm(lowest, w, exact_products(*dtypes)), lowest.astype(np.int64) @ w.astype(np.int64))


def test_sums_beyond_int32_are_int64() -> None:
    table = np.full((256, 256), 2**31 - 1, np.int32)
    codes = np.zeros((1, 3), np.int8)
    assert gemm(codes[:, :1], codes.T[:1], table).dtype == np.int32
    wide = gemm(codes, codes.T, table)
    assert wide.dtype == np.int64
    assert wide.tolist() == [[3 * (2**31 - 1)]]


def test_exact_sums_beyond_int32_are_int64() -> None:
    terms = 140_000
    a, w = np.full((1, terms), -128, np.int8), np.full((terms, 1), -128, np.int8)
    result = gemm(a, w, exact_products(np.int8, np.int8))
    assert result.dtype == np.int64
    assert result.tolist() == [[terms * 16384]]


def test_strided_and_read_only_operands() -> None:
    rng = np.random.default_rng(2)
    a, w = random_codes(rng, (12, 60), np.int8)[::2, ::3], random_codes(rng, (8, 20), np.int8).T
    a.setflags(write=False)
    w.setflags(write=False)
    table = table_of("evoapprox:mul8s_1L2J")
    assert np.array_equal(gemm(a, w, table), reference_gemm(a, w, table.values))


def test_exact_products_are_indexed_from_the_lowest_code() -> None:
    assert exact_products(np.int8, np.int8)[0, 255] == -128 * 127
    assert exact_products(np.uint8, np.int8)[255, 0] == 255 * -128


ONE = np.ones((1, 1), np.int8)
EXACT = exact_products(np.int8, np.int8)


@pytest.mark.parametrize(
    ("a", "w", "table", "message"),
    [
        (ONE.astype(np.int32), ONE, EXACT, "Expected a as an int8 or uint8 array of codes, found int32"),
        (ONE, [[1]], EXACT, "Expected w as an int8 or uint8 array of codes, found list"),
        (ONE, np.ones((2, 1), np.int8), EXACT, r"w of shape \[K, N\], found \(1, 1\) and \(2, 1\)"),
        (ONE[0], ONE, EXACT, r"found \(1,\) and \(1, 1\)"),
        (ONE, ONE, EXACT[:255], r"product table of shape \(256, 256\) for 8-bit codes, found \(255, 256\)"),
        (ONE, ONE, EXACT.astype(np.float64), r"integer array of shape \(256, 256\), found float64"),
        (ONE, ONE, "lut.npy", r"integer array of shape \(256, 256\), found str"),
        (ONE, ONE, EXACT.astype(np.int64) << 20, "products within int32 in the product table, found -1704"),
        (ONE, ONE, table_of("exact", signed=False), "Expected uint8 codes for the table exact8u, found int8 and int8"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(a: Codes, w: Codes, table: Table, message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        gemm(a, w, table)
