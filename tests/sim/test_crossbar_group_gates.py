"""Crossbar groups at gate level: every cell, requests, streams, workloads, macros, and mistakes that must be found."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.registry import describe, parse, restore
from axhw.record import DesignRecord
from axhw.sim.cosimulation import cosimulate
from axhw.sim.crossbar_group import (
    MappedGroup,
    extract_group_table,
    group_values,
    verify_group,
    verify_requests,
)
from axhw.sim.operands import uniform
from axhw.sim.simulators import find_simulator
from axhw.synth.engines import find_engine, run_script
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil

LIBRARY = load_library(DEFAULT)
ASYMMETRIC = "roup:width=4,p=1,r=1"
Made = Callable[..., tuple[CrossbarGroupSpec, Synthesis]]

needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")


@pytest.fixture(scope="module")
def synthesised() -> Made:
    """A group and its synthesis, made once."""

    @functools.cache
    def make(text: str = ASYMMETRIC, **parameters: object) -> tuple[CrossbarGroupSpec, Synthesis]:
        sides = {"crossbars": 2, "rows": 2, "columns": 1} | parameters
        spec = CrossbarGroupSpec(multiplier=parse(text), **sides)
        rtlil = to_rtlil(spec.component(), name=spec.name)
        return spec, SynthesisJob(name=spec.name, rtlil=rtlil, liberty=LIBRARY.text, engine=find_engine()).run()

    return make


def mapped(spec: CrossbarGroupSpec, synthesis: Synthesis) -> MappedGroup:
    netlist = synthesis.netlist
    return MappedGroup(netlist, levelize(netlist, LIBRARY.cells), LIBRARY.cells, spec)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (ASYMMETRIC, {}),
        (ASYMMETRIC, {"multiply_in": "periphery", "terms": 2}),
        ("kulkarni:width=4,signed=false", {"crossbars": 3, "rows": 1, "terms": 1, "depth": 2, "read_cycles": 2}),
        ("truncated:width=4,signed=false,k=3,correction=constant", {"crossbars": 1}),
    ],
)
def test_small_groups(text, parameters, synthesised):
    spec, synthesis = synthesised(text, **parameters)
    group = mapped(spec, synthesis)
    assert verify_group(group, seed=1, cycles=48).cycles == 48 * 256
    table = extract_group_table(group)
    codes = spec.multiplier.operand_codes()
    np.testing.assert_array_equal(table.values, spec.multiplier.reference(codes[:, None], codes))
    assert table.netlist_sha256 == synthesis.netlist.sha256
    assert verify_requests(group, seed=2, table=table) > 0


def test_operands_are_in_order(synthesised):
    """A table with its operands exchanged is not what the gates compute."""
    spec, synthesis = synthesised()
    group = mapped(spec, synthesis)
    table = extract_group_table(group)
    assert (table.values != table.values.T).any()
    exchanged = dataclasses.replace(table, values=table.values.T.copy())
    with pytest.raises(VerificationError, match=r"^Expected roup4s_p1_r1_xg2_2x1 to multiply vectors and matrices as"):
        verify_requests(group, seed=2, table=exchanged)


def test_wrong_gates_are_found(synthesised):
    spec, synthesis = synthesised()
    netlist = synthesis.netlist
    other = {"sg13g2_nand2_1": "sg13g2_nor2_1", "sg13g2_nor2_1": "sg13g2_nand2_1"}
    candidates = [number for number, instance in enumerate(netlist.instances) if instance.cell in other]
    for number in np.random.default_rng(91).choice(candidates, 3, replace=False).tolist():
        instances = list(netlist.instances)
        instances[number] = dataclasses.replace(instances[number], cell=other[instances[number].cell])
        wrong = dataclasses.replace(netlist, instances=tuple(instances))
        group = MappedGroup(wrong, levelize(wrong, LIBRARY.cells), LIBRARY.cells, spec)
        with pytest.raises(VerificationError, match=r"^Expected roup4s_p1_r1_xg2_2x1 to follow its cycle model, found"):
            verify_group(group, seed=1, cycles=48)


@pytest.mark.parametrize(
    "check", [extract_group_table, functools.partial(verify_requests, seed=1, table=None)], ids=["cells", "requests"]
)
def test_another_multiplier_is_found(check, synthesised):
    spec, _ = synthesised()
    _, synthesis = synthesised("exact:width=4")
    with pytest.raises(VerificationError, match=r"^Expected (every cell of )?roup4s_p1_r1_xg2_2x1 to "):
        check(mapped(spec, synthesis))


def test_another_schedule_is_found(synthesised):
    """Gates whose reads take a cycle, held against requests whose reads take two."""
    spec, synthesis = synthesised()
    slower = dataclasses.replace(spec, read_cycles=2)
    with pytest.raises(VerificationError, match=r"^Expected roup4s_p1_r1_xg2_2x1_c2 to give \d+ results in the cycles"):
        verify_requests(mapped(slower, synthesis), seed=1, table=None)


def test_a_workload_reads_in_every_cycle(synthesised):
    spec, synthesis = synthesised()
    group = mapped(spec, synthesis)
    values, description = group_values(group, uniform(spec.multiplier, pairs=513, seed=92))
    assert description == (
        "256 reads of 2 crossbars in random order, each of a vector of its own, with activations and weights of 513 "
        "uniform pairs, seed 92"
    )
    assert [part.shape for part in values] == [(65, len(group.graph.sources))] * 4
    held, description = group_values(group, uniform(spec.multiplier, pairs=513, seed=92), held=True)
    assert description.startswith("256 reads of one crossbar, each of a vector of its own")
    assert [part.shape for part in held] == [part.shape for part in values]
    assert any((one != other).any() for one, other in zip(held, values))
    with pytest.raises(AxhwError, match=r"^Expected reads of one cycle where energy is measured, .* found 2 in roup4s"):
        group_values(
            mapped(dataclasses.replace(spec, read_cycles=2), synthesis), uniform(spec.multiplier, pairs=64, seed=1)
        )


def test_a_record(characterized):
    record: DesignRecord = characterized(ASYMMETRIC, "crossbar_group", crossbars=2, rows=1, columns=1)
    assert record.name == "roup4s_p1_r1_xg2_1x1"
    assert record.verification.pairs == 256
    assert record.verification.method.startswith("exhaustive through every cell, ")
    assert "back-pressure, new weights and resets" in record.verification.method
    assert restore(describe(record.spec)) == record.spec
    cost, parts = record.circuit_cost, record.breakdown
    assert 0 < cost.clock_fj < cost.energy_fj
    # One multiplier in each of two crossbars; the breakdown is that of a read, of one of them.
    alone = characterized(ASYMMETRIC).circuit_cost
    assert parts.area_um2["multiplier"] == pytest.approx(2 * alone.area_um2, rel=0.02)


@needs_icarus
@pytest.mark.parametrize("level", ["rtl", "gates"])
def test_in_icarus(level, synthesised):
    spec, synthesis = synthesised(multiply_in="periphery", terms=2)
    used = sorted({instance.cell for instance in synthesis.netlist.instances})
    sources = {"design.v": synthesis.rtl_verilog}
    if level == "gates":
        sources = {"netlist.v": synthesis.netlist_verilog, "cells.v": cell_models(LIBRARY.cells, used)}
    check = cosimulate(spec, sources, level=level, simulator=find_simulator("icarus"), seed=5)
    assert (check.passed, check.first) == (True, None)
    assert check.vectors > 2048


@needs_icarus
def test_unsigned_sums_need_no_reset(characterized):
    """Gates for what a first product is added to take its register twice: an x in it would stay one for ever."""
    record: DesignRecord = characterized(
        "kulkarni:width=4,signed=false", "crossbar_group", crossbars=2, rows=2, columns=2
    )
    sources = {name: record.read(name).decode() for name in ("netlist.v", "cells.v")}
    check = cosimulate(record.spec, sources, level="gates", simulator=find_simulator("icarus"), seed=1)
    assert (check.passed, check.first) == (True, None)


# Sums are known only after so many cycles without a change, as those of a converter are.
_BANK = """\
module bank(clk, rst, codes__0, codes__1, enable, write, row, values__0, sums__0);
  input clk, rst, enable, write;
  input [0:0] row;
  input signed [3:0] codes__0, codes__1, values__0;
  output [8:0] sums__0;
  reg signed [3:0] weight [0:1];
  reg [7:0] still = 0;
  always @(posedge clk) begin
    if (write) weight[row] <= values__0;
    still <= still + (still != 255);
  end
  always @(codes__0, codes__1, enable) still = 0;
  wire signed [8:0] total = codes__0 * weight[0] + codes__1 * weight[1];
  assign sums__0 = !enable ? 0 : still >= CYCLES - 1 ? total : 9'bx;
endmodule
"""


@needs_icarus
@pytest.mark.parametrize(("needed", "passed"), [(1, True), (3, True), (4, False)])
def test_macros_that_take_their_time(needed, passed):
    """A model of an analog macro on the ports of a crossbar, in reads of three cycles."""
    spec = CrossbarGroupSpec(multiplier=parse("exact:width=4"), crossbars=2, rows=2, columns=1, read_cycles=3)
    script = (
        f"read_rtlil source.il; hierarchy -top {spec.name}; proc -nomux -norom; memory_collect; write_verilog design.v"
    )
    rtlil = to_rtlil(spec.with_macros("bank"), name=spec.name)
    design = run_script(find_engine(), script, inputs={"source.il": rtlil}, outputs=("design.v",))["design.v"]
    sources = {"design.v": design, "bank.v": _BANK.replace("CYCLES", str(needed))}
    check = cosimulate(spec, sources, level="rtl", simulator=find_simulator("icarus"), seed=6)
    assert check.passed == passed
