from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.export import write_design
from axhw.flow import Flow
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.families.table import TableSpec
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.gates import FUNCTIONS, Gate, GateNetlist
from axhw.importer.design import import_design
from axhw.importer.polish import check_equal, polished
from axhw.importer.source import Reading
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.synth.engines import Engine
from axhw.synth.libraries import LibrarySource

Import = Callable[..., DesignRecord]
Characterized = Callable[..., DesignRecord]


@pytest.fixture
def imported(library: LibrarySource, engine: Engine, tmp_path: Path) -> Import:
    """A file imported into a store of its own: ``imported(path, signed=True, name="x")``."""
    store = Store(tmp_path / "store")

    def make(path: Path, *, signed: bool, notes: list[str] | None = None, **options: Any) -> DesignRecord:
        named = {key: options.pop(key) for key in ("name", "reference") if key in options}
        kept: list[str] = [] if notes is None else notes
        reading = Reading(signed=signed, **options)
        return import_design(
            path, reading, flow=Flow.of(library=library, engine=engine, store=store), note=kept.append, **named
        )

    return make


def test_a_circuit_becomes_a_verified_costed_design(imported: Import, files: Path) -> None:
    notes: list[str] = []
    record = imported(files / "mul4u_ba.v", signed=False, notes=notes)
    assert isinstance(record.spec, NetlistSpec)
    assert (record.name, record.multiplier.width, record.multiplier.signed) == ("mul4u_ba", 4, False)
    codes = np.arange(16)
    assert record.table is not None
    # A is the activation although B comes first.
    assert np.array_equal(record.table.values, codes[:, None] * (codes & 14))
    assert (record.verification.method, record.verification.pairs) == ("exhaustive", 256)
    assert record.metrics.mae == pytest.approx(np.mean(codes[:, None] * (codes & 1)))
    assert record.circuit_cost.area_um2 > 0
    (note,) = notes
    assert note.endswith("when a and b are exchanged; read with a = A (activation) and b = B (weight).")
    source = record.provenance.imported
    assert source is not None
    assert source["file"] == "mul4u_ba.v"
    assert source["ports"] == {"a": "A", "b": "B", "product": "O"}
    assert source["own_cells"] is False


def test_operands_exchanged(imported: Import, files: Path) -> None:
    record = imported(files / "mul4u_ba.v", signed=False, operands="ba")
    codes = np.arange(16)
    assert record.table is not None
    assert np.array_equal(record.table.values, (codes[:, None] & 14) * codes)


def test_a_reference_tells_a_wrong_operand_order(imported: Import, files: Path, tmp_path: Path) -> None:
    # As a C function of (B, A) fills a table: rows for b.
    codes = np.arange(16)
    np.save(tmp_path / "c.npy", (codes[:, None] & 14) * codes)
    with pytest.raises(
        VerificationError,
        match=r"^Expected the products of c.npy, found \d+ of 256 pairs that differ, the first being a = 1, b = 2: "
        r"mul4u_ba gives 2, the reference 0; with the operands exchanged they agree, so say --operands ba, or exchange "
        r"--a and --b\.$",
    ):
        imported(files / "mul4u_ba.v", signed=False, reference=tmp_path / "c.npy")
    imported(files / "mul4u_ba.v", signed=False, reference=tmp_path / "c.npy", operands="ba")
    np.save(tmp_path / "c.npy", codes[:, None] * codes)
    with pytest.raises(VerificationError, match=r"a = 1, b = 1: mul4u_ba gives 0, the reference 1\.$"):
        imported(files / "mul4u_ba.v", signed=False, reference=tmp_path / "c.npy")


def test_a_wrong_signedness_is_refused(imported: Import, files: Path) -> None:
    with pytest.raises(AxhwError, match=r"fit unsigned operands \(.*\): say --unsigned\.$"):
        imported(files / "mul4u_ba.v", signed=True)
    with pytest.raises(AxhwError, match=r"fit signed operands \(.*\): say --signed\.$"):
        imported(files / "mul8s_1KV8.v", signed=False, name="mine")


