"""Making the library anew: every design of the plan, from searches on, resumable.

    python -m axhw.library FOLDER

FOLDER keeps the checkpoints and the store; the archive is written at the end. With the same versions of axhw, Yosys
and the embedded cell library it comes out the same, whatever the machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from axhw import __version__
from axhw.characterize import characterize
from axhw.evolve import checkpoint
from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.limits import Limits
from axhw.evolve.problem import Problem
from axhw.evolve.search import Progress, Search, Settings
from axhw.evolve.seeds import seed_circuit
from axhw.evolve.winners import label_of
from axhw.flow import Flow
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import simplified
from axhw.hdl.grid import expand_all
from axhw.hdl.registry import DesignSpec, parse
from axhw.library.plan import GRIDS, RUNS, Run, ladder
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.sweep.local import processors, run_local
from axhw.sweep.task import Setup
from axhw.synth.libraries import DEFAULT

EVALUATIONS = 4_000_000
"""Of every search."""

Report = Callable[[int, int, str], None]

_SAVE_EVERY = 100


def build(folder: Path, *, evaluations: int = EVALUATIONS, report: Report) -> list[DesignRecord]:
    """The records of all designs of the plan.

    Parameters
    ----------
    folder : Path
        Of checkpoints and of the store; what is there already is not made again.
    evaluations : int
        Of every search.
    report : callable
        Told what is going on.

    Raises
    ------
    AxhwError
        If a design cannot be made.
    """
    store = Store(folder / "store")
    specs: list[DesignSpec] = []
    for signed, grids in GRIDS.items():
        specs += expand_all(grids).specs
        for run in (run for run in RUNS if run.signed == signed):
            specs += search(run, folder / "searches" / run.name, store=store, evaluations=evaluations, report=report)
    return _made(specs, store, report)


def search(run: Run, folder: Path, *, store: Store, evaluations: int, report: Report) -> list[NetlistSpec]:
    """The circuits of a search, taken up where its checkpoint is."""
    flow = Flow.of(store=store)
    library = flow.library
    begin = characterize(parse(run.seed_design), flow=flow)
    limits = Limits(width=begin.multiplier.width, metric=run.metric, ladder=ladder(run.metric))
    problem = Problem(
        width=limits.width,
        signed=run.signed,
        costs=GateCosts.of(library.cells),
        objective=run.objective,
        metrics=limits.limited,
    )
    # One island for each run: they are independent, and there are more of them than processors.
    settings = Settings(islands=2, seed=run.seed)
    state = Search(problem, limits, seed_circuit(begin, library.cells), settings)
    question = {"version": __version__, "run": asdict(run), **asdict(settings)}
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / checkpoint.FILE).exists():
        checkpoint.restore(state, question, folder)
    chunks = 0

    def look(progress: Progress) -> None:
        nonlocal chunks
        chunks += 1
        report(min(progress.evaluations, evaluations), evaluations, f"search {run.name}")
        if chunks % _SAVE_EVERY == 0:
            checkpoint.save(state, question, folder)

    try:
        state.run(evaluations=evaluations, threads=processors(), report=look)
    finally:
        checkpoint.save(state, question, folder)
    result = {}
    for found in state.found():
        circuit = simplified(found.circuit)
        label = label_of(found, circuit.sha256, limits=limits, signed=run.signed)
        result[circuit.sha256] = NetlistSpec.from_circuit(circuit, signed=run.signed, label=label)
    return list(result.values())


def _made(specs: list[DesignSpec], store: Store, report: Report) -> list[DesignRecord]:
    """Their records, in their order; what fails is told and left out."""
    setup = Setup.of(library=DEFAULT, engine=None, store=store, conditions=Conditions(), threads=1)
    keys: dict[int, str] = {}
    with contextlib.closing(run_local(specs, setup, jobs=processors())) as finished:
        for number, (place, outcome) in enumerate(finished, start=1):
            what = outcome.error if outcome.summary is None else outcome.state
            report(number, len(specs), f"{outcome.name}: {what}")
            if outcome.summary is not None:
                keys[place] = outcome.summary["key"]
    entries = (store.get(keys[place]) for place in sorted(keys))
    return [DesignRecord.from_entry(entry) for entry in entries if entry is not None]
