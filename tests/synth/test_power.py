"""Energy and leakage against sums done by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Pin, PowerArc, Table, TimingArc
from axhw.synth.netlist import Instance, Netlist
from axhw.synth.power import EnergyModel, EnergyReport, measure_energy
from axhw.synth.timing import analyze_timing

VOLTAGE = 2.0
LOAD = 5.0
SLEW = 0.1


def _table(base: float, per_slew: float = 0.0, per_load: float = 0.0) -> Table:
    """The plane ``base + per_slew * slew + per_load * load``."""
    slew, load = np.array([0.0, 1.0]), np.array([0.0, 10.0])
    return Table(slew_ns=slew, load_ff=load, values=base + per_slew * slew[:, None] + per_load * load)


def _power(
    related: str | None, rise: float | Table | None, fall: float | Table | None, when: str | None = None
) -> PowerArc:
    tables = [_table(value) if isinstance(value, float) else value for value in (rise, fall)]
    return PowerArc(related_pin=related, when=when, rise=tables[0], fall=tables[1])


def _timing(pin: str, kind: str = "combinational") -> TimingArc:
    """Output slews are 0.2 rising and 0.3 falling."""
    return TimingArc(
        related_pin=pin,
        sense="non_unate",
        kind=kind,
        when=None,
        rise=_table(0.1),
        fall=_table(0.1),
        rise_transition=_table(0.2),
        fall_transition=_table(0.3),
    )


def _cell(
    name: str,
    function: str,
    inputs: dict[str, Sequence[PowerArc]],
    power: Sequence[PowerArc] = (),
    *,
    leakage: float = 0.0,
    states: tuple[tuple[str, float], ...] = (),
) -> Cell:
    pins = {
        pin: Pin(name=pin, direction="input", capacitance_ff=1.0, power=tuple(arcs)) for pin, arcs in inputs.items()
    }
    timing = tuple(_timing(pin) for pin in inputs)
    pins["Y"] = Pin(
        name="Y", direction="output", capacitance_ff=0.0, function=function, timing=timing, power=tuple(power)
    )
    return Cell(name=name, area_um2=1.0, leakage_nw=leakage, leakage_states=states, pins=pins)


def _measure(
    cells: Sequence[Cell],
    instances: Sequence[tuple[str, dict[str, int]]],
    *,
    inputs: dict[str, tuple[int, ...]],
    outputs: tuple[int, ...],
    rise: dict[int, int],
    fall: dict[int, int],
    one: dict[int, float] | None = None,
    operations: int = 10,
    **options: Any,
) -> EnergyReport:
    nets = 2 + max(net for _, pins in instances for net in pins.values())
    netlist = Netlist(
        name="top",
        inputs=inputs,
        outputs={"y": outputs},
        instances=tuple(Instance(name=f"u{i}", cell=cell, pins=pins) for i, (cell, pins) in enumerate(instances)),
        net_count=nets,
    )
    library = CellLibrary(
        name="toy",
        voltage_v=VOLTAGE,
        temperature_c=25.0,
        process=1.0,
        sha256="",
        cells={cell.name: cell for cell in cells},
    )

    def array(values: dict[int, Any], default: float, kind: type) -> np.ndarray:
        result: np.ndarray = np.full(nets, default, kind)
        for net, value in values.items():
            result[net] = value
        return result

    return measure_energy(
        netlist,
        library,
        analyze_timing(netlist, library, input_slew_ns=SLEW, output_load_ff=LOAD),
        rise=array(rise, 0, int),
        fall=array(fall, 0, int),
        operations=operations,
        one_probability=array(one or {}, 0.5, float),
        **options,
    )


def _gate(cell: Cell, **options: Any) -> EnergyReport:
    """One two-input gate; A switches 6 + 6 times in 10 operations, B 2 + 2, the output 4 up and 3 down."""
    defaults: dict[str, Any] = {"one": {2: 0.2, 3: 0.7}}
    return _measure(
        [cell],
        [(cell.name, {"A": 2, "B": 3, "Y": 4})],
        inputs={"a": (2, 3)},
        outputs=(4,),
        rise={2: 6, 3: 2, 4: 4},
        fall={2: 6, 3: 2, 4: 3},
        **(defaults | options),
    )


def test_an_inverter_chain() -> None:
    inverter = _cell(
        "inv", "!A", {"A": [_power(None, 1.0, 2.0)]}, [_power("A", _table(3.0, 10.0, 0.1), _table(4.0, 20.0, 0.2))]
    )
    report = _measure(
        [inverter],
        [("inv", {"A": 2, "Y": 3}), ("inv", {"A": 3, "Y": 4})],
        inputs={"a": (2,)},
        outputs=(4,),
        rise={2: 5, 3: 4, 4: 3},
        fall={2: 4, 3: 5, 4: 2},
    )
    # An output rises when its input falls, so its energy is looked up at the slew of the falling input.
    first = [5 * 1.0 + 4 * 2.0, 4 * (3 + 10 * 0.1 + 0.1), 5 * (4 + 20 * 0.1 + 0.2)]
    second = [4 * 1.0 + 5 * 2.0, 3 * (3 + 10 * 0.3 + 0.5), 2 * (4 + 20 * 0.2 + 1.0)]
    np.testing.assert_allclose(report.instance_internal_fj, [sum(first) / 10, sum(second) / 10])
    switching = [0.5 * VOLTAGE**2 * 1.0 * 9 / 10, 0.5 * VOLTAGE**2 * LOAD * 5 / 10]
    np.testing.assert_allclose(report.instance_switching_fj, switching)
    assert report.internal_fj == pytest.approx((sum(first) + sum(second)) / 10)
    assert report.switching_fj == pytest.approx(sum(switching))
    assert report.dynamic_fj == pytest.approx(report.internal_fj + report.switching_fj)
    assert report.clock_fj == 0.0


def test_output_energy_is_shared_by_who_may_have_caused_it() -> None:
    gate = _cell("and", "A & B", {"A": [], "B": []}, [_power("A", 10.0, 20.0), _power("B", 30.0, 40.0)])
    # A switches three times as often; it shows where B is 1 (0.7), B shows where A is 1 (0.2).
    a, b = 1.2 * 0.7, 0.4 * 0.2
    expected = (4 * (10 * a + 30 * b) + 3 * (20 * a + 40 * b)) / (a + b) / 10
    assert _gate(gate).internal_fj == pytest.approx(expected)
    assert _gate(gate, rule="exclusive").internal_fj == pytest.approx(expected)


def test_an_output_that_should_not_switch_takes_the_mean() -> None:
    gate = _cell("and", "A & B", {"A": [], "B": []}, [_power("A", 10.0, 20.0), _power("B", 30.0, 40.0)])
    report = _gate(gate, one={2: 0.0, 3: 0.0})
    assert report.internal_fj == pytest.approx((4 * 20 + 3 * 30) / 10)


@pytest.mark.parametrize("rule", ["opensta", "exclusive"])
def test_conditions_of_an_output(rule: Literal["opensta", "exclusive"]) -> None:
    arcs = [_power("A", 10.0, 10.0, when="B"), _power("A", 20.0, 20.0), _power("B", 40.0, 40.0)]
    report = _gate(_cell("xor", "A ^ B", {"A": [], "B": []}, arcs), rule=rule)
    weights = {"opensta": [1.2, 1.2, 0.4], "exclusive": [1.2 * 0.7, 1.2 * 0.3, 0.4]}[rule]
    assert report.internal_fj == pytest.approx(0.7 * np.average([10, 20, 40], weights=weights))


def test_the_edge_of_the_cause_follows_from_the_state() -> None:
    arcs = [_power("A", _table(0.0, 100.0), None)]
    inverter = _cell("inv", "!A", {"A": []})
    xor = _cell("xor", "A ^ B", {"A": [], "B": []}, arcs)
    report = _measure(
        [inverter, xor],
        [("inv", {"A": 2, "Y": 4}), ("xor", {"A": 4, "B": 3, "Y": 5})],
        inputs={"a": (2, 3)},
        outputs=(5,),
        rise={4: 5, 5: 10},
        fall={4: 5, 5: 10},
        one={3: 0.25},
    )
    # With B at 1 the output rises when A falls, at a slew of 0.3; else when A rises, at 0.2.
    assert report.internal_fj == pytest.approx(100 * (0.75 * 0.2 + 0.25 * 0.3))


@pytest.mark.parametrize(
    ("rule", "shares"), [("opensta", (0.7, 1.0)), ("exclusive", (0.7, 0.3))], ids=["opensta", "exclusive"]
)
def test_conditions_of_an_input(rule: Literal["opensta", "exclusive"], shares: tuple[float, float]) -> None:
    gate = _cell("and", "A & B", {"A": [_power(None, 10.0, 20.0, when="B"), _power(None, 1.0, 3.0)], "B": []})
    expected = 0.6 * (30 * shares[0] + 4 * shares[1])
    assert _gate(gate, rule=rule).internal_fj == pytest.approx(expected)


def test_conditions_of_an_input_that_name_the_output() -> None:
    gate = _cell("and", "A & B", {"A": [_power(None, 10.0, 20.0, when="!Y")], "B": []})
    # OpenSTA: as often as the output follows A, P(B). Liberty: while the output is 0.
    assert _gate(gate).internal_fj == pytest.approx(0.6 * 30 * 0.7)
    assert _gate(gate, rule="exclusive").internal_fj == pytest.approx(0.6 * 30 * (1 - 0.2 * 0.7))


def test_energy_without_a_related_pin_takes_the_mean_slew_of_the_inputs() -> None:
    gate = _cell("and", "A & B", {"A": [], "B": []}, [_power(None, _table(1.0, 10.0), 2.0)])
    assert _gate(gate).internal_fj == pytest.approx((4 * (1 + 10 * SLEW) + 3 * 2) / 10)


def test_leakage_goes_by_state() -> None:
    gate = _cell("and", "A & B", {"A": [], "B": []}, leakage=100.0, states=(("A & B", 1.0), ("!A & !B", 10.0)))
    both, neither = 0.2 * 0.7, 0.8 * 0.3
    report = _gate(gate)
    assert report.leakage_nw == pytest.approx(both * 1 + neither * 10 + (1 - both - neither) * 100)
    assert report.instance_leakage_nw.sum() == pytest.approx(report.leakage_nw)


def test_input_nets_count_only_when_asked_for() -> None:
    gate = _cell("and", "A & B", {"A": [], "B": []})
    plain, counted = _gate(gate), _gate(gate, count_input_nets=True)
    assert counted.switching_fj - plain.switching_fj == pytest.approx(0.5 * VOLTAGE**2 * (1.2 + 0.4))


FLIP_FLOP = Cell(
    name="dff",
    area_um2=5.0,
    leakage_nw=0.0,
    leakage_states=(("Q & QN", 1e9), ("!QN & D", 8.0)),
    pins={
        "D": Pin(
            name="D",
            direction="input",
            capacitance_ff=1.0,
            timing=(replace(_timing("CK", "setup_rising"), rise_transition=None, fall_transition=None),),
        ),
        "CK": Pin(
            name="CK",
            direction="input",
            capacitance_ff=2.0,
            clock=True,
            power=(_power(None, 10.0, 20.0, when="D & Q"), _power(None, 1.0, 2.0)),
        ),
        "Q": Pin(
            name="Q",
            direction="output",
            capacitance_ff=0.0,
            function="IQ",
            timing=(_timing("CK", "rising_edge"),),
            power=(_power("CK", 7.0, 9.0),),
        ),
        "QN": Pin(name="QN", direction="output", capacitance_ff=0.0, function="IQN"),
    },
    flip_flop=FlipFlop(state="IQ", inverted="IQN", clocked_on="CK", next_state="D"),
)


@pytest.mark.parametrize("rule", ["opensta", "exclusive"])
@pytest.mark.parametrize("cycles", [1.0, 3.0])
def test_clock_pins_switch_every_cycle(rule: Literal["opensta", "exclusive"], cycles: float) -> None:
    report = _measure(
        [FLIP_FLOP],
        [("dff", {"CK": 2, "D": 3, "Q": 4})],
        inputs={"clk": (2,), "d": (3,)},
        outputs=(4,),
        rise={3: 4, 4: 5},
        fall={3: 4, 4: 5},
        one={3: 0.5, 4: 0.4},
        rule=rule,
        cycles_per_operation=cycles,
        count_input_nets=True,
    )
    shares = (0.2, 1.0) if rule == "opensta" else (0.2, 0.8)
    assert report.clock_fj == pytest.approx(cycles * (30 * shares[0] + 3 * shares[1]))
    assert report.internal_fj - report.clock_fj == pytest.approx((5 * 7 + 5 * 9) / 10)
    assert report.leakage_nw == pytest.approx(0.4 * 0.5 * 8.0)
    half = 0.5 * VOLTAGE**2
    assert report.switching_fj == pytest.approx(half * (1.0 * LOAD + 0.8 * 1.0 + 2 * cycles * 2.0))


def test_a_model_measures_any_number_of_activities() -> None:
    arcs = {pin: [_power(None, 1.0, 2.0, "Y"), _power(None, 5.0, 3.0)] for pin in "AB"}
    gate = _cell("and", "A & B", arcs, [_power("A", 3.0, 4.0), _power("B", 7.0, 2.0, "A")])
    library = CellLibrary(
        name="toy", voltage_v=VOLTAGE, temperature_c=25.0, process=1.0, sha256="", cells={gate.name: gate}
    )
    instances = tuple(
        Instance(name=f"u{net}", cell="and", pins={"A": net, "B": net + 1, "Y": net + 2}) for net in (2, 3, 4)
    )
    netlist = Netlist(name="top", inputs={"a": (2, 3)}, outputs={"y": (6,)}, instances=instances, net_count=7)
    timing = analyze_timing(netlist, library, input_slew_ns=SLEW, output_load_ff=LOAD)
    model = EnergyModel.of(netlist, library, timing)
    rng = np.random.default_rng(5)
    totals = set()
    for rule in ("opensta", "exclusive", "opensta"):
        activity: dict[str, Any] = {
            "rise": rng.integers(0, 9, 7),
            "fall": rng.integers(0, 9, 7),
            "operations": 10,
            "one_probability": rng.random(7),
            "rule": rule,
        }
        found, alone = model.measure(**activity), measure_energy(netlist, library, timing, **activity)
        np.testing.assert_array_equal(found.instance_internal_fj, alone.instance_internal_fj)
        np.testing.assert_array_equal(found.instance_switching_fj, alone.instance_switching_fj)
        np.testing.assert_array_equal(found.instance_leakage_nw, alone.instance_leakage_nw)
        totals.add(found.dynamic_fj)
    assert len(totals) == 3


def test_arrays_and_counts_are_checked() -> None:
    gate = _cell("and", "A & B", {"A": [], "B": []})
    with pytest.raises(AxhwError, match="Expected at least one operation to divide the energy by, found 0"):
        _gate(gate, operations=0)
    with pytest.raises(AxhwError, match="Expected one_probability between 0 and 1, found values outside"):
        _gate(gate, one={2: 1.5})
    netlist = Netlist(name="top", inputs={"a": (2,)}, outputs={}, instances=(), net_count=3)
    library = CellLibrary(name="x", voltage_v=1.0, temperature_c=25.0, process=1.0, sha256="", cells={})
    timing = analyze_timing(netlist, library, input_slew_ns=0.1, output_load_ff=1.0)
    counts = np.zeros(3, int)
    for name in ("rise", "fall", "one_probability"):
        arrays: dict[str, Any] = {"rise": counts, "fall": counts, "one_probability": np.zeros(3)} | {name: counts[:2]}
        with pytest.raises(AxhwError, match=rf"Expected {name} for 3 nets, found an array of shape \(2,\)"):
            measure_energy(netlist, library, timing, operations=1, **arrays)
