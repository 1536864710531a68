"""Arrays against `axhw.moe.arrays`, against a count of every outcome, and against hand-made sums."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from axhw.analog.digital import ArrayPool, BatchRows
from axhw.analog.technology import Technology
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.lookup import NamedMultiplier
from axhw.moe.arrays import Array, Columns, MatrixWork
from axhw.store import Store

ARRAY = Array(
    name="exact8s_sa4x4",
    rows=4,
    columns=(Columns(multiplier="exact8s", count=4, product_fj=100.0),),
    area_um2=1000.0,
    leakage_nw=500.0,
    period_ns=2.0,
    clock_fj=10.0,
    library_sha256="",
)


def test_rows_of_a_batch_are_binomial() -> None:
    """All 2^5 outcomes of five tokens, one by one."""
    use = np.array([0.0, 0.3, 1.0])
    rows = BatchRows(batch=5, use=use)
    mean, used, held = np.zeros(3), np.zeros(3), np.zeros(3)
    for outcome in itertools.product((0, 1), repeat=5):
        m = sum(outcome)
        probability = use**m * (1 - use) ** (5 - m)
        mean += probability * m
        used += probability * (m > 0)
        held += probability * max(m, 4) * (m > 0)
    assert rows.mean == pytest.approx(mean)
    assert rows.used == pytest.approx(used)
    assert rows.held(4) == pytest.approx(held)
    assert rows.held(1) == pytest.approx(mean)
    # An array may have more rows than there are tokens.
    assert BatchRows(batch=2, use=use).held(8) == pytest.approx([0, 8 * 0.51, 8])


@pytest.mark.parametrize("batch", [1, 3, 4, 9])
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (4, 4), (5, 9), (30, 17)])
def test_one_array_takes_the_cycles_of_the_array(batch: int, outputs: int, inputs: int) -> None:
    work = ArrayPool(array=ARRAY, count=1).work(outputs=outputs, inputs=inputs, rows=BatchRows.all(batch))
    cycles = ARRAY.cycles(
        MatrixWork(positions=1, k=inputs, n=outputs), np.array([batch], np.int64), multiplier="exact8s"
    )
    assert work.time_ns == pytest.approx(2 * cycles[0])
    products = batch * outputs * inputs
    assert work.macs == products
    assert work.energy_nj == pytest.approx(1e-6 * (100 * products + 10 * (16 * cycles[0] - products)))


def test_several_arrays_by_hand() -> None:
    """Nine tiles on four arrays: one has three of them, three have two. Six rows each."""
    pool = ArrayPool(array=ARRAY, count=4)
    work = pool.work(outputs=12, inputs=12, rows=BatchRows.all(6))
    assert work.time_ns == 2 * (2 * 6 + 5 + 8)
    busy = (2 * 6 + 5 + 8) + 3 * (6 + 5 + 8)
    assert work.energy_nj == pytest.approx(1e-6 * (100 * 864 + 10 * (16 * busy - 864)))
    # Three matrices of one tile with rows of their own are dealt out like tiles.
    assert pool.work(outputs=4, inputs=4, rows=BatchRows.all(6), groups=3).time_ns == 2 * (5 + 8)
    assert pool.area_mm2 == pytest.approx(0.004)
    assert pool.leakage_nw == 2000


def test_more_arrays_are_faster_for_the_same_products() -> None:
    rows = BatchRows(batch=16, use=np.array([0.05, 0.5]))
    works = [ArrayPool(array=ARRAY, count=count).work(outputs=64, inputs=32, rows=rows) for count in (1, 2, 8, 1000)]
    for before, after in itertools.pairwise(works):
        assert (after.time_ns < before.time_ns).all()
        assert after.macs == pytest.approx(before.macs)


def test_an_unused_matrix_costs_nothing() -> None:
    work = ArrayPool(array=ARRAY, count=2).work(outputs=8, inputs=8, rows=BatchRows(batch=7, use=np.zeros(1)))
    for figure in (work.macs, work.energy_nj, work.time_ns):
        assert figure.tolist() == [0]


def test_technology_scales_what_was_measured() -> None:
    plain = ArrayPool(array=ARRAY, count=3)
    scaled = replace(plain, technology=Technology(name="x", energy=0.5, delay=0.25, area=0.125))
    before, after = (pool.work(outputs=9, inputs=9, rows=BatchRows.all(5)) for pool in (plain, scaled))
    assert after.energy_nj == pytest.approx(before.energy_nj / 2)
    assert after.time_ns == pytest.approx(before.time_ns / 4)
    assert scaled.area_mm2 == pytest.approx(plain.area_mm2 / 8)
    assert scaled.leakage_nw == plain.leakage_nw


def test_arrays_are_measured_on_gates(store: Store) -> None:
    pools = [
        ArrayPool.measured(
            NamedMultiplier(spec=parse(text)),
            rows=1,
            columns=2,
            count=5,
            flow=Flow.of(store=store),
        )
        for text in ("exact", "evoapprox:mul8s_1L2L")
    ]
    exact, approximate = pools
    assert (exact.multiplier, exact.array.rows, exact.array.width, exact.count) == ("exact8s", 1, 2, 5)
    assert approximate.product_nj < 0.9 * exact.product_nj
    assert approximate.area_mm2 < exact.area_mm2
    assert 0 < exact.idle_nj < exact.product_nj


def test_what_cannot_be_is_refused(store: Store) -> None:
    with pytest.raises(AxhwError, match="Expected a pool of at least 1 array, found 0."):
        ArrayPool(array=ARRAY, count=0)
    mixed = replace(ARRAY, columns=(*ARRAY.columns, Columns(multiplier="roup", count=4, product_fj=50.0)))
    with pytest.raises(AxhwError, match="Expected arrays of one multiplier, found exact8s_sa4x4 of 2."):
        ArrayPool(array=mixed, count=1)
    with pytest.raises(AxhwError, match="Expected a batch of at least 1 token, found 0."):
        BatchRows.all(0)
    with pytest.raises(AxhwError, match="Expected from 0 to 1 rows of a token in a matrix, found 0.5 to 1.5."):
        BatchRows(batch=1, use=np.array([0.5, 1.5]))
    unsigned = NamedMultiplier(spec=parse("exact", signed=False))
    with pytest.raises(AxhwError, match="Expected a signed 8-bit multiplier for arrays of experts, found exact8u."):
        ArrayPool.measured(unsigned, count=1, flow=Flow.of(store=store))
