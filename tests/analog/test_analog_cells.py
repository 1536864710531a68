from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.analog.cells import BitSlicing, Cells, DifferentialPairs, SignedCells
from axhw.analog.programming_noise import Pcm
from axhw.errors import AxhwError

TARGETS = np.array([[0.5, -1.0, 0.0, -0.0], [1.0, 0.25, -0.125, 0.0]], np.float32)


@pytest.mark.parametrize("cells", [SignedCells(), DifferentialPairs()])
def test_cells_are_read_as_what_they_hold(cells: Cells) -> None:
    held = cells.split(TARGETS)
    assert np.array_equal(cells.join(held), TARGETS)
    assert np.array_equal(cells.limit(held.copy()), held)


def test_pairs_of_negative_and_zero_weights() -> None:
    plus, minus = DifferentialPairs().split(TARGETS)
    assert plus.tolist() == [[0.5, 0.0, 0.0, 0.0], [1.0, 0.25, 0.0, 0.0]]
    assert minus.tolist() == [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.125, 0.0]]
    limited = DifferentialPairs().limit(np.array([[-0.5, 0.5]], np.float32))
    assert limited.tolist() == [[0.0, 0.5]]


@pytest.mark.parametrize("target", [0.0, 0.5, -0.5])
def test_noise_of_pairs(target: float) -> None:
    """Both cells are noisy; what the idle one has below 0 is cut, so its mean is s / sqrt(2 pi)."""
    draws, cells = 200_000, DifferentialPairs()
    targets = cells.split(np.full(draws, target, np.float32))
    read = cells.join(cells.limit(Pcm().program(targets, rng=np.random.default_rng(0)))).astype(np.float64)
    idle, busy = (float(Pcm().sigma(np.array([u], np.float32))[0]) for u in (0.0, abs(target)))
    mean, variance = idle / math.sqrt(2 * math.pi), idle**2 * (0.5 - 0.5 / math.pi)
    spread = 2 * variance if target == 0 else busy**2 + variance
    assert read.mean() == pytest.approx(target - np.sign(target) * mean, abs=5 * math.sqrt(spread / draws))
    assert read.var() == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize("weight_bits", range(2, 17))
def test_slices_of_every_code_are_exact(weight_bits: int) -> None:
    largest = 2 ** (weight_bits - 1) - 1
    codes = np.arange(-largest, largest + 1)
    relative = (codes / largest).astype(np.float32)
    for cell_bits in range(1, weight_bits):
        slicing = BitSlicing(weight_bits=weight_bits, cell_bits=cell_bits)
        slices = slicing.slices(relative)
        assert slices.shape == (math.ceil((weight_bits - 1) / cell_bits), len(codes))
        assert np.abs(slices).max(axis=1).tolist() == [1.0] * len(slices), "digits use the whole conductance"
        digits = slices * [[2**width - 1] for width in slicing.widths]
        np.testing.assert_allclose(digits, np.rint(digits), rtol=1e-6)
        places = 2 ** (cell_bits * np.arange(len(slices)))
        assert np.array_equal(places @ np.rint(digits).astype(np.int64), codes)
        np.testing.assert_allclose(np.array(slicing.factors) @ slices, relative, rtol=1e-6)


def test_slices_by_hand() -> None:
    slicing = BitSlicing(weight_bits=8, cell_bits=3)
    assert slicing.widths == (3, 3, 1)
    assert slicing.factors == (7 / 127, 56 / 127, 64 / 127)
    # 93 = 1 011 101 in binary.
    assert slicing.slices(np.array([93 / 127, -93 / 127, 0], np.float32)).T.tolist() == [
        pytest.approx([5 / 7, 3 / 7, 1.0]),
        pytest.approx([-5 / 7, -3 / 7, -1.0]),
        [0.0, 0.0, 0.0],
    ]


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20), st.integers(2, 12), st.data())
def test_slices_round_to_the_nearest_code(weights: list[float], weight_bits: int, data: st.DataObject) -> None:
    slicing = BitSlicing(weight_bits=weight_bits, cell_bits=data.draw(st.integers(1, weight_bits - 1)))
    values = np.array(weights, np.float32)
    held = np.array(slicing.factors) @ slicing.slices(values)
    assert np.abs(held - values).max() <= 0.5 / slicing.largest_code + 1e-6


def test_what_is_refused() -> None:
    for bits in (1, 17):
        with pytest.raises(AxhwError, match=f"^Expected weights of 2 to 16 bits, found {bits}.$"):
            BitSlicing(weight_bits=bits)
    for bits in (0, 8):
        with pytest.raises(
            AxhwError,
            match=f"^Expected cells of 1 to 7 bits for weights of 8 bits with their sign, found {bits}.$",
        ):
            BitSlicing(weight_bits=8, cell_bits=bits)
