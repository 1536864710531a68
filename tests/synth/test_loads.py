"""Loads by hand, and the defaults of a library made for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Pin, Table, TimingArc
from axhw.synth.liberty.wire_load import WireLoad
from axhw.synth.loads import default_input_slew_ns, default_output_load_ff, net_loads, reference_inverter
from axhw.synth.netlist import Instance, Netlist

# Transition time = 0.01 ns + 0.5 of the input's + 0.002 ns per fF (rise), half of that (fall).
SLEW = Table(
    slew_ns=np.array([0.0, 1.0]),
    load_ff=np.array([0.0, 10.0]),
    values=np.array([[0.01, 0.03], [0.51, 0.53]]),
)
HALF = Table(slew_ns=SLEW.slew_ns, load_ff=SLEW.load_ff, values=SLEW.values / 2)


def _inverter(name: str, *, area: float, capacitance: float, function: str = "!A", dont_use: bool = False) -> Cell:
    arc = TimingArc(
        related_pin="A",
        sense="negative_unate",
        kind="combinational",
        when=None,
        rise=SLEW,
        fall=SLEW,
        rise_transition=SLEW,
        fall_transition=HALF,
    )
    return Cell(
        name=name,
        area_um2=area,
        leakage_nw=1.0,
        leakage_states=(),
        pins={
            "A": Pin(name="A", direction="input", capacitance_ff=capacitance),
            "Y": Pin(name="Y", direction="output", capacitance_ff=0.0, function=function, timing=(arc,)),
        },
        dont_use=dont_use,
    )


def _flip_flop(name: str, *, area: float, capacitance: float) -> Cell:
    return Cell(
        name=name,
        area_um2=area,
        leakage_nw=1.0,
        leakage_states=(),
        pins={
            "D": Pin(name="D", direction="input", capacitance_ff=capacitance),
            "CK": Pin(name="CK", direction="input", capacitance_ff=9.0, clock=True),
            "Q": Pin(name="Q", direction="output", capacitance_ff=0.0, function="IQ"),
        },
        flip_flop=FlipFlop(state="IQ", inverted="IQN", clocked_on="CK", next_state="D"),
    )


def _library(*cells: Cell) -> CellLibrary:
    return CellLibrary(
        name="toy",
        voltage_v=1.0,
        temperature_c=25.0,
        process=1.0,
        sha256="",
        cells={cell.name: cell for cell in cells},
    )


INVERTERS = _library(
    _inverter("big", area=2.0, capacitance=5.0),
    _inverter("small", area=1.0, capacitance=2.0),
    _inverter("buffer", area=0.5, capacitance=2.0, function="A"),
    _inverter("banned", area=0.1, capacitance=2.0, dont_use=True),
)


def test_the_reference_is_the_smallest_inverter_that_may_be_used() -> None:
    assert reference_inverter(INVERTERS).name == "small"
    with pytest.raises(AxhwError, match=r"Expected an inverter in library toy .* state input_slew_ns"):
        reference_inverter(_library(_inverter("buffer", area=1.0, capacitance=1.0, function="A")))


def test_the_default_slew_is_that_of_a_fanout_of_four_chain() -> None:
    # At 8 fF: r = 0.026 + 0.5 f and f = 0.013 + 0.25 r.
    rise = (0.026 + 0.5 * 0.013) / (1 - 0.125)
    fall = 0.013 + 0.25 * rise
    assert default_input_slew_ns(INVERTERS) == pytest.approx((rise + fall) / 2)


def test_a_default_slew_needs_transition_tables() -> None:
    inverter = _inverter("bare", area=1.0, capacitance=2.0)
    output = replace(inverter.pins["Y"], timing=())
    bare = replace(inverter, pins={**inverter.pins, "Y": output})
    with pytest.raises(AxhwError, match="Expected transition tables on cell bare of library toy"):
        default_input_slew_ns(_library(bare))


def test_the_default_load_is_the_data_pin_of_the_smallest_flip_flop() -> None:
    inverters = INVERTERS.cells.values()
    flip_flops = [_flip_flop("ff2", area=20.0, capacitance=3.0), _flip_flop("ff1", area=10.0, capacitance=1.5)]
    assert default_output_load_ff(_library(*inverters, *flip_flops)) == 1.5
    assert default_output_load_ff(INVERTERS) == 2.0


NETLIST = Netlist(
    name="fork",
    inputs={"a": (2,)},
    outputs={"y": (3, 4), "z": (4,)},
    instances=(
        Instance(name="u1", cell="small", pins={"A": 2, "Y": 3}),
        Instance(name="u2", cell="big", pins={"A": 3, "Y": 4}),
        Instance(name="u3", cell="small", pins={"A": 3, "Y": 5}),
    ),
    net_count=6,
)


def test_loads_add_pins_and_ports() -> None:
    load = net_loads(NETLIST, INVERTERS, output_load_ff=0.5)
    np.testing.assert_allclose(load[:, 0], [0, 0, 2.0, 7.5, 1.0, 0.0])
    np.testing.assert_allclose(load[:, 1], load[:, 0])


def test_edges_have_their_own_pin_capacitance() -> None:
    small = INVERTERS.cells["small"]
    pin = replace(small.pins["A"], rise_capacitance_ff=2.5, fall_capacitance_ff=1.5)
    library = _library(INVERTERS.cells["big"], replace(small, pins={**small.pins, "A": pin}))
    load = net_loads(NETLIST, library, output_load_ff=0.0)
    np.testing.assert_allclose(load[3], [7.5, 6.5])


def test_the_driver_is_a_load_but_no_sink() -> None:
    inverter = INVERTERS.cells["small"]
    output = replace(inverter.pins["Y"], rise_capacitance_ff=0.25, fall_capacitance_ff=0.75)
    heavy = _library(*INVERTERS.cells.values(), replace(inverter, pins={**inverter.pins, "Y": output}))
    plain, loaded = (net_loads(NETLIST, library, output_load_ff=0.5) for library in (INVERTERS, heavy))
    drivers = [instance.pins["Y"] for instance in NETLIST.instances if instance.cell == "small"]
    added = np.zeros_like(plain)
    added[drivers] = 0.25, 0.75
    np.testing.assert_allclose(loaded - plain, added)
    per_sink = WireLoad(capacitance_ff=((1, 1.0),), slope_ff=1.0)
    wired = net_loads(NETLIST, heavy, output_load_ff=0.5, wire_load=per_sink)
    np.testing.assert_allclose(
        wired - loaded, net_loads(NETLIST, INVERTERS, output_load_ff=0.5, wire_load=per_sink) - plain
    )


def test_wire_load_interpolates_by_fanout_and_goes_on_with_the_slope() -> None:
    wire = WireLoad(capacitance_ff=((1, 1.0), (3, 2.0)), slope_ff=0.25)
    np.testing.assert_allclose(wire.at(np.array([0, 1, 2, 3, 5])), [0.0, 1.0, 1.5, 2.0, 2.5])
    load = net_loads(NETLIST, INVERTERS, output_load_ff=0.5, wire_load=wire)
    np.testing.assert_allclose(load[:, 0], [0, 0, 3.0, 9.5, 2.5, 0.0])
