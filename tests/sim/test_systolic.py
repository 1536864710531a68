"""Systolic arrays at gate level: every PE, matrix products, streams, workloads, and mistakes that must be found."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import VerificationError
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.pe.tiling import Tiling, matmul, skewed
from axhw.hdl.registry import parse
from axhw.sim.array_workload import workload_values
from axhw.sim.clocked import run_clocked
from axhw.sim.cosimulation import cosimulate
from axhw.sim.operands import uniform
from axhw.sim.simulators import find_simulator
from axhw.sim.systolic import (
    MappedArray,
    array_inputs,
    array_stream,
    extract_array_table,
    settling_cycles,
    verify_array,
    verify_products,
)
from axhw.synth.engines import find_engine
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.libraries import DEFAULT, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob, to_rtlil

LIBRARY = load_library(DEFAULT)
SMALL = ("exact:width=4", "roup:width=4,p=1,r=2", "kulkarni:width=4,signed=false", "truncated:width=5,signed=false,k=4")


@pytest.fixture(scope="module")
def synthesised() -> Callable[..., tuple[SystolicSpec, Synthesis]]:
    """An array and its synthesis, made once."""

    @functools.cache
    def make(text: str, rows: int = 2, columns: int = 2, terms: int = 64) -> tuple[SystolicSpec, Synthesis]:
        spec = SystolicSpec(multiplier=parse(text), rows=rows, columns=columns, terms=terms)
        rtlil = to_rtlil(spec.component(), name=spec.name)
        return spec, SynthesisJob(name=spec.name, rtlil=rtlil, liberty=LIBRARY.text, engine=find_engine()).run()

    return make


def mapped(spec: SystolicSpec, synthesis: Synthesis) -> MappedArray:
    netlist = synthesis.netlist
    return MappedArray(netlist, levelize(netlist, LIBRARY.cells), LIBRARY.cells, spec)


@pytest.mark.parametrize("text", [*SMALL, "truncated:width=5,signed=false,k=4,correction=constant"])
@pytest.mark.parametrize(("rows", "columns", "terms"), [(2, 2, 64), (1, 3, 1), (3, 1, 4)])
def test_small_arrays(text, rows, columns, terms, synthesised):
    spec, synthesis = synthesised(text, rows, columns, terms)
    array = mapped(spec, synthesis)
    assert verify_array(array, seed=1, cycles=64).cycles == 64 * 256
    table = extract_array_table(array)
    codes = spec.multiplier.operand_codes()
    np.testing.assert_array_equal(table.values, spec.multiplier.reference(codes[:, None], codes))
    assert table.netlist_sha256 == synthesis.netlist.sha256
    assert verify_products(array, seed=2, table=table).tiles > 3
    assert verify_products(array, seed=3, table=None).tiles > 3


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (4, 4)])
def test_8_bit_arrays(rows, columns, synthesised):
    spec, synthesis = synthesised("roup:p=2,r=3", rows, columns)
    array = mapped(spec, synthesis)
    verify_array(array, seed=1, cycles=12)
    table = extract_array_table(array)
    rng = np.random.default_rng(51)
    a, w = rng.integers(-128, 127, (5, 6)), rng.integers(-128, 127, (6, 5))
    product, _ = matmul(spec, a, w, run=array.run)
    np.testing.assert_array_equal(product, table.product(a[:, :, None], w).sum(axis=1))


def test_every_wrong_gate_is_found(synthesised):
    spec, synthesis = synthesised("exact:width=4")
    netlist = synthesis.netlist
    other = {"sg13g2_nand2_1": "sg13g2_nor2_1", "sg13g2_nor2_1": "sg13g2_nand2_1"}
    candidates = [number for number, instance in enumerate(netlist.instances) if instance.cell in other]
    chosen = np.random.default_rng(52).choice(candidates, 12, replace=False)
    for number in chosen.tolist():
        instances = list(netlist.instances)
        instances[number] = dataclasses.replace(instances[number], cell=other[instances[number].cell])
        wrong = dataclasses.replace(netlist, instances=tuple(instances))
        array = MappedArray(wrong, levelize(wrong, LIBRARY.cells), LIBRARY.cells, spec)
        with pytest.raises(VerificationError, match=r"^Expected exact4s_sa2x2 to follow its cycle model, found"):
            verify_array(array, seed=1, cycles=48)


@pytest.mark.parametrize("check", [extract_array_table, functools.partial(verify_products, seed=1, table=None)])
def test_another_multiplier_is_found(check, synthesised):
    exact, _ = synthesised("exact:width=4")
    _, synthesis = synthesised("roup:width=4,p=1,r=2")
    with pytest.raises(VerificationError, match=r"^Expected (every PE of )?exact4s_sa2x2 to "):
        check(mapped(exact, synthesis))


def test_streams_wrap_reload_and_reset():
    spec = SystolicSpec(multiplier=parse("exact:width=4"), rows=2, columns=3, terms=2)
    stream = array_stream(spec, cycles=400, rng=np.random.default_rng(53))
    start = settling_cycles(spec)
    assert all(not checked[:start].any() and checked[start:].all() for checked in stream.checked.values())
    behind = {port: stream.inputs[port][start:] for port in ("load", "rst", "valid_i")}
    assert all(0 < int(bits.sum()) < len(bits) for bits in behind.values())
    # Two products are at most 128 in size, so a larger step between a sum and where it started is a wrap.
    step = np.abs(stream.outputs["s_o__0"][spec.rows :] - stream.inputs["s_i__0"][: -spec.rows])
    assert (step > 128).any()


def test_a_workload_is_a_part_of_its_product(synthesised):
    spec, synthesis = synthesised("exact:width=4", terms=8)
    array = mapped(spec, synthesis)
    stream = uniform(spec.multiplier, pairs=513, seed=54)
    values, description = workload_values(array, stream)
    assert description == ("1 matrix products [64, 8] x [8, 2] of 513 uniform pairs, seed 54, 64 vectors a weight tile")
    assert [part.shape for part in values] == [(65, len(array.graph.sources))] * 4
    tiling = Tiling(spec=spec, m=64, k=8, n=2)
    ports = skewed(spec, tiling.fill(stream.a[:512].reshape(64, 8), stream.b[:16].reshape(8, 2)))
    a, w, s_i = (values[..., None] for values in (ports.a, ports.w, ports.s_i))
    valid, load = ports.valid[:, None], ports.load[:, None]
    inputs = array_inputs(spec, a=a, w=w, s_i=s_i, valid=valid, load=load, reset=0 * load)
    whole = run_clocked(array.netlist, array.graph, array.library, inputs).source_values(0)
    for tile in range(1, 4):
        np.testing.assert_array_equal(values[tile], whole[64 * tile - 1 : 64 * tile + 64])


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
@pytest.mark.parametrize("level", ["rtl", "gates"])
def test_in_icarus(level, synthesised):
    spec, synthesis = synthesised("kulkarni:width=4,signed=false")
    used = sorted({instance.cell for instance in synthesis.netlist.instances})
    sources = {"design.v": synthesis.rtl_verilog}
    if level == "gates":
        sources = {"netlist.v": synthesis.netlist_verilog, "cells.v": cell_models(LIBRARY.cells, used)}
    check = cosimulate(spec, sources, level=level, simulator=find_simulator("icarus"))
    assert check.passed, check.first
    assert check.vectors > 2048
