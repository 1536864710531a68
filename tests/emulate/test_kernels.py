"""Every kernel against the definition, on this processor and as compiled for narrower ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axhw.emulate.codes import Codes
from axhw.emulate.conv import prepare_conv2d
from axhw.emulate.gemm import exact_products, prepare_gemm
from axhw.emulate.lookup import has_vbmi
from axhw.emulate.plan import PLANS
from axhw.emulate.prepared import Multiplication
from axhw.emulate.vector_ir import Processor
from axhw.errors import AxhwError

Reference = Callable[..., npt.NDArray[np.int64]]
DTYPES = st.sampled_from([np.dtype(np.int8), np.dtype(np.uint8)])
SLOW_FIXTURES = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def codes(rng: np.random.Generator, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Codes:
    found: Codes = rng.integers(0, 256, shape).astype(np.uint8).view(np.dtype(dtype).name)
    return found


def tables(rng: np.random.Generator, kind: str, count: int, a: npt.DTypeLike, w: npt.DTypeLike) -> Any:
    """Tables [count, 256, 256], asymmetric, of a kind that some kernel takes."""
    shape = (count, 256, 256)
    exact = np.broadcast_to(exact_products(a, w), shape).astype(np.int64)
    if kind == "exact":
        return exact
    if kind == "mapped":
        # Two terms, the second of wide factors.
        left = rng.integers(-300, 300, (count, 256, 1)) * rng.integers(-200, 200, (count, 1, 256))
        return (exact & ~3) + left * (rng.random() < 0.5)
    if kind == "near":
        return exact + rng.integers(-60, 60, shape)
    if kind == "bytes":
        return rng.integers(-100, 156, shape)
    if kind == "words":
        return rng.integers(-(2**15), 2**15, shape)
    return rng.integers(-(2**31), 2**31, shape)


KINDS = ("exact", "mapped", "near", "bytes", "words", "wide")


def prepared(prepare: Callable[[str | None], Multiplication], plan: str | None) -> Multiplication | None:
    """With the plan asked for, or None where these products do not allow it."""
    try:
        return prepare(plan)
    except AxhwError as error:
        if f"the kernel {plan!r} can do" in str(error):
            return None
        raise


@SLOW_FIXTURES
@given(
    rows=st.integers(0, 150),
    terms=st.integers(0, 40),
    columns=st.integers(0, 80),
    a_dtype=DTYPES,
    w_dtype=DTYPES,
    kind=st.sampled_from(KINDS),
    count=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_gemm_by_every_kernel(
    processor: Processor,
    gemm_reference: Reference,
    rows: int,
    terms: int,
    columns: int,
    a_dtype: npt.DTypeLike,
    w_dtype: npt.DTypeLike,
    kind: str,
    count: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    a, w = codes(rng, (rows, terms), a_dtype), codes(rng, (terms, columns), w_dtype)
    found = tables(rng, kind, count, a_dtype, w_dtype)
    table_of = rng.integers(0, count, (terms, columns))
    expected = gemm_reference(a, w, found, table_of=table_of)
    taken = []
    for plan in (None, *PLANS):
        multiplication = prepared(
            lambda plan: prepare_gemm(w, list(found), a_dtype=a_dtype, table_of=table_of, plan=plan, threads=2), plan
        )
        if multiplication is not None:
            result = multiplication(a)
            assert np.array_equal(result, expected), multiplication.plan
            assert result.dtype == multiplication.plan.accumulator
            assert np.abs(expected).max(initial=0) <= multiplication.largest_sum
            taken.append(multiplication.plan.kernel)
    assert {"row table", "gather", "take"} <= set(taken) or not w.size


@SLOW_FIXTURES
@given(data=st.data())
def test_convolution_by_every_kernel(processor: Processor, conv_reference: Reference, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    a_dtype, w_dtype = data.draw(DTYPES), data.draw(DTYPES)
    groups = data.draw(st.sampled_from([1, 1, 2, 5]))
    channels, filters = data.draw(st.integers(1, 9)), data.draw(st.sampled_from([1, 2, 7, 16, 33]))
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    geometry: dict[str, Any] = {
        "stride": data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": data.draw(st.tuples(*[st.integers(0, 2)] * 4)),
        "dilation": data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "groups": groups,
        "zero": data.draw(st.integers(0, 127)),
    }
    x = codes(rng, (data.draw(st.integers(0, 3)), 9, 7, groups * channels), a_dtype)
    # Both orders of memory.
    x = x.transpose(0, 3, 1, 2) if data.draw(st.booleans()) else np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    weight = codes(rng, (groups * filters, channels, *kernel), w_dtype)
    found = tables(rng, data.draw(st.sampled_from(KINDS)), 2, a_dtype, w_dtype)
    level = data.draw(st.sampled_from([(1, 1, 1, 1), (len(weight), 1, 1, 1), (len(weight), channels, 1, 1)]))
    table_of = rng.integers(0, 2, level)
    expected = conv_reference(x, weight, found, table_of=table_of, **geometry)
    for plan in (None, *PLANS):
        multiplication = prepared(
            lambda plan: prepare_conv2d(
                weight, list(found), a_dtype=a_dtype, table_of=table_of, plan=plan, threads=2, **geometry
            ),
            plan,
        )
        if multiplication is not None:
            result = multiplication(x)
            assert np.array_equal(result, expected), multiplication.plan
            assert result.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("kind", ["exact", "near", "words", "wide"])
def test_sums_of_the_largest_entries(processor: Processor, gemm_reference: Reference, kind: str) -> None:
    # Lanes of 8 and 16 bits overflow unless they are emptied in time: all terms at the ends of the range.
    rng = np.random.default_rng(3)
    found = tables(rng, kind, 1, np.int8, np.int8)[0]
    terms = 20 if kind == "wide" else 600

    def prepare(w: Codes, plan: str | None) -> Multiplication:
        return prepare_gemm(w, found, a_dtype=np.int8, plan=plan)

    for extreme in (np.argmax, np.argmin):
        i, j = np.unravel_index(int(extreme(found)), found.shape)
        a: Codes = np.full((9, terms), i - 128, np.int8)
        w: Codes = np.full((terms, 40), j - 128, np.int8)
        w[:, 5] = rng.integers(-128, 128, terms)
        expected = gemm_reference(a, w, found[None])
        for plan in PLANS:
            multiplication = prepared(partial(prepare, w), plan)
            if multiplication is not None:
                assert np.array_equal(multiplication(a), expected), plan


def test_more_rows_than_a_task_holds(gemm_reference: Reference) -> None:
    rng = np.random.default_rng(4)
    a, w = codes(rng, (33_001, 5), np.int8), codes(rng, (5, 40), np.int8)
    found = tables(rng, "near", 1, np.int8, np.int8)
    expected = gemm_reference(a, w, found)
    for threads in (1, 3):
        assert np.array_equal(prepare_gemm(w, found[0], a_dtype=np.int8, threads=threads)(a), expected)


def test_depthwise_in_one_block_of_all_groups(conv_reference: Reference) -> None:
    rng = np.random.default_rng(5)
    channels = 50
    x, weight = codes(rng, (2, channels, 12, 12), np.int8), codes(rng, (channels, 1, 3, 3), np.int8)
    found = tables(rng, "words", 1, np.int8, np.int8)
    geometry: dict[str, Any] = {"padding": (1, 1, 1, 1), "groups": channels, "zero": 3}
    multiplication = prepare_conv2d(weight, found[0], a_dtype=np.int8, **geometry)
    assert multiplication.plan.kernel == ("byte plane" if has_vbmi() else "gather")
    assert np.array_equal(multiplication(x), conv_reference(x, weight, found, **geometry))


@pytest.mark.parametrize("product", [-65536, 65536, -32768, 1000])
def test_factors_of_which_only_differences_are_small(product: int) -> None:
    """A constant table has a factor of 8 bits less its lowest value, whatever that is."""
    weights = np.full((5, 1), 127, np.int8)
    multiply = prepare_gemm(weights, np.full((256, 256), product), a_dtype=np.int8, plan="mapped")
    assert np.array_equal(multiply(np.full((3, 5), -128, np.int8)), np.full((3, 1), 5 * product))
