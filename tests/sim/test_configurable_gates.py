"""Configurable multipliers at gate level: tables of all modes, what a mode gates, replays, and mistakes."""

from __future__ import annotations

import functools
import shutil

import numpy as np
import pytest

from axhw.errors import AxhwError, VerificationError
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.sim.activity import source_values
from axhw.sim.configurable import extract_mode_tables
from axhw.sim.cosimulation import cosimulate
from axhw.sim.element import extract_element_table, steady_inputs, verify_element
from axhw.sim.operands import uniform
from axhw.sim.simulators import find_simulator
from axhw.sim.timed import timed_activity
from axhw.synth.engines import find_engine
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil
from axhw.synth.timing import analyze_timing

LIBRARY = load_library(DEFAULT)
MODES = (RoupSpec(), RoupSpec(p=1, r=4), RoupSpec(p=2, r=3))
SMALL = (RoupSpec(width=4), RoupSpec(width=4, p=1, r=2), RoupSpec(width=4, r=2))


def configurable(modes):
    return ConfigurableRoupSpec(modes=modes)


def mac(modes, **parameters):
    return ConfigurableMacSpec(multiplier=modes[0], others=modes[1:], **parameters)


@functools.cache
def synthesised(spec) -> Synthesis:
    rtlil = to_rtlil(spec.component(), name=spec.name)
    return SynthesisJob(name=spec.name, rtlil=rtlil, liberty=LIBRARY.text, engine=find_engine()).run()


def mapped(spec):
    netlist = synthesised(spec).netlist
    return netlist, levelize(netlist, LIBRARY.cells)


@pytest.mark.parametrize("modes", [MODES, SMALL], ids=["8 bits", "4 bits"])
def test_tables_of_the_modes(modes):
    spec = configurable(modes)
    netlist, graph = mapped(spec)
    tables = extract_mode_tables(netlist, graph, spec)
    assert len(tables) == 3
    codes = modes[0].operand_codes()
    for mode, table in zip(modes, tables):
        np.testing.assert_array_equal(table.values, mode.reference(codes[:, None], codes))
        assert (table.name, table.netlist_sha256) == (mode.name, netlist.sha256)


def test_a_code_that_is_no_mode_has_to_be_the_last():
    spec = configurable(MODES)
    other = configurable((*MODES, RoupSpec(p=3)))
    netlist, graph = mapped(other)
    with pytest.raises(
        VerificationError, match=r"^Expected roup8s_modes_p0r0_p1r4_p2r3 to be in its last mode at code 3"
    ):
        extract_mode_tables(netlist, graph, spec)


def test_operands_too_wide_for_tables():
    spec = configurable((RoupSpec(width=12), RoupSpec(width=12, p=1)))
    netlist, graph = mapped(configurable(SMALL))
    with pytest.raises(AxhwError, match=r"^Expected operands of at most 10 bits for the product tables of roup12s_"):
        extract_mode_tables(netlist, graph, spec)


@pytest.mark.parametrize(
    ("modes", "quiet"),
    # Nothing but the gates at the ports of a and b is left to switch where all rows are perforated.
    [((RoupSpec(), RoupSpec(p=4)), 0.7), ((RoupSpec(), RoupSpec(p=2)), 0.35), ((RoupSpec(), RoupSpec(r=8)), 0.1)],
)
def test_what_a_mode_gates_does_not_toggle(modes, quiet):
    spec = configurable(modes)
    netlist, graph = mapped(spec)
    timing = analyze_timing(netlist, LIBRARY.cells, graph=graph)
    stream = uniform(spec.multiplier, pairs=400, seed=81)
    still = []
    for mode in (0, 1):
        ports = {"a": stream.a, "b": stream.b, "mode": np.full(len(stream), mode)}
        activity = timed_activity(graph, timing, source_values(netlist, graph, ports), threads=1)
        still.append(float((activity.transitions[graph.output] == 0).mean()))
    # Of the exact mode only decoders of the mode rest.
    assert still[0] < 0.1
    assert still[1] > quiet


