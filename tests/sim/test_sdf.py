"""SDF files: what is in them, and what Icarus Verilog and OpenSTA make of them."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vcd.reader import TokenKind, tokenize

from axhw.hdl.pe.mac import MacSpec
from axhw.measure import steady_values
from axhw.record import DesignRecord
from axhw.sim.activity import source_values
from axhw.sim.operands import uniform
from axhw.sim.sdf import sdf
from axhw.sim.timed import gate_delays_fs, timed_activity
from axhw.synth.liberty.library import CellLibrary, Table
from axhw.synth.liberty.reader import EMBEDDED_LIBRARY
from axhw.synth.liberty.specify import timing_models
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.names import VerilogNames, verilog_names
from axhw.synth.netlist import CONSTANT_1, GateGraph, Netlist, levelize
from axhw.synth.timing import TimingReport, analyze_timing

LIBRARY = load_library(DEFAULT).cells
PERIOD_PS = 10_000
PAIRS = 150


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
    record: DesignRecord
    netlist: Netlist
    graph: GateGraph
    timing: TimingReport
    names: VerilogNames

    def sdf(self, *, conditional: bool = False) -> str:
        return sdf(self.netlist, self.graph, LIBRARY, self.timing, self.names, conditional=conditional)

    def write(self, folder: Path, *, conditional: bool = False) -> None:
        used = sorted({instance.cell for instance in self.netlist.instances})
        (folder / "netlist.v").write_bytes(self.record.read("netlist.v"))
        (folder / "netlist.sdf").write_text(self.sdf(conditional=conditional))
        (folder / "cells_timing.v").write_text(timing_models(LIBRARY, used, conditional=conditional))


@pytest.fixture(scope="module")
def prepared(characterized: Callable[..., DesignRecord]) -> Callable[..., Prepared]:
    def make(text: str, element: str | None = None) -> Prepared:
        record = characterized(text, element)
        netlist = record.netlist
        graph = levelize(netlist, LIBRARY)
        return Prepared(
            record=record,
            netlist=netlist,
            graph=graph,
            timing=analyze_timing(netlist, LIBRARY, graph=graph),
            names=verilog_names(netlist, record.read("netlist.v").decode()),
        )

    return make


def parse(text: str) -> list[Any]:
    """Nested lists of words."""
    stack: list[list[Any]] = [[]]
    for token in re.findall(r'[()]|"[^"]*"|[^\s()]+', text):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    (document,) = stack.pop()
    assert not stack
    assert isinstance(document, list)
    return document


def written(words: list[Any]) -> str:
    """The text of nested lists."""
    return " ".join(word if isinstance(word, str) else f"({written(word)})" for word in words)


def cells_of(document: list[Any]) -> dict[str, tuple[str, list[Any], list[Any]]]:
    """Cell type, delay entries and timing checks by instance."""
    found = {}
    for entry in document[1:]:
        if entry[0] == "CELL":
            parts = {part[0]: part[1:] for part in entry[1:]}
            (absolute,) = parts.get("DELAY", [["ABSOLUTE"]])
            assert absolute[0] == "ABSOLUTE"
            (instance,) = parts["INSTANCE"]
            assert instance not in found
            found[instance] = (parts["CELLTYPE"][0].strip('"'), absolute[1:], parts.get("TIMINGCHECK", []))
    return found


def test_header(prepared: Callable[..., Prepared]) -> None:
    document = parse(prepared("exact:width=4").sdf())
    header = {entry[0]: " ".join(entry[1:]) for entry in document[1:] if entry[0] != "CELL"}
    assert document[0] == "DELAYFILE"
    assert header == {
        "SDFVERSION": '"3.0"',
        "DESIGN": '"exact4s"',
        "PROGRAM": '"axhw"',
        "VERSION": header["VERSION"],
        "DIVIDER": ".",
        "VOLTAGE": "1.2",
        "PROCESS": '"1"',
        "TEMPERATURE": "25",
        "TIMESCALE": "1ps",
    }


def test_delays_of_every_gate(prepared: Callable[..., Prepared]) -> None:
    design = prepared("exact:width=4")
    cells = cells_of(parse(design.sdf()))
    assert list(cells) == list(design.names.instances)
    delays_fs = gate_delays_fs(design.graph, design.timing)
    for gate, (kind, instance) in enumerate(zip(design.graph.function, design.graph.instance)):
        function = design.graph.functions[kind]
        cell, entries, checks = cells[design.names.instances[instance]]
        assert (cell, checks) == (design.netlist.instances[instance].cell, [])
        assert [entry[:3] for entry in entries] == [["IOPATH", pin, function.pin] for pin in function.inputs]
        stated = [[round(1000 * float(value)) for (value,) in entry[3:]] for entry in entries]
        assert stated == delays_fs[gate, : len(function.inputs)].tolist()


def test_clock_to_output_and_setup(prepared: Callable[..., Prepared]) -> None:
    design = prepared("exact:width=4", "registered")
    timing = design.timing
    cells = cells_of(parse(design.sdf()))
    flip_flops = [
        (name, instance)
        for name, instance in zip(design.names.instances, design.netlist.instances)
        if LIBRARY.cells[instance.cell].flip_flop is not None
    ]
    assert len(flip_flops) > 16
    worst = -np.inf
    for name, instance in flip_flops:
        _, entries, checks = cells[name]
        launch = {entry[2]: [float(value) for (value,) in entry[3:]] for entry in entries}
        assert all(entry[1] == ["posedge", "CLK"] for entry in entries)
        for pin, delays_ps in launch.items():
            assert 1e3 * timing.arrival_ns[instance.pins[pin]] == pytest.approx(delays_ps, abs=6e-4)
        limits = {(check[1][0], check[1][1]): float(check[3][0]) for check in checks}
        assert {check[0] for check in checks} == {"SETUP"}
        assert {" ".join(check[2]) for check in checks} == {"posedge CLK"}
        assert set(limits) == {("posedge", "D"), ("negedge", "D")}
        arrival_ps = 1e3 * timing.arrival_ns[instance.pins["D"]]
        worst = max(worst, arrival_ps[0] + limits["posedge", "D"], arrival_ps[1] + limits["negedge", "D"])
    assert timing.min_period_ns == pytest.approx(worst / 1e3, abs=1e-6)


def test_conditional_delays(prepared: Callable[..., Prepared]) -> None:
    design = prepared("exact:width=5")
    plain, conditional = (cells_of(parse(design.sdf(conditional=switch))) for switch in (False, True))
    text = timing_models(LIBRARY, {cell for cell, _, _ in plain.values()}, conditional=True)
    extra = 0
    for name, (cell, entries, _) in conditional.items():
        assert [entry for entry in entries if entry[0] == "IOPATH"] == plain[name][1]
        (model,) = re.findall(rf"module {cell}\(.*?endmodule", text, re.DOTALL)
        for *words, (_, source, target, *delays) in (entry for entry in entries if entry[0] == "COND"):
            condition = written(words[1:])
            extra += 1
            assert f"if ({condition}) ({source} => {target}) = (0, 0);" in model
            assert any(delay for delay in delays)
    assert extra > 20


def test_an_edge_without_a_delay_takes_the_longest(prepared: Callable[..., Prepared]) -> None:
    design = prepared("exact:width=4")
    delay = design.timing.iopath_delay_ns.copy()
    gate = int(np.flatnonzero(design.graph.fanin[:, 1] >= 0)[0])
    delay[gate, 0] = np.nan, -0.5
    changed = dataclasses.replace(design, timing=dataclasses.replace(design.timing, iopath_delay_ns=delay))
    name = design.names.instances[design.graph.instance[gate]]
    entry = cells_of(parse(changed.sdf()))[name][1][0]
    longest = np.nanmax(delay[gate, :, 0])
    assert [float(value) for (value,) in entry[3:]] == pytest.approx([1e3 * longest, 0.0], abs=6e-4)


TESTBENCH = """\
`timescale 1ps/1fs
module testbench;
{declarations}
  reg [{top}:0] vectors [0:{last}];
  integer i;
  {module} dut ({connections});
  initial begin
    $sdf_annotate("netlist.sdf", dut);
    $dumpfile("icarus.vcd");
    $dumpvars(1, dut);
    $readmemh("vectors.hex", vectors);
    for (i = 0; i <= {last}; i = i + 1) begin
      {clock_rises}
      {{{inputs}}} = vectors[i];
      #{half} {clock_falls}
      #{half};
    end
    $finish;
  end
endmodule
"""


def icarus(
    design: Prepared, folder: Path, vectors: list[dict[str, int]], *, first: int = 1, clock: str | None = None
) -> Counter[str]:
    """Transitions by net that Icarus Verilog sees from vector `first` on."""
    design.write(folder)
    inputs = {port: len(nets) for port, nets in design.netlist.inputs.items() if port != clock}
    outputs = {port: len(nets) for port, nets in design.netlist.outputs.items()}
    words = []
    for vector in vectors:
        word = 0
        for port, width in inputs.items():
            word = word << width | vector[port] % (1 << width)
        words.append(f"{word:x}")
    (folder / "vectors.hex").write_text("\n".join(words))
    declarations = [f"  reg [{width - 1}:0] {port};" for port, width in inputs.items()]
    declarations += [f"  wire [{width - 1}:0] {port};" for port, width in outputs.items()]
    declarations += [] if clock is None else [f"  reg {clock} = 0;"]
    ports = [*design.netlist.inputs, *design.netlist.outputs]
    bench = TESTBENCH.format(
        declarations="\n".join(declarations),
        module=design.names.module,
        connections=", ".join(f".{port}({port})" for port in ports),
        top=sum(inputs.values()) - 1,
        last=len(vectors) - 1,
        inputs=", ".join(inputs),
        half=PERIOD_PS // 2,
        # A flip-flop must see the old inputs at the edge.
        clock_rises="" if clock is None else f"{clock} = 1; #0.001",
        clock_falls="" if clock is None else f"{clock} = 0;",
    )
    (folder / "testbench.v").write_text(bench)
    command = ["iverilog", "-g2005", "-gspecify", "-o", "run.vvp", "testbench.v", "netlist.v", "cells_timing.v"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    run = subprocess.run(["vvp", "run.vvp"], cwd=folder, check=True, capture_output=True, text=True)
    assert "rror" not in run.stdout + run.stderr
    return transitions(folder / "icarus.vcd", first_fs=1000 * PERIOD_PS * first)


def transitions(path: Path, *, first_fs: int) -> Counter[str]:
    """Bits that change at `first_fs` or later, by variable of a VCD file."""
    names: dict[str, str] = {}
    values: dict[str, int] = {}
    found: Counter[str] = Counter()
    now, unit_fs = 0, 1
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.TIMESCALE:
                unit_fs = {"fs": 1, "ps": 1000}[token.timescale.unit.value] * token.timescale.magnitude.value
            elif token.kind is TokenKind.VAR:
                names[token.var.id_code] = token.var.reference
            elif token.kind is TokenKind.CHANGE_TIME:
                now = token.time_change * unit_fs
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else token.vector_change
                if str(change.value).strip("01") and not isinstance(change.value, int):
                    continue
                value = change.value if isinstance(change.value, int) else int(change.value, 2)
                name = names[change.id_code]
                if now >= first_fs and name in values:
                    found[name] += (values[name] ^ value).bit_count()
                values[name] = value
    return found


def by_name(design: Prepared, counts: np.ndarray) -> Counter[str]:
    """Transitions by variable, as `transitions` has them."""
    found: Counter[str] = Counter()
    for name, net in design.names.nets.items():
        found[name.base] += int(counts[net])
    return +found


needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None or shutil.which("vvp") is None, reason="needs Icarus Verilog"
)


@needs_icarus
@pytest.mark.parametrize(
    "text", ["exact:width=6", "roup:p=2,r=3", "exact:width=5,encoding=baugh_wooley,tree=array,adder=ripple"]
)
def test_icarus_counts_the_transitions_of_a_multiplier(
    prepared: Callable[..., Prepared], text: str, tmp_path: Path
) -> None:
    design = prepared(text)
    stream = uniform(design.record.multiplier, pairs=PAIRS + 1, seed=7)
    operands = {"a": stream.a, "b": stream.b}
    activity = timed_activity(design.graph, design.timing, source_values(design.netlist, design.graph, operands))
    vectors = [{"a": int(a), "b": int(b)} for a, b in zip(stream.a, stream.b)]
    compare(design, icarus(design, tmp_path, vectors), activity.transitions)


@needs_icarus
def test_icarus_counts_the_transitions_of_a_mac(prepared: Callable[..., Prepared], tmp_path: Path) -> None:
    design = prepared("exact:width=4", "mac")
    spec = design.record.spec
    assert isinstance(spec, MacSpec)
    stream = uniform(spec.multiplier, pairs=100, seed=7)
    (values,), _ = steady_values(spec, design.netlist, design.graph, LIBRARY, stream)
    activity = timed_activity(design.graph, design.timing, values)
    vectors = [
        {"a": int(a), "b": int(b), "rst": cycle == 0, "valid_i": 1, "clear": cycle % spec.terms == 1}
        for cycle, (a, b) in enumerate(zip(stream.a, stream.b))
    ]
    counts = activity.transitions.copy()
    counts[design.timing.clock_net] = 2 * activity.pairs
    compare(design, icarus(design, tmp_path, vectors, first=2 + spec.latency, clock="clk"), counts)


def compare(design: Prepared, theirs: Counter[str], counts: np.ndarray) -> None:
    ours = by_name(design, np.where(np.arange(len(counts)) > CONSTANT_1, counts, 0))
    assert set(theirs) | set(ours) <= {name.base for name in design.names.nets}
    assert ours.total() == pytest.approx(theirs.total(), rel=0.04)
    assert ours.total() > 1000
    for port in design.netlist.inputs:
        assert ours[port] == theirs[port]
    difference = [ours[name] - theirs[name] for name in {*ours, *theirs}]
    assert np.sqrt(np.mean(np.square(difference))) < 0.08 * np.mean(list(theirs.values()))


@pytest.mark.parametrize("element", [None, "registered"])
def test_opensta_annotates_every_delay(prepared: Callable[..., Prepared], element: str | None, tmp_path: Path) -> None:
    if shutil.which("sta") is None:
        pytest.skip("needs OpenSTA")
    design = prepared("exact:width=4", element)
    design.write(tmp_path)
    liberty = resources.files("axhw.synth") / "data" / EMBEDDED_LIBRARY
    (tmp_path / "cells.lib").write_text(liberty.read_text(encoding="utf-8"), encoding="utf-8")
    clock = "" if element is None else "create_clock -name clk -period 10 [get_ports clk]\n"
    (tmp_path / "run.tcl").write_text(
        f"read_liberty cells.lib\nread_verilog netlist.v\nlink_design {design.names.module}\n{clock}"
        "read_sdf netlist.sdf\nreport_annotated_delay -cell\nreport_annotated_check -setup\n"
        "report_checks -unconstrained -digits 6\n"
    )
    command = ["sta", "-exit", "run.tcl"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "rror" not in run.stdout + run.stderr
    left = {kind: int(count) for kind, count in re.findall(r"(cell [a-z ]*arcs) +\d+ +\d+ +(\d+)", run.stdout)}
    if element is not None:
        flip_flops = sum(LIBRARY.cells[instance.cell].flip_flop is not None for instance in design.netlist.instances)
        assert left == {"cell arcs": flip_flops, "cell setup arcs": 0}, "only from the clear pins"
        return
    assert left == {"cell arcs": 0}
    # The longest path over the arcs of the library with the delays of the file.
    arcs, delay_fs = design.timing.arcs, gate_delays_fs(design.graph, design.timing)
    arrival_fs = np.full(design.timing.arrival_ns.shape, -np.inf)
    for nets in design.netlist.inputs.values():
        arrival_fs[list(nets)] = 0
    for row, target in enumerate(zip(arcs.output_net, arcs.output_edge)):
        through = arrival_fs[arcs.input_net[row], arcs.input_edge[row]]
        through += delay_fs[arcs.gate[row], arcs.position[row], arcs.output_edge[row]]
        arrival_fs[target] = max(arrival_fs[target], through)
    longest_ns = 1e-6 * max(arrival_fs[list(nets)].max() for nets in design.netlist.outputs.values())
    delay_ns = float(re.findall(r"([\d.]+) +data arrival time", run.stdout)[0])
    assert delay_ns == pytest.approx(longest_ns, abs=2e-6)


def test_negative_setup_times_are_stated_as_none(prepared: Callable[..., Prepared]) -> None:
    design = prepared("exact:width=4", "registered")
    cells = {}
    for name, cell in LIBRARY.cells.items():
        pins = {
            pin.name: dataclasses.replace(pin, timing=tuple(_earlier(arc) for arc in pin.timing))
            for pin in cell.pins.values()
        }
        cells[name] = dataclasses.replace(cell, pins=pins)
    library: CellLibrary = dataclasses.replace(LIBRARY, cells=cells)
    text = sdf(design.netlist, design.graph, library, design.timing, design.names)
    assert set(re.findall(r"\(SETUP .* \(([-\d.]+)\)\)", text)) == {"0.000"}


def _earlier(arc: Any) -> Any:
    if not arc.kind.startswith("setup"):
        return arc

    def shifted(table: Table | None) -> Table | None:
        return None if table is None else dataclasses.replace(table, values=table.values - 10.0)

    return dataclasses.replace(arc, rise=shifted(arc.rise), fall=shifted(arc.fall))
