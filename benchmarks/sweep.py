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
    before = os.getloadavg()[0]
    start = time.perf_counter()
    outcomes = [outcome for _, outcome in run_local(specs, setup, jobs=jobs)]
    wall = time.perf_counter() - start
    failed = [outcome for outcome in outcomes if outcome.failed]
    yosys = sum(json.loads(path.read_text())["seconds"] for path in (store.root / "synthesis").glob("*/about.json"))
    print(f"designs            {len(outcomes)} ({len(failed)} failed), {setup.engine}, {jobs} processes")
    print(f"load before        {before:.2f} (others on this machine; {processors()} processors)")
    print(f"wall time          {wall:.1f} s")
    print(f"designs per second {len(outcomes) / wall:.2f}")
    print()
    _table(outcomes, wall * jobs, yosys)


def _table(outcomes: list[Outcome], total: float, yosys: float) -> None:
    """Seconds of all processes together; what is left is their start, and the end when one waits for the other."""
    sums = {stage: sum(outcome.seconds.get(stage, 0.0) for outcome in outcomes) for stage in (*STAGES, "synthesise")}
    rows = {
        "Yosys": yosys,
        "keep its result": sums.pop("synthesise") - yosys,
        **sums,
    }
    rows["start, wait"] = total - sum(rows.values())
    print(f"{'stage':18} {'s':>8} {'ms/design':>10} {'share':>8}")
    for name, seconds in rows.items():
        print(f"{name:18} {seconds:8.1f} {1000 * seconds / len(outcomes):10.1f} {seconds / total:8.1%}")
    print(f"{'beyond Yosys':18} {total - yosys:8.1f} {1000 * (total - yosys) / len(outcomes):10.1f}", end=" ")
    print(f"{1 - yosys / total:8.1%} of all, {total / yosys - 1:.1%} of Yosys' own time")


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
