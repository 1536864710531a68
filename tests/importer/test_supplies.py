"""Netlists with power and ground, as place and route writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.bits import IntegerArray
from axhw.importer.netlist_file import NetlistFile
from axhw.importer.readings import as_integers, product_codes
from axhw.synth.libraries import LibrarySource

Make = Callable[..., NetlistFile]

AND = "sg13g2_and2_1 g(.A(A[0]), .B(B[0]), .X(O[0])"
ROW = np.arange(16)
LOWEST_BITS = ROW[:, None] & ROW & 1


def module(body: str, ports: str = "inout VDD, inout VSS, input [3:0] A, input [3:0] B, output [7:0] O") -> str:
    return f"module m({ports});\n{body}\nassign O[7:1] = 0;\nendmodule\n"


def products(file: NetlistFile) -> IntegerArray:
    return as_integers(product_codes(file.circuit(file.operands())), bits=8, signed=False)


def check(file: NetlistFile) -> None:
    """It computes the product of the lowest bits, and its own cells are one gate without supplies."""
    assert np.array_equal(products(file), LOWEST_BITS)
    mapping = file.mapping(file.operands(), name="mapped")
    assert mapping is not None
    (instance,) = mapping.netlist.instances
    assert (instance.cell, sorted(instance.pins)) == ("sg13g2_and2_1", ["A", "B", "X"])
    assert sorted(mapping.netlist.inputs) == ["a", "b"]
    assert "VDD" not in mapping.netlist_verilog


@pytest.mark.parametrize(
    "text",
    [
        module(f"{AND}, .VDD(VDD), .VSS(VSS));"),
        # Fillers and taps have no other pins, or none at all, and need not be in the library.
        module(f"{AND}, .VDD(VDD), .VSS(VSS)); tap_1 t(.VDD(VDD), .VSS(VSS)); fill_8 f();"),
        # Nets of the file instead of ports.
        module(f"supply1 VDD; supply0 VSS; {AND}, .VDD(VDD), .VSS(VSS));").replace("inout VDD, inout VSS, ", ""),
        # Named by the file's own modules, too, and as inputs.
        module("half h(.VDD(VDD), .VSS(VSS), .x(A[0]), .y(B[0]), .z(O[0]));").replace("inout", "input")
        + "module half(inout VDD, VSS, input x, y, output z); sg13g2_and2_1 g(.A(x), .B(y), .X(z), .VDD(VDD), "
        ".VSS(VSS)); endmodule",
    ],
)
def test_named_supplies_are_left_out(netlist_file: Make, text: str) -> None:
    check(netlist_file(text, supplies=("VDD", "VSS")))


def test_supplies_of_the_library_need_no_naming(netlist_file: Make, library: LibrarySource) -> None:
    known = dict(library.cells.cells)
    known["sg13g2_and2_1"] = dataclasses.replace(known["sg13g2_and2_1"], supplies=("VDD", "VSS"))
    cells = dataclasses.replace(library.cells, cells=known)
    check(netlist_file(module(f"{AND}, .VDD(VDD), .VSS(VSS)); tap_1 t(.VDD(VDD), .VSS(VSS));"), cells=cells))


def test_cells_that_drive_nothing_are_left_out(netlist_file: Make, library: LibrarySource) -> None:
    gate = library.cells.cells["sg13g2_and2_1"]
    inputs = {pin.name: pin for pin in gate.inputs if pin.name == "A"}
    diode = dataclasses.replace(gate, name="diode_2", pins=inputs, supplies=("VDD", "VSS"))
    cells = dataclasses.replace(library.cells, cells={**library.cells.cells, "diode_2": diode})
    text = module(f"{AND}); diode_2 d(.A(A[0]), .VDD(VDD), .VSS(VSS)); diode_2 e(.A(O[0]));")
    check(netlist_file(text, cells=cells))


def test_blif_with_supplies(netlist_file: Make) -> None:
    bits = " ".join(f"{operand}[{bit}]" for operand in "ab" for bit in range(4))
    zeros = "".join(f".names o[{bit}]\n" for bit in range(1, 8))
    text = (
        f".model m\n.inputs {bits} VDD\n.outputs {' '.join(f'o[{bit}]' for bit in range(8))}\n"
        f".gate sg13g2_and2_1 A=a[0] B=b[0] X=o[0] VDD=VDD\n{zeros}.end\n"
    )
    check(netlist_file(text, language="blif", supplies=("VDD",)))


@pytest.mark.parametrize(
    ("text", "supplies", "message"),
    [
        (
            module(f"{AND}, .VDD(VDD), .VSS(VSS));"),
            (),
            r"Expected pins of sg13g2_and2_1 as the library .* has them, found VDD \(g in m\): if it is a supply, say "
            "--supply VDD.",
        ),
        (
            module(f"{AND}, .VDD(VDD), .VSS(VSS));"),
            ("VDD",),
            r"Expected pins of sg13g2_and2_1 .*, found VSS \(g in m\): if it is a supply, say --supply VSS.",
        ),
        (
            module(f"{AND});"),
            ("VDD",),
            "Expected input and output ports in m.v, found inout VSS: if it is a supply, say --supply VSS.",
        ),
        (
            module(f"{AND}, .VDD(VDD)); fill_8 f(.Z(A[1]));"),
            ("VDD", "VSS"),
            r"Expected modules of m.v or cells of the library .*, found fill_8 \(f in m\): name the library .*",
        ),
        (
            module("assign O[0] = A[0] & VDD;"),
            ("VDD", "VSS"),
            "Expected a value on every net of m.v, found none for VDD, which bit 0 of the product depends on .*",
        ),
    ],
)
def test_what_is_no_supply_is_not_left_out(
    netlist_file: Make, text: str, supplies: tuple[str, ...], message: str
) -> None:
    with pytest.raises(AxhwError, match=f"^{message}$"):
        products(netlist_file(text, supplies=supplies))
