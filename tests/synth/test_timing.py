"""Static timing against sums done by hand and against a path search over random netlists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Pin, Table, TimingArc, Unateness
from axhw.synth.liberty.wire_load import WireLoad
from axhw.synth.netlist import Instance, Netlist, levelize
from axhw.synth.timing import TimingReport, analyze_timing

RISE, FALL = 0, 1


def _table(base: float, per_slew: float = 0.0, per_load: float = 0.0) -> Table:
    """The plane ``base + per_slew * slew + per_load * load``."""
    slew, load = np.array([0.0, 1.0]), np.array([0.0, 10.0])
    return Table(slew_ns=slew, load_ff=load, values=base + per_slew * slew[:, None] + per_load * load)


def _arc(
    pin: str,
    sense: Unateness,
    rise: Table | None,
    fall: Table | None,
    *,
    slews: tuple[Table | None, Table | None] = (_table(0.02), _table(0.04)),
    when: str | None = None,
    kind: str = "combinational",
) -> TimingArc:
    return TimingArc(
        related_pin=pin,
        sense=sense,
        kind=kind,
        when=when,
        rise=rise,
        fall=fall,
        rise_transition=slews[0],
        fall_transition=slews[1],
    )


def _gate(name: str, function: str, inputs: Sequence[str], arcs: Sequence[TimingArc], output: str = "Y") -> Cell:
    pins = {pin: Pin(name=pin, direction="input", capacitance_ff=1.0) for pin in inputs}
    pins[output] = Pin(name=output, direction="output", capacitance_ff=0.0, function=function, timing=tuple(arcs))
    return Cell(name=name, area_um2=1.0, leakage_nw=0.0, leakage_states=(), pins=pins)


def _flip_flop(
    name: str = "dff", *, clocked_on: str = "CK", setup: tuple[Table | None, Table | None] = (_table(0.1), _table(0.2))
) -> Cell:
    launch = _arc("CK", "non_unate", _table(0.5, 1.0), _table(0.6, 1.0), kind="rising_edge")
    clear = _arc("R", "negative_unate", None, _table(9.0), kind="clear")
    check = replace(_arc("CK", "non_unate", *setup, kind="setup_rising"), rise_transition=None, fall_transition=None)
    hold = replace(check, kind="hold_rising", rise=_table(7.0), fall=_table(7.0))
    pins = {
        "D": Pin(name="D", direction="input", capacitance_ff=1.0, timing=(hold, check)),
        "CK": Pin(name="CK", direction="input", capacitance_ff=1.0, clock=True),
        "R": Pin(name="R", direction="input", capacitance_ff=1.0),
        "Q": Pin(name="Q", direction="output", capacitance_ff=0.0, function="IQ", timing=(launch, clear)),
    }
    flip_flop = FlipFlop(state="IQ", inverted="IQN", clocked_on=clocked_on, next_state="D", clear="R")
    return Cell(name=name, area_um2=9.0, leakage_nw=0.0, leakage_states=(), pins=pins, flip_flop=flip_flop)


INV = _gate("inv", "!A", "A", [_arc("A", "negative_unate", _table(0.10, 1.0, 0.01), _table(0.05, 0.5, 0.02))])
BUF = _gate("buf", "A", "A", [_arc("A", "positive_unate", _table(0.3), _table(0.2))])
XOR = _gate(
    "xor",
    "A ^ B",
    "AB",
    [
        _arc("A", "non_unate", _table(1.0), _table(2.0)),
        _arc("A", "positive_unate", _table(3.0), _table(1.5), when="!B"),
        _arc("A", "negative_unate", _table(0.5), _table(4.0), when="B"),
        _arc("B", "positive_unate", _table(0.7), _table(0.8), when="!A"),
        _arc("B", "negative_unate", _table(0.9), _table(0.6), when="A"),
    ],
)
CELLS = [INV, BUF, XOR, _flip_flop()]


def _library(*cells: Cell) -> CellLibrary:
    return CellLibrary(
        name="toy",
        voltage_v=1.0,
        temperature_c=25.0,
        process=1.0,
        sha256="",
        cells={cell.name: cell for cell in cells},
    )


def _netlist(
    instances: Sequence[tuple[str, dict[str, int]]],
    *,
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    nets: int,
) -> Netlist:
    return Netlist(
        name="top",
        inputs=inputs,
        outputs=outputs,
        instances=tuple(Instance(name=f"u{i}", cell=cell, pins=pins) for i, (cell, pins) in enumerate(instances)),
        net_count=nets,
    )


def _analyze(netlist: Netlist, *cells: Cell, slew: float = 0.1, load: float = 5.0) -> TimingReport:
    return analyze_timing(netlist, _library(*(cells or CELLS)), input_slew_ns=slew, output_load_ff=load)


CHAIN = _netlist(
    [("inv", {"A": 2, "Y": 3}), ("inv", {"A": 3, "Y": 4})], inputs={"a": (2,)}, outputs={"y": (4,)}, nets=5
)


def test_delays_and_slews_of_a_chain() -> None:
    report = _analyze(CHAIN)
    first = (0.10 + 0.1 + 0.01, 0.05 + 0.05 + 0.02)
    np.testing.assert_allclose(report.arrival_ns[3], first)
    np.testing.assert_allclose(report.slew_ns[3], (0.02, 0.04))
    # Falling nets cause rising ones and the other way round.
    second = (first[FALL] + 0.10 + 0.04 + 0.05, first[RISE] + 0.05 + 0.01 + 0.10)
    np.testing.assert_allclose(report.arrival_ns[4], second)
    assert report.delay_ns == pytest.approx(max(second))
    assert report.min_period_ns is None
    assert report.clock_net is None
    np.testing.assert_allclose(report.load_ff[[2, 3, 4], 0], [1.0, 1.0, 5.0])


def test_the_critical_path_is_told_step_by_step() -> None:
    path = _analyze(CHAIN).critical_path
    assert [(point.instance, point.cell, point.pin, point.edge) for point in path] == [
        ("a", "", "", "fall"),
        ("u0", "inv", "Y", "rise"),
        ("u1", "inv", "Y", "fall"),
        ("y", "", "", "fall"),
    ]
    assert [point.arrival_ns for point in path] == pytest.approx([0.0, 0.21, 0.37, 0.37])
    assert [point.delay_ns for point in path] == pytest.approx([0.0, 0.21, 0.16, 0.0])
    assert [point.slew_ns for point in path] == pytest.approx([0.1, 0.02, 0.04, 0.04])
    assert [point.load_ff for point in path] == pytest.approx([1.0, 1.0, 5.0, 5.0])


SINGLE_XOR = _netlist([("xor", {"A": 2, "B": 3, "Y": 4})], inputs={"a": (2, 3)}, outputs={"y": (4,)}, nets=5)


def test_all_conditional_arcs_count_for_the_longest_path() -> None:
    report = _analyze(SINGLE_XOR)
    np.testing.assert_allclose(report.arrival_ns[4], (3.0, 4.0))
    assert report.critical_path[0].instance == "a[0]"


def test_delays_by_input_and_output_edge_keep_the_sense_of_each_arc() -> None:
    delay = _analyze(SINGLE_XOR).arc_delay_ns[0]
    np.testing.assert_allclose(delay[0], [[3.0, 4.0], [1.0, 2.0]])
    np.testing.assert_allclose(delay[1], [[0.7, 0.6], [0.9, 0.8]])


def test_iopaths_are_the_unconditional_arcs_or_else_the_worst_conditional_ones() -> None:
    np.testing.assert_allclose(_analyze(SINGLE_XOR).iopath_delay_ns[0], [[1.0, 2.0], [0.9, 0.8]])


def test_pins_without_an_arc_have_no_delay() -> None:
    one_arm = _gate("xor", "A ^ B", "AB", [_arc("B", "positive_unate", _table(0.7), None)])
    report = _analyze(SINGLE_XOR, one_arm)
    assert np.isnan(report.arc_delay_ns[0, 0]).all()
    np.testing.assert_array_equal(report.iopath_delay_ns[0], [[np.nan, np.nan], [0.7, np.nan]])
    np.testing.assert_array_equal(report.arrival_ns[4], [0.7, -np.inf])
    np.testing.assert_allclose(report.slew_ns[4], [0.02, 0.0])


def test_an_arc_from_a_pin_outside_the_function_still_counts() -> None:
    odd = _gate("odd", "A", "AE", [_arc("A", "positive_unate", _table(0.1), _table(0.1)),
                                   _arc("E", "non_unate", _table(0.9), _table(0.8))])  # fmt: skip
    netlist = _netlist([("odd", {"A": 2, "E": 3, "Y": 4})], inputs={"a": (2, 3)}, outputs={"y": (4,)}, nets=5)
    report = _analyze(netlist, odd)
    assert report.delay_ns == pytest.approx(0.9)
    np.testing.assert_allclose(report.iopath_delay_ns, [[[0.1, 0.1]]])


def test_every_output_of_a_cell_has_its_own_arcs() -> None:
    first = _gate("half", "A ^ B", "AB", [_arc("A", "non_unate", _table(0.2), _table(0.3))], output="S")
    second = _gate("half", "A & B", "AB", [_arc("B", "positive_unate", _table(0.5), _table(0.4))], output="C")
    half = replace(first, pins={**first.pins, **second.pins})
    netlist = _netlist(
        [("half", {"A": 2, "B": 3, "S": 4, "C": 5})], inputs={"a": (2, 3)}, outputs={"y": (4, 5)}, nets=6
    )
    report = _analyze(netlist, half)
    np.testing.assert_allclose(report.arrival_ns[[4, 5]], [[0.2, 0.3], [0.5, 0.4]])


def test_constants_start_no_path() -> None:
    netlist = _netlist([("xor", {"A": 2, "B": 1, "Y": 3})], inputs={"a": (2,)}, outputs={"y": (3, 0)}, nets=4)
    np.testing.assert_allclose(_analyze(netlist).arrival_ns[3], (3.0, 4.0))
    silent = _netlist([("inv", {"A": 1, "Y": 3})], inputs={"a": (2,)}, outputs={"y": (3,)}, nets=4)
    report = _analyze(silent)
    assert report.delay_ns == 0.0
    assert report.critical_path == ()


def test_wire_load_slows_the_driver() -> None:
    report = analyze_timing(
        CHAIN,
        _library(*CELLS),
        input_slew_ns=0.1,
        output_load_ff=5.0,
        wire_load=WireLoad(capacitance_ff=((1, 3.0),)),
    )
    assert report.delay_ns == pytest.approx(0.37 + 3 * 0.01 + 3 * 0.02)


REGISTERED = _netlist(
    [
        ("dff", {"D": 3, "CK": 2, "R": 1, "Q": 4}),
        ("buf", {"A": 4, "Y": 5}),
        ("dff", {"D": 5, "CK": 2, "R": 1, "Q": 6}),
    ],
    inputs={"clk": (2,), "d": (3,)},
    outputs={"q": (6,)},
    nets=7,
)


def test_registered_paths_start_at_the_clock_and_end_at_the_setup_time() -> None:
    report = analyze_timing(REGISTERED, _library(*CELLS), input_slew_ns=0.1, output_load_ff=5.0, clock_slew_ns=0.05)
    # Clock to Q 0.55 / 0.65, buffer 0.3 / 0.2, setup 0.1 / 0.2; hold and clear arcs play no part.
    np.testing.assert_allclose(report.arrival_ns[5], (0.85, 0.85))
    assert report.min_period_ns == pytest.approx(1.05)
    assert report.delay_ns == pytest.approx(0.65)
    assert report.clock_net == 2
    path = [(point.instance, point.pin, point.edge) for point in report.critical_path]
    assert path == [("clk", "", "rise"), ("u0", "Q", "fall"), ("u1", "Y", "fall"), ("u2", "D", "fall")]
    assert report.critical_path[-1].delay_ns == pytest.approx(0.2)


def test_input_ports_switch_at_the_clock_edge() -> None:
    netlist = _netlist(
        [("xor", {"A": 3, "B": 3, "Y": 4}), ("dff", {"D": 4, "CK": 2, "R": 1, "Q": 5})],
        inputs={"clk": (2,), "d": (3,)},
        outputs={"q": (5,)},
        nets=6,
    )
    assert _analyze(netlist).min_period_ns == pytest.approx(4.2)


def test_setup_times_depend_on_the_data_slew() -> None:
    # Constraint tables run over the clock's slew, then the data's.
    slow = _flip_flop(setup=(_table(0.1, 1.0, 10.0), _table(0.1)))
    report = analyze_timing(REGISTERED, _library(BUF, slow), input_slew_ns=0.1, output_load_ff=5.0, clock_slew_ns=0.05)
    assert report.min_period_ns == pytest.approx(0.85 + 0.1 + 0.05 + 10 * 0.02)


@pytest.mark.parametrize("name", ["input_slew_ns", "output_load_ff", "clock_slew_ns"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_conditions_must_be_finite_and_not_negative(name: str, value: float) -> None:
    conditions: dict[str, Any] = {"input_slew_ns": 0.1, "output_load_ff": 1.0} | {name: value}
    with pytest.raises(AxhwError, match=f"Expected {name} to be 0 or more, found {value}"):
        analyze_timing(CHAIN, _library(*CELLS), **conditions)


def test_clocks_must_be_one_edge_of_one_input_port() -> None:
    falling = replace(_flip_flop(clocked_on="!CK"), name="neg")
    gated = _netlist(
        [("buf", {"A": 2, "Y": 4}), ("dff", {"D": 3, "CK": 4, "R": 1, "Q": 5})],
        inputs={"clk": (2,), "d": (3,)},
        outputs={"q": (5,)},
        nets=6,
    )
    with pytest.raises(AxhwError, match="clocked by an input port, found logic on the clock of u1"):
        _analyze(gated)
    both = replace(REGISTERED, instances=(*REGISTERED.instances[:2], replace(REGISTERED.instances[2], cell="neg")))
    with pytest.raises(AxhwError, match=r"Expected one edge of one clock .* found different ones at u0 and u2"):
        _analyze(both, *CELLS, falling)
    two = _flip_flop(clocked_on="CK & R")
    with pytest.raises(AxhwError, match="Expected flip-flop dff to be clocked by one pin, found 'CK & R'"):
        _analyze(REGISTERED, BUF, two)


def test_missing_tables_are_errors() -> None:
    with pytest.raises(AxhwError, match="Expected timing arcs on output Y of cell inv, found none"):
        _analyze(CHAIN, _gate("inv", "!A", "A", []))
    bare = _gate("inv", "!A", "A", [_arc("A", "negative_unate", _table(0.1), None, slews=(None, None))])
    with pytest.raises(AxhwError, match=r"Expected a rise transition table .* of cell inv, .* the arc A to Y"):
        _analyze(CHAIN, bare)
    unchecked = _flip_flop(setup=(None, None))
    with pytest.raises(AxhwError, match="Expected a path into a flip-flop of top with a setup time"):
        _analyze(REGISTERED, BUF, unchecked)


def _relax(netlist: Netlist, library: CellLibrary, report: TimingReport) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals and slews by relaxing single arcs until nothing changes."""
    arrival = np.full((netlist.net_count, 2), -np.inf)
    slew = np.zeros((netlist.net_count, 2))
    for nets in netlist.inputs.values():
        arrival[list(nets)] = 0.0
        slew[list(nets)] = report.input_slew_ns
    for _ in range(len(netlist.instances) + 1):
        for instance in netlist.instances:
            pin = library.cells[instance.cell].pins["Y"]
            target = instance.pins["Y"]
            for arc in pin.timing:
                source = instance.pins[arc.related_pin]
                for output, delay, transition in (
                    (RISE, arc.rise, arc.rise_transition),
                    (FALL, arc.fall, arc.fall_transition),
                ):
                    for edge in (RISE, FALL):
                        follows = {"positive_unate": edge == output, "negative_unate": edge != output}
                        if not follows.get(arc.sense, True) or np.isneginf(arrival[source, edge]):
                            continue
                        x, y = slew[source, edge], report.load_ff[target, output]
                        assert delay is not None
                        assert transition is not None
                        arrival[target, output] = max(
                            arrival[target, output], arrival[source, edge] + _plane(delay, x, y)
                        )
                        slew[target, output] = max(slew[target, output], _plane(transition, x, y))
    return arrival, slew


