"""Timing of a small netlist of real cells against OpenSTA, where it is installed."""

from __future__ import annotations

import dataclasses
import functools
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary, Table
from axhw.synth.liberty.syntax import parse_liberty
from axhw.synth.liberty.units import Units
from axhw.synth.liberty.writer import write_liberty
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library
from axhw.synth.loads import reference_inverter
from axhw.synth.netlist import Instance, Netlist
from axhw.synth.timing import TimingReport, analyze_timing

PDK = Path(__file__).resolve().parents[3] / "shared" / "pdk"
STAGES = 6

pytestmark = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA (sta) is not installed")


@functools.cache
def _library(name: str) -> LibrarySource:
    if name != DEFAULT and not (PDK / name).exists():
        pytest.skip(f"{name} is not at hand in {PDK}")
    return load_library(name if name == DEFAULT else str(PDK / name))


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


def _run_opensta(
    netlist: Netlist, files: Sequence[str], timing: TimingReport, folder: Path, *, wire_load: str
) -> dict[str, list[float]]:
    """Longest path (at "delay") and rising and falling slew of each net's driver, in ns."""
    names = {2: "a[0]", 3: "a[1]", netlist.outputs["y"][0]: "y"}
    gates = [
        f"{instance.cell} {instance.name} ("
        + ", ".join(f".{pin}({names.get(net, f'n{net}')})" for pin, net in instance.pins.items())
        + ");"
        for instance in netlist.instances
    ]
    wires = [f"wire n{net};" for net in range(4, netlist.net_count)]
    lines = ["module top(a, y);", "input [1:0] a;", "output y;", *wires, *gates, "endmodule"]
    (folder / "top.v").write_text("\n".join(lines))
    for number, liberty in enumerate(files):
        # OpenSTA takes a default wire load unless it has another one, and wires of ours have no resistance.
        text = re.sub(r"(?m)^\s*(default_wire_load\w*|resistance)\s*:.*$", "", liberty)
        (folder / f"cells{number}.lib").write_text(text)
    units = Units.of(parse_liberty(files[0], source=""))
    commands = [
        *(f"read_liberty cells{number}.lib" for number in range(len(files))),
        "read_verilog top.v",
        "link_design top",
        f"set_input_transition {timing.input_slew_ns / units.time_ns:.9g} [all_inputs]",
        f"set_load {timing.output_load_ff / units.capacitance_ff:.9g} [all_outputs]",
        *([] if wire_load == "none" else [f"set_wire_load_model -name {wire_load}"]),
        "report_checks -unconstrained -digits 6",
        'foreach pin [get_pins -hierarchical *] { foreach v [$pin vertices] { puts "SLEW [get_full_name $pin] '
        '[$v slews rise] [$v slews fall]" } }',
    ]
    (folder / "run.tcl").write_text("\n".join(commands))
    run = ["sta", "-exit", "run.tcl"]
    report = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True).stdout
    found = {}
    for words in map(str.split, report.splitlines()):
        if words[:1] == ["SLEW"] and len(words) == 6:
            found[words[1]] = [float(words[3]) * 1e9, float(words[5]) * 1e9]
        elif words[1:] == ["data", "arrival", "time"]:
            found.setdefault("delay", [float(words[0]) * units.time_ns])
    return found


def _compare(library: LibrarySource, folder: Path, *, wire_load: str = "none") -> None:
    netlist = _ladder(library.cells)
    timing = analyze_timing(netlist, library.cells, wire_load=library.cells.wire_loads.model(wire_load))
    found = _run_opensta(netlist, library.files, timing, folder, wire_load=wire_load)
    assert timing.delay_ns == pytest.approx(found["delay"][0], rel=1e-4)
    # OpenSTA gives wires to nets that go nowhere too.
    cells = library.cells.cells
    read = {instance.pins[pin.name] for instance in netlist.instances for pin in cells[instance.cell].inputs}
    nets = {
        f"{instance.name}/{pin.name}": instance.pins[pin.name]
        for instance in netlist.instances
        for pin in cells[instance.cell].outputs
        if wire_load == "none" or instance.pins[pin.name] in read
    }
    assert len(nets) >= 2 * STAGES - 1
    np.testing.assert_allclose(timing.slew_ns[list(nets.values())], [found[pin] for pin in nets], rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "wire_load"),
    [
        (DEFAULT, "none"),
        (DEFAULT, "5k"),
        ("sg13g2_stdcell_typ_1p20V_25C.lib", "none"),
        ("sg13g2_stdcell_typ_1p20V_25C.lib", "5k"),
        ("sky130hd_tt.lib.gz", "none"),
        ("sky130hd_tt.lib.gz", "Small"),
    ],
)
def test_delay_and_slews_are_those_of_opensta(name: str, wire_load: str, tmp_path: Path) -> None:
    _compare(_library(name), tmp_path, wire_load=wire_load)


def test_a_driver_with_a_capacitance_of_its_own(tmp_path: Path) -> None:
    library = load_library(DEFAULT).cells
    cells = {
        name: dataclasses.replace(
            cell,
            pins=dict(cell.pins) | {pin.name: dataclasses.replace(pin, capacitance_ff=3.0) for pin in cell.outputs},
        )
        for name, cell in library.cells.items()
    }
    path = tmp_path / "heavy.lib"
    path.write_text(write_liberty(dataclasses.replace(library, cells=cells), attribution="heavier"))
    source = load_library(str(path))
    light = analyze_timing(_ladder(library), library).delay_ns
    assert analyze_timing(_ladder(library), source.cells).delay_ns > 1.1 * light
    _compare(source, tmp_path)


def _in_ps(table: Table | None) -> Table | None:
    if table is None:
        return None
    return dataclasses.replace(table, slew_ns=1000 * table.slew_ns, values=1000 * table.values)


def test_files_in_several_units(tmp_path: Path) -> None:
    whole = load_library(DEFAULT).cells
    paths = []
    for unit, pattern in (("1ps", "nand|nor"), ("1ns", "inv|buf|xor|df|and|or")):
        cells = {}
        for name, cell in whole.cells.items():
            if re.match(f"sg13g2_({pattern})", name):
                pins = {
                    key: pin if unit == "1ns" else dataclasses.replace(
                        pin,
                        power=(),
                        timing=tuple(
                            dataclasses.replace(
                                arc,
                                rise=_in_ps(arc.rise),
                                fall=_in_ps(arc.fall),
                                rise_transition=_in_ps(arc.rise_transition),
                                fall_transition=_in_ps(arc.fall_transition),
                            )
                            for arc in pin.timing
                        ),
                    )
                    for key, pin in cell.pins.items()
                }  # fmt: skip
                cells[name] = dataclasses.replace(cell, pins=pins)
        text = write_liberty(dataclasses.replace(whole, name=f"in_{unit}", cells=cells), attribution="", table_digits=9)
        paths.append(tmp_path / f"{unit}.lib")
        paths[-1].write_text(text.replace('time_unit : "1ns"', f'time_unit : "{unit}"'))
    source = load_library(",".join(map(str, paths)))
    netlist = _ladder(source.cells)
    assert len({re.sub(r"_\d+$", "", instance.cell) for instance in netlist.instances}) == 3
    assert analyze_timing(netlist, source.cells).delay_ns == pytest.approx(analyze_timing(netlist, whole).delay_ns)
    _compare(source, tmp_path)
