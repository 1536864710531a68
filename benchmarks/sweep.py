"""Sweeping 200 designs on all processors: designs per second, seconds by stage, and listing a store of 5,000.

Usage: python -m benchmarks.sweep [DESIGNS [ENGINE]]
"""

from __future__ import annotations

import copy
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from axhw.hdl.grid import expand_all
from axhw.index import Index
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.sweep.local import processors, run_local
from axhw.sweep.task import Outcome, Setup

GRIDS = (
    "bam:ha=0..3,hb=0..3,v=0..5",
    "roup:p=0..3,r=0..8",
    "roup:p=0..3,r=1..8,rule=absolute|symmetric",
    "drum:k=4..7",
)
STAGES = ("setup", "elaborate", "prove", "cost", "store")
LISTED = 5_000


def main() -> None:
    """Print the figures of one sweep into an empty store, and of listing."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    engine = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        _sweep(store, count, engine)
        print()
        _listing(store, Store(Path(folder) / "many"))


def _sweep(store: Store, count: int, engine: str | None) -> None:
    specs = expand_all(GRIDS).specs[:count]
    jobs = min(processors(), len(specs))
    threads = max(1, processors() // jobs)
    setup = Setup.of(library="sg13g2", engine=engine, store=store, conditions=Conditions(), threads=threads)
    load, before = os.getloadavg()[0], os.times()
    start = time.perf_counter()
    outcomes = [outcome for _, outcome in run_local(specs, setup, jobs=jobs)]
    wall, after = time.perf_counter() - start, os.times()
    failed = [outcome for outcome in outcomes if outcome.failed]
    yosys = sum(json.loads(path.read_text())["seconds"] for path in (store.root / "synthesis").glob("*/synthesis.json"))
    print(f"designs            {len(outcomes)} ({len(failed)} failed), {setup.engine}, {jobs} processes")
    print(f"load before        {load:.2f} (others on this machine; {processors()} processors)")
    print(f"wall time          {wall:.1f} s")
    print(f"designs per second {len(outcomes) / wall:.2f}")
    print()
    spent = sum(after[2:4]) - sum(before[2:4])
    _table(outcomes, wall=wall * jobs, wall_of_yosys=yosys, processor=spent)


def _table(outcomes: list[Outcome], *, wall: float, wall_of_yosys: float, processor: float) -> None:
    """Seconds of all processes together, on the wall and of processors.

    What is left is their start, and the end when one waits for the other. Processor time is what counts while others
    use the machine.
    """
    stages = (*STAGES, "synthesise")
    walls = {stage: sum(outcome.seconds.get(stage, 0.0) for outcome in outcomes) for stage in stages}
    spent = {stage: [outcome.processor_seconds.get(stage, (0.0, 0.0)) for outcome in outcomes] for stage in stages}
    own = {stage: sum(mine for mine, _ in parts) for stage, parts in spent.items()}
    children = sum(theirs for parts in spent.values() for _, theirs in parts)
    rows = {
        "Yosys": (wall_of_yosys, children),
        "keep its result": (walls.pop("synthesise") - wall_of_yosys, own.pop("synthesise")),
        **{stage: (walls[stage], own[stage]) for stage in STAGES},
    }
    rows["start, wait"] = (
        wall - sum(row[0] for row in rows.values()),
        processor - sum(row[1] for row in rows.values()),
    )
    print(f"{'':18} {'wall time':>18} {'processor time':>22}")
    print(f"{'stage':18} {'ms/design':>10} {'share':>7} {'ms/design':>14} {'share':>7}")
    for name, (on_wall, of_processor) in rows.items():
        print(f"{name:18} {_row(on_wall, wall, outcomes)}     {_row(of_processor, processor, outcomes)}")
    print(f"{'beyond Yosys':18} {_row(wall - wall_of_yosys, wall, outcomes)}", end="     ")
    print(_row(processor - children, processor, outcomes))
    print(f"{'of Yosys alone':18} {wall / wall_of_yosys - 1:18.1%} {processor / children - 1:22.1%}")


def _row(seconds: float, total: float, outcomes: list[Outcome]) -> str:
    return f"{1000 * seconds / len(outcomes):10.1f} {seconds / total:7.1%}"


def _listing(source: Store, store: Store) -> None:
    """Copies of the documents under other keys: the index built, used, and done without."""
    documents = [dict(entry.document) for entry in source.designs()]
    for number in range(LISTED):
        store.put(f"{number:064x}", copy.deepcopy(documents[number % len(documents)]), {})
    index = Index(store)
    name = DesignRecord.from_entry(next(store.designs())).name
    measured: tuple[tuple[str, Callable[[], object]], ...] = (
        ("list, index missing", index.summaries),
        ("list", index.summaries),
        ("find by name", lambda: index.find(name)),
        ("list, no index", lambda: [DesignRecord.from_entry(entry).summary() for entry in store.designs()]),
        ("find, no index", lambda: store.find(name)),
    )
    print(f"{f'{LISTED:,} designs':20} {'s':>8}")
    for what, run in measured:
        start = time.perf_counter()
        run()
        print(f"{what:20} {time.perf_counter() - start:8.3f}")


if __name__ == "__main__":
    main()
