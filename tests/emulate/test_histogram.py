"""Operand histograms against counting pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.emulate.gemm import Codes, gemm
from axhw.emulate.histogram import operand_histogram
from axhw.errors import AxhwError


@pytest.mark.parametrize(("dtype", "lowest"), [(np.int8, -128), (np.uint8, 0)])
def test_counts_every_pair(dtype: type, lowest: int) -> None:
    rng = np.random.default_rng(0)
    # Few distinct codes, so that pairs repeat.
    a: Codes = (rng.integers(0, 4, (6, 5)) * 60 + lowest).astype(dtype)
    w: Codes = (rng.integers(0, 3, (5, 7)) * 90 + lowest).astype(dtype)
    expected = np.zeros((256, 256), np.int64)
    for m in range(6):
        for k in range(5):
            for n in range(7):
                expected[int(a[m, k]) - lowest, int(w[k, n]) - lowest] += 1
    assert np.array_equal(operand_histogram(a, w), expected)


def test_the_histogram_gives_the_sum_of_all_products() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(-128, 128, (50, 20)).astype(np.int8)
    w = rng.integers(-128, 128, (20, 8)).astype(np.int8)
    table = rng.integers(-1000, 1000, (256, 256)).astype(np.int32)
    assert int((operand_histogram(a, w) * table).sum()) == int(gemm(a, w, table).sum())


def test_refuses_what_gemm_refuses() -> None:
    codes: Codes = np.ones((2, 3), np.int8)
    with pytest.raises(AxhwError, match=r"found \(2, 3\) and \(2, 3\)"):
        operand_histogram(codes, codes)
