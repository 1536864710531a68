"""Behavioural cell models simulated with Icarus Verilog against the Liberty functions."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import CellLibrary, FlipFlop
from axhw.synth.liberty.reader import embedded_library
from axhw.synth.liberty.verilog import cell_models

icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog (iverilog)")


def _simulate(folder: Path, verilog: str) -> list[str]:
    (folder / "test.v").write_text(verilog)
    compiled = subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-o", "test.vvp", "test.v"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    done = subprocess.run(["vvp", "test.vvp"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


@icarus
def test_every_gate_computes_its_function(tmp_path: Path) -> None:
    library = embedded_library()
    gates = [cell for cell in library.cells.values() if cell.flip_flop is None and len(cell.inputs) > 0]
    verilog = [cell_models(library, [cell.name for cell in gates]), "module test;", "  integer i;"]
    expected = []
    body = []
    for n, cell in enumerate(gates):
        inputs = [pin.name for pin in cell.inputs]
        output = cell.outputs[0]
        connections = [f".{pin}(i[{k}])" for k, pin in enumerate(inputs)] + [f".{output.name}(o{n})"]
        verilog += [f"  wire o{n};", f"  {cell.name} u{n}({', '.join(connections)});"]
        body.append(
            f'    for (i = 0; i < {2 ** len(inputs)}; i = i + 1) begin #1 $write("%b", o{n}); end $write("\\n");'
        )
        table = BooleanFunction.parse(output.function or "").truth_table(inputs)
        expected.append("".join("1" if value else "0" for value in table))
    verilog += ["  initial begin", *body, "  end", "endmodule\n"]
    assert _simulate(tmp_path, "\n".join(verilog)) == expected


BENCH = """
module test;
  reg CK, D, RN, SN;
  wire Q, QN;
  DFFR dut(.CK(CK), .D(D), .RN(RN), .SN(SN), .Q(Q), .QN(QN));
  task show; begin #1 $write("%b%b\\n", Q, QN); end endtask
  task clock; begin #1 CK = 1; #1 CK = 0; show; end endtask
  initial begin
    CK = 0; D = 1; RN = 1; SN = 1; show;
    clock;
    D = 0; show;
    clock;
    D = 1; clock;
    RN = 0; show;
    clock;
    RN = 1; show;
    clock;
    D = 0; RN = 0; show;
    SN = 0; show;
    RN = 1; show;
    SN = 1; show;
    clock;
  end
endmodule
"""


@pytest.fixture
def set_reset(small_text: str, read: Callable[[str], CellLibrary]) -> CellLibrary:
    """The small library with a preset pin on its flip-flop."""
    text = small_text.replace(
        'clear : "RN\'";', 'clear : "!RN"; preset : "!SN"; clear_preset_var1 : H; clear_preset_var2 : L;'
    )
    return read(text.replace("pin(RN) {", "pin(SN) { direction : input; }\n    pin(RN) {"))


@icarus
def test_flip_flop_with_clear_and_preset(set_reset: CellLibrary, tmp_path: Path) -> None:
    shown = _simulate(tmp_path, cell_models(set_reset, ["DFFR"]) + BENCH)
    assert shown[0] in ("01", "10"), "0 or 1 before the first edge, nobody knows which"
    assert shown[1:] == [
        "10",  # takes D
        "10",  # keeps it between edges
        "01",
        "10",
        "01",  # clear, without an edge
        "01",  # and while the clock runs
        "01",  # stays after clear ends
        "10",
        "01",  # clear
        "10",  # both: as clear_preset_var1 and var2 say
        "10",  # clear ends first: preset holds
        "10",
        "01",
    ]


@icarus
def test_falling_edge_and_enable(small: CellLibrary, tmp_path: Path) -> None:
    flip_flop = FlipFlop(state="IQ", inverted="IQN", clocked_on="!CK", next_state="(D RN) + (IQ !RN)")
    library = replace(small, cells={"DFFR": replace(small.cells["DFFR"], flip_flop=flip_flop)})
    bench = """
module test;
  reg CK, D, E; wire Q, QN;
  DFFR dut(.CK(CK), .D(D), .RN(E), .Q(Q), .QN(QN));
  initial begin
    CK = 1; D = 1; E = 1;
    #1 $write("%b", Q); CK = 0; #1 $write("%b", Q);
    D = 0; E = 0; #1 CK = 1; #1 CK = 0; #1 $write("%b", Q);
    E = 1; #1 CK = 1; #1 CK = 0; #1 $write("%b\\n", Q);
  end
endmodule
"""
    (shown,) = _simulate(tmp_path, cell_models(library, ["DFFR"]) + bench)
    assert shown in ("0110", "1110")


def test_each_cell_comes_once_in_the_order_asked_for(small: CellLibrary) -> None:
    text = cell_models(small, ["NAND2", "INV", "NAND2"])
    assert [line for line in text.splitlines() if line.startswith("module")] == [
        "module NAND2(A, B, Y);",
        "module INV(A, Y);",
    ]
    assert "assign Y = ~(A & B);" in text


def test_tri_state_output(small: CellLibrary) -> None:
    cell = small.cells["INV"]
    pins = {**cell.pins, "Y": replace(cell.pins["Y"], three_state="A'")}
    assert "assign Y = ~A ? 1'bz : ~A;" in cell_models(replace(small, cells={"INV": replace(cell, pins=pins)}), ["INV"])


def test_what_cannot_be_modelled_is_refused(small: CellLibrary) -> None:
    with pytest.raises(AxhwError, match="Expected cells of library small, found 'XOR9'"):
        cell_models(small, ["XOR9"])
    inverter = small.cells["INV"]
    latch = replace(small, cells={"INV": replace(inverter, is_latch=True)})
    with pytest.raises(AxhwError, match="found the latch INV"):
        cell_models(latch, ["INV"])
    silent = replace(inverter, pins={**inverter.pins, "Y": replace(inverter.pins["Y"], function=None)})
    with pytest.raises(AxhwError, match="Expected a function on output Y of cell INV"):
        cell_models(replace(small, cells={"INV": silent}), ["INV"])
    clash = replace(small.cells["DFFR"], flip_flop=FlipFlop(state="Q", inverted="N", clocked_on="CK", next_state="D"))
    with pytest.raises(AxhwError, match=r"no pins called like its states, found \['Q'\]"):
        cell_models(replace(small, cells={"DFFR": clash}), ["DFFR"])
