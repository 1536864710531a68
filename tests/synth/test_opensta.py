"""Timing of a small netlist of real cells against OpenSTA, where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.loads import reference_inverter
from axhw.synth.netlist import Instance, Netlist
from axhw.synth.timing import TimingReport, analyze_timing

PDK = Path(__file__).resolve().parents[3] / "shared" / "pdk"
LIBRARIES = [DEFAULT, "sg13g2_stdcell_typ_1p20V_25C.lib", "sky130hd_tt.lib.gz"]
STAGES = 6

pytestmark = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA (sta) is not installed")


def _smallest(library: CellLibrary, truth_table: list[bool]) -> Cell:
    def computes(cell: Cell) -> bool:
        if len(cell.inputs) != 2 or len(cell.outputs) != 1 or cell.outputs[0].function is None:
            return False
        if cell.flip_flop is not None or cell.is_latch or cell.dont_use or cell.outputs[0].three_state is not None:
            return False
        function = BooleanFunction.parse(cell.outputs[0].function)
        pins = tuple(pin.name for pin in cell.inputs)
        return bool(function.truth_table(pins).tolist() == truth_table)

    return min(filter(computes, library.cells.values()), key=lambda cell: (cell.area_um2, cell.name))


def _ladder(library: CellLibrary) -> Netlist:
    """XOR and NAND gates and inverters in turn, with uneven fan-outs."""
    inverter = reference_inverter(library)
    gates = [_smallest(library, [False, True, True, False]), _smallest(library, [True, True, True, False])]
    instances: list[Instance] = []
    previous = 2
    for stage in range(STAGES):
        cell = gates[stage % 2]
        first, second, inverted = (4 + 3 * stage + k for k in range(3))
        pins = [pin.name for pin in cell.inputs]
        for net, inputs in ((first, (previous, 3)), (second, (previous, max(2, previous - 1)))):
            nets = dict(zip(pins, inputs, strict=True)) | {cell.outputs[0].name: net}
            instances.append(Instance(name=f"u{len(instances)}", cell=cell.name, pins=nets))
        nets = {inverter.inputs[0].name: second, inverter.outputs[0].name: inverted}
        instances.append(Instance(name=f"u{len(instances)}", cell=inverter.name, pins=nets))
        previous = inverted
    return Netlist(
        name="top",
        inputs={"a": (2, 3)},
        outputs={"y": (previous,)},
        instances=tuple(instances),
        net_count=4 + 3 * STAGES,
    )


def _run_opensta(netlist: Netlist, liberty: str, timing: TimingReport, folder: Path) -> str:
    names = {2: "a[0]", 3: "a[1]", netlist.outputs["y"][0]: "y"}
    gates = [
        f"{instance.cell} {instance.name} ("
        + ", ".join(f".{pin}({names.get(net, f'n{net}')})" for pin, net in instance.pins.items())
        + ");"
        for instance in netlist.instances
    ]
    wires = [f"wire n{net};" for net in range(4, netlist.net_count)]
    lines = ["module top(a, y);", "input [1:0] a;", "output y;", *wires, *gates, "endmodule"]
    # OpenSTA takes a library's default wire load; axhw has none.
    (folder / "cells.lib").write_text(re.sub(r"(?m)^\s*default_wire_load\w*\s*:.*$", "", liberty))
    (folder / "top.v").write_text("\n".join(lines))
    # The embedded library counts in fF, the others in pF.
    load = timing.output_load_ff * (1 if re.search(r"capacitive_load_unit\s*\(\s*1\s*,\s*ff", liberty) else 1e-3)
    (folder / "run.tcl").write_text(
        "read_liberty cells.lib\nread_verilog top.v\nlink_design top\n"
        f"set_input_transition {timing.input_slew_ns:.9g} [all_inputs]\nset_load {load:.9g} [all_outputs]\n"
        "report_checks -unconstrained -digits 6\n"
        'foreach pin [get_pins -hierarchical *] { foreach v [$pin vertices] { puts "SLEW [get_full_name $pin] '
        '[$v slews rise] [$v slews fall]" } }\n'
    )
    command = ["sta", "-exit", "run.tcl"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", LIBRARIES)
def test_delay_and_slews_are_those_of_opensta(name: str, tmp_path: Path) -> None:
    if name != DEFAULT and not (PDK / name).exists():
        pytest.skip(f"{name} is not at hand in {PDK}")
    library = load_library(name if name == DEFAULT else str(PDK / name))
    netlist = _ladder(library.cells)
    timing = analyze_timing(netlist, library.cells)
    text = _run_opensta(netlist, library.text, timing, tmp_path)
    delay = next(float(line.split()[0]) for line in text.splitlines() if "data arrival time" in line)
    assert timing.delay_ns == pytest.approx(delay, rel=1e-4)
    nets = {
        f"{instance.name}/{pin.name}": instance.pins[pin.name]
        for instance in netlist.instances
        for pin in library.cells.cells[instance.cell].outputs
    }
    slews = {
        nets[words[1]]: (float(words[3]) * 1e9, float(words[5]) * 1e9)
        for words in map(str.split, text.splitlines())
        if words[:1] == ["SLEW"] and words[1] in nets
    }
    assert len(slews) == len(nets)
    np.testing.assert_allclose(timing.slew_ns[list(slews)], list(slews.values()), rtol=1e-3)
