"""From a spec to a verified, costed record: synthesise, extract and prove the table, measure, store."""

from __future__ import annotations

import datetime
import functools
import hashlib
import io
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from axhw import __version__
from axhw.breakdown import breakdown_job, measure_breakdown
from axhw.hdl.registry import DesignSpec, describe
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import Conditions, measure_cost
from axhw.proof import prove
from axhw.record import DesignRecord, Provenance, document_of
from axhw.sim.product_table import ProductTable
from axhw.store import Store
from axhw.synth.engines import Engine, find_engine
from axhw.synth.liberty.mapping import check_flip_flops
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.libraries import DEFAULT, LibrarySource, load_library
from axhw.synth.netlist import levelize
from axhw.synth.synthesis import SynthesisJob, to_rtlil

Stage = Callable[[str], None]


def characterize(
    spec: DesignSpec,
    *,
    library: LibrarySource | None = None,
    engine: Engine | None = None,
    store: Store | None = None,
    conditions: Conditions | None = None,
    threads: int | None = None,
    stage: Stage = lambda name: None,
) -> DesignRecord:
    """The record of a design, from the store or made and stored.

    Parameters
    ----------
    spec : MultiplierSpec or ProcessingElementSpec
    library : LibrarySource, optional
        The embedded one by default.
    engine : Engine, optional
        The best Yosys installed by default.
    store : Store, optional
        The user's by default.
    conditions : Conditions, optional
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
    library = load_library(DEFAULT) if library is None else library
    engine = find_engine() if engine is None else engine
    store = Store.default() if store is None else store
    conditions = Conditions() if conditions is None else conditions

    # What a library lacks is said before any work.
    library.cells.wire_loads.find(conditions.wire_load, area_um2=0.0)
    if not isinstance(spec, MultiplierSpec):
        check_flip_flops(library.cells, spec.name)
    stage("elaborate")
    job = SynthesisJob(
        name=spec.name, rtlil=to_rtlil(spec.component(), name=spec.name), liberty=library.text, engine=engine
    )
    key = _key(spec, job, conditions)
    if (entry := store.get(key)) is not None:
        return DesignRecord.from_entry(entry)
    stage("synthesise")
    synthesis = store.synthesise(job)
    stage("prove")
    graph = levelize(synthesis.netlist, library.cells)
    proof = prove(spec, synthesis, graph, library=library.cells, engine=engine, seed=conditions.seed)
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
        provenance=Provenance(
            axhw_version=__version__,
            code_sha256=code_digest(),
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        ),
    )
    used = sorted({instance.cell for instance in synthesis.netlist.instances})
    files = {
        "design.v": synthesis.rtl_verilog.encode(),
        "netlist.v": synthesis.netlist_verilog.encode(),
        "netlist.json": synthesis.netlist_json.encode(),
        "cells.v": cell_models(library.cells, used).encode(),
    }
    if proof.table is not None:
        files["lut.npy"] = _npy(proof.table)
    return DesignRecord.from_entry(store.put(key, document, files))


def _npy(table: ProductTable) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, table.values, allow_pickle=False)
    return buffer.getvalue()


@functools.cache
def code_digest() -> str:
    """Digest of the source that makes and measures circuits: changed code makes new records, never mixed ones."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    rooms = (sorted((package / room).rglob("*.py")) for room in ("hdl", "synth", "sim"))
    core = (package / name for name in ("breakdown.py", "characterize.py", "measure.py", "proof.py"))
    for path in itertools.chain(*rooms, core):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(spec: DesignSpec, job: SynthesisJob, conditions: Conditions) -> str:
    body = json.dumps([describe(spec), job.key, asdict(conditions), code_digest()], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()
