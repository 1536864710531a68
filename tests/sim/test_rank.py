from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.sim.rank import PRIMES, table_rank


def rational_rank(matrix: list[list[int]]) -> int:
    """Gaussian elimination with fractions."""
    rows = [[Fraction(value) for value in row] for row in matrix]
    rank = 0
    for column in range(len(rows[0])):
        pivot = next((row for row in range(rank, len(rows)) if rows[row][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for row in range(rank + 1, len(rows)):
            scale = rows[row][column] / rows[rank][column]
            rows[row] = [value - scale * above for value, above in zip(rows[row], rows[rank], strict=True)]
        rank += 1
    return rank


@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.data())
def test_rank_equals_that_over_the_rationals(rows: int, columns: int, inner: int, data: st.DataObject) -> None:
    numbers = st.integers(-(2**15), 2**15)
    left = data.draw(st.lists(st.lists(numbers, min_size=inner, max_size=inner), min_size=rows, max_size=rows))
    right = data.draw(st.lists(st.lists(numbers, min_size=columns, max_size=columns), min_size=inner, max_size=inner))
    matrix = np.array(left) @ np.array(right)
    assert table_rank(matrix) == rational_rank(matrix.tolist())


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("exact", 1, 1),
        ("drum", 1, 1),
        ("kulkarni:signed=false", 2, 2),
        ("mitchell:signed=false", 128, 128),
        ("roup:p=1", 1, 1),
        ("roup:p=1,r=4", 2, 4),
        ("roup:r=8", 2, 4),
        ("bam:v=5,signed=false", 3, 7),
        ("bam:v=7", 8, 8),
        ("evoapprox:mul8s_1KVA", 3, 7),
        ("truncated:k=6,signed=false", 3, 7),
        ("lower_or:k=6,signed=false", 12, 248),
    ],
)
def test_ranks_of_the_families(text: str, low: int, high: int) -> None:
    spec = parse(text)
    codes = spec.operand_codes()
    rank = table_rank(spec.reference(codes[:, None], codes))
    assert low <= rank <= high
    factors = spec.factors()
    assert factors is None or rank <= factors.rank


def test_rank_of_random_factors() -> None:
    rng = np.random.default_rng(1)
    for rank in (0, 1, 100, 255, 256):
        left, right = rng.integers(-9, 10, (256, rank)), rng.integers(-9, 10, (rank, 256))
        assert table_rank(left @ right) == rank


def test_a_prime_that_divides_everything_does_not_deceive() -> None:
    matrix = np.diag(np.full(5, PRIMES[0]))
    assert table_rank(matrix) == 5
    assert table_rank(matrix * 0) == 0


def test_shapes() -> None:
    assert table_rank(np.zeros((0, 4), int)) == 0
    assert table_rank(np.array([[1, 2, 3]])) == 1
    assert table_rank(np.array([[1, 2, 3]]).T) == 1
    with pytest.raises(
        AxhwError, match=r"^Expected an integer matrix to take the rank of, found float64 of shape \(2, 2\)"
    ):
        table_rank(np.eye(2))
    with pytest.raises(AxhwError, match=r"found int64 of shape \(4,\)"):
        table_rank(np.arange(4))
