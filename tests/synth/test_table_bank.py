"""Packed table look-ups against one-table-at-a-time interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.synth.liberty.library import Table
from axhw.synth.tables import TableBank


def _table(slew: Sequence[float], load: Sequence[float], values: list[list[float]]) -> Table:
    return Table(slew_ns=np.array(slew), load_ff=np.array(load), values=np.array(values))


def _segment(axis: np.ndarray, x: float) -> tuple[int, float]:
    if len(axis) == 1:
        return 0, 0.0
    low = 0
    while low < len(axis) - 2 and x > axis[low + 1]:
        low += 1
    return low, (x - axis[low]) / (axis[low + 1] - axis[low])


def _reference(table: Table, slew: float, load: float) -> float:
    i, u = _segment(table.slew_ns, slew)
    j, v = _segment(table.load_ff, load)
    rows = []
    for row in (i, min(i + 1, len(table.slew_ns) - 1)):
        left = table.values[row, j]
        right = table.values[row, min(j + 1, len(table.load_ff) - 1)]
        rows.append(left + (right - left) * v)
    return float(rows[0] + (rows[1] - rows[0]) * u)


@pytest.mark.parametrize(
    ("slew", "load", "expected"),
    [
        (0.1, 2.0, 1.0),
        (0.3, 6.0, 4.0),
        (0.2, 2.0, 2.0),
        (0.2, 4.0, 2.125),
        (0.4, 2.0, 4.0),
        (0.0, 2.0, 0.0),
        (0.1, 10.0, 0.0),
    ],
)
def test_bilinear_inside_and_straight_on_outside(slew: float, load: float, expected: float) -> None:
    bank = TableBank.pack([_table([0.1, 0.3], [2.0, 6.0], [[1.0, 0.5], [3.0, 4.0]])])
    assert bank.lookup(np.array([0]), slew, load) == pytest.approx(expected)


def test_extrapolation_continues_the_edge_segment_not_the_mean_slope() -> None:
    bank = TableBank.pack([_table([0.0], [0.0, 1.0, 2.0], [[0.0, 1.0, 11.0]])])
    np.testing.assert_allclose(bank.lookup(np.zeros(4, int), 0.5, np.array([-1.0, 0.5, 1.5, 3.0])), [-1, 0.5, 6, 21])


def test_tables_of_every_shape_share_a_bank() -> None:
    tables = [
        _table([0.0], [0.0], [[7.0]]),
        _table([0.5], [1.0, 2.0, 4.0], [[1.0, 2.0, 8.0]]),
        _table([0.1, 0.2, 0.4], [0.0], [[1.0], [2.0], [8.0]]),
        _table([0.1, 0.2], [1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]]),
        _table([*map(float, range(7))], [*map(float, range(7))], [[float(i * j) for j in range(7)] for i in range(7)]),
    ]
    bank = TableBank.pack(tables)
    ids = np.arange(5)
    np.testing.assert_allclose(bank.lookup(ids, 0.3, 3.0), [7.0, 5.0, 5.0, 7.0, 0.9])


def test_an_empty_bank_looks_nothing_up() -> None:
    assert TableBank.pack([]).lookup(np.array([], int), 0.0, 0.0).shape == (0,)


AXES = st.lists(st.integers(0, 100), min_size=1, max_size=7, unique=True).map(sorted)
POINTS = st.floats(-20, 120, allow_nan=False)


@st.composite
def _tables(draw: st.DrawFn) -> Table:
    slew, load = draw(AXES), draw(AXES)
    size = len(slew) * len(load)
    values = draw(st.lists(st.integers(-50, 50), min_size=size, max_size=size))
    return _table(slew, load, np.array(values, float).reshape(len(slew), len(load)).tolist())


@given(st.lists(_tables(), min_size=1, max_size=5), st.lists(st.tuples(POINTS, POINTS), min_size=1, max_size=5))
def test_bank_agrees_with_the_scalar_reference(tables: list[Table], points: list[tuple[float, float]]) -> None:
    bank = TableBank.pack(tables)
    ids = np.repeat(np.arange(len(tables)), len(points))
    slew, load = np.tile(np.array(points).T, len(tables))
    expected = [_reference(tables[i], s, c) for i, s, c in zip(ids, slew, load, strict=True)]
    np.testing.assert_allclose(bank.lookup(ids, slew, load), expected, rtol=1e-9, atol=1e-6)


@given(st.lists(st.lists(_tables(), max_size=3), max_size=4))
def test_joined_banks_are_the_bank_of_all_tables(groups: list[list[Table]]) -> None:
    tables = [table for group in groups for table in group]
    joined = TableBank.join([TableBank.pack(group) for group in groups])
    ids = np.repeat(np.arange(len(tables)), 3)
    slew, load = np.tile([[-5.0, 40.0, 130.0], [60.0, -1.0, 99.0]], len(tables))
    assert joined.count == len(tables)
    np.testing.assert_array_equal(joined.lookup(ids, slew, load), TableBank.pack(tables).lookup(ids, slew, load))
