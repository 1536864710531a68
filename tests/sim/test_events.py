"""Waveforms in the order of time against the kernel that counts gate by gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.record import DesignRecord
from axhw.sim.activity import source_values
from axhw.sim.bitparallel import evaluate
from axhw.sim.events import Change, Waveforms, timed_waveforms
from axhw.sim.operands import uniform
from axhw.sim.timed import timed_activity
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.timing import TimingReport, analyze_timing

LIBRARY = load_library(DEFAULT).cells
Design = tuple[Netlist, GateGraph, TimingReport]


@pytest.fixture(scope="module", params=["exact:width=4", "roup:width=6,p=1,r=2", "mitchell:width=5"])
def design(request: pytest.FixtureRequest, characterized: Callable[..., DesignRecord]) -> tuple[DesignRecord, Design]:
    record = characterized(request.param)
    graph = levelize(record.netlist, LIBRARY)
    return record, (record.netlist, graph, analyze_timing(record.netlist, LIBRARY, graph=graph))


def vectors(record: DesignRecord, design: Design, *, pairs: int, seed: int) -> npt.NDArray[np.uint8]:
    stream = uniform(record.multiplier, pairs=pairs, seed=seed)
    return source_values(design[0], design[1], {"a": stream.a, "b": stream.b})


def counts(waveforms: Waveforms) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rises and falls of every net; every change has to be one."""
    state = waveforms.initial.copy()
    edges = np.zeros((2, len(state)), np.int64)
    for operation in waveforms.operations:
        assert [change.time_fs for change in operation] == sorted(change.time_fs for change in operation)
        for change in operation:
            assert state[change.net] == 1 - change.value
            state[change.net] = change.value
            edges[1 - change.value, change.net] += 1
    return edges[0], edges[1]


def test_transitions_are_those_of_the_kernel(design: tuple[DesignRecord, Design]) -> None:
    record, (netlist, graph, timing) = design
    values = vectors(record, design[1], pairs=200, seed=5)
    activity = timed_activity(graph, timing, values)
    rise, fall = counts(timed_waveforms(graph, timing, values))
    assert np.array_equal(rise, activity.rise)
    assert np.array_equal(fall, activity.fall)
    assert rise.sum() > netlist.net_count


@given(seed=st.integers(0, 2**32 - 1), coarse=st.booleans())
@settings(max_examples=30)
def test_transitions_are_those_of_the_kernel_at_any_delays(
    characterized: Callable[..., DesignRecord], seed: int, coarse: bool
) -> None:
    record = characterized("exact:width=4")
    graph = levelize(record.netlist, LIBRARY)
    timing = analyze_timing(record.netlist, LIBRARY, graph=graph)
    rng = np.random.default_rng(seed)
    # Few different delays, 0 among them: many things happen at once.
    shape = timing.iopath_delay_ns.shape
    delays = rng.integers(0, 4, shape) * 0.1 if coarse else rng.random(shape)
    drawn = dataclasses.replace(timing, iopath_delay_ns=np.where(rng.random(shape) < 0.1, np.nan, delays))
    values = vectors(record, (record.netlist, graph, timing), pairs=12, seed=seed)
    activity = timed_activity(graph, drawn, values)
    rise, fall = counts(timed_waveforms(graph, drawn, values))
    assert np.array_equal(rise, activity.rise)
    assert np.array_equal(fall, activity.fall)


def test_every_operation_ends_settled(design: tuple[DesignRecord, Design]) -> None:
    record, (_, graph, timing) = design
    values = vectors(record, design[1], pairs=40, seed=2)
    waveforms = timed_waveforms(graph, timing, values)
    state = waveforms.initial.copy()
    for vector, operation in zip(values, ((), *waveforms.operations)):
        for change in operation:
            state[change.net] = change.value
        settled = evaluate(graph, vector.astype(np.uint64)[:, np.newaxis])[:, 0] & np.uint64(1)
        assert np.array_equal(state, settled)


def test_changes_by_hand(characterized: Callable[..., DesignRecord]) -> None:
    record = characterized("exact:width=4")
    graph = levelize(record.netlist, LIBRARY)
    timing = analyze_timing(record.netlist, LIBRARY, graph=graph)
    gate = int(np.flatnonzero(np.isin(graph.fanin[:, 0], graph.sources) & (graph.fanin[:, 1] < 0))[0])
    assert graph.functions[graph.function[gate]].truth_table.tolist() == [True, False], "an inverter at an input"
    column = graph.sources.tolist().index(graph.fanin[gate, 0])
    values = np.zeros((2, len(graph.sources)), np.uint8)
    values[1, column] = 1
    (operation,) = timed_waveforms(graph, timing, values).operations
    assert operation[0] == Change(0, int(graph.fanin[gate, 0]), 1)
    falls = round(1e6 * timing.iopath_delay_ns[gate, 0, 1])
    assert Change(falls, int(graph.output[gate]), 0) in operation


def test_nothing_happens_between_equal_vectors(design: tuple[DesignRecord, Design]) -> None:
    record, (_, graph, timing) = design
    values = vectors(record, design[1], pairs=2, seed=1)
    assert timed_waveforms(graph, timing, values[[0, 0, 0]]).operations == ((), ())
    assert timed_waveforms(graph, timing, values[:1]).operations == ()


@pytest.mark.parametrize("shape", [(0, 8), (3, 7), (8,)])
def test_values_of_another_shape(characterized: Callable[..., DesignRecord], shape: Any) -> None:
    record = characterized("exact:width=4")
    graph = levelize(record.netlist, LIBRARY)
    timing = analyze_timing(record.netlist, LIBRARY, graph=graph)
    with pytest.raises(AxhwError, match=r"^Expected values of at least one vector for 8 source nets, found an array"):
        timed_waveforms(graph, timing, np.zeros(shape, np.uint8))
