"""What synthesis is given of a library."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.registry import create_element, parse
from axhw.sim.product_table import extract, verify
from axhw.synth.engines import Engine, available_engines, find_engine
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, Table, TimingArc
from axhw.synth.liberty.mapping import check_flip_flops, is_mappable, mapping_text
from axhw.synth.liberty.reader import embedded_library, parse_library
from axhw.synth.netlist import Netlist, levelize
from axhw.synth.synthesis import SynthesisJob, to_rtlil

EMBEDDED = embedded_library()
NO_AXIS = np.zeros(1)


def part(*gates: str, **changes: Cell) -> CellLibrary:
    """Some cells of the embedded library, and others."""
    cells = {name: EMBEDDED.cells[name] for name in (f"sg13g2_{gate}" for gate in gates)}
    return dataclasses.replace(EMBEDDED, cells={**cells, **changes})


def mapped(text: str, library: CellLibrary, engine: Engine | None = None) -> Netlist:
    spec = parse(text)
    liberty = mapping_text(library, source="test.lib")
    rtlil = to_rtlil(spec.component(), name=spec.name)
    netlist = SynthesisJob(name=spec.name, rtlil=rtlil, liberty=liberty, engine=engine or find_engine()).run().netlist
    verify(extract(netlist, levelize(netlist, library), spec), spec)
    return netlist


def with_tables(change: Callable[[Table], Table | None]) -> CellLibrary:
    """The embedded library with other delay and transition tables."""

    def table(old: Table | None) -> Table | None:
        return None if old is None else change(old)

    def arc(old: TimingArc) -> TimingArc:
        return dataclasses.replace(
            old,
            rise=table(old.rise),
            fall=table(old.fall),
            rise_transition=table(old.rise_transition),
            fall_transition=table(old.fall_transition),
        )

    def cell(old: Cell) -> Cell:
        pins = {name: dataclasses.replace(pin, timing=tuple(map(arc, pin.timing))) for name, pin in old.pins.items()}
        return dataclasses.replace(old, pins=pins)

    return dataclasses.replace(EMBEDDED, cells={name: cell(old) for name, old in EMBEDDED.cells.items()})


def test_the_text_is_small_and_reads_back() -> None:
    text = mapping_text(EMBEDDED, source="test.lib")
    again = parse_library({"test.lib": text})
    assert list(again.cells) == list(EMBEDDED.cells)
    for name, cell in again.cells.items():
        full = EMBEDDED.cells[name]
        assert (cell.area_um2, list(cell.pins)) == (full.area_um2, list(full.pins))
        assert all(not pin.power for pin in cell.pins.values())
        assert not any(arc.is_constraint for pin in cell.pins.values() for arc in pin.timing)
    assert "wire_load" not in text


def test_figures_keep_their_digits() -> None:
    rise = EMBEDDED.cells["sg13g2_inv_1"].pins["Y"].timing[0].rise
    assert rise is not None
    odd = dataclasses.replace(rise, values=rise.values * (1 + 1e-6))
    library = with_tables(lambda table: odd)
    again = parse_library({"": mapping_text(library, source="")}).cells["sg13g2_inv_1"].pins["Y"].timing[0].rise
    assert again is not None
    np.testing.assert_allclose(again.values, odd.values, rtol=1e-8)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: Table(slew_ns=NO_AXIS, load_ff=NO_AXIS, values=table.values[:1, :1]),
        lambda table: Table(slew_ns=NO_AXIS, load_ff=table.load_ff, values=table.values[:1]),
        lambda table: Table(slew_ns=table.slew_ns, load_ff=NO_AXIS, values=table.values[:, :1]),
    ],
    ids=["scalar", "load", "slew"],
)
def test_tables_of_fewer_axes_do_not_stop_abc(change: Callable[[Table], Table]) -> None:
    assert len(mapped("exact:width=4", with_tables(change)).instances) > 20


def test_precedence_is_not_left_to_the_reader() -> None:
    # Liberty: A ^ (B & C) needs the parentheses; ABC takes them for granted.
    gate = EMBEDDED.cells["sg13g2_a21oi_1"]
    output = dataclasses.replace(gate.pins["Y"], function="A1 ^ A2 & !B1")
    odd = dataclasses.replace(gate, name="odd", area_um2=0.01, pins={**gate.pins, "Y": output})
    library = part("inv_1", "buf_1", "nand2_1", "nor2_1", odd=odd)
    assert 'function : "((A1 ^ A2) & !B1)";' in mapping_text(library, source="test.lib")
    netlist = mapped("exact:width=4", library)
    assert any(instance.cell == "odd" for instance in netlist.instances)


@pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
def test_names_with_odd_characters_are_mapped_to(engine: Engine) -> None:
    cells = {
        f"{name}[x]/a-b": dataclasses.replace(cell, name=f"{name}[x]/a-b") for name, cell in EMBEDDED.cells.items()
    }
    netlist = mapped("exact:width=4", dataclasses.replace(EMBEDDED, cells=cells), engine)
    assert {instance.cell for instance in netlist.instances} <= set(cells)


def test_cells_that_may_not_be_used_are_not_mapped_to() -> None:
    plain = {instance.cell for instance in mapped("exact:width=4", EMBEDDED).instances}
    banned = {name: dataclasses.replace(EMBEDDED.cells[name], dont_use=True) for name in plain if "nand2" not in name}
    kept = {name: cell for name, cell in banned.items() if "inv" not in name}
    library = dataclasses.replace(EMBEDDED, cells={**EMBEDDED.cells, **kept})
    assert kept
    assert not {instance.cell for instance in mapped("exact:width=4", library).instances} & set(kept)


INVERTER, BUFFER, NAND = "inv_1", "buf_1", "nand2_1"


@pytest.mark.parametrize(
    ("library", "found"),
    [
        (part(BUFFER, NAND), "inverter among the 2 cells of 2 that may be used."),
        (part(INVERTER, NAND, "nor2_1"), "buffer among the 3 cells of 3 that may be used."),
        (part(INVERTER, BUFFER, "xor2_1", "nand3_1"),
         "two-input AND, NAND, OR or NOR among the 4 cells of 4 that may be used."),
        (part(), "inverter among the 0 cells of 0 that may be used."),
        (part(BUFFER, NAND, INV=dataclasses.replace(EMBEDDED.cells["sg13g2_inv_1"], name="INV", dont_use=True)),
         "inverter among the 2 cells of 3 that may be used."),
        (with_tables(lambda table: None), "inverter among the 2 cells of 62 that may be used (sg13g2_inv_1 has no "
                                          "delay and transition tables)."),
    ],
)  # fmt: skip
def test_libraries_that_nothing_can_be_mapped_to(library: CellLibrary, found: str) -> None:
    with pytest.raises(AxhwError) as error:
        mapping_text(library, source="test.lib")
    assert str(error.value) == (
        f"Expected an inverter, a buffer and a two-input AND, NAND, OR or NOR in test.lib, found no {found}"
    )


@pytest.mark.parametrize("gate", ["and2_1", "nand2_1", "or2_1", "nor2_1"])
def test_three_cells_are_enough(gate: str) -> None:
    library = part(INVERTER, BUFFER, gate)
    assert {instance.cell for instance in mapped("exact:width=4", library).instances} <= set(library.cells)


def test_a_clocked_design_needs_a_flip_flop() -> None:
    check_flip_flops(EMBEDDED, "top")
    latch = dataclasses.replace(EMBEDDED.cells["sg13g2_dfrbp_1"], name="LATCH", flip_flop=None, is_latch=True)
    with pytest.raises(AxhwError) as found:
        check_flip_flops(part(INVERTER, LATCH=latch), "exact4s_reg")
    assert str(found.value) == (
        f"Expected a flip-flop that may be used in library {EMBEDDED.name} for the clocked design exact4s_reg, found "
        "none among 2 cells, 1 of them latches or clock gates."
    )


def test_a_flip_flop_that_stores_the_inverse_is_enough() -> None:
    whole = EMBEDDED.cells["sg13g2_dfrbpq_1"]
    assert whole.flip_flop is not None
    inverted = FlipFlop(state="IQN", inverted="IQNN", clocked_on="CLK", next_state="!D")
    pins = {
        "D": whole.pins["D"],
        "CLK": whole.pins["CLK"],
        "QN": dataclasses.replace(whole.pins["Q"], name="QN", function="IQN"),
    }
    cell = dataclasses.replace(whole, name="DFFHQN", flip_flop=inverted, pins=pins)
    assert is_mappable(cell)
    library = part(INVERTER, BUFFER, NAND, DFFHQN=cell)
    spec = create_element("registered", parse("exact:width=4"), {})
    text = mapping_text(library, source="test.lib")
    assert 'next_state : "!D";' in text
    job = SynthesisJob(
        name=spec.name, rtlil=to_rtlil(spec.component(), name=spec.name), liberty=text, engine=find_engine()
    )
    assert {instance.cell for instance in job.run().netlist.instances} == set(library.cells) - {"sg13g2_buf_1"}
