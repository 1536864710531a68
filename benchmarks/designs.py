"""The designs and libraries of the comparisons, and their netlists in a form that every tool reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import DesignSpec, parse
from axhw.synth.engines import find_engine
from axhw.synth.liberty.function import verilog_name
from axhw.synth.libraries import LibrarySource, load_library
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, Netlist
from axhw.synth.synthesis import SynthesisJob, to_rtlil

REAL_LIBRARIES = Path(__file__).resolve().parents[2] / "shared" / "pdk"

COMBINATIONAL = (
    "exact",
    "exact:signed=false",
    "exact:tree=wallace,adder=kogge_stone",
    "exact:encoding=baugh_wooley,tree=array,adder=ripple",
    "exact:encoding=baugh_wooley,signed=false",
    "roup:p=2,r=3",
    "evoapprox:mul8s_1KVA",
)


def registered() -> tuple[DesignSpec, ...]:
    """A registered multiplier, a MAC and a small array."""
    exact = parse("exact")
    return (
        RegisteredSpec(multiplier=exact),
        MacSpec(multiplier=exact),
        SystolicSpec(multiplier=exact, rows=2, columns=2),
    )


def libraries(paths: Sequence[str]) -> Iterator[tuple[str, LibrarySource]]:
    """The libraries at `paths`, by default the real ones at hand and the embedded one."""
    chosen = list(paths) or [*sorted(str(path) for path in REAL_LIBRARIES.glob("*.lib*")), "sg13g2"]
    for path in chosen:
        yield Path(path).name.split(".")[0], load_library(path)


def synthesise(spec: DesignSpec, library: LibrarySource) -> Netlist:
    """Map a design with the best Yosys installed."""
    rtlil = to_rtlil(spec.component(), name=spec.name)
    return SynthesisJob(name=spec.name, rtlil=rtlil, liberty=library.text, engine=find_engine()).run().netlist


def structural_verilog(netlist: Netlist) -> str:
    """The netlist as Verilog: module ``top``, instances ``u0``, ``u1``, ... in order, nets ``n2``, ``n3``, ..."""
    ports = {**netlist.inputs, **netlist.outputs}
    lines = [f"module top({', '.join(ports)});"]
    for direction, group in (("input", netlist.inputs), ("output", netlist.outputs)):
        lines += [f"  {direction} [{len(nets) - 1}:0] {port};" for port, nets in group.items()]
    lines += [f"  wire n{net};" for net in range(2, netlist.net_count)]
    names = {CONSTANT_0: "1'b0", CONSTANT_1: "1'b1"}
    aliases = []
    for port, nets in ports.items():
        for position, net in enumerate(nets):
            bit = f"{port}[{position}]"
            if net in names:
                aliases.append(f"  assign {bit} = {names[net]};")
            else:
                names[net] = bit
    for number, instance in enumerate(netlist.instances):
        pins = ", ".join(f".{verilog_name(pin)}({names.get(net, f'n{net}')})" for pin, net in instance.pins.items())
        lines.append(f"  {verilog_name(instance.cell)} u{number} ({pins});")
    return "\n".join([*lines, *aliases, "endmodule", ""])


def net_names(netlist: Netlist) -> dict[int, str]:
    """What `structural_verilog` calls each net."""
    names = {net: f"n{net}" for net in range(2, netlist.net_count)}
    for port, nets in [*netlist.outputs.items(), *netlist.inputs.items()]:
        names |= {net: f"{port}[{position}]" for position, net in reversed(list(enumerate(nets))) if net > CONSTANT_1}
    return names