def _plane(table: Table, slew: float, load: float) -> float:
    base = table.values[0, 0]
    return float(base + (table.values[1, 0] - base) * slew + (table.values[0, 1] - base) * load / 10.0)


POSITIVE = st.floats(0.01, 2.0)


@st.composite
def _designs(draw: st.DrawFn) -> tuple[Netlist, CellLibrary]:
    cells = []
    for kind in range(draw(st.integers(1, 3))):
        arcs = []
        for pin in "AB":
            for sense in draw(st.lists(st.sampled_from(get_args(Unateness)), min_size=1,
                                       max_size=2)):  # fmt: skip
                planes = [_table(draw(POSITIVE), draw(POSITIVE), draw(POSITIVE)) for _ in range(4)]
                arcs.append(_arc(pin, sense, planes[0], planes[1], slews=(planes[2], planes[3])))
        cells.append(_gate(f"g{kind}", "A ^ B", "AB", arcs))
    instances = []
    for gate in range(draw(st.integers(1, 10))):
        nets = {pin: draw(st.integers(1, 4 + gate)) for pin in "AB"}
        instances.append((draw(st.sampled_from(cells)).name, nets | {"Y": 5 + gate}))
    outputs = {"y": tuple(range(5, 5 + len(instances)))}
    netlist = _netlist(instances, inputs={"a": (2, 3, 4)}, outputs=outputs, nets=5 + len(instances))
    return netlist, _library(*cells)


@settings(max_examples=60)
@given(_designs())
def test_random_netlists_agree_with_relaxation(design: tuple[Netlist, CellLibrary]) -> None:
    netlist, library = design
    report = analyze_timing(netlist, library, input_slew_ns=0.2, output_load_ff=0.5)
    arrival, slew = _relax(netlist, library, report)
    np.testing.assert_allclose(report.arrival_ns, arrival, rtol=1e-9)
    np.testing.assert_allclose(report.slew_ns, slew, rtol=1e-9)
    assert report.delay_ns == pytest.approx(max(float(arrival[5:].max()), 0.0))
    if report.critical_path:
        assert sum(point.delay_ns for point in report.critical_path) == pytest.approx(report.delay_ns)


def test_a_given_graph_is_used_as_it_is() -> None:
    library = _library(*CELLS)
    graph = levelize(CHAIN, library)
    report = analyze_timing(CHAIN, library, graph=graph, input_slew_ns=0.1, output_load_ff=5.0)
    assert report.delay_ns == _analyze(CHAIN).delay_ns
