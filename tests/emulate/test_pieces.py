"""The pieces kernels are made of: factors, look-ups, transposition, flush points."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from axhw.emulate.codes import Codes
from axhw.emulate.factors import exact_maps, integer_maps, line_fit
from axhw.emulate.lookup import LookUp, lookup_kernel
from axhw.emulate.patches import ConvShape
from axhw.emulate.row_table import flush_points
from axhw.emulate.tables import WeightColumns, exact_products, weight_columns
from axhw.emulate.transpose import transpose_bytes
from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.hdl.registry import parse
from axhw.sim.rank import table_rank

EVERY: Codes = np.arange(-128, 128).astype(np.int8)


def columns_of(text: str, w: Codes = EVERY) -> WeightColumns:
    spec = parse(text)
    codes = spec.operand_codes()
    return weight_columns(w, spec.reference(codes[:, None], codes).astype(np.int32), a_dtype=np.int8)


@pytest.mark.parametrize(
    "text",
    ["roup:p=0,r=4", "roup:p=1,r=4", "bam:ha=1,hb=3,v=5", "kulkarni", "drum:k=4"]
    + [f"evoapprox:{name}" for name in CIRCUITS],
)
def test_factors_are_as_many_as_the_rank_and_multiply_to_the_table(text: str) -> None:
    weights = columns_of(text)
    maps = integer_maps(weights, most=8)
    assert maps is not None
    assert np.array_equal(maps.left @ maps.right.T, weights.products)
    assert maps.rank == table_rank(weights.products)


def test_published_circuits_of_rank_one_have_factors_of_eight_bits() -> None:
    for name in CIRCUITS:
        maps = integer_maps(columns_of(f"evoapprox:{name}"), most=1)
        if maps is not None:
            # -128 * -128 needs 128 on one side.
            assert maps.bits(0) in (8, 16)
    narrow = integer_maps(columns_of("evoapprox:mul8s_1L2J", EVERY[1:]), most=1)
    assert narrow is not None
    assert narrow.bits(0) == 8


def test_no_factors_where_the_rank_is_too_high() -> None:
    assert integer_maps(columns_of("mitchell"), most=8) is None
    assert exact_maps(columns_of("mitchell")) is None


def test_factors_of_a_table_of_zeros_are_none() -> None:
    maps = integer_maps(weight_columns(EVERY, np.zeros((256, 256), int), a_dtype=np.int8), most=3)
    assert maps is not None
    assert maps.rank == 0


def test_only_columns_in_use_have_to_be_exact() -> None:
    table = exact_products(np.int8, np.int8).copy()
    table[:, 200] = 7
    assert exact_maps(weight_columns(EVERY, table, a_dtype=np.int8)) is None
    assert exact_maps(weight_columns(EVERY[:200], table, a_dtype=np.int8)) is not None


def test_line_fit_finds_the_slope_of_least_spread() -> None:
    weights = columns_of("evoapprox:mul8s_1L2N")
    slopes, spreads = line_fit(weights)
    codes = np.arange(-128, 128)
    rests = weights.products[:, :, None] - codes[:, None, None] * np.arange(-128, 128)
    best = (rests.max(axis=0) - rests.min(axis=0)).min(axis=1)
    assert np.array_equal(spreads, best)
    chosen = weights.products - codes[:, None] * slopes
    assert np.array_equal(np.ptp(chosen, axis=0), spreads)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("count", [0, 5, 64, 200_001])
def test_looked_up_codes(dtype: type[np.generic], count: int) -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 1 << 16, 256).astype(dtype)
    codes = rng.integers(0, 256, count).astype(np.uint8)
    assert np.array_equal(LookUp(table)(codes, name="test", threads=2), table[codes])
    one_by_one = np.empty(count, dtype)
    lookup_kernel(8 * table.itemsize, False)(codes, count, table, one_by_one)
    assert np.array_equal(one_by_one, table[codes])


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (16, 16), (33, 40), (100, 3), (7, 64)])
def test_transposed_bytes(shape: tuple[int, int]) -> None:
    codes = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    out = np.zeros((shape[1], shape[0] + 9), np.uint8)
    transpose_bytes(codes, out[:, : shape[0]])
    assert np.array_equal(out[:, : shape[0]], codes.T)
    assert not out[:, shape[0] :].any()


def test_runs_between_flush_points_fit_and_are_as_long_as_they_can_be() -> None:
    rng = np.random.default_rng(2)
    ranges = rng.integers(0, 20_000, 100)
    column = rng.integers(0, 100, (300, 3, 8)).astype(np.int32)
    for block, points in enumerate(flush_points(column, ranges, bits=16, most_terms=50)):
        entries = ranges[column[:, block]]
        assert points[0] == 0
        assert points[-1] == 300
        for first, last in itertools.pairwise(points):
            assert entries[first:last].sum(axis=0).max() < 1 << 16
            ends_block = last % 50 == 0
            assert ends_block or entries[first : last + 1].sum(axis=0).max() >= 1 << 16
        assert set(range(0, 301, 50)) <= set(points)


def test_patches_are_the_windows_of_the_padded_image() -> None:
    rng = np.random.default_rng(3)
    x: Codes = rng.integers(-128, 128, (2, 6, 5, 7)).astype(np.int8)
    shape = ConvShape(
        channels=6,
        filters=4,
        groups=2,
        kernel=(3, 2),
        stride=(2, 1),
        dilation=(1, 2),
        padding=(1, 0, 2, 1),
        zero=-9,
    )
    patches = shape.patches(x)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 1)), constant_values=-9)
    height, width = shape.output_size(5, 7)
    for group in range(2):
        rows = patches.matrix(slice(None), group).view(np.int8).reshape(2, height, width, 3, 2, 3)
        for b, y, z, i, j, c in np.ndindex(rows.shape):
            assert rows[b, y, z, i, j, c] == padded[b, 3 * group + c, 2 * y + i, z + 2 * j]
