from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Pin, TimingArc
from axhw.synth.liberty.specify import (
    active_edge,
    arc_condition,
    path_conditions,
    timing_models,
    verilog_condition,
)
from axhw.synth.libraries import DEFAULT, load_library


def arc(pin: str, *, when: str | None = None, kind: str = "combinational") -> TimingArc:
    return TimingArc(related_pin=pin, sense="non_unate", kind=kind, when=when, rise=None, fall=None)


def pin(name: str, *, function: str | None = None, timing: tuple[TimingArc, ...] = ()) -> Pin:
    return Pin(
        name=name,
        direction="input" if function is None else "output",
        capacitance_ff=1.0,
        function=function,
        timing=timing,
    )


def library(*cells: Cell) -> CellLibrary:
    return CellLibrary(
        name="few",
        voltage_v=1.0,
        temperature_c=25.0,
        process=1.0,
        sha256="",
        cells={cell.name: cell for cell in cells},
    )


def cell(name: str, *pins: Pin, flip_flop: FlipFlop | None = None) -> Cell:
    return Cell(
        name=name,
        area_um2=1.0,
        leakage_nw=0.0,
        leakage_states=(),
        pins={each.name: each for each in pins},
        flip_flop=flip_flop,
    )


XOR = cell(
    "XOR",
    pin("A"),
    pin("B"),
    pin("Y", function="A^B", timing=(arc("A"), arc("A", when="B"), arc("A", when="!B"), arc("B"))),
)
FLIP_FLOP = cell(
    "DFFN",
    pin("D", timing=(arc("C", kind="setup_falling"), arc("C", kind="hold_falling"))),
    pin("C"),
    pin("Q", function="IQ"),
    pin("QN", function="IQN"),
    flip_flop=FlipFlop(state="IQ", inverted="IQN", clocked_on="!C", next_state="D"),
)
TIE = cell("TIE", pin("Y", function="1"))


def specify(text: str) -> list[str]:
    """The lines of the only specify block."""
    (block,) = re.findall(r"  specify\n(.*)  endspecify\nendmodule\n", text, re.DOTALL)
    return [line.strip() for line in block.splitlines()]


def test_paths_of_a_gate() -> None:
    text = timing_models(library(XOR), ["XOR", "XOR"])
    assert text.startswith("`timescale 1ps/1fs\nmodule XOR(A, B, Y);\n")
    assert text.count("module XOR") == 1
    assert specify(text) == ["(A => Y) = (0, 0);", "(B => Y) = (0, 0);"]


def test_conditional_paths() -> None:
    assert specify(timing_models(library(XOR), ["XOR"], conditional=True)) == [
        "if (B == 1'b1) (A => Y) = (0, 0);",
        "if (B == 1'b0) (A => Y) = (0, 0);",
        "ifnone (A => Y) = (0, 0);",
        "(B => Y) = (0, 0);",
    ]
    assert path_conditions(XOR.pins["Y"], "A") == ("B == 1'b1", "B == 1'b0")
    assert path_conditions(XOR.pins["Y"], "B") == ()


@pytest.mark.parametrize(
    ("when", "sdf_cond", "expected"),
    [
        ("A & !B", "A == 1'b1 & B == 1'b0", "A == 1'b1 & B == 1'b0"),
        ("A & !B", " (A==1'b1 && B==1'b0) ", "(A==1'b1 && B==1'b0)"),
        ("A & !B", "(A === 1'B1) && !(B != 1'b0)", "(A === 1'B1) && !(B != 1'b0)"),
        ("A & !B", "B == 1'b0 && A", "B == 1'b0 && A"),
        ("!A", "~A", "~A"),
        ("A + B", "A == 1'b1 || B == 1'b1", "A == 1'b1 || B == 1'b1"),
        # Another condition, and a signal that only the library's own models have.
        ("A & !B", "A == 1'b1 && B == 1'b1", "A == 1'b1 && B == 1'b0"),
        ("A & !B", "A == 1'b1", "A == 1'b1 && B == 1'b0"),
        ("A & !B", "A_AND_NOT_B", "A == 1'b1 && B == 1'b0"),
        ("A & !B", "ENABLE == 1'b1", "A == 1'b1 && B == 1'b0"),
        ("A", "A > 0", "A == 1'b1"),
        ("A", "", "A == 1'b1"),
        ("A", None, "A == 1'b1"),
        (None, "A == 1'b1", None),
    ],
)
def test_conditions_in_the_librarys_own_words(when: str | None, sdf_cond: str | None, expected: str | None) -> None:
    assert arc_condition(dataclasses.replace(arc("C", when=when), sdf_cond=sdf_cond)) == expected


def test_conditional_paths_in_the_librarys_own_words() -> None:
    timing = (arc("A"), dataclasses.replace(arc("A", when="B"), sdf_cond="(B == 1'b1)"), arc("A", when="!B"), arc("B"))
    own = cell("XOR", pin("A"), pin("B"), pin("Y", function="A^B", timing=timing))
    assert specify(timing_models(library(own), ["XOR"], conditional=True))[:3] == [
        "if ((B == 1'b1)) (A => Y) = (0, 0);",
        "if (B == 1'b0) (A => Y) = (0, 0);",
        "ifnone (A => Y) = (0, 0);",
    ]


def test_paths_and_checks_of_a_flip_flop() -> None:
    assert active_edge(FLIP_FLOP) == ("negedge", "C")
    assert specify(timing_models(library(FLIP_FLOP), ["DFFN"])) == [
        "(negedge C => (Q : D)) = (0, 0);",
        "(negedge C => (QN : D)) = (0, 0);",
        "$setup(posedge D, negedge C, 0);",
        "$setup(negedge D, negedge C, 0);",
    ]


def test_a_cell_without_inputs_has_no_paths() -> None:
    text = timing_models(library(TIE), ["TIE"])
    assert "specify" not in text
    assert text.endswith("  assign Y = 1'b1;\nendmodule\n")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("A", "A == 1'b1"),
        ("!A", "A == 1'b0"),
        ("A & !B & C'", "A == 1'b1 && B == 1'b0 && C == 1'b0"),
        ("A (!B C)", "A == 1'b1 && B == 1'b0 && C == 1'b1"),
        ("!(A & B)", "~(A & B)"),
        ("A | !B", "(A | ~B)"),
        ("!!A", "~(~A)"),
        ("1", "1'b1"),
    ],
)
def test_conditions(when: str, expected: str) -> None:
    assert verilog_condition(when) == expected


def test_an_unknown_cell() -> None:
    with pytest.raises(AxhwError, match=r"^Expected cells of library few, found 'NOR'\.$"):
        timing_models(library(XOR), ["NOR"])


@pytest.mark.parametrize("conditional", [False, True])
def test_icarus_reads_the_models_of_a_whole_library(conditional: bool, tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog")
    cells = load_library(DEFAULT).cells
    names = [name for name, each in cells.cells.items() if not each.is_latch and each.outputs]
    names = [name for name in names if all(output.function is not None for output in cells.cells[name].outputs)]
    (tmp_path / "cells.v").write_text(timing_models(cells, names, conditional=conditional))
    command = ["iverilog", "-g2005", "-gspecify", "-Wall", "-o", "run.vvp", "cells.v"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert len(names) > 50
