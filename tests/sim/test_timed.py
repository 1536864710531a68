"""The waveform kernel against an event-driven simulator of a few lines, and against waveforms drawn by hand."""

from __future__ import annotations

import heapq
import itertools
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.sim.timed import gate_delays_fs, timed_activity
from axhw.synth.liberty.library import Cell, CellLibrary, Pin, Table, TimingArc, Unateness
from axhw.synth.netlist import GateGraph, Instance, Netlist, levelize
from axhw.synth.timing import TimingReport, analyze_timing

Delays = dict[str, tuple[int, int]]
FUNCTIONS = {
    "inv": "!A",
    "nand": "!(A & B)",
    "or": "A | B",
    "xor": "A ^ B",
    "mux": "(S & B) | (!S & A)",
    "and3": "A&B&C",
}


def _constant(fs: float) -> Table:
    return Table(slew_ns=np.zeros(1), load_ff=np.zeros(1), values=np.full((1, 1), fs * 1e-6))


def _cell(name: str, function: str, delays: Delays, sense: Unateness = "non_unate") -> Cell:
    """A gate whose delay from each pin is (rise, fall) femtoseconds whatever the slew and load."""
    pins = {pin: Pin(name=pin, direction="input", capacitance_ff=1.0) for pin in delays}
    arcs = tuple(
        TimingArc(
            related_pin=pin,
            sense=sense,
            kind="combinational",
            when=None,
            rise=_constant(rise),
            fall=_constant(fall),
            rise_transition=_constant(0),
            fall_transition=_constant(0),
        )
        for pin, (rise, fall) in delays.items()
    )
    pins["Y"] = Pin(name="Y", direction="output", capacitance_ff=0.0, function=function, timing=arcs)
    return Cell(name=name, area_um2=1.0, leakage_nw=0.0, leakage_states=(), pins=pins)


def _analyze(netlist: Netlist, cells: list[Cell]) -> tuple[GateGraph, TimingReport]:
    library = CellLibrary(
        name="toy",
        voltage_v=1.0,
        temperature_c=25.0,
        process=1.0,
        sha256="",
        cells={cell.name: cell for cell in cells},
    )
    graph = levelize(netlist, library)
    return graph, analyze_timing(netlist, library, graph=graph, input_slew_ns=0.01, output_load_ff=1.0)