@pytest.mark.parametrize("parameters", [{"terms": 4, "overflow": "saturate"}, {"terms": 3}])
def test_macs(parameters):
    spec = mac(SMALL, **parameters)
    netlist, graph = mapped(spec)
    found = verify_element(netlist, graph, LIBRARY.cells, spec, seed=82, cycles=200)
    assert found.overflow
    codes = SMALL[0].operand_codes()
    for number, mode in enumerate(SMALL):
        table = extract_element_table(netlist, graph, LIBRARY.cells, spec, mode=number)
        np.testing.assert_array_equal(table.values, mode.reference(codes[:, None], codes))
        assert table.name == mode.name


def test_a_mac_with_other_modes_is_found():
    netlist, graph = mapped(mac(SMALL, terms=4, overflow="saturate"))
    wrong = mac((SMALL[0], SMALL[2], SMALL[1]), terms=4, overflow="saturate")
    with pytest.raises(VerificationError, match=r"^Expected roup4s_modes_\w+ to follow its cycle model, found "):
        verify_element(netlist, graph, LIBRARY.cells, wrong, seed=83, cycles=200)


def test_a_mode_register_that_is_not_reset_is_found():
    spec = mac(SMALL, terms=3)

    class Forgetful(ConfigurableMacSpec):
        def simulate(self, a, b, *, valid, reset=None, mode=None, load_mode=None, **others):
            products = super().simulate(a, b, valid=valid, reset=reset, mode=mode, load_mode=load_mode, **others)
            assert reset is not None
            kept = super().simulate(a, b, valid=valid, mode=mode, load_mode=load_mode, **others)
            return np.where(np.cumsum(reset) > 2, kept[0], products[0]), products[1]

    netlist, graph = mapped(spec)
    broken = Forgetful(multiplier=spec.multiplier, others=spec.others, terms=3)
    with pytest.raises(VerificationError, match="wrong values of acc"):
        verify_element(netlist, graph, LIBRARY.cells, broken, seed=84, cycles=200)


def test_steady_inputs_load_what_changes():
    spec = mac(SMALL)
    a = np.ones((6, 1), np.int64)
    modes = np.array([[1], [1], [1], [2], [2], [0]])
    inputs = steady_inputs(spec, a, a, sum_length=2, modes=modes)
    assert inputs["load_mode"][1:, 0].tolist() == [1, 0, 1, 0, 1], "the reset of cycle 0 leaves mode 0"
    assert not steady_inputs(spec, a, a, sum_length=2)["load_mode"].any()


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("level", ["rtl", "gates"])
@pytest.mark.parametrize(
    ("spec", "vectors"), [(configurable(SMALL), 3 * 256), (mac(SMALL, terms=4), 4096)], ids=lambda case: str(case)[:20]
)
def test_in_icarus(spec, vectors, level):
    synthesis = synthesised(spec)
    used = sorted({instance.cell for instance in synthesis.netlist.instances})
    sources = {"design.v": synthesis.rtl_verilog}
    if level == "gates":
        sources = {"netlist.v": synthesis.netlist_verilog, "cells.v": cell_models(LIBRARY.cells, used)}
    check = cosimulate(spec, sources, level=level, simulator=find_simulator("icarus"))
    assert check.passed, check.first
    assert check.vectors >= vectors


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_a_wrong_mode_is_found_in_icarus():
    spec = configurable(SMALL)
    wrong = configurable((SMALL[0], SMALL[2], SMALL[1]))
    # The module keeps the name that the replay looks for.
    rtl = synthesised(spec).rtl_verilog.replace(spec.name, wrong.name)
    check = cosimulate(wrong, {"design.v": rtl}, level="rtl", simulator=find_simulator("icarus"))
    assert not check.passed
    assert check.mismatches > 0
