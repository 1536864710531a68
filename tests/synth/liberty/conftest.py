"""A small Liberty library that tests vary, and the real ones beside the repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.reader import read_library

PDK = Path(__file__).parents[4] / "shared" / "pdk"

SMALL = """\
/* a small library */
library(small) {
  time_unit : "1ns";
  voltage_unit : "1V";
  leakage_power_unit : "1nW";
  capacitive_load_unit(1, pf);
  nom_process : 1; nom_voltage : 1.2; nom_temperature : 25;
  default_max_transition : 2.5;
  lu_table_template(delay) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1("0.01, 0.1, 1"); index_2("0.001, 0.01");
  }
  power_lut_template(energy) {
    variable_1 : input_transition_time; variable_2 : total_output_net_capacitance;
    index_1("0.01, 0.1, 1"); index_2("0.001, 0.01");
  }
  lu_table_template(setup) {
    variable_1 : constrained_pin_transition; variable_2 : related_pin_transition;
    index_1("0.01, 1"); index_2("0.02, 2");
  }
  cell(INV) {
    area : 1.5;
    cell_leakage_power : 0.25;
    leakage_power() { when : "A"; value : 0.1; }
    leakage_power() { when : "!A"; value : 0.4; }
    pin(A) { direction : input; capacitance : 0.002; rise_capacitance : 0.0021; fall_capacitance : 0.0019; }
    pin(Y) {
      direction : output;
      function : "!A";
      max_capacitance : 0.1;
      timing() {
        related_pin : "A";
        timing_sense : negative_unate;
        cell_rise(delay) { values("0.02, 0.05", "0.03, 0.06", "0.06, 0.1"); }
        cell_fall(delay) { values("0.01, 0.04", "0.02, 0.05", "0.05, 0.09"); }
        rise_transition(delay) { values("0.02, 0.06", "0.03, 0.07", "0.09, 0.12"); }
        fall_transition(delay) { values("0.01, 0.05", "0.02, 0.06", "0.08, 0.11"); }
      }
      internal_power() {
        related_pin : "A";
        rise_power(energy) { values("0.001, 0.002", "0.0015, 0.0025", "0.003, 0.004"); }
        fall_power(energy) { values("-0.001, 0", "0.0005, 0.001", "0.002, 0.003"); }
      }
    }
  }
  cell(NAND2) {
    area : 2;
    pin(A, B) { direction : input; capacitance : 0.003; }
    pin(Y) {
      direction : output;
      function : "(A B)'";
      timing() {
        related_pin : "A B";
        cell_rise(delay) { values("0.02, 0.05", "0.03, 0.06", "0.06, 0.1"); }
        cell_fall(delay) { values("0.01, 0.04", "0.02, 0.05", "0.05, 0.09"); }
        rise_transition(delay) { values("0.02, 0.06", "0.03, 0.07", "0.09, 0.12"); }
        fall_transition(delay) { values("0.01, 0.05", "0.02, 0.06", "0.08, 0.11"); }
      }
    }
  }
  cell(DFFR) {
    area : 9;
    ff(IQ, IQN) { clocked_on : "CK"; next_state : "D"; clear : "RN'"; }
    pin(D) {
      direction : input; capacitance : 0.002;
      timing() {
        related_pin : "CK"; timing_type : setup_rising;
        rise_constraint(setup) { values("0.1, 0.2", "0.3, 0.4"); }
        fall_constraint(setup) { values("0.1, 0.2", "0.3, 0.4"); }
      }
    }
    pin(CK) { direction : input; clock : true; capacitance : 0.002; }
    pin(RN) { direction : input; capacitance : 0.002; }
    pin(Q) {
      direction : output; function : "IQ";
      timing() {
        related_pin : "CK"; timing_type : rising_edge; timing_sense : non_unate;
        cell_rise(scalar) { values("0.2"); }
        cell_fall(scalar) { values("0.2"); }
        rise_transition(scalar) { values("0.05"); }
        fall_transition(scalar) { values("0.05"); }
      }
    }
    pin(QN) { direction : output; function : "IQN"; }
  }
}
"""


@pytest.fixture(scope="session")
def small_text() -> str:
    return SMALL


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], CellLibrary]:
    """Reads a Liberty text through a file."""

    def read_text(text: str) -> CellLibrary:
        path = tmp_path / "test.lib"
        path.write_text(text, encoding="utf-8")
        return read_library(path)

    return read_text


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> CellLibrary:
    path = tmp_path_factory.mktemp("liberty") / "small.lib"
    path.write_text(SMALL, encoding="utf-8")
    return read_library(path)


def _real(name: str) -> CellLibrary:
    if not (PDK / name).exists():
        pytest.skip(f"needs {name} in shared/pdk beside the repository")
    return read_library(PDK / name)


@pytest.fixture(scope="session")
def sg13g2() -> CellLibrary:
    return _real("sg13g2_stdcell_typ_1p20V_25C.lib")


@pytest.fixture(scope="session")
def sky130() -> CellLibrary:
    return _real("sky130hd_tt.lib.gz")
