from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.hdl.bits import exhaustive_words, pack_operands, unpack_product


@given(st.data(), st.integers(1, 64))
def test_packing_is_undone_by_unpacking(data: st.DataObject, width: int) -> None:
    numbers = st.integers(-(1 << (width - 1)), (1 << (width - 1)) - 1)
    values = np.array(data.draw(st.lists(numbers, min_size=1, max_size=200)), np.int64)
    words = pack_operands(values, width)
    assert words.shape == (width, -(-len(values) // 64))
    np.testing.assert_array_equal(unpack_product(words, signed=True, count=len(values)), values)
    if width < 64:
        unsigned = unpack_product(words, signed=False, count=len(values))
        np.testing.assert_array_equal(unsigned, values & ((1 << width) - 1))


def test_bit_i_of_word_w_is_vector_64w_plus_i() -> None:
    values = np.random.default_rng(5).integers(0, 1 << 11, 300)
    words = pack_operands(values, 11)
    for vector in (0, 1, 63, 64, 130, 299):
        bits = [int(words[bit, vector // 64]) >> (vector % 64) & 1 for bit in range(11)]
        assert sum(bit << position for position, bit in enumerate(bits)) == values[vector]


def test_vectors_behind_the_last_are_zero() -> None:
    assert pack_operands(np.array([-1]), 3).tolist() == [[1], [1], [1]]


@pytest.mark.parametrize("bits", [1, 3, 6, 7, 13, 16])
def test_counter_counts(bits: int) -> None:
    words = exhaustive_words(bits)
    counted = unpack_product(words, signed=False)
    np.testing.assert_array_equal(counted, np.arange(len(counted)) % (1 << bits))


def test_counter_from_the_middle() -> None:
    words = exhaustive_words(16, start=100, count=7)
    np.testing.assert_array_equal(unpack_product(words, signed=False), np.arange(6400, 6848))
    np.testing.assert_array_equal(exhaustive_words(10, start=10), exhaustive_words(10)[:, 10:])
