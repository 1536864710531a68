from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.sim.operands import OperandStream, from_histogram, from_trace, uniform

SPEC = parse("exact")


@pytest.mark.parametrize(("text", "low", "high"), [("exact", -128, 127), ("exact:signed=false,width=5", 0, 31)])
def test_uniform_operands_cover_their_range(text: str, low: int, high: int) -> None:
    stream = uniform(parse(text), pairs=20000, seed=7)
    assert len(stream) == 20000
    assert stream.description == "20000 uniform pairs, seed 7"
    for operand in (stream.a, stream.b):
        assert operand.dtype == np.int64
        assert (operand.min(), operand.max()) == (low, high)
        assert operand.mean() == pytest.approx((low + high) / 2, abs=4 * operand.std() / 20000**0.5)
    assert abs(np.corrcoef(stream.a, stream.b)[0, 1]) < 0.03


def test_a_seed_is_a_stream() -> None:
    first, again, other = (
        uniform(SPEC, pairs=100, seed=1),
        uniform(SPEC, pairs=100, seed=1),
        uniform(SPEC, pairs=100, seed=2),
    )
    np.testing.assert_array_equal(first.a, again.a)
    np.testing.assert_array_equal(first.b, again.b)
    assert (first.a != other.a).any()


def test_the_stream_of_seed_1_stays_what_it_is() -> None:
    # Costs in published tables name their stream by its seed.
    stream = uniform(SPEC, pairs=4, seed=1)
    assert (stream.a.tolist(), stream.b.tolist()) == ([-7, 3, 65, 115], [-120, -92, 82, 114])


def test_joint_histogram_keeps_the_correlation() -> None:
    counts = np.zeros((256, 256))
    counts[128 + 3, 128 - 5], counts[0, 255] = 3, 1
    stream = from_histogram(SPEC, counts, pairs=8000, seed=0, label="conv1")
    pairs, number = np.unique(np.stack([stream.a, stream.b]), axis=1, return_counts=True)
    assert pairs.T.tolist() == [[-128, 127], [3, -5]]
    assert number[1] / 8000 == pytest.approx(0.75, abs=0.02)
    assert stream.description == "8000 pairs from conv1, seed 0"


def test_two_histograms_are_independent() -> None:
    counts = np.zeros(256, int)
    counts[[128, 129]] = 1
    stream = from_histogram(SPEC, counts, counts[::-1], pairs=4000, seed=0)
    assert set(stream.a) == {0, 1}
    assert set(stream.b) == {-1, -2}
    assert abs(np.corrcoef(stream.a, stream.b)[0, 1]) < 0.06


def test_a_trace_keeps_its_order() -> None:
    stream = from_trace(SPEC, np.array([1, -128, 127], np.int8), [0, 1, 2], label="layer 3")
    assert (stream.a.tolist(), stream.b.tolist(), stream.seed) == ([1, -128, 127], [0, 1, 2], None)
    assert stream.description == "3 pairs of layer 3"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: uniform(SPEC, pairs=1, seed=0),
            r"^Expected at least 2 operand pairs, so that something switches, found 1\.$",
        ),
        (
            lambda: from_histogram(SPEC, np.ones((256, 255)), pairs=9, seed=0),
            r"shape \(256, 256\) for exact8s.*found \(256, 255\)",
        ),
        (
            lambda: from_histogram(SPEC, np.ones(256), np.ones(16), pairs=9, seed=0),
            r"shape \(256,\) for exact8s.*found \(16,\)",
        ),
        (
            lambda: from_histogram(SPEC, np.zeros((256, 256)), pairs=9, seed=0),
            "^Expected counts of 0 or more for exact8s",
        ),
        (
            lambda: from_histogram(SPEC, -np.ones((256, 256)), pairs=9, seed=0),
            "^Expected counts of 0 or more for exact8s",
        ),
        (lambda: from_histogram(SPEC, np.full((256, 256), np.nan), pairs=9, seed=0), "^Expected counts of 0 or more"),
        (lambda: from_trace(SPEC, [0.5, 1], [1, 2]), "^Expected integer operands for exact8s.*, found float64 for a"),
        (
            lambda: from_trace(SPEC, [0, 1], [1, 128]),
            "^Expected operands from -128 to 127 for exact8s.*, found 1 to 128 for b",
        ),
        (
            lambda: from_trace(SPEC, [0, 1], [1, 2, 3]),
            r"^Expected two equally long lists of operands, found shapes \(2,\) and",
        ),
        (lambda: from_trace(SPEC, [0], [1]), "^Expected at least 2 operand pairs"),
    ],
)
def test_errors(make: Callable[[], OperandStream], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        make()


def test_streams_are_frozen() -> None:
    stream: Any = uniform(SPEC, pairs=2, seed=0)
    with pytest.raises(AttributeError):
        stream.seed = 1
