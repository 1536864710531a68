"""From a spec to a verified, costed record: synthesise, extract and prove the table, measure, store."""

from __future__ import annotations

import datetime
import functools
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from axhw import __version__
from axhw.breakdown import breakdown_job, measure_breakdown
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.families.table import TableSpec
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.registry import DesignSpec, describe
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import Conditions, area_um2, measure_cost
from axhw.proof import ENUMERATED_WIDTH, prove, prove_table
from axhw.record import DesignRecord, Provenance, document_of
from axhw.sim.product_table import ProductTable
from axhw.store import Store
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import Synthesis, SynthesisJob

Stage = Callable[[str], None]


def characterize(
    spec: DesignSpec,
    *,
    flow: Flow | None = None,
    mapping: Synthesis | None = None,
    imported: Mapping[str, Any] | None = None,
    threads: int | None = None,
    stage: Stage = lambda name: None,
) -> DesignRecord:
    """The record of a design, from the store or made and stored.

    Parameters
    ----------
    spec : MultiplierSpec or ProcessingElementSpec
    flow : Flow, optional
        The embedded library, the best Yosys installed and the user's store by default.
    mapping : Synthesis, optional
        The same design as cells of the library, such as an imported netlist came with: taken where it is smaller than
        what synthesis makes of the spec. It is verified and measured like the other; its RTL is that of the spec.
    imported : mapping, optional
        Where an imported design comes from, for its provenance.
    threads : int, optional
        Of the timed simulation; by default one per processor.
    stage : callable, optional
        Called with the name of each stage as it begins.

    Raises
    ------
    AxhwError
        If the design cannot be synthesised or measured.
    VerificationError
        If the mapped netlist is not what the golden model says.
    """
    if isinstance(spec, (MixedSystolicSpec, ConfigurableMacSpec)):
        raise AxhwError(
            f"Expected a design of one multiplier, found {spec.name}: axhw.mixed measures those of several."
        )
    if isinstance(spec, TableSpec):
        return _tabulated(spec, store=Store.default() if flow is None else flow.store, imported=imported, stage=stage)
    flow = Flow.of() if flow is None else flow
    library, store, conditions = flow.library, flow.store, flow.conditions
    flow.check(spec, clocked=not isinstance(spec, MultiplierSpec))
    stage("elaborate")
    job = flow.job(spec)
    if mapping is not None and area_um2(mapping.netlist, library.cells) >= area_um2(
        store.synthesise(job).netlist, library.cells
    ):
        mapping = None
    key = _key(spec, job, conditions, mapping)
    if (entry := store.sound(key)) is not None:
        return DesignRecord.from_entry(entry)
    stage("synthesise")
    synthesis = store.synthesise(job)
    if mapping is not None:
        synthesis = replace(mapping, rtl_verilog=synthesis.rtl_verilog)
    stage("prove")
    graph = levelize(synthesis.netlist, library.cells)
    proof = prove(
        spec,
        synthesis,
        graph,
        library=library.cells,
        engine=flow.engine,
        seed=conditions.seed,
        all_pairs=conditions.all_pairs,
        wce_time_limit_s=conditions.wce_time_limit_s,
        threads=threads,
    )
    stage("cost")
    cost = measure_cost(spec, synthesis, library=library.cells, conditions=conditions, graph=graph, threads=threads)
    breakdown = None
    if not isinstance(spec, MultiplierSpec):
        stage("shares")
        breakdown = measure_breakdown(
            spec,
            store.synthesise(breakdown_job(job)),
            cost=cost,
            library=library.cells,
            conditions=conditions,
            threads=threads,
        )
    stage("store")
    document = document_of(
        spec,
        proof=proof,
        cost=cost,
        breakdown=breakdown,
        provenance=_provenance(None if imported is None else {**imported, "own_cells": mapping is not None}),
    )
    files = circuit_files(synthesis, library.cells)
    if proof.table is not None:
        files["lut.npy"] = npy_bytes(proof.table)
    return DesignRecord.from_entry(store.put(key, document, files))


def _tabulated(spec: TableSpec, *, store: Store, imported: Mapping[str, Any] | None, stage: Stage) -> DesignRecord:
    """The record of a table: errors and rank, but no circuit and so no cost."""
    key = _digest(describe(spec), code_digest())
    if (entry := store.sound(key)) is not None:
        return DesignRecord.from_entry(entry)
    stage("prove")
    proof = prove_table(spec)
    stage("store")
    document = document_of(spec, proof=proof, cost=None, breakdown=None, provenance=_provenance(imported))
    files = {} if proof.table is None else {"lut.npy": npy_bytes(proof.table)}
    return DesignRecord.from_entry(store.put(key, document, files))


def _provenance(imported: Mapping[str, Any] | None) -> Provenance:
    return Provenance(
        axhw_version=__version__,
        code_sha256=code_digest(),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        imported=imported,
    )


def circuit_files(synthesis: Synthesis, library: CellLibrary) -> dict[str, bytes]:
    """The files of a circuit: its RTL, its netlist and models of the cells in it."""
    used = sorted({instance.cell for instance in synthesis.netlist.instances})
    return {
        "design.v": synthesis.rtl_verilog.encode(),
        "netlist.v": synthesis.netlist_verilog.encode(),
        "netlist.json": synthesis.netlist_json.encode(),
        "cells.v": cell_models(library, used).encode(),
    }


def npy_bytes(table: ProductTable) -> bytes:
    """The values of a table as an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, table.values, allow_pickle=False)
    return buffer.getvalue()


@functools.cache
def code_digest() -> str:
    """Digest of the source that makes and measures circuits: changed code makes new records, never mixed ones."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    rooms = (sorted((package / room).rglob("*.py")) for room in ("hdl", "synth", "sim"))
    core = (package / name for name in ("breakdown.py", "characterize.py", "flow.py", "measure.py", "proof.py"))
    for path in itertools.chain(*rooms, core):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(spec: DesignSpec, job: SynthesisJob, conditions: Conditions, mapping: Synthesis | None) -> str:
    given = () if mapping is None else (mapping.netlist.sha256,)
    multiplier = spec if isinstance(spec, MultiplierSpec) else spec.multiplier
    if multiplier.width <= ENUMERATED_WIDTH:
        # Errors are exact anyway.
        conditions = replace(conditions, all_pairs=False, wce_time_limit_s=0.0)
    return _digest(describe(spec), job.key, asdict(conditions), code_digest(), *given)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
