"""Libraries read from small texts with known figures, and the real ones beside the repository."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import CellLibrary, Thresholds
from axhw.synth.liberty.reader import embedded_library, liberty_text, read_library

Reader = Callable[[str], CellLibrary]


def test_small_library(small: CellLibrary, small_text: str) -> None:
    assert (small.name, small.voltage_v, small.temperature_c, small.process) == ("small", 1.2, 25.0, 1.0)
    assert small.corner == "process 1, 1.2 V, 25 C"
    assert small.sha256 == hashlib.sha256(small_text.encode()).hexdigest()
    assert list(small.cells) == ["INV", "NAND2", "DFFR"]
    assert (small.max_transition_ns, small.thresholds, small.skipped) == (2.5, Thresholds(), {})
    inverter = small.cells["INV"]
    assert (inverter.area_um2, inverter.leakage_nw) == (1.5, 0.25)
    assert inverter.leakage_states == (("A", 0.1), ("!A", 0.4))
    pin = inverter.pins["A"]
    assert (pin.capacitance_ff, pin.rise_capacitance_ff, pin.fall_capacitance_ff) == pytest.approx((2.0, 2.1, 1.9))
    assert inverter.pins["Y"].max_capacitance_ff == pytest.approx(100)
    (arc,) = inverter.pins["Y"].timing
    assert (arc.related_pin, arc.sense, arc.kind, arc.when) == ("A", "negative_unate", "combinational", None)
    assert arc.rise is not None
    assert arc.rise.slew_ns.tolist() == [0.01, 0.1, 1]
    assert arc.rise.load_ff.tolist() == [1, 10]
    assert arc.rise.values.tolist() == [[0.02, 0.05], [0.03, 0.06], [0.06, 0.1]]
    (power,) = inverter.pins["Y"].power
    assert power.fall is not None
    np.testing.assert_allclose(power.fall.values, np.array([[-1, 0], [0.5, 1], [2, 3]]))


def test_pins_that_share_a_group_and_arcs_of_several_pins(small: CellLibrary) -> None:
    nand = small.cells["NAND2"]
    assert [pin.name for pin in nand.inputs] == ["A", "B"]
    assert [(arc.related_pin, arc.sense) for arc in nand.pins["Y"].timing] == [
        ("A", "negative_unate"),
        ("B", "negative_unate"),
    ]


def test_flip_flop_and_constraints(small: CellLibrary) -> None:
    flip_flop = small.cells["DFFR"]
    state = flip_flop.flip_flop
    assert state is not None
    assert (state.state, state.inverted, state.clocked_on, state.next_state) == ("IQ", "IQN", "CK", "D")
    assert (state.clear, state.preset, state.clear_preset) == ("RN'", None, None)
    assert flip_flop.pins["CK"].clock
    (setup,) = flip_flop.pins["D"].timing
    assert (setup.kind, setup.sense) == ("setup_rising", "non_unate")
    assert setup.rise is not None
    # Rows are the related pin's slew although the file puts the constrained pin first.
    assert setup.rise.slew_ns.tolist() == [0.02, 2]
    assert setup.rise.load_ff.tolist() == [0.01, 1]
    assert setup.rise.values.tolist() == [[0.1, 0.3], [0.2, 0.4]]
    (arc,) = flip_flop.pins["Q"].timing
    assert arc.rise is not None
    assert (arc.rise.slew_ns.size, arc.rise.load_ff.size, arc.rise.values.tolist()) == (1, 1, [[0.2]])


@pytest.mark.parametrize(
    ("old", "new", "time", "capacitance", "energy", "leakage"),
    [
        ("", "", 1, 1, 1, 1),
        ('time_unit : "1ns";', 'time_unit : "1ps";', 1e-3, 1, 1, 1),
        ('time_unit : "1ns";', "time_unit : 100ps;", 0.1, 1, 1, 1),
        ('time_unit : "1ns";', "", 1, 1, 1, 1),
        ("capacitive_load_unit(1, pf);", "capacitive_load_unit(1, ff);", 1, 1e-3, 1e-3, 1),
        ("capacitive_load_unit(1, pf);", 'capacitive_load_unit("10", "fF");', 1, 1e-2, 1e-2, 1),
        ("capacitive_load_unit(1, pf);", "", 1, 1, 1, 1),
        ('voltage_unit : "1V";', 'voltage_unit : "100mV";', 1, 1, 1e-2, 1),
        ('leakage_power_unit : "1nW";', 'leakage_power_unit : "10uW";', 1, 1, 1, 1e4),
        ('leakage_power_unit : "1nW";', "leakage_power_unit : 1mW;", 1, 1, 1, 1e6),
        ('leakage_power_unit : "1nW";', "leakage_power_unit : 1pW;", 1, 1, 1, 1e-3),
    ],
)
def test_units(
    read: Reader, small_text: str, old: str, new: str, time: float, capacitance: float, energy: float, leakage: float
) -> None:
    inverter = read(small_text.replace(old, new) if old else small_text).cells["INV"]
    arc, power = inverter.pins["Y"].timing[0], inverter.pins["Y"].power[0]
    assert arc.rise is not None
    assert power.rise is not None
    assert arc.rise.values[0, 0] == pytest.approx(0.02 * time)
    assert arc.rise.slew_ns[0] == pytest.approx(0.01 * time)
    assert arc.rise.load_ff[1] == pytest.approx(10 * capacitance)
    assert inverter.pins["A"].capacitance_ff == pytest.approx(2 * capacitance)
    assert power.rise.values[0, 0] == pytest.approx(1 * energy)
    assert inverter.leakage_nw == pytest.approx(0.25 * leakage)


def test_voltage_unit_scales_the_supply(read: Reader, small_text: str) -> None:
    text = small_text.replace('"1V"', '"1mV"').replace("nom_voltage : 1.2", "nom_voltage : 1200")
    assert read(text).voltage_v == pytest.approx(1.2)


def test_default_operating_conditions_go_before_the_nominal_ones(read: Reader, small_text: str) -> None:
    conditions = "operating_conditions(slow) { process : 0.9; voltage : 1.08; temperature : 125; }"
    text = small_text.replace("nom_process", f"{conditions} default_operating_conditions : slow; nom_process")
    assert read(text).corner == "process 0.9, 1.08 V, 125 C"


def test_swapped_axes_and_indices_of_the_table_itself(read: Reader, small_text: str) -> None:
    template = """lu_table_template(swapped) { variable_1 : total_output_net_capacitance;
      variable_2 : input_net_transition; index_1("1, 2"); index_2("1, 2, 3"); }
      lu_table_template(delay)"""
    table = 'cell_rise(swapped) { index_1("0.001, 0.01"); index_2("0.01, 0.1, 1"); values("1, 2, 3", "4, 5, 6"); }'
    text = small_text.replace("lu_table_template(delay)", template, 1).replace(
        'cell_rise(delay) { values("0.02, 0.05", "0.03, 0.06", "0.06, 0.1"); }', table, 1
    )
    arc = read(text).cells["INV"].pins["Y"].timing[0]
    assert arc.rise is not None
    assert arc.rise.slew_ns.tolist() == [0.01, 0.1, 1]
    assert arc.rise.load_ff.tolist() == [1, 10]
    assert arc.rise.values.tolist() == [[1, 4], [2, 5], [3, 6]]


def test_one_dimensional_tables(read: Reader, small_text: str) -> None:
    templates = """lu_table_template(slews) { variable_1 : input_net_transition; index_1("1, 2"); }
      lu_table_template(loads) { variable_1 : total_output_net_capacitance; index_1("1, 2"); }
      lu_table_template(delay)"""
    text = small_text.replace("lu_table_template(delay)", templates, 1)
    rise = 'cell_rise(delay) { values("0.02, 0.05", "0.03, 0.06", "0.06, 0.1"); }'
    fall = 'cell_fall(delay) { values("0.01, 0.04", "0.02, 0.05", "0.05, 0.09"); }'
    text = text.replace(rise, 'cell_rise(slews) { values("3, 4"); }', 1)
    text = text.replace(fall, 'cell_fall(loads) { values("5 \\\n , 6"); }', 1)
    arc = read(text).cells["INV"].pins["Y"].timing[0]
    assert arc.rise is not None
    assert arc.fall is not None
    assert (arc.rise.slew_ns.tolist(), arc.rise.load_ff.size, arc.rise.values.tolist()) == ([1, 2], 1, [[3], [4]])
    assert (arc.fall.slew_ns.size, arc.fall.load_ff.tolist(), arc.fall.values.tolist()) == (1, [1000, 2000], [[5, 6]])


def test_power_without_edges_counts_for_both(read: Reader, small_text: str) -> None:
    old = small_text[small_text.index("rise_power(energy)") : small_text.index("  cell(NAND2)")]
    (power,) = read(small_text.replace(old, 'power(scalar) { values("0.004"); } } } }\n')).cells["INV"].pins["Y"].power
    assert power.rise is not None
    assert power.fall is not None
    assert power.rise.values.tolist() == power.fall.values.tolist() == [[4]]


def test_supplies_add_up(read: Reader, small_text: str) -> None:
    other = """internal_power() { related_pin : "A"; related_pg_pin : VSS; power(scalar) { values("0.01"); } }
      internal_power() { related_pin : "A"; related_pg_pin : VDD;"""
    text = small_text.replace('internal_power() {\n        related_pin : "A";', other)
    leakage = """pg_pin(VSS) { pg_type : primary_ground; } pg_pin(VDD) { pg_type : primary_power; }
      leakage_power() { value : 5; related_pg_pin : VSS; } leakage_power() { value : 2; related_pg_pin : VDD; }"""
    text = text.replace("cell_leakage_power : 0.25;", leakage)
    inverter = read(text).cells["INV"]
    assert inverter.supplies == ("VSS", "VDD")
    (power,) = inverter.pins["Y"].power
    assert power.rise is not None
    np.testing.assert_allclose(power.rise.values, np.array([[11, 12], [11.5, 12.5], [13, 14]]))
    assert inverter.leakage_nw == 2
    assert inverter.leakage_states == (("A", 0.1), ("!A", 0.4))


def test_defaults(read: Reader, small_text: str) -> None:
    text = small_text.replace("capacitance : 0.002; rise_", "rise_")
    text = text.replace("pin(A, B) { direction : input; capacitance : 0.003; }", "pin(A, B) { direction : input; }")
    text = text.replace("cell_leakage_power : 0.25;", "")
    defaults = "default_input_pin_cap : 0.005; default_cell_leakage_power : 7; default_max_capacitance : 0.3;"
    library = read(text.replace("nom_process", f"{defaults} nom_process"))
    assert library.cells["INV"].pins["A"].capacitance_ff == pytest.approx(2.0)
    assert library.cells["INV"].leakage_nw == pytest.approx(0.25)
    assert library.cells["INV"].pins["Y"].max_capacitance_ff == pytest.approx(100)
    assert library.cells["NAND2"].pins["A"].capacitance_ff == pytest.approx(5)
    assert library.cells["NAND2"].leakage_nw == 7
    assert library.cells["NAND2"].pins["Y"].max_capacitance_ff == pytest.approx(300)


def test_thresholds_and_flags(read: Reader, small_text: str) -> None:
    extra = "slew_lower_threshold_pct_rise : 10; slew_upper_threshold_pct_fall : 90; slew_derate_from_library : 0.5;"
    text = small_text.replace("nom_process", f"{extra} nom_process")
    text = text.replace("cell(DFFR) {", 'cell(OFF) { dont_use : "true"; } cell(LAT) { latch(IQ, IQN) {} } cell(DFFR) {')
    text = text.replace('clear : "RN\'";', 'clear : "!RN"; preset : "D"; clear_preset_var1 : H; clear_preset_var2 : L;')
    text = text.replace('function : "(A B)\'";', 'function : "(A B)\'"; three_state : "A";')
    library = read(text + "\n")
    assert library.thresholds == Thresholds(slew_lower_rise=10, slew_upper_fall=90, slew_derate=0.5)
    assert library.cells["OFF"].dont_use
    assert library.cells["LAT"].is_latch
    flip_flop = library.cells["DFFR"].flip_flop
    assert flip_flop is not None
    assert flip_flop.clear_preset == ("H", "L")
    assert library.cells["NAND2"].pins["Y"].three_state == "A"


def test_unusual_layout_is_read(read: Reader, small_text: str, small: CellLibrary) -> None:
    text = small_text.replace("library(small) {", "library(small)\n\n{").replace(
        "cell(INV) {", "cell(INV) /* a */ // b\n{"
    )
    text = text.replace("area : 1.5;", "area :\n 1.5\n").replace("\n", "\r\n")
    library = read(text)
    assert list(library.cells) == list(small.cells)
    assert library.cells["INV"].area_um2 == 1.5


def test_cells_that_cannot_be_held_are_skipped_with_a_reason(read: Reader, small_text: str) -> None:
    cells = """cell(RAM) { bus(D) { bus_type : t; } }
      cell(ODD) { pin(A) { direction : input; timing() { timing_type : setup_rising; } } }
      cell(DFFR) {"""
    library = read(small_text.replace("cell(DFFR) {", cells))
    assert list(library.cells) == ["INV", "NAND2", "DFFR"]
    assert library.skipped == {
        "RAM": "it has a bus group",
        "ODD": "a timing group at pin A of cell ODD has no related_pin",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('time_unit : "1ns"', 'time_unit : "1V"', "Expected time_unit such as 1pS, found '1V'"),
        ('time_unit : "1ns"', 'time_unit : "0ns"', "Expected a positive time_unit"),
        ("capacitive_load_unit(1, pf)", "capacitive_load_unit(pf)", "Expected capacitive_load_unit"),
        ('leakage_power_unit : "1nW";', "", "Expected a leakage_power_unit in library small"),
        ("area : 1.5", "area : big", "Expected a number as area of cell INV, found 'big'"),
        ("area : 1.5", "area : nan", "Expected a number as area of cell INV"),
        ("nom_voltage : 1.2;", "", r"Expected the supply voltage \(nom_voltage\) in library small, found none"),
        ("cell_rise(delay)", "cell_rise(other)", "Expected a table template .* cell_rise, found 'other'"),
        ('values("0.02, 0.05",', 'values("0.02",', "Expected 3 x 2 values at pin Y of cell INV cell_rise, found 5"),
        ('values("0.02, 0.05",', 'values("0.02, x",', "Expected numbers as values at pin Y of cell INV"),
        ('index_1("0.01, 0.1, 1")', 'index_1("0.1, 0.1, 1")', "Expected rising table indices"),
        ('function : "!A"', 'function : "!A &"', "Expected a Liberty boolean expression"),
        ('function : "!A"', 'function : "!B"', "Expected pins of cell INV in the function of pin Y, found B"),
        ("direction : output", "direction : out", "Expected a direction among .* found 'out'"),
        ("negative_unate", "negative", "Expected a timing_sense among .* found 'negative'"),
        ('next_state : "D";', "", r"Expected ff\(state, inverted\) with next_state"),
        ("cell(NAND2)", "cell(INV)", "Expected each cell once in library small, found INV twice"),
    ],
)
def test_bad_figures_are_refused_in_one_sentence(
    read: Reader, small_text: str, old: str, new: str, message: str
) -> None:
    assert old in small_text
    with pytest.raises(AxhwError, match=message):
        read(small_text.replace(old, new, 1))


def test_unreadable_files_are_refused_in_one_sentence(tmp_path: Path, small_text: str) -> None:
    with pytest.raises(AxhwError, match=r"Expected a Liberty file at .*missing\.lib, found: No such file or directory"):
        read_library(tmp_path / "missing.lib")
    with pytest.raises(AxhwError, match=r"Expected a Liberty file at .*, found: Is a directory"):
        read_library(tmp_path)
    for name, data, message in [
        ("binary.lib", b"library(a) {\x00\x01}", "found binary data"),
        ("broken.lib.gz", gzip.compress(small_text.encode(), mtime=0)[:-20], "Expected a Liberty file at"),
        ("noise.lib.gz", b"\x1f\x8b" + b"noise" * 9, "Expected a Liberty file at"),
        (
            "noise.lib.bz2",
            b"BZh" + b"noise" * 9,
            "Expected a Liberty file at .*noise.lib.bz2, found: Invalid data stream",
        ),
        (
            "broken.lib.xz",
            lzma.compress(small_text.encode())[:-20],
            "Expected a Liberty file at .*broken.lib.xz, found: ",
        ),
        ("cells.lib.7z", b"7z\xbc\xaf\x27\x1c\x00\x04", "found a 7z archive: unpack it first"),
        ("cells.zip", b"PK\x03\x04\x14\x00", "found a zip archive: unpack it first"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(AxhwError, match=message):
            read_library(tmp_path / name)


def test_text_of_compressed_and_latin_files(tmp_path: Path, small_text: str) -> None:
    (tmp_path / "a.lib.gz").write_bytes(gzip.compress(small_text.encode()))
    assert liberty_text(tmp_path / "a.lib.gz") == small_text
    (tmp_path / "a.lib.bz2").write_bytes(bz2.compress(small_text.encode()))
    assert liberty_text(tmp_path / "a.lib.bz2") == small_text
    (tmp_path / "a.lib.xz").write_bytes(lzma.compress(small_text.encode()))
    assert liberty_text(tmp_path / "a.lib.xz") == small_text
    (tmp_path / "b.lib").write_bytes(b"\xef\xbb\xbf" + small_text.encode())
    assert liberty_text(tmp_path / "b.lib") == small_text
    (tmp_path / "c.lib").write_bytes("/* µ © */".encode("latin-1"))
    assert liberty_text(tmp_path / "c.lib") == "/* µ © */"


def test_sg13g2(sg13g2: CellLibrary) -> None:
    assert len(sg13g2.cells) == 84
    assert sg13g2.corner == "process 1, 1.2 V, 25 C"
    inverter = sg13g2.cells["sg13g2_inv_1"]
    assert inverter.area_um2 == 5.4432
    assert inverter.pins["A"].rise_capacitance_ff is not None
    arc = inverter.pins["Y"].timing[0]
    assert arc.rise is not None
    assert arc.rise.values.shape == (7, 7)
    assert arc.rise.load_ff[0] == 1.0
    # 173.27 pW in the file.
    assert any(
        leakage == pytest.approx(0.17327) for cell in sg13g2.cells.values() for _, leakage in cell.leakage_states
    )
    assert sg13g2.cells["sg13g2_dlhq_1"].is_latch
    assert sg13g2.cells["sg13g2_lgcp_1"].is_latch
    assert sg13g2.cells["sg13g2_ebufn_2"].pins["Z"].three_state == "TE_B"
    assert sg13g2.cells["sg13g2_fill_1"].dont_use
    assert sum(cell.flip_flop is not None for cell in sg13g2.cells.values()) == 9


def test_sky130(sky130: CellLibrary) -> None:
    assert (len(sky130.cells), sky130.voltage_v, sky130.skipped) == (428, 1.8, {})
    maj3 = sky130.cells["sky130_fd_sc_hd__maj3_1"]
    assert maj3.supplies == ("VGND", "VNB", "VPB", "VPWR")
    function = BooleanFunction.parse(maj3.outputs[0].function or "")
    majority = [bin(i).count("1") >= 2 for i in range(8)]
    assert function.truth_table(["A", "B", "C"]).tolist() == majority


def test_embedded_library_is_complete() -> None:
    library = embedded_library()
    assert library.skipped == {}
    for cell in library.cells.values():
        for pin in cell.outputs:
            arcs = [arc for arc in pin.timing if not arc.kind.startswith(("setup", "hold"))]
            tables = [t for arc in arcs for t in (arc.rise, arc.fall, arc.rise_transition, arc.fall_transition) if t]
            assert all((table.values > 0).all() for table in tables), cell.name
            assert pin.function in ("0", "1") or tables, cell.name
