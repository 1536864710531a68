"""Matrix products on an array: against numpy, cycles and utilisation, messages."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.families.exact import ExactSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.families.truncated import TruncatedSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.pe.tiling import Tiling, Waves, matmul, skewed

SPEC = SystolicSpec(multiplier=ExactSpec(), rows=4, columns=4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 9, 5), (2, 13, 3), (20, 4, 4)])
@pytest.mark.parametrize(
    "spec",
    [
        SystolicSpec(multiplier=RoupSpec(p=2, r=3)),
        # M(0, 0) is not 0, and three passes of a sum do not fit.
        SystolicSpec(multiplier=TruncatedSpec(signed=False, k=4, correction="constant"), rows=2, columns=3, terms=5),
        SystolicSpec(multiplier=ExactSpec(width=4), rows=1, columns=1, terms=1),
    ],
    ids=lambda spec: spec.name,
)
def test_product_equals_numpy(spec, shape):
    m, k, n = shape
    low, high = spec.multiplier.operand_range
    rng = np.random.default_rng(41)
    a, w = rng.integers(low, high, (m, k), endpoint=True), rng.integers(low, high, (k, n), endpoint=True)
    product, tiling = matmul(spec, a, w)
    np.testing.assert_array_equal(product, spec.multiplier.reference(a[:, :, None], w).sum(axis=1))
    assert (tiling.m, tiling.k, tiling.n) == shape


def test_exact_product_is_numpys():
    rng = np.random.default_rng(42)
    a, w = rng.integers(-128, 127, (9, 10)), rng.integers(-128, 127, (10, 6))
    np.testing.assert_array_equal(matmul(SPEC, a, w)[0], a @ w)


def test_cycles_and_utilisation_by_hand():
    # One vector on one tile: in PE (0, 0) in cycle 1, in PE (3, 3) in cycle 7, the last sum in its register in cycle 8.
    single = Tiling(spec=SPEC, m=1, k=4, n=4)
    assert (single.tiles, single.cycles) == (1, 8)
    assert single.utilisation == 16 / (16 * 8)
    # Two times two tiles of 10 vectors, one behind the other without a gap.
    several = Tiling(spec=SPEC, m=10, k=8, n=8)
    assert (several.tiles, several.interval, several.cycles) == (4, 10, 3 * 10 + 10 - 1 + 8)
    assert several.utilisation == 10 * 8 * 8 / (16 * 47)
    # Fewer vectors than rows: loading decides.
    assert Tiling(spec=SPEC, m=2, k=8, n=4).cycles == 4 + 2 - 1 + 8


def test_utilisation_is_what_the_array_does():
    tiling = Tiling(spec=SystolicSpec(multiplier=ExactSpec(), rows=2, columns=3), m=5, k=4, n=3)
    waves = tiling.fill(np.ones((5, 4), np.int64), np.ones((4, 3), np.int64))
    ports = skewed(tiling.spec, waves)
    _, valid_o = tiling.spec.simulate(ports.a, ports.w, ports.s_i, valid=ports.valid, load=ports.load)
    # Nothing is valid behind the last cycle, in which the last column shows its last sum.
    assert np.flatnonzero(valid_o[:, -1]).max() == tiling.cycles
    busy = int(valid_o.sum()) * tiling.spec.rows
    assert tiling.utilisation == busy / (tiling.spec.operations * tiling.cycles)


def test_long_products_keep_the_array_busy():
    assert Tiling(spec=SPEC, m=1000, k=64, n=64).utilisation > 0.999


def test_messages():
    with pytest.raises(AxhwError, match=r"^Expected matrices \[m, k\] and \[k, n\] for exact8s_sa4x4, found \(2, 3\)"):
        matmul(SPEC, np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64))
    with pytest.raises(AxhwError, match=r"^Expected a matrix product of at least one row, found 0 for m\.$"):
        Tiling(spec=SPEC, m=0, k=1, n=1)
    waves = Waves.empty(SPEC, 5)
    waves.load[[0, 3]] = True
    with pytest.raises(AxhwError, match=r"^Expected loads of exact8s_sa4x4 at least 4 waves apart, found 3\.$"):
        skewed(SPEC, waves)


def test_a_wrong_sum_is_found():
    a, w = np.ones((3, 8), np.int64), np.ones((8, 2), np.int64)

    def broken(ports):
        s_o, valid_o = SPEC.simulate(ports.a, ports.w, ports.s_i, valid=ports.valid, load=ports.load)
        return s_o + 1, valid_o

    with pytest.raises(VerificationError, match=r"^Expected exact8s_sa4x4 to add as its cycle model in tile 0"):
        matmul(SPEC, a, w, run=broken)
