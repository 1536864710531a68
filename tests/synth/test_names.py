from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.registry import parse
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.names import NetName, verilog_names
from axhw.synth.netlist import Instance, Netlist
from axhw.synth.synthesis import SynthesisJob, to_rtlil

NETLIST = Netlist(
    name="top",
    inputs={"a": (2, 3), "clk": (4,)},
    outputs={"o": (5, 1, 2), "q": (7,)},
    instances=(
        Instance(name="$1", cell="NAND2", pins={"A": 2, "B": 3, "Y": 6}),
        Instance(name="$2", cell="INV", pins={"A": 6, "Y": 5}),
        Instance(name="$3", cell="DFF", pins={"D": 6, "C": 4, "R": 0, "Q": 7}),
    ),
    net_count=8,
)
VERILOG = r"""
/* Generated; NAND2 x (.A(b)); */
module top(clk, a, o, q);
  input [1:0] a;
  wire [1:0] a;
  input clk;
  output [2:0] o;
  output q;
  (* keep *)
  wire \pe.sum[1] ; // inside
  NAND2 _1_ (
    .A(a[0]),
    .B(a[1]),
    .Y(\pe.sum[1] )
  );
  INV \pe.u$2 ( .A(\pe.sum[1] ), .Y(o[0]) );
  DFF _3_ ( .C(clk), .D(\pe.sum[1] ), .Q(q), .QN(), .R(1'h0) );
  assign o[2:1] = { a[0], 1'h1 };
endmodule
"""


def test_names_of_a_small_netlist() -> None:
    names = verilog_names(NETLIST, VERILOG)
    assert names.module == "top"
    assert names.instances == ("_1_", "pe.u$2", "_3_")
    assert {str(name): net for name, net in names.nets.items()} == {
        "a[0]": 2, "a[1]": 3, "clk": 4, "o[0]": 5, "o[1]": 1, "o[2]": 2, "q": 7, "pe.sum[1]": 6,
    }  # fmt: skip
    assert names.nets[NetName("clk", None)] == 4
    assert names.nets[NetName("pe.sum[1]", None)] == 6


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("INV ", "BUF ", "pe.u$2 of the cell BUF instead of INV"),
        (".A(a[0]),", ".A(a[1]),", "a[1] on _1_.A"),
        (".A(a[0]),", ".A({ a[0] }),", "{a[0]} on _1_.A"),
        (".A(a[0]),", ".A(1'h0),", "a constant on _1_.A"),
        (".A(a[0]),", "", "_1_ without the pins A"),
        (".QN()", ".QN(a[0])", "the pin _3_.QN"),
        ("INV \\pe.u$2 ( .A(\\pe.sum[1] ), .Y(o[0]) );", "", "2 instances instead of 3"),
        ("INV \\pe.u$2 ( .A(\\pe.sum[1] ), .Y(o[0]) );", "INV _2_ (a, b);", "a connection of _2_ by position"),
        ("INV \\pe.u$2 ( .A(\\pe.sum[1] ), .Y(o[0]) );", "INV #(1) _2_;", "the statement 'INV # ( 1 ) _2_'"),
    ],
)  # fmt: skip
def test_other_netlists_are_refused(old: str, new: str, found: str) -> None:
    assert old in VERILOG
    with pytest.raises(AxhwError) as error:
        verilog_names(NETLIST, VERILOG.replace(old, new))
    assert str(error.value) == (
        f"Expected the Verilog of top to hold the instances of its netlist in their order, found {found}: "
        "make the design again."
    )


@pytest.mark.parametrize("text", ["", "not Verilog at all", "module top(a); endmodule", "{}" * 1000])
def test_no_netlist_at_all(text: str) -> None:
    with pytest.raises(AxhwError, match=r"^Expected the Verilog of top to hold the instances .*, found "):
        verilog_names(NETLIST, text)


@pytest.fixture(scope="module")
def synthesised() -> tuple[Netlist, str]:
    spec = parse("roup:width=6,p=1,r=1")
    synthesis = SynthesisJob(
        name=spec.name,
        rtlil=to_rtlil(spec.component(), name=spec.name),
        liberty=load_library(DEFAULT).text,
        engine=find_engine(),
    ).run()
    return synthesis.netlist, synthesis.netlist_verilog


def test_every_net_and_instance_of_a_synthesised_design(synthesised: tuple[Netlist, str]) -> None:
    netlist, verilog = synthesised
    names = verilog_names(netlist, verilog)
    assert names.module == netlist.name
    assert len(set(names.instances)) == len(netlist.instances)
    on_pins = {net for instance in netlist.instances for net in instance.pins.values()}
    assert {net for net in names.nets.values() if net > 1} == {net for net in on_pins if net > 1} | {
        net for ports in (netlist.inputs, netlist.outputs) for bits in ports.values() for net in bits if net > 1
    }
    for instance, name in zip(netlist.instances, names.instances):
        assert f"  {instance.cell} {name} (\n" in verilog


def test_swapped_instances_are_noticed(synthesised: tuple[Netlist, str]) -> None:
    netlist, verilog = synthesised
    first = next(i for i in netlist.instances if sum(j.cell == i.cell for j in netlist.instances) > 1)
    same = [position for position, instance in enumerate(netlist.instances) if instance.cell == first.cell]
    order = list(netlist.instances)
    order[same[0]], order[same[1]] = order[same[1]], order[same[0]]
    swapped = Netlist(
        name=netlist.name,
        inputs=netlist.inputs,
        outputs=netlist.outputs,
        instances=tuple(order),
        net_count=netlist.net_count,
    )
    with pytest.raises(AxhwError, match=r"^Expected the Verilog of roup6s_p1_r1 to hold the instances"):
        verilog_names(swapped, verilog)


@given(st.text(alphabet="module INV(.A);\\'h01[]{}_$/*\n", max_size=200), st.integers(0, len(VERILOG)))
def test_damaged_text_is_refused_or_read(text: str, position: int) -> None:
    for damaged in (text, VERILOG[:position] + text, VERILOG[:position] + text + VERILOG[position:]):
        with suppress(AxhwError):
            assert len(verilog_names(NETLIST, damaged).instances) == 3
