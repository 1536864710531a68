from __future__ import annotations

import numpy as np
import pytest

from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.registry import parse
from axhw.sim.simulators import Mismatch
from axhw.sim.testbench import (
    OverflowRun,
    element_replay,
    element_stream,
    multiplier_replay,
    operand_pairs,
    overflow_runs,
    pack,
    wrong_pair,
)

EXACT4 = parse("exact:width=4")


def mac(text: str, *, terms: int, overflow: str = "saturate") -> MacSpec:
    return MacSpec(multiplier=parse(text), terms=terms, overflow=overflow)


def unpack(rows: np.ndarray, width: int, lanes: int) -> np.ndarray:
    """Unsigned values out of little-endian bytes, the slow way."""
    values = [int.from_bytes(row.tobytes(), "little") for row in rows]
    return np.array([value >> lane * width & ((1 << width) - 1) for value in values for lane in range(lanes)])


@pytest.mark.parametrize(("width", "lanes"), [(4, 1), (4, 16), (5, 3), (16, 2), (33, 1), (1, 1)])
def test_packing(width: int, lanes: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-(1 << (width - 1)), 1 << (width - 1), 4 * lanes)
    rows = pack(values, width, lanes=lanes)
    assert (rows.dtype, rows.shape) == (np.uint8, (4, -(-width * lanes // 8)))
    assert np.array_equal(unpack(rows, width, lanes), values % (1 << width))


@pytest.mark.parametrize("text", ["exact:width=4", "exact", "exact:width=6,signed=false"])
def test_small_multipliers_see_all_pairs(text: str) -> None:
    spec = parse(text)
    a, b = operand_pairs(spec, seed=1)
    codes = spec.operand_codes()
    assert len(a) == len(codes) ** 2
    assert set(zip(a.tolist(), b.tolist())) == {(x, y) for x in codes.tolist() for y in codes.tolist()}


@pytest.mark.parametrize("signed", [True, False])
def test_wide_multipliers_see_corners_and_random_pairs(signed: bool) -> None:
    spec = parse("exact:width=12", signed=signed)
    a, b = operand_pairs(spec, seed=1)
    low, high = spec.operand_range
    pairs = set(zip(a.tolist(), b.tolist()))
    assert {(low, low), (low, high), (high, low), (high, high), (0, 0)} <= pairs
    assert (min(a.min(), b.min()), max(a.max(), b.max())) == (low, high)
    assert len(pairs) > 16_000
    assert np.array_equal(operand_pairs(spec, seed=1)[0], a)
    assert not np.array_equal(operand_pairs(spec, seed=2)[0], a)


@pytest.mark.parametrize(("simulator", "lanes"), [("icarus", 16), ("verilator", 2)])
def test_a_multiplier_is_replayed_in_lanes(simulator: str, lanes: int) -> None:
    spec = parse("roup:p=1,r=2,width=5")
    replay, pairs = multiplier_replay(spec, module="dut", sources={"design.v": "..."}, simulator=simulator, seed=1)
    assert pairs == 1024
    assert (replay.top, replay.clock, list(replay.sources)) == ("lanes", None, ["design.v", "lanes.v"])
    assert replay.lanes == lanes
    assert "dut dut(" in replay.sources["lanes.v"]
    a, b = (unpack(replay.inputs[port], 5, lanes) for port in "ab")
    signed = [np.where(x >= 16, x - 32, x) for x in (a, b)]
    assert np.array_equal(unpack(replay.outputs["o"], 10, lanes), spec.reference(*signed) % 1024)


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        ("00001111", "00001110", "a = -8, b = -7: expected 15, found 14"),
        ("11111111", "10000000", "a = -8, b = -7: expected -1, found -128"),
        ("00000000", "0000x000", "a = -8, b = -7: expected 0, found 0000x000"),
    ],
)
def test_a_wrong_pair_in_words(expected: str, found: str, words: str) -> None:
    mismatch = Mismatch(step=0, lane=1, port="o", expected=expected, found=found)
    assert wrong_pair(EXACT4, mismatch, simulator="icarus", seed=1) == words
    assert wrong_pair(EXACT4, mismatch, simulator="verilator", seed=1) == words


def test_the_last_step_is_filled_up() -> None:
    spec = parse("exact:width=12")
    replay, pairs = multiplier_replay(spec, module="dut", sources={}, simulator="icarus", seed=1)
    assert pairs % 16
    assert len(replay.inputs["a"]) == -(-pairs // 16)
    assert unpack(replay.masks["o"], 24, 16).tolist()[pairs - 1 :] == [(1 << 24) - 1] + [0] * (-pairs % 16)


MACS = [
    mac("exact", terms=64),
    mac("exact", terms=64, overflow="wrap"),
    mac("exact:signed=false", terms=3),
    mac("roup:p=2,r=3", terms=5),
    mac("bam:ha=3,hb=3", terms=1),
    mac("exact:width=12", terms=2),
]


@pytest.mark.parametrize("spec", MACS, ids=lambda spec: spec.name)
def test_overflow_runs_pass_every_end(spec: MacSpec) -> None:
    runs = overflow_runs(spec)
    low, high = spec.accumulator_range
    assert len(runs) == (2 if spec.multiplier.signed else 1)
    for run, end in zip(runs, (high, low)):
        product = int(spec.multiplier.reference(run.a, run.b))
        added = run.cycles - spec.latency
        assert abs((added - 1) * product) <= abs(end) < abs(added * product), "as long as it takes, and no longer"
        assert product * end > 0
        cycles = np.ones(run.cycles, np.int64)
        clear = np.arange(run.cycles) == 0
        sums, _ = spec.simulate(run.a * cycles, run.b * cycles, valid=cycles, clear=clear)
        before = (added - 1) * product
        assert sums[-2] == before, "still exact"
        assert sums[-1] == (end if spec.overflow == "saturate" else before + product - (high - low + 1) * np.sign(end))


def test_ends_that_cannot_be_reached() -> None:
    assert overflow_runs(mac("roup:p=4", terms=4)) == ()
    # Only the sign bits are multiplied, so products are 0 or 2**14.
    assert overflow_runs(mac("bam:ha=7,hb=7", terms=4)) == (OverflowRun(a=-128, b=-128, cycles=10),)


def test_a_stream_holds_the_runs_at_its_end() -> None:
    spec = mac("exact", terms=4)
    runs = overflow_runs(spec)
    stream = element_stream(spec, cycles=100, rng=np.random.default_rng(0), runs=runs)
    total = 100 + sum(run.cycles for run in runs)
    assert {len(values) for values in (*stream.inputs.values(), *stream.outputs.values())} == {total}
    assert set(stream.inputs) == {"a", "b", "valid_i", "rst", "clear"}
    assert stream.widths == {"a": 8, "b": 8, "valid_i": 1, "rst": 1, "valid_o": 1, "clear": 1, "acc": 18}
    low, high = spec.accumulator_range
    assert high in stream.outputs["acc"][100:]
    assert low in stream.outputs["acc"][100:]
    start = 100
    for run in runs:
        part = slice(start, start + run.cycles)
        assert set(stream.inputs["a"][part]) == {run.a}
        assert set(stream.inputs["valid_i"][part]) == {1}
        assert stream.inputs["clear"][part].tolist() == [1] + [0] * (run.cycles - 1)
        start += run.cycles


@pytest.mark.parametrize("spec", [RegisteredSpec(multiplier=EXACT4), mac("exact:width=4", terms=4)])
def test_a_stream_has_corners_stalls_and_resets(spec: RegisteredSpec | MacSpec) -> None:
    stream = element_stream(spec, cycles=2000, rng=np.random.default_rng(3))
    inputs = stream.inputs
    assert inputs["rst"][:2].tolist() == [1, 1]
    assert inputs["a"][:2].tolist() == inputs["b"][:2].tolist() == [0, 0]
    assert {(-8, -8), (-8, 7), (7, 7), (0, 0), (-1, -1)} <= set(zip(inputs["a"].tolist(), inputs["b"].tolist()))
    assert 0.7 < inputs["valid_i"].mean() < 0.8
    assert 5 <= inputs["rst"].sum() <= 60
    for port, checked in stream.checked.items():
        assert not checked[:2].any(), "gates start unknown"
        assert port == "o" or checked[2:].all()
    if isinstance(spec, RegisteredSpec):
        valid = stream.outputs["valid_o"].astype(bool)
        assert np.array_equal(stream.checked["o"], valid & (np.arange(2000) >= 2))
        follows = np.flatnonzero(valid)
        assert np.array_equal(stream.outputs["o"][follows], inputs["a"][follows - 2] * inputs["b"][follows - 2])


def test_a_replay_of_an_element() -> None:
    spec = mac("exact:width=4", terms=4)
    replay, cycles = element_replay(spec, module="dut", sources={"design.v": "..."}, seed=1)
    assert cycles == 4096 + sum(run.cycles for run in overflow_runs(spec))
    assert (replay.top, replay.clock) == ("dut", "clk")
    assert {port: rows.shape for port, rows in replay.inputs.items()} == dict.fromkeys(
        ("a", "b", "valid_i", "rst", "clear"), (cycles, 1)
    )
    assert replay.outputs["acc"].shape == replay.masks["acc"].shape == (cycles, 2)
    assert not replay.masks["acc"][:2].any()
    assert (replay.masks["acc"][2:] == 0xFF).all()
    low, high = spec.accumulator_range
    sums = unpack(replay.outputs["acc"], spec.accumulator_width, 1)
    assert {high, low % (1 << spec.accumulator_width)} <= set(sums.tolist())


def test_runs_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = mac("exact:width=4", terms=4)
    assert [run.cycles for run in overflow_runs(spec)] == [10, 12]
    monkeypatch.setattr("axhw.sim.testbench._LONGEST_RUN", 11)
    assert element_replay(spec, module="dut", sources={}, seed=1)[1] == 4096 + 10
