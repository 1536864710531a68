"""Multipliers mapped to the embedded library."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from axhw.hdl.registry import parse
from axhw.hdl.spec import MultiplierSpec
from axhw.synth.engines import find_engine
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A synthesised multiplier."""

    spec: MultiplierSpec
    synthesis: Synthesis
    netlist: Netlist
    graph: GateGraph


@pytest.fixture(scope="session")
def mapped() -> Callable[[str], Mapped]:
    """The mapped design of a spec as on the command line, synthesised once."""
    library = load_library(DEFAULT)

    @functools.cache
    def make(text: str) -> Mapped:
        spec = parse(text)
        synthesis = SynthesisJob(
            name=spec.name,
            rtlil=to_rtlil(spec.component(), name=spec.name),
            liberty=library.text,
            engine=find_engine(),
        ).run()
        netlist = synthesis.netlist
        return Mapped(spec=spec, synthesis=synthesis, netlist=netlist, graph=levelize(netlist, library.cells))

    return make
