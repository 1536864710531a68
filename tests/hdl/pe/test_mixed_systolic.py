"""Arrays whose columns differ; that they follow their cycle model is tested with all arrays, in test_systolic."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.pe.tiling import matmul

EXACT, COARSE = ExactSpec(), RoupSpec(p=2, r=3)


def test_names_are_runs_of_columns():
    spec = MixedSystolicSpec.of((EXACT, EXACT, COARSE, EXACT), rows=3, terms=7)
    assert spec.name == "exact8s_x2_roup8s_p2_r3_exact8s_sa3x4_t7"
    assert spec.columns == 4
    assert spec.types == (EXACT, COARSE)
    assert spec.columns_of(EXACT) == (0, 1, 3)


def test_sums_are_as_wide_as_the_widest_product_asks():
    unsigned = {"width": 8, "signed": False}
    wide = RoupSpec(p=1, r=8, rule="symmetric", **unsigned)
    assert wide.product_width == 17
    for columns in ((wide, ExactSpec(**unsigned)), (ExactSpec(**unsigned), wide)):
        assert MixedSystolicSpec.of(columns).sum_width == 17 + 6


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 9, 5), (3, 13, 7)])
def test_a_filter_is_multiplied_by_its_column(shape):
    # M(0, 0) is not 0 in the last column, and is taken off again where rows are padded.
    columns = (EXACT, COARSE, TruncatedSpec(k=4, correction="constant"))
    m, k, n = shape
    rng = np.random.default_rng(71)
    a, w = rng.integers(-128, 128, (m, k)), rng.integers(-128, 128, (k, n))
    product, _ = matmul(MixedSystolicSpec.of(columns, rows=2), a, w)
    for number in range(n):
        expected = columns[number % 3].reference(a, w[:, number]).sum(axis=1)
        np.testing.assert_array_equal(product[:, number], expected)


def test_equal_columns_are_the_plain_array():
    rng = np.random.default_rng(72)
    a, w = rng.integers(-128, 128, (5, 6)), rng.integers(-128, 128, (6, 4))
    same, _ = matmul(MixedSystolicSpec.of((COARSE,) * 4), a, w)
    plain, _ = matmul(SystolicSpec(multiplier=COARSE), a, w)
    np.testing.assert_array_equal(same, plain)


@pytest.mark.parametrize(
    ("multipliers", "message"),
    [
        ((), "Expected a multiplier for every column of a mixed array, found none."),
        (
            (EXACT, ExactSpec(width=7)),
            "Expected operands as those of exact8s in every column of a mixed array, found exact7s.",
        ),
        (
            (EXACT, RoupSpec(signed=False)),
            "Expected operands as those of exact8s in every column of a mixed array, found roup8u_p0_r0.",
        ),
        ((EXACT, None), "Expected a multiplier spec for every column of a mixed array, found None."),
        ((None,), "Expected a multiplier spec inside the element mixed, found None."),
        ((EXACT,) * 33, "Expected columns from 1 to 32 for the element systolic, found 33."),
    ],
)
def test_impossible_columns(multipliers, message):
    with pytest.raises(AxhwError) as caught:
        MixedSystolicSpec.of(multipliers)
    assert str(caught.value) == message


def test_a_column_too_many():
    with pytest.raises(
        AxhwError, match=r"^Expected a multiplier for each of the 4 columns of a mixed array, found 2\.$"
    ):
        MixedSystolicSpec(multiplier=EXACT, others=(COARSE,))
