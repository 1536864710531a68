"""Mapped netlists as gates: the products of the netlist, and the errors of its table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.registry import parse
from axhw.sim.gate_errors import exhaustive_errors
from axhw.sim.mapped_gates import gates_of_netlist
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import extract
from axhw.synth.engines import find_engine
from axhw.synth.libraries import load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import SynthesisJob, to_rtlil


@pytest.fixture(scope="module")
def mapped():
    library = load_library("sg13g2")

    def make(text):
        spec = parse(text)
        rtlil = to_rtlil(spec.component(), name=spec.name)
        netlist = SynthesisJob(name=spec.name, rtlil=rtlil, liberty=library.text, engine=find_engine()).run().netlist
        graph = levelize(netlist, library.cells)
        return spec, netlist, graph

    return make


@pytest.mark.parametrize("text", ["roup:p=1,r=4", "evoapprox:mul8s_1L2J", "drum:k=4,signed=no"])
def test_table_and_errors_are_those_of_the_netlist(text, mapped):
    spec, netlist, graph = mapped(text)
    table = extract(netlist, graph, spec)
    circuit = gates_of_netlist(netlist, graph, spec)
    codes = spec.operand_codes()
    gates = NetlistSpec.from_circuit(circuit, signed=spec.signed)
    assert np.array_equal(gates.reference(codes[:, None], codes), table.values)
    found, expected = (
        dataclasses.asdict(metrics)
        for metrics in (exhaustive_errors(circuit, signed=spec.signed), exact_metrics(table))
    )
    for name, value in expected.items():
        if value is None:
            continue
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_twelve_bits_have_the_errors_known_in_closed_form(mapped):
    spec, netlist, graph = mapped("roup:p=2,r=0,width=12")
    found = exhaustive_errors(gates_of_netlist(netlist, graph, spec), signed=True, relative=False)
    codes = spec.operand_codes()
    # Without the two lowest digits of b: the error is a times what they stand for.
    digits = (codes + 8) % 16 - 8
    assert found.mae == np.abs(codes).mean() * np.abs(digits).mean()
    assert found.wce == np.abs(codes).max() * np.abs(digits).max()
    assert found.pairs == 1 << 24
