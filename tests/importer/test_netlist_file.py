from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.bits import IntegerArray
from axhw.importer.netlist_file import NetlistFile
from axhw.importer.readings import as_integers, product_codes

Make = Callable[..., NetlistFile]

PORTS = "input [3:0] A, input [3:0] B, output [7:0] O"
BITS = " ".join(f"{operand}[{bit}]" for operand in "ab" for bit in range(4))
BLIF = f".model m\n.inputs {BITS}\n.outputs {' '.join(f'o[{bit}]' for bit in range(8))}\n"
ZEROS = "".join(f".names o[{bit}]\n" for bit in range(1, 8))


def module(body: str, ports: str = PORTS) -> str:
    return f"module m({ports});\n{body}\nendmodule\n"


def products(file: NetlistFile, *, signed: bool = False) -> IntegerArray:
    """All products by the bits of a and b."""
    return as_integers(product_codes(file.circuit(file.operands())), bits=8, signed=signed)


def exact(*, signed: bool = False) -> IntegerArray:
    codes = as_integers(np.arange(16), bits=4, signed=signed)
    return codes[:, None] * codes


@pytest.mark.parametrize(
    "text",
    [
        module("assign O = A * B;"),
        module("reg [7:0] p; integer i; always @* begin p = 0; for (i = 0; i < 4; i = i + 1) "
               "if (B[i]) p = p + (A << i); end assign O = p;"),
        module("reg [7:0] p; always @* case (B[1:0]) 0: p = 0; 1: p = A; 2: p = 2 * A; 3: p = 3 * A; default: p = 8'bx;"
               " endcase assign O = p + 4 * A * B[3:2];"),
        module("assign O = {a3, a2, a1, a0} * {b3, b2, b1, b0};",
               "input a0, a1, a2, a3, b0, b1, b2, b3, output [7:0] O"),
        module("assign O = A * B;", "input [0:3] A, input [0:3] B, output [0:7] O"),
        module("wire unused; wire q = unused & A[0] & ~A[0]; assign O = A * B | {8{q}};"),
        module("helper h(.x(A), .y(B), .z(O));") + "module helper(input [3:0] x, y, output [7:0] z); assign z = x * y;"
        " endmodule",
        module("assign O = A * B;") + "module unused(input x, output y); assign y = ~x; endmodule",
    ],
)  # fmt: skip
def test_verilog_of_every_kind(netlist_file: Make, text: str) -> None:
    assert np.array_equal(products(netlist_file(text)), exact())


def test_signed_verilog(netlist_file: Make) -> None:
    text = module("assign O = A * B;", "input signed [3:0] A, input signed [3:0] B, output signed [7:0] O")
    assert np.array_equal(products(netlist_file(text), signed=True), exact(signed=True))


def test_helper_modules_of_the_file(netlist_file: Make, files: Path) -> None:
    file = netlist_file((files / "mul4u_helpers.v").read_text())
    assert file.module == "mul4u_helpers"
    assert np.array_equal(products(file), (np.arange(16)[:, None] & 12) * np.arange(16))


def test_helper_modules_come_before_cells_of_the_library(netlist_file: Make) -> None:
    own = "module sg13g2_and2_1(input A, input B, output X); assign X = A | B; endmodule\n"
    file = netlist_file(own + module("sg13g2_and2_1 g(.A(A[0]), .B(B[0]), .X(O[0])); assign O[7:1] = 0;"))
    assert file.library_cells == ()
    assert products(file)[0, 1] == 1
    assert file.mapping(file.operands(), name="own") is None


def test_cells_of_the_library(netlist_file: Make) -> None:
    file = netlist_file(module("sg13g2_and2_1 g(.A(A[0]), .B(B[0]), .X(O[0])); assign O[7:1] = 0;"))
    assert np.array_equal(products(file), np.arange(16)[:, None] & np.arange(16) & 1)
    mapping = file.mapping(file.operands(), name="mapped")
    assert mapping is not None
    assert mapping.name == "mapped"
    assert [instance.cell for instance in mapping.netlist.instances] == ["sg13g2_and2_1"]
    assert {port: len(nets) for port, nets in mapping.netlist.inputs.items()} == {"a": 4, "b": 4}
    assert "cells of m.v" in mapping.engine


def test_cells_beside_operators_are_no_mapping(netlist_file: Make) -> None:
    text = module("sg13g2_and2_1 g(.A(A[0]), .B(B[0]), .X(O[0])); assign O[7:1] = A + B;")
    file = netlist_file(text)
    assert file.mapping(file.operands(), name="mixed") is None


