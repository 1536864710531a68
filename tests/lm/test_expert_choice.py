from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.lm.routing import route, rows_by_expert


@given(
    rows=st.integers(0, 6),
    experts=st.integers(1, 9),
    normalize=st.booleans(),
    seed=st.integers(0, 999),
    data=st.data(),
)
def test_largest_logits_win(rows: int, experts: int, normalize: bool, seed: int, data: st.DataObject) -> None:
    active = data.draw(st.integers(1, experts))
    # Few values, so that many are equal.
    logits = np.random.default_rng(seed).integers(-3, 4, (rows, experts)).astype(np.float32)
    chosen, weights = route(logits, active=active, normalize=normalize)
    assert chosen.shape == weights.shape == (rows, active)
    for row in range(rows):
        order = sorted(range(experts), key=lambda expert: (-logits[row, expert], expert))
        assert chosen[row].tolist() == order[:active]
        over = order[:active] if normalize else order
        total = sum(np.exp(float(logits[row, expert])) for expert in over)
        expected = [np.exp(float(logits[row, expert])) / total for expert in order[:active]]
        np.testing.assert_allclose(weights[row], expected, rtol=1e-5)


def test_logits_far_apart() -> None:
    logits = np.float32([[3000.0, -3000.0, 2000.0]])
    _, weights = route(logits, active=2, normalize=True)
    np.testing.assert_array_equal(weights, [[1.0, 0.0]])
    assert logits.tolist() == [[3000.0, -3000.0, 2000.0]], "left as they were"


def test_every_choice_is_made_by_its_expert() -> None:
    chosen = np.array([[4, 1], [0, 4], [1, 0], [4, 0]])
    found = {
        expert: list(zip(tokens.tolist(), choices.tolist())) for expert, tokens, choices in rows_by_expert(chosen, 6)
    }
    assert found == {0: [(1, 0), (2, 1), (3, 1)], 1: [(0, 1), (2, 0)], 4: [(0, 0), (1, 1), (3, 0)]}


@pytest.mark.parametrize("experts", [1, 3])
def test_nobody_chooses(experts: int) -> None:
    assert list(rows_by_expert(np.empty((0, 1), np.intp), experts)) == []