def test_a_wrong_quadrant_is_refused(imported: Import, files: Path) -> None:
    with pytest.raises(AxhwError, match=r"found negative times negative operands with the opposite one"):
        imported(files / "mul4s_magnitudes.v", signed=True)


def test_the_name_of_another_release_is_refused(imported: Import, files: Path) -> None:
    with pytest.raises(
        AxhwError,
        match=r"^Expected the products of mul8s_1KV8 of EvoApproxLib v2022, found others: releases use one name for "
        r"several circuits, so give this one another with --name\.$",
    ):
        imported(files / "mul8s_1KV8.v", signed=True)
    assert imported(files / "mul8s_1KV8.v", signed=True, name="mul8s_1KV8_v1").metrics.wce == 0


def test_the_name_of_another_design_is_refused(imported: Import, files: Path) -> None:
    first = imported(files / "mul4u_ba.v", signed=False)
    assert imported(files / "mul4u_ba.v", signed=False).key == first.key
    with pytest.raises(
        AxhwError, match=r"^Expected a name that no other design has, found mul4u_ba, which the store has"
    ):
        imported(files / "mul4u_ba.v", signed=False, operands="ba")
    for name, message in (
        ("exact", "that no family of multipliers has"),
        ("roup8u_p1_r4", "that no family of multipliers has or gives its designs, found 'roup8u_p1_r4'"),
        ("1x", "of a letter and up to 63 letters"),
    ):
        with pytest.raises(AxhwError, match=f"^Expected a name {message}"):
            imported(files / "mul4u_ba.v", signed=False, name=name)


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("mul4u_numbered.chr", {}),
        ("mul4u_old.chr", {"product_bits": "msb"}),
        ("mul4u_old.chr", {"product_bits": "msb", "operands": "ba"}),
    ],
)
def test_chromosomes(imported: Import, files: Path, file: str, options: dict[str, str]) -> None:
    record = imported(files / file, signed=False, **options)
    assert (record.multiplier.width, record.metrics.wce) == (4, 0)


def test_an_older_chromosome_needs_its_bit_order(imported: Import, files: Path) -> None:
    with pytest.raises(
        AxhwError, match=r"fit the product from the most significant bit down .*: say --product-bits msb"
    ):
        imported(files / "mul4u_old.chr", signed=False)


def test_gates_and_redundant_logic(imported: Import, tmp_path: Path) -> None:
    exact = exact_multiplier(4, signed=True)
    # The last output computed twice, and a chain of gates that nobody reads.
    gates = [*exact.gates, *(Gate(FUNCTIONS["xor"], 0, 8 + len(exact.gates) + k - 1) for k in range(5))]
    (tmp_path / "wasteful.gates").write_text(GateNetlist(inputs=8, gates=tuple(gates), outputs=exact.outputs).text())
    record = imported(tmp_path / "wasteful.gates", signed=True)
    assert isinstance(record.spec, NetlistSpec)
    assert record.metrics.wce == 0
    assert len(record.spec.circuit.gates) <= len(exact.gates)
    assert (
        record.spec.circuit.active.sum() == len(record.spec.circuit.active) or not record.spec.circuit.active[:8].all()
    )


def test_operand_bits_from_the_most_significant_one(imported: Import, tmp_path: Path) -> None:
    exact = exact_multiplier(4, signed=False)
    turned = (3, 2, 1, 0, 7, 6, 5, 4)
    gates = tuple(Gate(f, *(turned[x] if x < 8 else x for x in inputs)) for f, *inputs in exact.gates)
    (tmp_path / "m.gates").write_text(GateNetlist(inputs=8, gates=gates, outputs=exact.outputs).text())
    with pytest.raises(
        AxhwError, match=r"fit the operands from the most significant bit down .*: say --operand-bits msb"
    ):
        imported(tmp_path / "m.gates", signed=False)
    assert imported(tmp_path / "m.gates", signed=False, operand_bits="msb").metrics.wce == 0