def test_blif_of_every_kind(netlist_file: Make) -> None:
    for text in (
        f"{BLIF}.names a[0] b[0] o[0]\n11 1\n{ZEROS}.end\n",
        f"{BLIF}.names a[0] b[0] o[0]\n0- 0\n-0 0\n{ZEROS}.end\n",
        f"{BLIF}.gate sg13g2_and2_1 A=a[0] B=b[0] X=o[0]\n{ZEROS}.end\n",
        f"{BLIF}.subckt both x=a[0] y=b[0] z=o[0]\n{ZEROS}.end\n.model both\n.inputs x y\n.outputs z\n.names x y z\n"
        "11 1\n.end\n",
    ):
        assert np.array_equal(products(netlist_file(text, language="blif")), np.arange(16)[:, None] & np.arange(16) & 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            module("reg [7:0] p; always @(posedge clk) p <= A * B; assign O = p;", f"input clk, {PORTS}"),
            r"Expected a combinational circuit in m.v, found a flip-flop \([pO]\[0\]\): import what .*",
        ),
        (
            module("reg [7:0] p; always @* if (A[0]) p = A * B; assign O = p;"),
            r"Expected a combinational circuit in m.v, found a latch \([pO]\[0\]\).",
        ),
        (
            module("sg13g2_dfrbp_1 r(.CLK(A[0]), .D(B[0]), .Q(O[0]), .RESET_B(1'b1)); assign O[7:1] = 0;"),
            r"Expected a combinational circuit in m.v, found a flip-flop \(O\[0\]\): import what .*",
        ),
        (
            module("reg [7:0] t [0:255]; initial t[0] = 1; assign O = t[{A, B}];"),
            "Expected a value on every net of m.v, found none for a constant x, which bit 0 of the product depends on "
            "where the operands' bits are a = 0 and b = 1.",
        ),
        (
            module("wire x, y; assign x = A[0] ^ y; assign y = x & B[0]; assign O = A * B ^ x;"),
            "Expected combinational logic without loops in m.v, found a loop through x.",
        ),
        (
            module("wire q; assign O = {q, 7'd0} | A * B;"),
            "Expected a value on every net of m.v, found none for q, which bit 7 of the product depends on where the "
            "operands' bits are a = 0 and b = 0.",
        ),
        (
            module("assign O[6:0] = A * B;"),
            r"Expected a value on every net of m.v, found none for O\[7\], which bit 7 of the product depends on .*",
        ),
        (
            module("sg13g2_and2_1 g(.A(A[0]), .X(O[0])); assign O[7:1] = 0;"),
            "Expected a value on every net of m.v, found none for g.B, which bit 0 of the product depends on .*",
        ),
        (
            module("reg [7:0] p; always @* case (A[1:0]) 0: p = 0; 1: p = B; 2: p = 2 * B; default: p = 8'bx; endcase "
                   "assign O = p;"),
            "Expected a value on every net of m.v, found none for a constant x, which bit 0 of the product depends on "
            "where the operands' bits are a = 3 and b = 0.",
        ),
        (
            module("assign O = A[0] ? A * B : 8'bz;"),
            r"Expected (a value on every net of m.v, found high impedance \(z\)|.*three-state.*).",
        ),
        (
            module("assign O = A * B;", "input [3:0] A, inout [3:0] B, output [7:0] O"),
            "Expected input and output ports in m.v, found inout B: if it is a supply, say --supply B.",
        ),
        (
            module("assign O = A * B; assign O[0] = A[1];"),
            "Expected one driver for each net of m.v, found several.*",
        ),
        (
            module("assign O = A * B; assign O[0] = 1'b0;"),
            "Expected one driver for each net of m.v, found several.*",
        ),
        (
            module("assign O = A * B").replace("endmodule", "endmodul"),
            "Expected a circuit in m.v, found: m?.*syntax error.*",
        ),
        (
            module("AND2X1 g(.A(A[0]), .B(B[0]), .Y(O[0]));"),
            r"Expected modules of m.v or cells of the library .*, found AND2X1 \(g in m\): name the library that the "
            "file was mapped to with --library.",
        ),
        (
            module("assign O = A * B;") + module("assign O = A * B + 1;").replace("module m", "module n"),
            "Expected one module in m.v that could be the multiplier, found m, n: name it with --top.",
        ),
        ("// nothing\n", "Expected a module in m.v, found none."),
        (
            module("assign O = A * B;", "input [3:0] A, input [3:0] B, output [6:0] O"),
            "Expected a product of 8 bits for the 4-bit operands of m in m.v, found O of 7 bits.",
        ),
    ],
)  # fmt: skip
def test_what_is_no_combinational_multiplier_is_refused(netlist_file: Make, text: str, message: str) -> None:
    with pytest.raises(AxhwError, match=f"^{message}$") as refusal:
        products(netlist_file(text))
    assert "\n" not in str(refusal.value)
    # Nor where this machine keeps things.
    assert "site-packages" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{BLIF}.latch a[0] o[0] 0\n{ZEROS}.end\n",
         r"Expected a combinational circuit in m.blif, found a flip-flop \(o\[0\]\): import what .*"),
        (f"{BLIF}.names a[0] q o[0]\n11 1\n{ZEROS}.end\n",
         "Expected a value on every net of m.blif, found none for q, .*"),
        (f"{BLIF}.names a[0] b[0] o[0]\n11 1\n.end\n",
         r"Expected a value on every net of m.blif, found none for o\[\d\], .*"),
        (
            f"{BLIF}.names a[0] o[1] o[0]\n11 1\n.names o[0] o[1]\n1 1\n{ZEROS[len('.names o[1] '):]}.end\n",
            r"Expected combinational logic without loops in m.blif, found a loop through o\[\d\].",
        ),
        (f"{BLIF}.nnames a[0] o[0]\n.end\n", "Expected a circuit in m.blif, found: Syntax error in line 4.*"),
        (f"{BLIF}.gate and2 A=a[0] B=b[0] X=o[0]\n{ZEROS}.end\n",
         r"Expected modules of m.blif or cells .*, found and2 \(.* in m\).*"),
        ("", "Expected a module in m.blif, found none."),
    ],
)  # fmt: skip
def test_blif_that_is_no_combinational_multiplier_is_refused(netlist_file: Make, text: str, message: str) -> None:
    with pytest.raises(AxhwError, match=f"^{message}$"):
        products(netlist_file(text, language="blif"))


def test_the_module_can_be_named(netlist_file: Make) -> None:
    text = module("assign O = A * B;") + module("assign O = A * B + 1;").replace("module m", "module n")
    assert products(netlist_file(text, top="n"))[0, 0] == 1
    with pytest.raises(AxhwError, match=r"^Expected a module 'k' in m.v, found m, n\.$"):
        products(netlist_file(text, top="k"))
