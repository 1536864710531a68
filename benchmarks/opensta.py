"""OpenSTA on a netlist: delays, slews and, at one activity for all pins, power by instance.

Written for the build that Debian ships (2.0.17, November 2019).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.syntax import parse_liberty
from axhw.synth.liberty.units import Units
from axhw.synth.netlist import Netlist
from axhw.synth.timing import TimingReport
from benchmarks.designs import structural_verilog

FloatArray = npt.NDArray[np.float64]

PERIOD_NS = 100.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What OpenSTA says.

    Attributes
    ----------
    worst_ns : float
        Longest path, or the shortest clock period for a design with flip-flops.
    slew_ns, arrival_ns : mapping of net to (rise, fall)
        Of every gate output; arrivals of combinational designs only.
    internal_fj, switching_fj : (instances,) arrays
        Per operation at the uniform activity asked for.
    """

    worst_ns: float
    slew_ns: Mapping[int, tuple[float, float]]
    arrival_ns: Mapping[int, tuple[float, float]]
    internal_fj: FloatArray
    switching_fj: FloatArray


def available() -> bool:
    """Whether OpenSTA is installed."""
    return shutil.which("sta") is not None


def run(
    netlist: Netlist, library: CellLibrary, files: Sequence[str], timing: TimingReport, *, density: float, one: float
) -> Reference:
    """Analyse `netlist` under the conditions of `timing`.

    Parameters
    ----------
    files : sequence of str
        Texts of the library's files. OpenSTA takes a default wire load; axhw has none, so it is cut out.
    density, one : float
        Transitions per operation and probability of 1 of every pin but the clock.
    """
    # OpenSTA speaks in the units of the file that it reads first.
    units = Units.of(parse_liberty(files[0], source=library.name))
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        for number, liberty in enumerate(files):
            text = re.sub(r"(?m)^\s*default_wire_load\w*\s*:.*$", "", liberty)
            (where / f"cells{number}.lib").write_text(text)
        (where / "top.v").write_text(structural_verilog(netlist))
        script = _script(netlist, timing, units, files=len(files), density=density, one=one)
        (where / "run.tcl").write_text(script)
        command = ["sta", "-exit", "run.tcl"]
        text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    return _parse(text, netlist, library, units, clocked=timing.clock_net is not None)


def _script(netlist: Netlist, timing: TimingReport, units: Units, *, files: int, density: float, one: float) -> str:
    # OpenSTA reads and writes numbers in the units of the library, its Tcl objects in SI units.
    clock = next((port for port, nets in netlist.inputs.items() if timing.clock_net in nets), None)
    data = " ".join(f"{port}[*]" for port in netlist.inputs if port != clock)
    lines = [
        *(f"read_liberty cells{number}.lib" for number in range(files)),
        "read_verilog top.v",
        "link_design top",
        f"set_input_transition {timing.input_slew_ns / units.time_ns:.9g} [all_inputs]",
        f"set_load {timing.output_load_ff / units.capacitance_ff:.9g} [all_outputs]",
    ]
    if clock is None:
        lines += [
            "report_checks -unconstrained -digits 6",
            'foreach pin [get_pins -hierarchical *] { foreach v [$pin vertices] { puts "ARRIVAL [get_full_name $pin] '
            '[$v arrivals_clk rise NULL rise] [$v arrivals_clk fall NULL rise]" } }',
            f"create_clock -name clock -period {PERIOD_NS / units.time_ns:g}",
        ]
    else:
        lines += [
            f"create_clock -name clock -period {PERIOD_NS / units.time_ns:g} [get_ports {{{clock}[0]}}]",
            f"set_clock_transition {timing.clock_slew_ns / units.time_ns:.9g} [get_clocks clock]",
        ]
    lines.append(f"set_input_delay 0 -clock clock [get_ports {{{data}}}]")
    if clock is not None:
        lines.append("report_checks -digits 6")
    lines += [
        'foreach pin [get_pins -hierarchical *] { foreach v [$pin vertices] { puts "SLEW [get_full_name $pin] '
        '[$v slews rise] [$v slews fall]" } }',
        f"set_power_activity -global -activity {density} -duty {one}",
        *(f"report_power -instances u{number} -digits 6" for number in range(len(netlist.instances))),
        "",
    ]
    return "\n".join(lines)


def _parse(text: str, netlist: Netlist, library: CellLibrary, units: Units, *, clocked: bool) -> Reference:
    nets = {
        f"u{number}/{pin.name}": instance.pins[pin.name]
        for number, instance in enumerate(netlist.instances)
        for pin in library.cells[instance.cell].outputs
        if pin.name in instance.pins
    }
    slew: dict[int, tuple[float, float]] = {}
    arrival: dict[int, tuple[float, float]] = {}
    power = np.zeros((len(netlist.instances), 2))
    worst: float | None = None
    for words in map(str.split, text.splitlines()):
        # Four figures: earliest and latest of rise and of fall, in seconds.
        if len(words) == 6 and words[0] in ("SLEW", "ARRIVAL") and words[1] in nets:
            values = slew if words[0] == "SLEW" else arrival
            values[nets[words[1]]] = float(words[3]) * 1e9, float(words[5]) * 1e9
        elif worst is None and clocked and words[1:2] == ["slack"]:
            worst = PERIOD_NS - float(words[0]) * units.time_ns
        elif worst is None and not clocked and words[1:] == ["data", "arrival", "time"]:
            worst = float(words[0]) * units.time_ns
        elif len(words) == 5 and re.fullmatch(r"u\d+", words[4]):
            # W times ns is 1e6 fJ.
            power[int(words[4][1:])] = [float(word) * PERIOD_NS * 1e6 for word in words[:2]]
    if worst is None:
        raise RuntimeError(f"OpenSTA reported no path:\n{text[-2000:]}")
    return Reference(
        worst_ns=worst, slew_ns=slew, arrival_ns=arrival, internal_fj=power[:, 0], switching_fj=power[:, 1]
    )
