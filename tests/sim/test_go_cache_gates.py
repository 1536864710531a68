"""The GO cache at gate level: streams, sequences of tokens, and mistakes that must be found."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from axhw.errors import VerificationError
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.sim.cosimulation import cosimulate
from axhw.sim.go_cache import MappedGoCache, among_the_best, decoding_values, verify_go_cache
from axhw.sim.simulators import find_simulator
from axhw.synth.engines import find_engine
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil

LIBRARY = load_library(DEFAULT)
SMALL = GoCacheSpec(experts=3, kept=2, score_bits=3, tokens=16)


def made(spec: GoCacheSpec) -> Synthesis:
    rtlil = to_rtlil(spec.component(), name=spec.name)
    return SynthesisJob(name=spec.name, rtlil=rtlil, liberty=LIBRARY.text, engine=find_engine()).run()


@pytest.fixture(scope="module")
def synthesis() -> Synthesis:
    return made(SMALL)


def mapped(synthesis: Synthesis, spec: GoCacheSpec = SMALL) -> MappedGoCache:
    netlist = synthesis.netlist
    return MappedGoCache(netlist, levelize(netlist, LIBRARY.cells), LIBRARY.cells, spec)


@pytest.mark.parametrize(
    "spec", [SMALL, GoCacheSpec(experts=2, kept=3, score_bits=4, tokens=40, signed=False)], ids=lambda spec: spec.name
)
def test_gates_follow_the_models(spec):
    assert verify_go_cache(mapped(made(spec), spec), seed=1, cycles=80) == 80 * 256


def test_the_best_by_counting():
    scores = np.array([[3, 1], [3, 0], [5, 1], [4, 2], [3, 0]])
    assert among_the_best(scores, kept=2).tolist() == [
        [True, True],
        [True, True],
        [True, True],
        [True, True],
        [False] * 2,
    ]
    assert among_the_best(scores, kept=1)[:, 0].tolist() == [True, False, True, False, False]


def test_decoding(synthesis):
    cache = mapped(synthesis)
    values, chosen = decoding_values(cache, tokens=5, streams=3, rng=np.random.default_rng(2))
    assert [part.shape for part in values] == [(5 * 3 + 1, len(cache.graph.sources))] * 3
    assert 0 < chosen < 0.6


def test_wrong_gates_are_found(synthesis):
    netlist = synthesis.netlist
    other = {"sg13g2_nand2_1": "sg13g2_nor2_1", "sg13g2_nor2_1": "sg13g2_nand2_1"}
    candidates = [number for number, instance in enumerate(netlist.instances) if instance.cell in other]
    # Of all 122 one makes no difference: it matters for equal entries, and there are none.
    for number in np.random.default_rng(94).choice(candidates, 6, replace=False).tolist():
        instances = list(netlist.instances)
        instances[number] = dataclasses.replace(instances[number], cell=other[instances[number].cell])
        wrong = dataclasses.replace(synthesis.netlist, instances=tuple(instances))
        cache = MappedGoCache(wrong, levelize(wrong, LIBRARY.cells), LIBRARY.cells, SMALL)
        with pytest.raises(
            VerificationError, match=r"^Expected go_cache_e3_k2_3s_t16 to follow its cycle model, found"
        ):
            verify_go_cache(cache, seed=1, cycles=80)


def test_other_choices_are_found(synthesis, monkeypatch):
    monkeypatch.setattr("axhw.sim.go_cache.among_the_best", lambda scores, kept: among_the_best(scores, kept=kept + 1))
    message = (
        r"^Expected every expert of go_cache_e3_k2_3s_t16 to choose the 2 best of all tokens so far, found another"
    )
    with pytest.raises(VerificationError, match=message):
        verify_go_cache(mapped(synthesis), seed=1, cycles=60)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("level", ["rtl", "gates"])
def test_in_icarus(level, synthesis):
    used = sorted({instance.cell for instance in synthesis.netlist.instances})
    sources = {"design.v": synthesis.rtl_verilog}
    if level == "gates":
        sources = {"netlist.v": synthesis.netlist_verilog, "cells.v": cell_models(LIBRARY.cells, used)}
    check = cosimulate(SMALL, sources, level=level, simulator=find_simulator("icarus"), seed=5)
    assert (check.passed, check.first, check.vectors) == (True, None, 4096)
