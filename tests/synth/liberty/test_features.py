"""What cell libraries of other makers look like: one miniature text for each peculiarity, with figures done by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.synth.liberty.library import CellLibrary, Pin, PowerArc, Table
from axhw.synth.liberty.mapping import is_mappable
from axhw.synth.netlist import Instance, Netlist
from axhw.synth.power import EnergyReport, measure_energy
from axhw.synth.timing import TimingReport, analyze_timing

Reader = Callable[[str], CellLibrary]

UNITS = 'time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW"; capacitive_load_unit(1, ff);'
NOMINAL = "nom_process : 1; nom_voltage : 2; nom_temperature : 25;"
DELAYS = """cell_rise(scalar) { values("1"); } cell_fall(scalar) { values("2"); }
  rise_transition(scalar) { values("0.1"); } fall_transition(scalar) { values("0.2"); }"""


def text(*cells: str, units: str = UNITS, header: str = "") -> str:
    return "\n".join(["library(odd) {", units, NOMINAL, header, *cells, "}\n"])


def inverter(*, power: str = "", timing: str = DELAYS, inside: str = "", name: str = "INV") -> str:
    return f"""cell({name}) {{ area : 1; {inside}
      pin(A) {{ direction : input; capacitance : 3; }}
      pin(Y) {{ direction : output; function : "!A"; timing() {{ related_pin : "A"; {timing} }} {power} }} }}"""


def flip_flop(inside: str = "", *, data: str = "", clock: str = "", output: str = "") -> str:
    return f"""cell(DFF) {{ area : 4; ff(IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; }} {inside}
      pin(D) {{ direction : input; capacitance : 1; {data}
        timing() {{ related_pin : "CK"; timing_type : setup_rising;
          rise_constraint(scalar) {{ values("0.5"); }} fall_constraint(scalar) {{ values("0.5"); }} }} }}
      pin(CK) {{ direction : input; clock : true; capacitance : 1; {clock} }}
      pin(Q) {{ direction : output; function : "IQ"; {output}
        timing() {{ related_pin : "CK"; timing_type : rising_edge; {DELAYS} }} }} }}"""


def one_inverter() -> Netlist:
    return Netlist(
        name="top",
        inputs={"a": (2,)},
        outputs={"y": (3,)},
        instances=(Instance(name="u", cell="INV", pins={"A": 2, "Y": 3}),),
        net_count=4,
    )


def timing_of(library: CellLibrary) -> TimingReport:
    return analyze_timing(one_inverter(), library, input_slew_ns=0.5, output_load_ff=10.0)


def energy_of(library: CellLibrary) -> EnergyReport:
    """Of the inverter, whose input rises 3 and falls 1 times in one operation, and its output the other way."""
    return measure_energy(
        one_inverter(),
        library,
        timing_of(library),
        rise=np.array([0, 0, 3, 1]),
        fall=np.array([0, 0, 1, 3]),
        operations=1,
        one_probability=np.array([0.0, 1.0, 0.25, 0.75]),
    )


def power_of(library: CellLibrary, pin: str = "Y") -> PowerArc:
    (arc,) = library.cells["INV"].pins[pin].power
    return arc


def at(table: Table | None) -> list[list[float]]:
    assert table is not None
    values: list[list[float]] = table.values.tolist()
    return values


def test_odd_sizes_of_every_unit(read: Reader) -> None:
    units = """time_unit : "10ps"; voltage_unit : "100mV"; current_unit : "1uA"; pulling_resistance_unit : "10ohm";
      leakage_power_unit : "1pW"; capacitive_load_unit (0.0120, pf);"""
    power = 'internal_power() { related_pin : "A"; power(scalar) { values("5"); } }'
    library = read(text(inverter(power=power, inside="cell_leakage_power : 7;"), units=units))
    cell = library.cells["INV"]
    assert library.voltage_v == pytest.approx(0.2)
    assert cell.pins["A"].capacitance_ff == pytest.approx(3 * 12)
    assert cell.leakage_nw == pytest.approx(0.007)
    np.testing.assert_allclose(at(cell.pins["Y"].timing[0].fall), [[0.02]])
    # 12 fF x (0.1 V)^2 = 0.12 fJ
    np.testing.assert_allclose(at(power_of(library).rise), [[0.6]])
    report = energy_of(library)
    assert report.internal_fj == pytest.approx(4 * 0.6)
    assert report.switching_fj == pytest.approx(4 * 10.0 * 0.2**2 / 2)
    assert report.leakage_nw == pytest.approx(0.007)


def test_energy_tables_of_every_shape(read: Reader) -> None:
    header = """
      power_lut_template(by_load) { variable_1 : total_output_net_capacitance; index_1("0, 20"); }
      power_lut_template(by_slew) { variable_1 : input_transition_time; index_1("0, 1"); }
      power_lut_template(swapped) { variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
        index_1("0, 20"); index_2("0, 1"); }"""
    for group, rise in [
        ('rise_power(by_load) { values("1, 5"); }', 3.0),
        ('rise_power(by_slew) { values("1, 5"); }', 3.0),
        ('rise_power(swapped) { values("0, 8", "4, 12"); }', 6.0),
        ('rise_power(swapped) { index_1("0, 40"); values("0, 8", "4, 12"); }', 5.0),
    ]:
        fall = 'fall_power(scalar) { values("-1"); }'
        power = f'internal_power() {{ related_pin : "A"; {group} {fall} }}'
        library = read(text(inverter(power=power), header=header))
        # The output rises once and falls three times, at an input slew of 0.5 ns and a load of 10 fF.
        assert energy_of(library).internal_fj == pytest.approx(rise - 3), group


@pytest.mark.parametrize(
    ("template", "values", "rise"),
    [
        # Slew, load, load of the other output: 1 + slew + 10 load + 100 other.
        (
            """variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
               variable_3 : equal_or_opposite_output_net_capacitance;
               index_1("0, 1"); index_2("0, 2"); index_3("1, 2");""",
            '"101, 201", "121, 221", "102, 202", "122, 222"',
            1 + 0.5 + 100,
        ),
        (
            """variable_1 : equal_or_opposite_output_net_capacitance; variable_2 : total_output_net_capacitance;
               index_1("1, 2"); index_2("0, 2");""",
            '"101, 121", "201, 221"',
            1 + 100,
        ),
        ('variable_1 : equal_or_opposite_output_net_capacitance; index_1("4");', '"7"', 7),
    ],
)
def test_energy_by_the_load_of_another_output_is_that_of_an_open_one(
    read: Reader, template: str, values: str, rise: float
) -> None:
    power = f'internal_power() {{ related_pin : "A"; rise_power(three) {{ values({values}); }} }}'
    library = read(text(inverter(power=power), header=f"power_lut_template(three) {{ {template} }}"))
    assert energy_of(library).internal_fj == pytest.approx(rise)


def test_delay_by_the_load_of_another_output_is_that_of_an_open_one(read: Reader) -> None:
    header = """lu_table_template(two) { variable_1 : related_out_total_output_net_capacitance;
      variable_2 : total_output_net_capacitance; index_1("0, 5"); index_2("0, 20"); }"""
    delays = DELAYS.replace('cell_fall(scalar) { values("2"); }', 'cell_fall(two) { values("1, 3", "9, 9"); }')
    assert timing_of(read(text(inverter(timing=delays), header=header))).delay_ns == pytest.approx(2.0)


RAILS = """internal_power() {{ related_pin : "A"; related_pg_pin : "VDD"; {vdd} }}
  internal_power() {{ related_pin : "A"; related_pg_pin : "VSS"; {vss} }}"""


def test_rails_add_up_even_over_different_axes(read: Reader) -> None:
    header = """power_lut_template(l) { variable_1 : total_output_net_capacitance; index_1("0, 20"); }
      power_lut_template(m) { variable_1 : total_output_net_capacitance; index_1("5, 15"); }
      power_lut_template(s) { variable_1 : input_transition_time; index_1("0, 1"); }"""
    vdd, vss = 'rise_power(l) { values("0, 20"); }', 'rise_power(m) { values("5, 25"); }'
    library = read(text(inverter(power=RAILS.format(vdd=vdd, vss=vss)), header=header))
    table = power_of(library).rise
    assert table is not None
    assert table.load_ff.tolist() == [0, 5, 15, 20]
    # load + (2 load - 5), beyond the second table's ends too
    np.testing.assert_allclose(table.values, [[-5, 10, 40, 55]])
    assert energy_of(library).internal_fj == pytest.approx(25)
    vss = 'rise_power(s) { values("3, 5"); }'
    library = read(text(inverter(power=RAILS.format(vdd=vdd, vss=vss)), header=header))
    assert at(power_of(library).rise) == [[3, 23], [5, 25]]


def test_rails_with_different_groups_share_out_the_transitions_each(read: Reader) -> None:
    power = """internal_power() { related_pin : "A"; related_pg_pin : VDD; power(scalar) { values("4"); } }
      internal_power() { related_pin : "A"; related_pg_pin : VSS; when : "A"; power(scalar) { values("10"); } }
      internal_power() { related_pin : "A"; related_pg_pin : VSS; when : "!A"; power(scalar) { values("20"); } }"""
    library = read(text(inverter(power=power)))
    assert [arc.supply for arc in library.cells["INV"].pins["Y"].power] == ["VDD", "VSS", "VSS"]
    # Four transitions: 4 from VDD; 10 and 20 in equal parts from VSS.
    assert energy_of(library).internal_fj == pytest.approx(4 * (4 + 15))


@pytest.mark.parametrize(
    ("header", "inside", "plain", "states"),
    [
        ("", "cell_leakage_power : 5;", 5.0, {}),
        ("default_cell_leakage_power : 6;", "", 6.0, {}),
        ("", "leakage_power() { value : 3; }", 3.0, {}),
        ("", 'leakage_power() { when : "A"; value : 2; } leakage_power() { when : "!A"; value : 4; }', 3.0,
         {"A": 2.0, "!A": 4.0}),
        # The current that leaves by VSS is the one that came in by VDD; VPP is a second supply.
        ("", """pg_pin(VDD) { pg_type : primary_power; } pg_pin(VSS) { pg_type : primary_ground; }
                leakage_power() { related_pg_pin : "VDD"; when : "A"; value : 2; }
                leakage_power() { related_pg_pin : "VSS"; when : "A"; value : 2; }
                leakage_power() { related_pg_pin : "VPP"; when : "A"; value : 0.5; }""", 2.5, {"A": 2.5}),
        ("voltage_map(VDD, 2.0); voltage_map(VSS, 0.0);",
         """leakage_power() { related_pg_pin : VDD; value : 2; }
            leakage_power() { related_pg_pin : VSS; value : 2; }""", 2.0, {}),
        ("voltage_map(COREVDD, 2.0); voltage_map(GND, 0.0);",
         """pg_pin(P) { voltage_name : COREVDD; } pg_pin(N) { voltage_name : GND; }
            leakage_power() { related_pg_pin : P; value : 2; } leakage_power() { related_pg_pin : N; value : 2; }""",
         2.0, {}),
    ],
)  # fmt: skip
def test_leakage_however_it_is_stated(
    read: Reader, header: str, inside: str, plain: float, states: dict[str, float]
) -> None:
    cell = read(text(inverter(inside=inside), header=header)).cells["INV"]
    assert cell.leakage_nw == plain
    assert dict(cell.leakage_states) == states


def test_current_source_models_and_ranges_are_passed_over(read: Reader) -> None:
    ccs = """receiver_capacitance() { receiver_capacitance1_rise(scalar) { values("9"); } }
      output_current_rise() { vector(v) { reference_time : 0.1; index_1("1"); values("9"); } }
      ocv_sigma_cell_rise(odd) { values("9, 9, 9"); } ecsm_waveform(e) { values("9"); }"""
    ranges = "rise_capacitance_range(1.5, 4.5); fall_capacitance_range(1.5, 4.5); capacitance : 3;"
    plain = read(text(inverter()))
    library = read(text(inverter(timing=DELAYS + ccs).replace("capacitance : 3;", ranges), header="lut_type(x) {}"))
    assert timing_of(library).delay_ns == timing_of(plain).delay_ns == 2.0
    pin = library.cells["INV"].pins["A"]
    assert (pin.capacitance_ff, pin.rise_capacitance_ff, pin.fall_capacitance_ff) == (3.0, None, None)
    assert library.cells["INV"].pins["Y"].max_capacitance_ff is None


def test_slews_are_the_librarys_own_whatever_its_thresholds(read: Reader) -> None:
    header = """slew_lower_threshold_pct_rise : 30; slew_upper_threshold_pct_rise : 70;
      slew_lower_threshold_pct_fall : 30; slew_upper_threshold_pct_fall : 70; slew_derate_from_library : 0.5;"""
    timing = timing_of(read(text(inverter(), header=header)))
    assert timing.slew_ns[3].tolist() == [0.1, 0.2]
    assert timing.delay_ns == 2.0


def test_arcs_split_by_edge(read: Reader) -> None:
    rise = DELAYS.replace('fall(scalar) { values("2"', 'fall(scalar) { values("99"')
    fall = DELAYS.replace('rise(scalar) { values("1"', 'rise(scalar) { values("99"')
    timing = f'timing_type : combinational_rise; {rise} }} timing() {{ related_pin : "A"; timing_type : '
    library = read(text(inverter(timing=f"{timing} combinational_fall; {fall}")))
    arcs = library.cells["INV"].pins["Y"].timing
    assert [(arc.sense, arc.rise is None, arc.fall is None) for arc in arcs] == [
        ("negative_unate", False, True),
        ("negative_unate", True, False),
    ]
    assert timing_of(library).arrival_ns[3].tolist() == [1.0, 2.0]
    assert is_mappable(library.cells["INV"])


KINDS = (
    "hold_rising", "hold_falling", "recovery_rising", "recovery_falling", "removal_rising",
    "removal_falling", "skew_rising", "skew_falling", "nochange_high_high", "nochange_low_high", "non_seq_setup_rising",
    "non_seq_hold_falling", "min_pulse_width", "minimum_period",
)  # fmt: skip
OTHERS = ("preset", "clear", "three_state_enable", "three_state_disable", "min_clock_tree_path", "max_clock_tree_path")


def test_timing_types_of_every_kind_leave_the_period_alone(read: Reader) -> None:
    slow = 'rise_constraint(scalar) { values("90"); } fall_constraint(scalar) { values("90"); }'
    data = " ".join(f'timing() {{ related_pin : "CK"; timing_type : {kind}; {slow} }}' for kind in KINDS)
    late = DELAYS.replace('("1")', '("90")').replace('("2")', '("90")')
    output = " ".join(f'timing() {{ related_pin : "CK"; timing_type : {kind}; {late} }}' for kind in OTHERS)
    # About the pin itself, these need no other one.
    own = " ".join(f"timing() {{ timing_type : {kind}; {slow} }}" for kind in ("min_pulse_width", "minimum_period"))
    tree = f"timing() {{ timing_type : max_clock_tree_path; {late} }}"
    library = read(text(inverter(), flip_flop(data=data, clock=own + tree, output=output)))
    cell = library.cells["DFF"]
    assert [arc.kind for arc in cell.pins["D"].timing if arc.is_constraint] == [*KINDS, "setup_rising"]
    assert not any(arc.is_constraint for arc in cell.pins["Q"].timing)
    pair = Netlist(
        name="top",
        inputs={"clk": (2,), "d": (3,)},
        outputs={"q": (5,)},
        instances=(
            Instance(name="u1", cell="DFF", pins={"D": 3, "CK": 2, "Q": 4}),
            Instance(name="u2", cell="DFF", pins={"D": 4, "CK": 2, "Q": 5}),
        ),
        net_count=6,
    )
    timing = analyze_timing(pair, library)
    assert (timing.min_period_ns, timing.delay_ns) == (2.5, 2.0)
    assert timing.output_load_ff == 1.0


def test_a_flip_flop_with_an_inverted_output(read: Reader) -> None:
    # The only one of some libraries: what it stores is the inverse of its data.
    inverted = (
        flip_flop().replace('next_state : "D"', 'next_state : "!D"').replace("capacitance : 1;", "capacitance : 4;", 1)
    )
    library = read(text(inverter(), inverted))
    assert is_mappable(library.cells["DFF"])
    assert analyze_timing(one_inverter(), library, input_slew_ns=0.1).output_load_ff == 4.0


def test_a_cell_with_two_outputs(read: Reader) -> None:
    adder = f"""cell(HA) {{ area : 3; pin(A, B) {{ direction : input; capacitance : 1; }}
      pin(CO) {{ direction : output; function : "(A*B)"; timing() {{ related_pin : "A B"; {DELAYS} }} }}
      pin(S) {{ direction : output; function : "(A^B)"; timing() {{ related_pin : "A B"; {DELAYS} }} }} }}"""
    cell = read(text(inverter(), adder)).cells["HA"]
    senses = {name: [arc.sense for arc in cell.pins[name].timing] for name in ("CO", "S")}
    assert senses == {"CO": ["positive_unate"] * 2, "S": ["non_unate"] * 2}
    assert is_mappable(cell)


def test_arcs_from_other_outputs_are_left_out(read: Reader) -> None:
    pair = f"""cell(PAIR) {{ area : 3; pin(A) {{ direction : input; capacitance : 1; }}
      pin(N) {{ direction : output; function : "!A"; timing() {{ related_pin : "A"; {DELAYS} }} }}
      pin(Y) {{ direction : output; function : "A"; timing() {{ related_pin : "A N"; {DELAYS} }} }} }}"""
    only = pair.replace("PAIR", "ONLY").replace('"A N"', '"N"')
    library = read(text(inverter(), pair, only))
    assert [arc.related_pin for arc in library.cells["PAIR"].pins["Y"].timing] == ["A"]
    # Without an arc from an input, the cell cannot be timed.
    assert [is_mappable(library.cells[name]) for name in ("PAIR", "ONLY")] == [True, False]


UNUSABLE = {
    "DONT": inverter(name="DONT", inside='dont_use : "TRUE";'),
    "LATCH": """cell(LATCH) { latch(IQ, IQN) { enable : "G"; data_in : "D"; } pin(D, G) { direction : input; }
      pin(Q) { direction : output; function : "IQ"; } }""",
    "ICG": """cell(ICG) { clock_gating_integrated_cell : "latch_posedge";
      statetable("CLK E", "IQ") { table : "L H : - : H"; }
      pin(IQ) { direction : internal; internal_node : "IQ"; } pin(CLK, E) { direction : input; }
      pin(GCLK) { direction : output; state_function : "CLK * IQ"; } }""",
    "RETAIN": """cell(RETAIN) { retention_cell : r; ff(IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
      latch(SQ, SQN) { enable : "S"; data_in : "IQ"; } pin(D, CK, S) { direction : input; }
      pin(Q) { direction : output; function : "IQ"; } }""",
    "FILL": "cell(FILL) { area : 1; }",
    "ANTENNA": "cell(ANTENNA) { pin(A) { direction : input; capacitance : 1; } }",
    "TRI": inverter(name="TRI").replace('function : "!A";', 'function : "!A"; three_state : "A";'),
    "BARE": inverter(name="BARE", timing=""),
    "NO_SLEW": inverter(name="NO_SLEW", timing='cell_rise(scalar) { values("1"); } cell_fall(scalar) { values("1"); }'),
    "PAD": inverter(name="PAD").replace("direction : input", "direction : inout"),
}
SKIPPED = {
    "RAM": ("bus(D) { bus_type : t; }", "it has a bus group"),
    "MUX4": ("bundle(D) { members(D0, D1); }", "it has a bundle group"),
    "BANK": ("ff_bank(IQ, IQN, 4) { }", "it has a ff_bank group"),
    "LATCHES": ("latch_bank(IQ, IQN, 4) { }", "it has a latch_bank group"),
    "TWO": ('ff(A, B) { clocked_on : "C"; next_state : "D"; } ff(E, F) { clocked_on : "C"; next_state : "D"; }',
            "it has several ff groups"),
    "LOST": ("pin(A) { capacitance : 1; }", "pin A of cell LOST has no direction"),
}  # fmt: skip


def test_cells_that_mapping_cannot_use_are_read_all_the_same(read: Reader) -> None:
    tie = 'cell(TIE1) { area : 1; pin(Y) { direction : output; function : "1"; } }'
    skipped = [f"cell({name}) {{ {inside} }}" for name, (inside, _) in SKIPPED.items()]
    library = read(text(inverter(), tie, flip_flop(), *UNUSABLE.values(), *skipped))
    assert list(library.cells) == ["INV", "TIE1", "DFF", *UNUSABLE]
    assert library.skipped == {name: reason for name, (_, reason) in SKIPPED.items()}
    assert [name for name, cell in library.cells.items() if is_mappable(cell)] == ["INV", "TIE1", "DFF"]


def test_names_with_odd_characters(read: Reader) -> None:
    cell = inverter(name='"INVx1[2]/a-b"').replace("pin(A)", 'pin("A[0]")').replace('"!A"', '"!A[0]"')
    library = read(text(inverter(), cell.replace('related_pin : "A"', 'related_pin : "A[0]"')))
    odd = library.cells["INVx1[2]/a-b"]
    assert list(odd.pins) == ["A[0]", "Y"]
    assert is_mappable(odd)


def test_the_drivers_own_capacitance_is_a_load(read: Reader) -> None:
    header = 'lu_table_template(l) { variable_1 : total_output_net_capacitance; index_1("0, 100"); }'
    delays = DELAYS.replace('cell_fall(scalar) { values("2"); }', 'cell_fall(l) { values("0, 10"); }')
    cell = inverter(timing=delays).replace('function : "!A";', 'function : "!A"; capacitance : 2.5;')
    timing = timing_of(read(text(cell, header=header)))
    assert timing.load_ff[3].tolist() == [12.5, 12.5]
    assert timing.delay_ns == pytest.approx(1.25)


def test_conditions_for_sdf_are_kept(read: Reader) -> None:
    timing = f"""when : "A"; sdf_cond : "A == 1'b1"; {DELAYS} """
    pin: Pin = read(text(inverter(timing=timing))).cells["INV"].pins["Y"]
    assert [(arc.when, arc.sdf_cond) for arc in pin.timing] == [("A", "A == 1'b1")]
