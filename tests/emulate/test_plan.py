"""Which kernel is chosen, what is refused, and that a wrong kernel never gets away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw.emulate.calls import Call
from axhw.emulate.codes import Codes
from axhw.emulate.conv import prepare_conv2d
from axhw.emulate.gemm import exact_products, gemm, prepare_gemm
from axhw.emulate.lookup import has_vbmi
from axhw.emulate.product import Target
from axhw.emulate.row_table import RowTable
from axhw.errors import AxhwError, VerificationError
from axhw.hdl.registry import parse
from axhw.sim.product_table import ProductTable

RNG = np.random.default_rng(0)
W: Codes = RNG.integers(-128, 128, (64, 32)).astype(np.int8)
EXACT = exact_products(np.int8, np.int8)
RANDOM = RNG.integers(-30_000, 30_000, (256, 256))
needs_vbmi = pytest.mark.skipif(not has_vbmi(), reason="the processor has no AVX-512 VBMI")


def table_of(text: str) -> npt.NDArray[np.int32]:
    spec = parse(text)
    codes = spec.operand_codes()
    return spec.reference(codes[:, None], codes).astype(np.int32)


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ("exact", "exact"),
        ("drum:k=6", "mapped"),
        ("evoapprox:mul8s_1L2J", "mapped"),
        ("evoapprox:mul8s_1KXF", "mapped"),
        ("mitchell", "row table"),
    ],
)
def test_kernel_of_a_multiplier(text: str, kernel: str) -> None:
    plan = prepare_gemm(W, table_of(text), a_dtype=np.int8).plan
    assert plan.kernel == kernel
    assert plan.accumulator == "int32"


@needs_vbmi
def test_few_rows_take_another_kernel() -> None:
    multiplication = prepare_gemm(W, RANDOM, a_dtype=np.int8)
    assert multiplication.plan.kernel == "row table"
    assert multiplication.kernel(np.zeros((1, 64), np.int8)) == "byte row"
    assert multiplication.kernel(np.zeros((300, 64), np.int8)) == "byte plane"


def test_a_layer_gets_the_same_plan_every_time() -> None:
    plans = {prepare_gemm(W, RANDOM, a_dtype=np.int8).plan for _ in range(3)}
    assert len(plans) == 1


def test_numpy_alone_without_a_compiler(no_compiler: None) -> None:
    a: Codes = RNG.integers(-128, 128, (20, 64)).astype(np.int8)
    multiplication = prepare_gemm(W, RANDOM, a_dtype=np.int8)
    assert multiplication.plan.kernel == "take"
    expected = RANDOM[a[:, :, None].astype(int) + 128, W.astype(int) + 128].sum(axis=1)
    assert np.array_equal(multiplication(a), expected)
    exact = prepare_gemm(W, EXACT, a_dtype=np.int8)
    assert exact.plan.kernel == "exact"
    assert exact.plan.reason.endswith("BLAS")
    assert np.array_equal(exact(a), a.astype(int) @ W.astype(int))
    with pytest.raises(AxhwError, match="or llvmlite, which is missing or switched off"):
        prepare_gemm(W, RANDOM, a_dtype=np.int8, plan="row table")


def test_a_wrong_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = RowTable.calls

    def wrong(self: RowTable, sources: Any, rows: slice, block: int, out: Target) -> list[Call]:
        # The fourth row is that of the third.
        last = Target(out.column(3 * out.stride), out.stride)
        return right(self, sources, rows, block, out) + right(self, sources, slice(2, 3), block, last)

    monkeypatch.setattr(RowTable, "calls", wrong)
    with pytest.raises(VerificationError, match="Expected the kernel 'row table' to equal integer arithmetic"):
        prepare_gemm(W, RANDOM, a_dtype=np.int8, plan="row table")


def test_weight_zero_points() -> None:
    a: Codes = RNG.integers(0, 256, (40, 64)).astype(np.uint8)
    w: Codes = RNG.integers(0, 256, (64, 32)).astype(np.uint8)
    zero = RNG.integers(0, 256, 32)
    expected = a.astype(int) @ (w.astype(int) - zero)
    exact = prepare_gemm(w, exact_products(np.uint8, np.uint8), a_dtype=np.uint8, weight_zero=zero)
    assert exact.plan.kernel == "exact"
    assert np.array_equal(exact(a), expected)
    looked_up = prepare_gemm(w, RANDOM, a_dtype=np.uint8, weight_zero=zero)(a)
    sums = RANDOM[a[:, :, None], w].sum(axis=1) - a.sum(axis=1, dtype=int)[:, None] * zero
    assert np.array_equal(looked_up, sums)


KERNEL = np.zeros((4, 2, 3, 3), np.int8)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda: prepare_gemm(W, RANDOM, a_dtype=np.int8, plan="fast"), "Expected a kernel out of exact, mapped, row"),
        (lambda: prepare_gemm(W, RANDOM, a_dtype=np.int8, plan="exact"), "that the kernel 'exact' can do"),
        (
            lambda: prepare_gemm(W, RANDOM, a_dtype=np.int16),
            "Expected activations as an int8 or uint8 array of codes, found int16",
        ),
        (lambda: prepare_gemm(W[0], RANDOM, a_dtype=np.int8), r"weights of shape \[K, N\], found \[32\]"),
        (lambda: prepare_gemm(W, [], a_dtype=np.int8), "at least one product table, found an empty sequence"),
        (lambda: prepare_gemm(W, [EXACT, RANDOM], a_dtype=np.int8), "which of the 2 tables each weight uses"),
        (
            lambda: prepare_gemm(W, [EXACT, RANDOM], a_dtype=np.int8, table_of=[2]),
            "table_of from 0 to 1 for 2 tables, found 2 to 2",
        ),
        (
            lambda: prepare_gemm(W, [EXACT, RANDOM], a_dtype=np.int8, table_of=[0, 1]),
            r"table_of to broadcast against the weights of shape \(64, 32\), found \(2,\)",
        ),
        (
            lambda: prepare_gemm(W, EXACT, a_dtype=np.int8, table_of=[0.5]),
            "table_of as an array of integers, found float64",
        ),
        (lambda: prepare_gemm(W, EXACT, a_dtype=np.int8, weight_zero=[0.5]), "weight_zero as an array of integers"),
        (lambda: prepare_gemm(W, EXACT, a_dtype=np.int8, threads=0), "a positive number of threads, found 0"),
        (lambda: prepare_conv2d(W, EXACT, a_dtype=np.int8), r"weights of shape \[O, C / groups, kh, kw\], found \[64"),
        (lambda: prepare_conv2d(KERNEL, EXACT, a_dtype=np.int8, groups=3), "groups that divide the 4 filters, found 3"),
        (lambda: prepare_conv2d(KERNEL, EXACT, a_dtype=np.int8, stride=(0, 1)), "stride as 2 integers of at least 1"),
        (lambda: prepare_conv2d(KERNEL, EXACT, a_dtype=np.int8, padding=(1, 1)), "padding as 4 integers"),  # type: ignore[arg-type]
        (lambda: prepare_conv2d(KERNEL, EXACT, a_dtype=np.int8, zero=200), "a code of int8 for zero, found 200"),
        (
            lambda: prepare_conv2d(KERNEL, EXACT, a_dtype=np.int8)(np.zeros((1, 3, 5, 5), np.int8)),
            r"activations of shape \[B, 2, H, W\], found \[1, 3, 5, 5\]",
        ),
        (
            lambda: prepare_conv2d(KERNEL, EXACT, a_dtype=np.int8)(np.zeros((1, 2, 2, 5), np.int8)),
            "an image of at least 3 pixels a side",
        ),
        (
            lambda: prepare_gemm(W, EXACT, a_dtype=np.int8)(np.zeros((1, 64), np.uint8)),
            "Expected int8 activations, for which the product was prepared, found uint8",
        ),
        (
            lambda: prepare_gemm(W, EXACT, a_dtype=np.int8)(np.zeros((1, 63), np.int8)),
            r"activations of shape \[M, 64\], found \[1, 63\]",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(prepare: Callable[[], object], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        prepare()


def test_tables_of_other_signedness_are_refused() -> None:
    values = exact_products(np.uint8, np.uint8)
    table = ProductTable(values=values, width=8, signed=False, name="exact8u", source={})
    with pytest.raises(AxhwError, match="Expected uint8 codes for the table exact8u, found int8 and int8"):
        gemm(W, W.T, table)
