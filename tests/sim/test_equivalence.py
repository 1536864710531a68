from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.sim.equivalence import Counterexample, check_equivalence, prove_equivalence
from axhw.synth.engines import ENGINES, Engine, available_engines, find_engine
from axhw.synth.netlist import GateGraph


def engine_of(name: str) -> Engine:
    if name not in [engine.name for engine in available_engines()]:
        pytest.skip(f"{name} is not installed")
    return find_engine(name)


def rewired(graph: GateGraph) -> GateGraph:
    """The graph with the first input of a gate in its middle tied to 1."""
    fanin = graph.fanin.copy()
    fanin[len(fanin) // 2, 0] = 1
    return dataclasses.replace(graph, fanin=fanin)


@pytest.mark.parametrize("engine", ENGINES)
def test_netlists_equal_their_rtl(mapped: Callable[[str], Any], engine: str) -> None:
    design = mapped("exact:width=16")
    result = prove_equivalence(
        design.synthesis.rtl_verilog, design.netlist, design.graph, design.spec, engine=engine_of(engine)
    )
    assert result.outcome == "proved"
    assert result.engine.startswith(engine)
    assert result.counterexample is None


@pytest.mark.parametrize(
    "text",
    [
        "roup:p=2,r=3,width=12,signed=false",
        "mitchell:width=12,signed=false",
        "drum:width=12",
        "bam:v=8,width=16,adder=ripple",
    ],
)
def test_families_equal_their_rtl(mapped: Callable[[str], Any], text: str) -> None:
    design = mapped(text)
    rtl = design.synthesis.rtl_verilog
    assert prove_equivalence(rtl, design.netlist, design.graph, design.spec, engine=find_engine()).outcome == "proved"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_netlist_has_a_counterexample(mapped: Callable[[str], Any], engine: str) -> None:
    design = mapped("exact:width=12")
    rtl, broken = design.synthesis.rtl_verilog, rewired(design.graph)
    result = check_equivalence(rtl, design.netlist, broken, design.spec, engine=engine_of(engine))
    found = result.counterexample
    assert result.outcome == "counterexample"
    assert found is not None
    assert found.rtl_product == design.spec.reference(found.a, found.b) == found.a * found.b
    assert found.netlist_product != found.rtl_product


def test_a_proof_that_fails_is_an_error(mapped: Callable[[str], Any]) -> None:
    design = mapped("exact:width=12")
    with pytest.raises(
        VerificationError,
        match=r"^Expected the netlist of exact12s\w* to equal its RTL, found a = -?\d+, b = -?\d+: the netlist "
        r"gives -?\d+, the RTL -?\d+\.$",
    ):
        prove_equivalence(
            design.synthesis.rtl_verilog, design.netlist, rewired(design.graph), design.spec, engine=find_engine()
        )


def test_the_time_limit_leaves_it_undecided(mapped: Callable[[str], Any]) -> None:
    # Booth gates against Baugh-Wooley RTL: nothing in common inside, and out of reach of SAT.
    design, other = mapped("exact:width=16"), mapped("exact:width=16,encoding=baugh_wooley")
    rtl = other.synthesis.rtl_verilog.replace(other.netlist.name, design.netlist.name)
    arguments = (rtl, design.netlist, design.graph, design.spec)
    result = check_equivalence(*arguments, engine=find_engine(), time_limit_s=1.0)
    assert result.outcome == "undecided"
    with pytest.raises(
        VerificationError,
        match=r"^Expected a proof within 0.1 s that the netlist of exact16s\w* equals its RTL, found neither",
    ):
        prove_equivalence(*arguments, engine=find_engine(), time_limit_s=0.1)


def test_an_error_at_a_single_pair_is_found(mapped: Callable[[str], Any]) -> None:
    # 1 of 2**32 pairs: what random pairs cannot find.
    design = mapped("exact:width=16")
    name = design.netlist.name
    rtl = design.synthesis.rtl_verilog.replace(f"module {name}(", "module correct(") + (
        f"module {name}(input [15:0] a, input [15:0] b, output [31:0] o); wire [31:0] p; "
        "correct c(.a(a), .b(b), .o(p)); assign o = p ^ (a == 16'd12345 && b == 16'd54321); endmodule\n"
    )
    result = check_equivalence(rtl, design.netlist, design.graph, design.spec, engine=find_engine())
    product = 12345 * (54321 - 65536)
    assert result.counterexample == Counterexample(
        a=12345, b=54321 - 65536, rtl_product=product ^ 1, netlist_product=product
    )


def test_rtl_with_other_ports(mapped: Callable[[str], Any]) -> None:
    design = mapped("exact:width=12")
    name = design.netlist.name
    rtl = f"module {name}(input [11:0] a, input [11:0] c, output [23:0] o); assign o = a * c; endmodule\n"
    with pytest.raises(AxhwError, match=r"ERROR: No matching port in gate module was found for \\\\?c!"):
        check_equivalence(rtl, design.netlist, design.graph, design.spec, engine=find_engine())


def test_names_that_would_be_commands(mapped: Callable[[str], Any]) -> None:
    design = mapped("exact:width=12")
    named = dataclasses.replace(design.netlist, name="x; write_file y")
    with pytest.raises(
        AxhwError, match=r"^Expected a plain identifier as the name of a design to prove, found 'x; write"
    ):
        check_equivalence(design.synthesis.rtl_verilog, named, design.graph, design.spec, engine=find_engine())


def test_signs_of_products_in_a_counterexample(mapped: Callable[[str], Any]) -> None:
    # The sign bit of the product replaced by its neighbour: only the lowest operand squared needs both.
    design = mapped("exact:width=12")
    outputs = design.netlist.outputs["o"]
    copied = dataclasses.replace(design.netlist, outputs={"o": (*outputs[:-1], outputs[-2])})
    rtl = design.synthesis.rtl_verilog
    result = check_equivalence(rtl, copied, design.graph, design.spec, engine=find_engine())
    assert result.counterexample == Counterexample(a=-2048, b=-2048, rtl_product=1 << 22, netlist_product=-(1 << 22))
