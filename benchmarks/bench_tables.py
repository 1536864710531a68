"""Exhaustive product tables: bit-parallel simulation against Icarus Verilog on the same mapped netlist.

Run ``python benchmarks/bench_tables.py``; times are the best of several runs, in ms. "Loading" (reading the netlist
and sorting it by level, compiling for Icarus) is apart, because a table is extracted from a netlist that is there.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from axhw.hdl.registry import parse
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import extract, verify
from axhw.sim.rank import table_rank
from axhw.sim.sampled import verify_sampled
from axhw.synth.engines import find_engine
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil

SPECS = ("exact", "exact:encoding=baugh_wooley", "roup:p=1,r=4", "evoapprox:mul8s_1L2L", "mitchell")
WIDE_SPECS = ("exact:width=16", "roup:p=2,r=3,width=16")

TESTBENCH = """\
`timescale 1ns/1ps
module testbench;
  reg [7:0] a, b;
  wire [15:0] o;
  integer i, file;
  {top} dut(.a(a), .b(b), .o(o));
  initial begin
    file = $fopen("products.txt", "w");
    for (i = 0; i < 65536; i = i + 1) begin
      {{a, b}} = i[15:0] ^ 16'h8080;
      #1 $fdisplay(file, "%0d", $signed(o));
    end
    $fclose(file);
    $finish;
  end
endmodule
"""


def best_ms(work: Callable[[], object], *, repetitions: int = 20) -> float:
    """Wall time of the fastest run."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def icarus_ms(synthesis: Synthesis, library: CellLibrary) -> tuple[float, float, list[int]]:
    """Compile time, run time and the products of a plain Verilog testbench over all pairs."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "netlist.v").write_text(synthesis.netlist_verilog)
        (root / "cells.v").write_text(
            cell_models(library, sorted({instance.cell for instance in synthesis.netlist.instances}))
        )
        (root / "testbench.v").write_text(TESTBENCH.format(top=synthesis.name))
        compiler = ["iverilog", "-g2012", "-s", "testbench", "-o", "sim", "testbench.v", "netlist.v", "cells.v"]
        compiling = best_ms(lambda: subprocess.run(compiler, cwd=root, check=True), repetitions=1)
        running = best_ms(
            lambda: subprocess.run(["vvp", "sim"], cwd=root, check=True, stdout=subprocess.DEVNULL), repetitions=1
        )
        return compiling, running, [int(line) for line in (root / "products.txt").read_text().split()]


def synthesise(spec: MultiplierSpec) -> Synthesis:
    return SynthesisJob(
        name=spec.name,
        rtlil=to_rtlil(spec.component(), name=spec.name),
        liberty=load_library(DEFAULT).text,
        engine=find_engine(),
    ).run()


def table_row(spec: MultiplierSpec, library: CellLibrary, *, with_icarus: bool) -> str:
    """Times of everything that is done with the table of an 8-bit design."""
    synthesis = synthesise(spec)
    netlist = synthesis.netlist
    graph = levelize(netlist, library)
    table = extract(netlist, graph, spec)
    figures = [
        best_ms(lambda: levelize(netlist, library)),
        best_ms(lambda: extract(netlist, graph, spec)),
        best_ms(lambda: verify(table, spec)),
        best_ms(lambda: exact_metrics(table)),
        best_ms(lambda: table_rank(table.values), repetitions=3),
    ]
    row = f"{spec.name:32} {len(graph.function):6}" + "".join(f" {figure:8.2f}" for figure in figures)
    if not with_icarus:
        return row
    compiling, running, products = icarus_ms(synthesis, library)
    if products != table.values.ravel().tolist():
        raise SystemExit(f"Icarus Verilog and the table of {spec.name} differ.")
    return f"{row} {compiling:6.0f} + {running:6.0f}"


def sampled_row(spec: MultiplierSpec, library: CellLibrary) -> str:
    """Time of the random and corner pairs of a wide design."""
    netlist = synthesise(spec).netlist
    graph = levelize(netlist, library)
    loading = best_ms(lambda: levelize(netlist, library), repetitions=5)
    sampled = best_ms(lambda: verify_sampled(netlist, graph, spec, seed=1), repetitions=3)
    return f"{spec.name:32} {len(graph.function):6} {loading:8.2f} {sampled:20.0f}"


def main() -> None:
    library = load_library(DEFAULT).cells
    columns = "".join(f" {name:>8}" for name in ("load", "table", "verify", "metrics", "rank"))
    print(f"{'8-bit design':32} {'gates':>6}{columns} {'Icarus':>15}")
    for text in SPECS:
        print(table_row(parse(text), library, with_icarus=shutil.which("iverilog") is not None))
    print(f"\n{'16-bit design':32} {'gates':>6} {'load':>8} {'1 Mi pairs verified':>20}")
    for text in WIDE_SPECS:
        print(sampled_row(parse(text), library))


if __name__ == "__main__":
    main()
