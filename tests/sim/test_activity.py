"""Zero-delay activity and operand bits against counting in plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.sim.activity import source_values, zero_delay_activity
from axhw.synth.netlist import GateGraph, Netlist


def _netlist(**inputs: tuple[int, ...]) -> Netlist:
    return Netlist(name="top", inputs=inputs, outputs={}, instances=(), net_count=20)


def _graph(sources: list[int]) -> GateGraph:
    empty = np.zeros(0, np.int32)
    return GateGraph(
        net_count=20,
        sources=np.array(sources, np.int32),
        functions=(),
        function=empty,
        fanin=np.zeros((0, 1), np.int32),
        output=empty,
        instance=empty,
        level_starts=np.zeros(1, np.int32),
    )


@given(
    st.lists(st.lists(st.booleans(), min_size=2, max_size=200), min_size=1, max_size=4).filter(lambda x: x), st.data()
)
def test_transitions_and_probabilities_are_counted(streams: list[list[bool]], data: st.DataObject) -> None:
    vectors = min(len(stream) for stream in streams)
    garbage = data.draw(st.integers(0, 2**64 - 1))
    words = (vectors + 63) // 64
    values = np.full((len(streams), words + 1), garbage, np.uint64)
    for row, stream in enumerate(streams):
        for word in range(words):
            bits = sum(int(bit) << i for i, bit in enumerate(stream[64 * word : min(64 * word + 64, vectors)]))
            used = min(64, vectors - 64 * word)
            values[row, word] = np.uint64(bits | (garbage >> used << used if used < 64 else 0))
    activity = zero_delay_activity(values, vectors=vectors)
    for row, stream in enumerate(streams):
        steps = list(itertools.pairwise(stream[:vectors]))
        assert activity.rise[row] == sum(after and not before for before, after in steps)
        assert activity.fall[row] == sum(before and not after for before, after in steps)
        assert activity.one_probability[row] == pytest.approx(sum(stream[:vectors]) / vectors)
    assert activity.pairs == vectors - 1
    assert activity.mode == "zero-delay"
    np.testing.assert_array_equal(activity.transitions, activity.rise + activity.fall)


def test_zero_delay_needs_two_vectors_and_their_words() -> None:
    with pytest.raises(AxhwError, match=r"Expected at least two vectors .* found 1 vectors"):
        zero_delay_activity(np.zeros((1, 1), np.uint64), vectors=1)
    with pytest.raises(AxhwError, match=r"found 65 vectors in values of shape \(1, 1\)"):
        zero_delay_activity(np.zeros((1, 1), np.uint64), vectors=65)


def test_operands_are_spread_over_sources_least_significant_bit_first() -> None:
    netlist = _netlist(a=(5, 3, 9), b=(2,))
    values = source_values(netlist, _graph([2, 3, 5, 9]), {"a": np.array([1, -3, 6]), "b": [0, 1, 0]})
    np.testing.assert_array_equal(values, [[0, 0, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1]])


@pytest.mark.parametrize(
    ("operands", "message"),
    [
        ({"a": [1]}, r"Expected operands for the input ports \['a', 'b'\] of top, found \['a'\]"),
        ({"a": [8], "b": [0]}, "Expected operands of 3 bits for port a, found values from 8 to 8"),
        ({"a": [-5], "b": [0]}, "Expected operands of 3 bits for port a, found values from -5 to -5"),
        ({"a": [1.5], "b": [0]}, "Expected a one-dimensional integer array for port a, found shape .* of float64"),
        ({"a": [1, 2], "b": [0]}, r"Expected operand streams of one length, found lengths \[1, 2\]"),
    ],
)
def test_operands_that_do_not_fit_are_refused(operands: dict[str, list[int]], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        source_values(_netlist(a=(5, 3, 9), b=(2,)), _graph([2, 3, 5, 9]), operands)


def test_flip_flop_outputs_cannot_be_set_from_operands() -> None:
    with pytest.raises(AxhwError, match=r"Expected a combinational design .* found 1 flip-flop outputs in top"):
        source_values(_netlist(a=(5,)), _graph([5, 7]), {"a": [0, 1]})
