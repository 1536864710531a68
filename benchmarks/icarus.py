"""Icarus Verilog on a mapped netlist with SDF delays: transitions of every net over an operand stream."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.sim.sdf import sdf
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.specify import TIMESCALE, timing_models
from axhw.synth.names import verilog_names
from axhw.synth.netlist import GateGraph, Netlist
from axhw.synth.timing import TimingReport
from benchmarks.designs import net_names, structural_verilog


@dataclass(frozen=True, kw_only=True, eq=False)
class Count:
    """Transitions of each net, and the wall time of the simulation alone."""

    transitions: npt.NDArray[np.int64]
    seconds: float


def available() -> bool:
    """Whether Icarus Verilog is installed."""
    return shutil.which("iverilog") is not None and shutil.which("vvp") is not None


def count_transitions(
    netlist: Netlist,
    graph: GateGraph,
    library: CellLibrary,
    timing: TimingReport,
    operands: Mapping[str, npt.NDArray[np.int64]],
) -> Count:
    """Simulate a combinational netlist with the files of ``axhw export --format sdf``, each vector until it settles."""
    nets = sorted(set(graph.output.tolist()))
    verilog = structural_verilog(netlist)
    names = verilog_names(netlist, verilog)
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "cells.v": timing_models(library, sorted({instance.cell for instance in netlist.instances})),
            "top.v": f"{TIMESCALE}\n{verilog}",
            "top.sdf": sdf(netlist, graph, library, timing, names),
            "vectors.hex": _vectors(netlist, operands),
            "bench.v": _testbench(netlist, nets, len(next(iter(operands.values()))), 4000 * timing.delay_ns),
        }
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        compile_command = ["iverilog", "-g2005", "-gspecify", "-o", "run.vvp", "bench.v", "top.v", "cells.v"]
        subprocess.run(compile_command, cwd=folder, check=True)
        start = time.perf_counter()
        output = subprocess.run(["vvp", "run.vvp"], cwd=folder, check=True, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - start
    transitions = np.zeros(netlist.net_count, np.int64)
    for line in output.splitlines():
        word, *rest = line.split()
        if word == "NET":
            transitions[int(rest[0])] = int(rest[1])
    return Count(transitions=transitions, seconds=seconds)


def _vectors(netlist: Netlist, operands: Mapping[str, npt.NDArray[np.int64]]) -> str:
    words = []
    for index in range(len(next(iter(operands.values())))):
        word = 0
        for port, nets in netlist.inputs.items():
            word = word << len(nets) | int(operands[port][index]) % (1 << len(nets))
        words.append(f"{word:x}")
    return "\n".join(words) + "\n"


def _testbench(netlist: Netlist, nets: list[int], vectors: int, settle_ps: float) -> str:
    names = net_names(netlist)
    width = sum(map(len, netlist.inputs.values()))
    ports = ", ".join(f".{port}({port})" for port in [*netlist.inputs, *netlist.outputs])
    inputs = f"{{{', '.join(netlist.inputs)}}}"
    return "\n".join(
        [
            TIMESCALE,
            "module bench;",
            *(f"  reg [{len(bits) - 1}:0] {port};" for port, bits in netlist.inputs.items()),
            *(f"  wire [{len(bits) - 1}:0] {port};" for port, bits in netlist.outputs.items()),
            f"  top dut({ports});",
            f"  reg [{width - 1}:0] vectors [0:{vectors - 1}];",
            "  reg counting = 0;",
            "  integer i;",
            *(f"  integer c{net} = 0;" for net in nets),
            *(f"  always @(dut.{names[net]}) if (counting) c{net} = c{net} + 1;" for net in nets),
            "  initial begin",
            '    $sdf_annotate("top.sdf", dut);',
            '    $readmemh("vectors.hex", vectors);',
            f"    {inputs} = vectors[0];",
            f"    #{settle_ps:.0f} counting = 1;",
            f"    for (i = 1; i < {vectors}; i = i + 1) begin {inputs} = vectors[i]; #{settle_ps:.0f}; end",
            *(f'    $display("NET {net} %0d", c{net});' for net in nets),
            "    $finish;",
            "  end",
            "endmodule",
            "",
        ]
    )
