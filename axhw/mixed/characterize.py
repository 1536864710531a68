"""From a spec with several multipliers to its record: synthesise, prove every way, measure it, store."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from axhw import __version__
from axhw.breakdown import ApartElement, Breakdown, breakdown_job
from axhw.characterize import circuit_files, code_digest, npy_bytes
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.mixed import MixedSpec, describe_mixed, ways
from axhw.hdl.pe.configurable_mac import ConfigurableMacSpec
from axhw.hdl.pe.mixed import MixedSystolicSpec
from axhw.hdl.spec import IntegerArray
from axhw.measure import measure_cost
from axhw.mixed.record import MixedRecord, Way, document_of
from axhw.proof import Proof, tabulated
from axhw.record import Provenance
from axhw.sim.configurable import extract_mode_tables
from axhw.sim.element import extract_element_table, verify_element
from axhw.sim.product_table import MAX_TABLE_WIDTH
from axhw.sim.systolic import MappedArray, extract_column_tables, verify_array, verify_products
from axhw.store import MIXED
from axhw.synth.cost import Cost
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, levelize
from axhw.synth.synthesis import Synthesis

# Of a random sequence of two modes; a pipeline of three registers has settled in a mode for most of the time.
_CHANGES = 0.25


def characterize_mixed(
    spec: MixedSpec,
    *,
    flow: Flow | None = None,
    threads: int | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> MixedRecord:
    """The record of a design with several multipliers, from the store or made and stored.

    Parameters
    ----------
    spec : ConfigurableRoupSpec, ConfigurableMacSpec or MixedSystolicSpec
        Operands of at most 10 bits: every way is proved by its product table.
    flow, threads, stage
        As those of `axhw.characterize.characterize`.

    Raises
    ------
    AxhwError
        If the design cannot be synthesised or measured, or its operands are too wide.
    VerificationError
        If the mapped netlist is not what the golden model says.
    """
    width = spec.multiplier.width
    if width > MAX_TABLE_WIDTH:
        raise AxhwError(
            f"Expected operands of at most {MAX_TABLE_WIDTH} bits for a design with several multipliers, each of which "
            f"is proved by its product table, found {width} in {spec.name}."
        )
    flow = Flow.of() if flow is None else flow
    library, store, conditions = flow.library, flow.store, flow.conditions
    flow.check(spec, clocked=not isinstance(spec, ConfigurableRoupSpec))
    stage("elaborate")
    job = flow.job(spec)
    code = _code_digest()
    key = _digest(describe_mixed(spec), job.key, dataclasses.asdict(conditions), code)
    if (entry := store.sound(key, room=MIXED)) is not None:
        return MixedRecord.from_entry(entry)
    stage("synthesise")
    synthesis = store.synthesise(job)
    graph = levelize(synthesis.netlist, library.cells)
    stage("prove")
    proofs = _prove(spec, synthesis, graph, library=library.cells, seed=conditions.seed)
    stage("cost")

    def measured(modes: IntegerArray | None) -> Cost:
        return measure_cost(
            spec, synthesis, library=library.cells, conditions=conditions, modes=modes, graph=graph, threads=threads
        )

    pairs = conditions.pairs + 1
    held = [np.full(pairs, mode) for mode in range(len(ways(spec)))]
    costs = (measured(None),) if isinstance(spec, MixedSystolicSpec) else tuple(map(measured, held))
    change_fj: tuple[tuple[float, ...], ...] = ()
    if not isinstance(spec, MixedSystolicSpec):
        stage("changes")
        change_fj = _changes(costs, pairs=pairs, seed=conditions.seed, measured=measured)
    breakdowns: tuple[Breakdown, ...] = ()
    if isinstance(spec, ConfigurableRoupSpec):
        energies = [(cost.energy_fj, cost.energy_fj) for cost in costs]
    else:
        stage("shares")
        apart = ApartElement.of(
            spec,
            store.synthesise(breakdown_job(job)),
            wire_load=costs[0].wire_load,
            library=library.cells,
            conditions=conditions,
        )
        breakdowns, energies = _shares(spec, apart, costs, held, threads=threads)
    stage("store")
    found = tuple(_way(proof, *energy) for proof, energy in zip(proofs, energies))
    document = document_of(
        spec,
        ways=found,
        costs=costs,
        breakdowns=breakdowns,
        change_fj=change_fj,
        netlist_sha256=synthesis.netlist.sha256,
        provenance=Provenance(
            axhw_version=__version__,
            code_sha256=code,
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        ),
    )
    tables = {f"lut_{number}.npy": npy_bytes(proof.table) for number, proof in enumerate(proofs) if proof.table}
    files = {**circuit_files(synthesis, library.cells), **tables}
    return MixedRecord.from_entry(store.put(key, document, files, room=MIXED))


def _prove(
    spec: MixedSpec, synthesis: Synthesis, graph: GateGraph, *, library: CellLibrary, seed: int
) -> tuple[Proof, ...]:
    """A proof for each way, all of one netlist."""
    netlist = synthesis.netlist
    if isinstance(spec, ConfigurableRoupSpec):
        tables, method = extract_mode_tables(netlist, graph, spec), "exhaustive in every mode"
    elif isinstance(spec, ConfigurableMacSpec):
        streams = verify_element(netlist, graph, library, spec, seed=seed)
        events = "stalls, resets, changes of the mode" + (" and overflow" if streams.overflow else "")
        modes = range(len(spec.modes))
        tables = tuple(extract_element_table(netlist, graph, library, spec, mode=mode) for mode in modes)
        method = f"exhaustive in every mode through the registers, and {streams.cycles} cycles with {events}"
    else:
        array = MappedArray(netlist, graph, library, spec)
        streams = verify_array(array, seed=seed)
        columns = extract_column_tables(array)
        verify_products(array, seed=seed, table=columns)
        tables = tuple(columns[spec.columns_of(multiplier)[0]] for multiplier in spec.types)
        method = (
            "exhaustive through every PE, matrix products as numpy with the columns' tables, and "
            f"{streams.cycles} cycles with bubbles, reloads, resets and overflow"
        )
    return tuple(
        tabulated(multiplier, synthesis, table, method=method) for multiplier, table in zip(ways(spec), tables)
    )


def _way(proof: Proof, energy_fj: float, multiplier_fj: float) -> Way:
    verification = proof.verification
    assert proof.rank is not None
    assert verification.table_sha256 is not None
    return Way(
        metrics=proof.metrics,
        rank=proof.rank,
        method=verification.method,
        pairs=verification.pairs,
        table_sha256=verification.table_sha256,
        energy_fj=energy_fj,
        multiplier_fj=multiplier_fj,
    )


def _changes(
    costs: tuple[Cost, ...], *, pairs: int, seed: int, measured: Callable[[IntegerArray], Cost]
) -> tuple[tuple[float, ...], ...]:
    """What a change between two modes costs beyond the products: energy of a sequence with changes less that of modes.

    The operands change with the mode, as they do when the next kernel begins.
    """
    change = np.zeros((len(costs), len(costs)))
    for first, second in itertools.combinations(range(len(costs)), 2):
        rng = np.random.default_rng([seed, first, second])
        side = np.cumsum(rng.random(pairs) < _CHANGES) % 2
        modes = np.where(side == 0, first, second)
        # Pair 0 is where the sequence starts; an operation is the step to the next pair.
        share = float((side[1:] == 1).mean())
        products = (1 - share) * costs[first].energy_fj + share * costs[second].energy_fj
        rate = float((np.diff(side) != 0).mean())
        change[first, second] = change[second, first] = (measured(modes).energy_fj - products) / rate
    return tuple(tuple(map(float, row)) for row in change)


def _shares(
    spec: ConfigurableMacSpec | MixedSystolicSpec,
    apart: ApartElement,
    costs: tuple[Cost, ...],
    held: list[IntegerArray],
    *,
    threads: int | None,
) -> tuple[tuple[Breakdown, ...], list[tuple[float, float]]]:
    """Parts of the element, and energy with the multiplier's own by way."""
    if isinstance(spec, ConfigurableMacSpec):
        reports = [apart.energy(modes=modes, threads=threads) for modes in held]
        parts = tuple(apart.breakdown(report, cost=cost) for report, cost in zip(reports, costs))
        return parts, [(cost.energy_fj, each.energy_fj["multiplier"]) for cost, each in zip(costs, parts)]
    energy = apart.energy(threads=threads)
    (cost,) = costs
    part = apart.breakdown(energy, cost=cost)
    around = sum(part.energy_fj.values()) - part.energy_fj["multiplier"]
    own = [apart.column_multiplier_fj(energy, columns=spec.columns_of(multiplier)) for multiplier in spec.types]
    return (part,), [(around + spent, spent) for spent in own]


def _code_digest() -> str:
    """Digest of the source that makes and measures these designs."""
    digest = hashlib.sha256(code_digest().encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
