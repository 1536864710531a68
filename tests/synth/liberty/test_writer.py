"""Written libraries read back the same, here and in Yosys and OpenSTA."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.fit import fit_library
from axhw.synth.liberty.library import CellLibrary, Table, Thresholds
from axhw.synth.liberty.reader import EMBEDDED_LIBRARY
from axhw.synth.liberty.writer import write_liberty

DATA = Path(__file__).parents[3] / "axhw" / "synth" / "data"


def _same(a: Table | None, b: Table | None) -> None:
    assert (a is None) == (b is None)
    if a is not None and b is not None:
        np.testing.assert_allclose(a.slew_ns, b.slew_ns, rtol=1e-8)
        np.testing.assert_allclose(a.load_ff, b.load_ff, rtol=1e-8)
        np.testing.assert_allclose(a.values, b.values, rtol=1e-3)


def _same_library(a: CellLibrary, b: CellLibrary) -> None:
    assert (a.name, a.corner, a.thresholds, a.max_transition_ns) == (
        b.name,
        b.corner,
        b.thresholds,
        b.max_transition_ns,
    )
    assert list(a.cells) == list(b.cells)
    for name, cell in a.cells.items():
        other = b.cells[name]
        assert cell.area_um2 == pytest.approx(other.area_um2, rel=1e-8)
        assert cell.leakage_nw == pytest.approx(other.leakage_nw, rel=1e-8)
        assert [state for state, _ in cell.leakage_states] == [state for state, _ in other.leakage_states]
        assert [w for _, w in cell.leakage_states] == pytest.approx([w for _, w in other.leakage_states], rel=1e-8)
        assert (cell.flip_flop, cell.dont_use) == (other.flip_flop, other.dont_use)
        assert list(cell.pins) == list(other.pins)
        for pin in cell.pins.values():
            twin = other.pins[pin.name]
            assert (pin.direction, pin.function, pin.clock) == (twin.direction, twin.function, twin.clock)
            for attribute in ("capacitance_ff", "rise_capacitance_ff", "fall_capacitance_ff", "max_capacitance_ff"):
                values = getattr(pin, attribute), getattr(twin, attribute)
                assert values[0] == values[1] or values[0] == pytest.approx(values[1], rel=1e-8)
            for x, y in zip(pin.timing, twin.timing, strict=True):
                assert (x.related_pin, x.sense, x.kind, x.when) == (y.related_pin, y.sense, y.kind, y.when)
                assert x.sdf_cond == y.sdf_cond
                for edge in ("rise", "fall", "rise_transition", "fall_transition"):
                    _same(getattr(x, edge), getattr(y, edge))
            for p, q in zip(pin.power, twin.power, strict=True):
                assert (p.related_pin, p.when, p.supply) == (q.related_pin, q.when, q.supply)
                _same(p.rise, q.rise)
                _same(p.fall, q.fall)


def test_round_trip_of_the_small_library(small: CellLibrary, read: Callable[[str], CellLibrary]) -> None:
    library = replace(small, thresholds=Thresholds(slew_lower_rise=10, slew_upper_rise=90, slew_derate=0.5))
    _same_library(read(write_liberty(library, attribution="figures of nobody\nin two lines")), library)


@pytest.mark.parametrize("name", ["sg13g2", "sky130"])
def test_round_trip_of_fitted_libraries(
    name: str, request: pytest.FixtureRequest, read: Callable[[str], CellLibrary]
) -> None:
    fitted = fit_library(request.getfixturevalue(name))
    _same_library(read(write_liberty(fitted, attribution="fitted")), fitted)


def test_embedded_file_is_small_and_attributed() -> None:
    text = (DATA / EMBEDDED_LIBRARY).read_text(encoding="utf-8")
    assert len(text) < 400_000
    head = text[: text.index("library(")]
    assert "Copyright 2024 IHP PDK Authors" in head
    assert "Apache License, Version 2.0" in head
    assert "axhw library fit" in head
    assert "Copyright 2024 IHP PDK Authors" in (DATA / "NOTICE").read_text(encoding="utf-8")


def test_what_cannot_be_written_is_refused(small: CellLibrary) -> None:
    with pytest.raises(AxhwError, match="Expected an attribution that can stand in a comment"):
        write_liberty(small, attribution="a */ b")
    latch = replace(small.cells["INV"], is_latch=True)
    with pytest.raises(AxhwError, match="Expected gates and flip-flops to write, found the latch INV"):
        write_liberty(replace(small, cells={"INV": latch}), attribution="")


SCRIPT = """\
read_verilog design.v
synth -flatten -top top
dfflibmap -liberty cells.lib
abc -liberty cells.lib
splitnets
opt_clean -purge
read_liberty -lib -overwrite cells.lib
check -assert -mapped
write_json mapped.json
write_verilog -noattr -noexpr mapped.v
"""
DESIGN = """\
module top(input clk, input rst_n, input [3:0] a, input [3:0] b, output reg [7:0] q);
  always @(posedge clk or negedge rst_n) if (!rst_n) q <= 0; else q <= a * b;
endmodule
"""


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """A small design mapped with the embedded library, in a folder with both."""
    pytest.importorskip("pyosys", reason="needs pyosys")
    shutil.copy(DATA / EMBEDDED_LIBRARY, tmp_path / "cells.lib")
    (tmp_path / "design.v").write_text(DESIGN)
    (tmp_path / "script.ys").write_text(SCRIPT)
    code = "from pyosys import libyosys as ys; ys.run_pass('script script.ys', ys.Design())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return tmp_path


def test_yosys_and_abc_map_to_the_embedded_library(mapped: Path) -> None:
    cells = json.loads((mapped / "mapped.json").read_text())["modules"]["top"]["cells"].values()
    types = [cell["type"] for cell in cells if cell["type"] != "$scopeinfo"]
    assert all(name.startswith("sg13g2_") for name in types)
    assert sum(name.startswith("sg13g2_dfr") for name in types) == 8


@pytest.mark.skipif(shutil.which("sta") is None, reason="needs OpenSTA (sta)")
def test_opensta_reads_the_embedded_library(mapped: Path) -> None:
    (mapped / "sta.tcl").write_text(
        "read_liberty cells.lib\nread_verilog mapped.v\nlink_design top\ncreate_clock -period 10 [get_ports clk]\n"
        "set_input_delay 0 -clock [all_clocks] [get_ports {a* b*}]\nreport_checks -digits 5\nreport_power\n"
    )
    command = ["sta", "-no_init", "-no_splash", "-exit", "sta.tcl"]
    done = subprocess.run(command, cwd=mapped, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert "Error" not in output
    assert "Warning" not in output
    assert "slack (MET)" in output
    internal, switching = (float(word) for word in output[output.rindex("Total") :].split()[1:3])
    assert internal > 0
    assert switching > 0