def test_a_table_becomes_a_design_without_a_cost(imported: Import, tmp_path: Path) -> None:
    codes = np.arange(-8, 8)
    np.save(tmp_path / "t.npy", codes[:, None] * (codes & ~1))
    record = imported(tmp_path / "t.npy", signed=True, index_origin="lowest", name="mine")
    assert isinstance(record.spec, TableSpec)
    assert record.cost is None
    assert (record.summary()["verified"], record.summary()["area_um2"], record.rank) == (False, None, 1)
    assert record.metrics.mae == pytest.approx(np.mean(np.abs(codes[:, None] * (codes & 1))))
    assert record.table is not None
    assert np.array_equal(record.table.values, codes[:, None] * (codes & ~1))
    for use in (lambda: record.circuit_cost, lambda: record.netlist):
        with pytest.raises(AxhwError, match=r"^Expected a design with a circuit, found mine, of which only the table"):
            use()
    written = write_design(record, tmp_path / "out")
    assert set(written) == {"design.json", "lut.npy", "lut.csv"}


def test_a_table_with_a_wrong_quadrant_is_refused(imported: Import, tmp_path: Path) -> None:
    codes = np.arange(-8, 8)
    products = codes[:, None] * codes
    negative = codes < 0
    np.save(tmp_path / "t.npy", np.where(negative[:, None] & negative, -products, products))
    with pytest.raises(
        AxhwError, match=r"^Expected products of the right sign in t.npy, found negative times negative"
    ):
        imported(tmp_path / "t.npy", signed=True, index_origin="lowest")


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("mul4u_ba.v", {"dialect": "plain"}, "Expected options that mean something for verilog in mul4u_ba.v, found "
         "--dialect."),
        ("mul4u_ba.v", {"index_origin": "codes"},
         "Expected options that mean something for verilog in mul4u_ba.v, found --index-origin."),
        ("mul4u_old.chr", {"top": "m"}, "Expected options that mean something for chromosome in mul4u_old.chr, found "
         "--top."),
        ("none.v", {}, "Expected a multiplier in .*none.v, found: No such file or directory."),
        ("conftest", {}, "Expected a multiplier in .*conftest, found: No such file or directory."),
        (".", {}, "Expected a multiplier in .*, found: Is a directory."),
    ],
)  # fmt: skip
def test_files_and_options_that_make_no_sense(
    imported: Import, files: Path, file: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(AxhwError, match=f"^{message}$"):
        imported(files / file, signed=False, **options)


def test_files_of_an_unknown_kind(imported: Import, files: Path, tmp_path: Path) -> None:
    text = (files / "mul4u_ba.v").read_bytes()
    (tmp_path / "m.txt").write_bytes(text + b"// caf\xe9\n")
    with pytest.raises(
        AxhwError, match=r"^Expected a file ending in .v, .*, found m.txt: say what it is with --format\.$"
    ):
        imported(tmp_path / "m.txt", signed=False)
    assert imported(tmp_path / "m.txt", signed=False, format="verilog").name == "mul4u_ba"
    (tmp_path / "narrow.chr").write_text("{6,6,1,1,2,1,0}([6]0,1,2)(6,6,6,6,6,6)")
    with pytest.raises(AxhwError, match=r"^Expected operands of 4 to 16 bits in narrow.chr, found 3\.$"):
        imported(tmp_path / "narrow.chr", signed=False)
    (tmp_path / "odd.chr").write_text("{9,6,1,1,2,1,0}([9]0,1,2)(6,6,6,6,6,6)")
    with pytest.raises(AxhwError, match=r"^Expected a multiplier in odd.chr, .*, found 9 inputs and 6 outputs\.$"):
        imported(tmp_path / "odd.chr", signed=False)


@pytest.mark.parametrize(
    "text",
    [
        "exact:width=4",
        "roup:width=4,p=1,r=2",
        "bam:width=4,v=3,signed=false",
        "roup:p=2,r=3",
        "evoapprox:mul8s_1L2L",
        "drum:k=4,signed=false",
    ],
)
def test_a_netlist_never_gets_worse_by_the_round_trip(
    imported: Import, characterized: Characterized, tmp_path: Path, text: str
) -> None:
    original = characterized(text)
    write_design(original, tmp_path / "out")
    again = imported(tmp_path / "out" / "netlist.v", signed=original.multiplier.signed, name="again")
    assert again.table is not None
    assert original.table is not None
    assert again.table.sha256 == original.table.sha256
    assert again.circuit_cost.area_um2 <= original.circuit_cost.area_um2
    source = again.provenance.imported
    assert source is not None
    if source["own_cells"]:
        assert "cells of netlist.v, flattened by" in again.circuit_cost.engine
        assert again.circuit_cost.cells == original.circuit_cost.cells


def test_simplification_is_checked(library: LibrarySource, engine: Engine, store: Store) -> None:
    exact = exact_multiplier(4, signed=False)
    spec = polished(exact, signed=False, label="polished4u", flow=Flow.of(library=library, engine=engine, store=store))
    check_equal(exact, spec.circuit, name="m")
    wrong = GateNetlist(inputs=8, gates=exact.gates, outputs=(*exact.outputs[:-1], exact.outputs[0]))
    with pytest.raises(VerificationError, match=r"^Expected the simplified gates of m to compute the same products"):
        check_equal(exact, wrong, name="m")


TOP = """
`include "sizes.vh"
module several #(parameter N = 4, parameter DROP = 0) (input [N-1:0] a, b, output [2*N-1:0] p);
  wire [2*N-1:0] full;
  core #(.N(N)) inner(.a(a), .b(b), .p(full));
  assign p = full & ~((`ONE << DROP) - 1);
endmodule
"""
CORE = "module core #(parameter N = 4) (input [N-1:0] a, b, output [2*N-1:0] p); assign p = a * b; endmodule"


@pytest.fixture
def several(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A multiplier in two sources and a file that is included, and how it is read."""
    for name, text in (("top.v", TOP), ("core.v", CORE), ("sizes.vh", "`define ONE 1")):
        (tmp_path / name).write_text(text)
    return tmp_path / "top.v", {"signed": False, "beside": (tmp_path / "core.v", tmp_path / "sizes.vh")}


def test_several_files_and_parameters(imported: Import, several: tuple[Path, dict[str, Any]]) -> None:
    path, reading = several
    plain = imported(path, **reading)
    assert (plain.multiplier.width, plain.metrics.wce) == (4, 0)
    record = imported(path, **reading, parameters=("N=5", "DROP=3"), name="dropped")
    assert record.multiplier.width == 5
    a, b = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    assert record.table is not None
    assert np.array_equal(record.table.values, a * b & ~7)
    about = record.provenance.imported
    assert about is not None
    assert about["parameters"] == ["N=5", "DROP=3"]
    assert set(about["with"]) == {"core.v", "sizes.vh"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beside": ()}, r"^Expected a circuit in top\.v, found: Can't open include file"),
        ({"parameters": ("M=3",)}, r"^Expected a circuit in top\.v, found: .*Can't find object for defparam `M`"),
        (
            {"parameters": ("N=3;quit",)},
            r"^Expected parameters NAME=VALUE with an integer of Verilog, found N=3;quit\.$",
        ),
        ({"parameters": ("N",)}, r"^Expected parameters NAME=VALUE with an integer of Verilog, found N=\.$"),
        ({"format": "blif"}, r"^Expected options that mean something for blif in top\.v, found --with\.$"),
    ],
)
def test_bad_files_and_parameters(
    imported: Import, several: tuple[Path, dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    path, reading = several
    with pytest.raises(AxhwError, match=message):
        imported(path, **{**reading, **changes})


def test_files_beside_need_names_of_their_own(imported: Import, several: tuple[Path, dict[str, Any]]) -> None:
    path, reading = several
    (first, _) = reading["beside"]
    other = path.parent / "cells.v"
    other.write_text("")
    with pytest.raises(AxhwError, match=r"^Expected files beside top\.v with names without .*, found 'cells\.v'\.$"):
        imported(path, **{**reading, "beside": (other,)})
    with pytest.raises(AxhwError, match=r"^Expected files of different names beside top\.v, found several of one name"):
        imported(path, **{**reading, "beside": (first, first)})