def _reference(graph: GateGraph, delay: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(nets, 2) rises and falls by an event queue; `delay` is in fs and at least 1."""
    counts = np.zeros((graph.net_count, 2), int)
    readers: dict[int, list[tuple[int, int]]] = {}
    for gate, fanin in enumerate(graph.fanin):
        for k, net in enumerate(fanin):
            if net >= 0:
                readers.setdefault(int(net), []).append((gate, k))

    def output(gate: int, state: dict[int, int]) -> int:
        fanin = [int(net) for net in graph.fanin[gate] if net >= 0]
        row = sum(state[net] << k for k, net in enumerate(fanin))
        return int(graph.functions[graph.function[gate]].truth_table[row])

    state = {0: 0, 1: 1} | {int(net): int(bit) for net, bit in zip(graph.sources, values[0], strict=True)}
    for gate, net in enumerate(graph.output):
        state[int(net)] = output(gate, state)
    for vector in values[1:]:
        pending: dict[int, tuple[int, int, int]] = {}
        queue: list[tuple[int, int]] = []
        changes = {int(net): int(bit) for net, bit in zip(graph.sources, vector, strict=True) if state[int(net)] != bit}
        now = 0
        while changes or queue:
            if not changes:
                now = queue[0][0]
                while queue and queue[0][0] == now:
                    _, gate = heapq.heappop(queue)
                    if gate in pending and pending[gate][0] == now:
                        changes[int(graph.output[gate])] = pending.pop(gate)[1]
            touched: dict[int, list[int]] = {}
            for net, bit in changes.items():
                if state[net] != bit:
                    counts[net, 0 if bit else 1] += 1
                    state[net] = bit
                    for gate, k in readers.get(net, []):
                        touched.setdefault(gate, []).append(k)
            changes = {}
            for gate, causes in touched.items():
                value = output(gate, state)
                if value == state[int(graph.output[gate])]:
                    pending.pop(gate, None)
                elif gate not in pending:
                    due = now + min(int(delay[gate, k, 0 if value else 1]) for k in causes)
                    pending[gate] = (due, value, gate)
                    heapq.heappush(queue, (due, gate))
    return counts


def _by_waveforms(graph: GateGraph, delay: np.ndarray, values: np.ndarray, mode: str) -> np.ndarray:
    """(nets, 2) rises and falls from lists of event times, gate by gate; delays may be 0."""
    counts = np.zeros((graph.net_count, 2), int)
    for before, after in itertools.pairwise(values.tolist()):
        state = {0: 0, 1: 1}
        times: dict[int, list[int]] = {0: [], 1: []}
        for net, old, new in zip(graph.sources.tolist(), before, after, strict=True):
            state[net], times[net] = old, [0] * (old != new)
        for gate, net in enumerate(graph.output.tolist()):
            table = graph.functions[graph.function[gate]].truth_table
            fanin = [source for source in graph.fanin[gate].tolist() if source >= 0]
            row = sum(state[source] << k for k, source in enumerate(fanin))
            state[net] = present = latest = int(table[row])
            written: list[int] = []
            due: int | None = None
            for now in sorted({time for source in fanin for time in times[source]}):
                changed = [k for k, source in enumerate(fanin) if times[source].count(now) % 2]
                if not changed:
                    continue
                row ^= sum(1 << k for k in changed)
                value = int(table[row])
                fresh = now + min(int(delay[gate, k, 1 - value]) for k in changed)
                if mode == "inertial":
                    if due is not None and due <= now:
                        written.append(due)
                        present, due = 1 - present, None
                    if value == present:
                        due = None
                    elif due is None:
                        due = fresh
                elif value != latest:
                    latest = value
                    while written and written[-1] >= fresh:
                        written.pop()
                        present = 1 - present
                    if value != present:
                        written.append(fresh)
                        present = value
            times[net] = written + ([] if due is None else [due])
        for net, events in times.items():
            for number in range(len(events)):
                counts[net, (state[net] + number) % 2] += 1
    return counts


@st.composite
def _designs(draw: st.DrawFn, *, delays_fs: st.SearchStrategy[int]) -> tuple[Netlist, list[Cell]]:
    inputs = draw(st.integers(1, 4))
    cells, instances = [], []
    for gate in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(sorted(FUNCTIONS)))
        pins = [pin for pin in "ABCS" if pin in FUNCTIONS[kind]]
        delays = {pin: (draw(delays_fs), draw(delays_fs)) for pin in pins}
        cells.append(_cell(f"{kind}{gate}", FUNCTIONS[kind], delays))
        nets = {pin: draw(st.integers(0, 1 + inputs + gate)) for pin in pins}
        instances.append(Instance(name=f"u{gate}", cell=f"{kind}{gate}", pins=nets | {"Y": 2 + inputs + gate}))
    count = 2 + inputs + len(instances)
    netlist = Netlist(
        name="random",
        inputs={"a": tuple(range(2, 2 + inputs))},
        outputs={"y": (count - 1,)},
        instances=tuple(instances),
        net_count=count,
    )
    return netlist, cells


@settings(max_examples=150)
@given(_designs(delays_fs=st.integers(1, 12)), st.integers(0, 2**32 - 1))
def test_inertial_counts_are_those_of_an_event_queue(design: tuple[Netlist, list[Cell]], seed: int) -> None:
    graph, timing = _analyze(*design)
    values = np.random.default_rng(seed).integers(0, 2, (12, len(graph.sources)), dtype=np.uint8)
    activity = timed_activity(graph, timing, values, threads=1)
    expected = _reference(graph, gate_delays_fs(graph, timing), values)
    np.testing.assert_array_equal(np.stack([activity.rise, activity.fall], axis=1), expected)


# More pairs than the kernel takes at a time.
@settings(max_examples=80)
@given(_designs(delays_fs=st.integers(0, 2)), st.sampled_from(["inertial", "transport"]), st.integers(0, 2**32 - 1))
def test_counts_are_those_of_waveforms_gate_by_gate(
    design: tuple[Netlist, list[Cell]], mode: Literal["inertial", "transport"], seed: int
) -> None:
    graph, timing = _analyze(*design)
    values = np.random.default_rng(seed).integers(0, 2, (270, len(graph.sources)), dtype=np.uint8)
    activity = timed_activity(graph, timing, values, mode=mode, threads=1)
    expected = _by_waveforms(graph, gate_delays_fs(graph, timing), values, mode)
    np.testing.assert_array_equal(np.stack([activity.rise, activity.fall], axis=1), expected)


@settings(max_examples=50)
@given(_designs(delays_fs=st.integers(1, 12)), st.integers(0, 2**32 - 1))
def test_settled_values_do_not_depend_on_delays(design: tuple[Netlist, list[Cell]], seed: int) -> None:
    graph, timing = _analyze(*design)
    values = np.random.default_rng(seed).integers(0, 2, (70, len(graph.sources)), dtype=np.uint8)
    inertial = timed_activity(graph, timing, values)
    transport = timed_activity(graph, timing, values, mode="transport")
    np.testing.assert_array_equal(inertial.one_probability, transport.one_probability)
    np.testing.assert_array_equal(inertial.rise - inertial.fall, transport.rise - transport.fall)
    np.testing.assert_allclose(inertial.one_probability[graph.sources], values.mean(axis=0))
    assert inertial.one_probability[0] == 0.0
    assert inertial.one_probability[1] == 1.0


def _single(function: str, delays: Delays) -> tuple[GateGraph, TimingReport]:
    """Inputs A and B, B through a buffer of 50 fs, into one gate."""
    buffer = _cell("buffer", "A", {"A": (50, 50)})
    netlist = Netlist(
        name="single",
        inputs={"a": (2,), "b": (3,)},
        outputs={"y": (5,)},
        instances=(
            Instance(name="delay", cell="buffer", pins={"A": 3, "Y": 4}),
            Instance(name="gate", cell="gate", pins={"A": 2, "B": 4, "Y": 5}),
        ),
        net_count=6,
    )
    return _analyze(netlist, [buffer, _cell("gate", function, delays)])


@pytest.mark.parametrize(
    ("delays", "mode", "pulses"),
    [
        # A rises at 0 and B falls at 50: the AND gate is open for 50 fs.
        ({"A": (49, 9), "B": (9, 9)}, "inertial", 1),
        ({"A": (50, 9), "B": (9, 9)}, "inertial", 1),
        ({"A": (51, 9), "B": (9, 9)}, "inertial", 0),
        ({"A": (60, 9), "B": (9, 20)}, "transport", 1),
        ({"A": (60, 9), "B": (9, 9)}, "transport", 0),
        ({"A": (60, 9), "B": (9, 9)}, "inertial", 0),
        ({"A": (51, 9), "B": (9, 9)}, "transport", 1),
    ],
)
def test_short_pulses_are_filtered(delays: Delays, mode: Literal["inertial", "transport"], pulses: int) -> None:
    graph, timing = _single("A & B", delays)
    values = np.array([[0, 1], [1, 0]], np.uint8)
    activity = timed_activity(graph, timing, values, mode=mode)
    assert (activity.rise[5], activity.fall[5]) == (pulses, pulses)
    assert activity.mode == mode


def test_inputs_that_change_together_are_one_event() -> None:
    graph, timing = _single("A ^ B", {"A": (5, 5), "B": (7, 7)})
    # The buffer makes B late, so XOR sees a pulse of 50 fs; without it, no event at all.
    assert timed_activity(graph, timing, np.array([[0, 1], [1, 0]], np.uint8)).transitions[5] == 2
    netlist = Netlist(
        name="together",
        inputs={"a": (2,), "b": (3,)},
        outputs={"y": (4,)},
        instances=(Instance(name="gate", cell="gate", pins={"A": 2, "B": 3, "Y": 4}),),
        net_count=5,
    )
    graph, timing = _analyze(netlist, [_cell("gate", "A ^ B", {"A": (5, 5), "B": (7, 7)})])
    assert timed_activity(graph, timing, np.array([[0, 1], [1, 0]], np.uint8)).transitions[4] == 0


@pytest.mark.parametrize("function", ["A ^ B", "A ^ B ^ C"])
@pytest.mark.parametrize(("a", "b"), [(2, 5), (5, 2)])
def test_a_pulse_of_no_width_counts_and_is_not_seen(function: str, a: int, b: int) -> None:
    """B comes when the output rises for A, and takes it back without a delay."""
    cells = [
        _cell("late", "A", {"A": (1, 1)}),
        _cell("pulse", "A ^ B", {"A": (1, 1), "B": (0, 0)}),
        _cell("reader", function, dict.fromkeys(function[::4], (3, 3))),
    ]
    instances = (
        Instance(name="late", cell="late", pins={"A": 3, "Y": 4}),
        Instance(name="pulse", cell="pulse", pins={"A": 2, "B": 4, "Y": 5}),
        Instance(name="reader", cell="reader", pins={"A": a, "B": b, "C": 0, "Y": 6}),
    )
    netlist = Netlist(name="p", inputs={"a": (2,), "b": (3,)}, outputs={"y": (6,)}, instances=instances, net_count=7)
    graph, timing = _analyze(netlist, cells)
    activity = timed_activity(graph, timing, np.array([[0, 0], [1, 1]], np.uint8))
    assert activity.transitions.tolist() == [0, 0, 1, 1, 1, 2, 1]


def test_an_input_without_an_arc_to_an_edge_takes_the_longest_delay_of_the_others() -> None:
    cell = _cell("gate", "A & B", {"A": (5, 6), "B": (7, 8)})
    silent = TimingArc(
        related_pin="A", sense="non_unate", kind="combinational", when=None, rise=None, fall=_constant(6),
        fall_transition=_constant(0),
    )  # fmt: skip
    output = cell.pins["Y"]
    pins = dict(cell.pins)
    pins["Y"] = Pin(
        name="Y", direction="output", capacitance_ff=0.0, function="A & B", timing=(silent, output.timing[1])
    )
    cell = Cell(name="gate", area_um2=1.0, leakage_nw=0.0, leakage_states=(), pins=pins)
    netlist = Netlist(
        name="gap",
        inputs={"a": (2,), "b": (3,)},
        outputs={"y": (4,)},
        instances=(Instance(name="gate", cell="gate", pins={"A": 2, "B": 3, "Y": 4}),),
        net_count=5,
    )
    graph, timing = _analyze(netlist, [cell])
    np.testing.assert_array_equal(gate_delays_fs(graph, timing), [[[7, 6], [7, 8]]])


def test_the_result_does_not_depend_on_threads_or_chunks() -> None:
    rng = np.random.default_rng(3)
    cells = [_cell("x", "A ^ B", {"A": (5, 9), "B": (11, 6)}), _cell("n", "!(A & B)", {"A": (3, 4), "B": (2, 6)})]
    instances = tuple(
        Instance(
            name=f"u{gate}",
            cell="xn"[gate % 2],
            pins={"A": int(rng.integers(2, 10 + gate)), "B": int(rng.integers(2, 10 + gate)), "Y": 10 + gate},
        )
        for gate in range(60)
    )
    netlist = Netlist(
        name="many", inputs={"a": tuple(range(2, 10))}, outputs={"y": (69,)}, instances=instances, net_count=70
    )
    graph, timing = _analyze(netlist, cells)
    values = rng.integers(0, 2, (2050, 8), dtype=np.uint8)
    one = timed_activity(graph, timing, values, threads=1)
    three = timed_activity(graph, timing, values, threads=3)
    parts = [timed_activity(graph, timing, values[first : first + 206]) for first in range(0, 2049, 205)]
    np.testing.assert_array_equal(one.transitions, three.transitions)
    np.testing.assert_array_equal(one.rise, sum(part.rise for part in parts))
    np.testing.assert_array_equal(one.one_probability, three.one_probability)


def test_waveforms_may_outgrow_their_buffer() -> None:
    stages = 12
    cells = [_cell("x", "A ^ B", {"A": (1, 1), "B": (1, 1)})]
    instances = []
    for stage in range(stages):
        # Each stage XORs the waveform with itself, late enough not to overlap: twice the transitions.
        cells.append(_cell(f"late{stage}", "A", {"A": (10 * 3**stage,) * 2}))
        net = 2 + 2 * stage
        instances.append(Instance(name=f"b{stage}", cell=f"late{stage}", pins={"A": net, "Y": net + 1}))
        instances.append(Instance(name=f"x{stage}", cell="x", pins={"A": net, "B": net + 1, "Y": net + 2}))
    last = 2 + 2 * stages
    netlist = Netlist(
        name="doubling", inputs={"a": (2,)}, outputs={"y": (last,)}, instances=tuple(instances), net_count=last + 1
    )
    graph, timing = _analyze(netlist, cells)
    values = np.array([[0], [1], [1], [0]], np.uint8)
    activity = timed_activity(graph, timing, values, mode="transport")
    assert activity.transitions[2::2].tolist() == [2 * 2**stage for stage in range(stages + 1)]


def test_values_that_do_not_fit_are_refused() -> None:
    graph, timing = _single("A & B", {"A": (5, 5), "B": (5, 5)})
    with pytest.raises(AxhwError, match=r"at least two vectors for 2 source nets, found an array of shape \(1, 2\)"):
        timed_activity(graph, timing, np.zeros((1, 2), np.uint8))
    with pytest.raises(AxhwError, match="Expected values of 0 and 1 as uint8, found uint8 up to 2"):
        timed_activity(graph, timing, np.full((2, 2), 2, np.uint8))
    with pytest.raises(AxhwError, match="Expected values of 0 and 1 as uint8, found int64 up to 0"):
        timed_activity(graph, timing, np.zeros((2, 2), np.int64))
