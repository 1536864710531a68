"""The index says what the design folders say, whatever happened to it."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axhw.errors import AxhwError
from axhw.hdl.registry import describe, parse
from axhw.index import Index
from axhw.record import DesignRecord
from axhw.store import Store

Filler = Callable[..., list[str]]

# Lists the store again and again, each time after a design has gone and with the index behind.
READER = """
import sys
from pathlib import Path
from axhw.index import Index
from axhw.store import Store

index = Index(Store(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    index.path.unlink(missing_ok=True)
    print(len(index.summaries()), flush=True)
"""

# Stops for ever inside the transaction that fills the index.
BLOCKED = """
import sys
from pathlib import Path
from axhw.index import Index
from axhw.record import DesignRecord
from axhw.store import Store

calls = 0
def from_entry(entry, real=DesignRecord.from_entry):
    global calls
    calls += 1
    if calls == 3:
        print("in transaction", flush=True)
        sys.stdin.read()
    return real(entry)
DesignRecord.from_entry = from_entry
Index(Store(Path(sys.argv[1]))).summaries()
"""


@pytest.fixture(scope="session")
def fill(characterized: Callable[..., DesignRecord]) -> Filler:
    """Put made-up designs into a store; their keys."""
    document = dict(characterized("exact:width=4").document)
    texts = [f"roup:p={p},r={r}" for p in range(5) for r in range(9)]

    def make(store: Store, count: int, first: int = 0) -> list[str]:
        keys = []
        for number in range(first, first + count):
            spec = parse(texts[number % len(texts)])
            made: dict[str, Any] = copy.deepcopy(document)
            made |= {"name": spec.name, "spec": describe(spec)}
            made["cost"]["energy_fj"] = 100.0 + number
            key = f"{number:09x}" + "0" * 55
            folder = store.put(key, made, {}).folder
            os.utime(folder, ns=(10**9 * number, 10**9 * number))
            keys.append(key)
        return keys

    return make


def scanned(store: Store) -> list[dict[str, Any]]:
    return [DesignRecord.from_entry(entry).summary() for entry in store.designs()]


def start(script: str, store: Store) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(store.root)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def indexed_keys(store: Store) -> list[str]:
    with contextlib.closing(sqlite3.connect(Index(store).path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        return [key for (key,) in connection.execute("SELECT key FROM designs ORDER BY stored")]


def test_an_empty_store_gets_no_files(tmp_path: Path) -> None:
    index = Index(Store(tmp_path / "store"))
    assert index.summaries() == []
    with pytest.raises(AxhwError, match="^Expected the name or key of a stored design, found 'exact8s'"):
        index.find("exact8s")
    assert not (tmp_path / "store").exists()


def test_the_index_says_what_the_folders_say(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    keys = fill(store, 50)
    assert Index(store).summaries() == scanned(store)
    assert [summary["key"] for summary in Index(store).summaries()] == keys == indexed_keys(store)


@pytest.mark.parametrize("written", [True, False])
def test_designs_of_a_name(tmp_path: Path, fill: Filler, written: bool) -> None:
    store = Store(tmp_path)
    # Names come again after 45.
    fill(store, 50)
    if not written:
        Index(store).path.mkdir()
    name = scanned(store)[2]["name"]
    expected = [summary for summary in scanned(store) if summary["name"] == name]
    assert len(expected) == 2
    assert Index(store).summaries(name=name) == expected
    assert Index(store).summaries(name="exact") == []


def test_a_current_index_reads_no_document(tmp_path: Path, fill: Filler, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    fill(store, 5)
    before = Index(store).summaries()
    monkeypatch.setattr(DesignRecord, "from_entry", None)
    assert Index(store).summaries() == before


def test_an_index_that_is_behind(tmp_path: Path, fill: Filler, seal: Callable[[Path], None]) -> None:
    store = Store(tmp_path)
    keys = fill(store, 5)
    Index(store).summaries()
    fill(store, 3, first=5)
    shutil.rmtree(store.root / "designs" / keys[0])
    changed = store.root / "designs" / keys[1] / "design.json"
    changed.write_text(changed.read_text().replace('"energy_fj": 101.0', '"energy_fj": 4321.0'))
    seal(changed.parent)
    assert Index(store).summaries() == scanned(store)
    assert len(indexed_keys(store)) == 7
    assert Index(store).summaries()[0]["energy_fj"] == 4321.0
    shutil.rmtree(store.root / "designs")
    assert Index(store).summaries() == []


@pytest.mark.parametrize("content", [None, b"", b"no database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_missing_or_damaged_index(tmp_path: Path, fill: Filler, content: bytes | None) -> None:
    store = Store(tmp_path)
    keys = fill(store, 5)
    Index(store).summaries()
    Index(store).path.unlink()
    if content is not None:
        Index(store).path.write_bytes(content)
    assert Index(store).summaries() == scanned(store)
    assert indexed_keys(store) == keys


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=30),
       kept=st.floats(0.01, 1))  # fmt: skip
def test_no_damage_of_the_file_gives_a_wrong_figure(
    tmp_path: Path, fill: Filler, damage: list[tuple[float, int]], kept: float
) -> None:
    store = Store(tmp_path)
    if not (tmp_path / "designs").exists():
        fill(store, 30)
    expected = scanned(store)
    index = Index(store)
    assert index.summaries() == expected
    content = bytearray(index.path.read_bytes())
    for place, flip in damage:
        content[int(place * len(content))] ^= flip
    index.path.write_bytes(content[: int(kept * len(content))])
    assert index.summaries() == expected
    assert index.find(expected[3]["name"]).key == expected[3]["key"]


def test_an_index_of_another_version(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    keys = fill(store, 3)
    Index(store).summaries()
    with contextlib.closing(sqlite3.connect(Index(store).path)) as connection:
        connection.execute("UPDATE about SET made_by = 'axhw 0'")
        connection.execute("ALTER TABLE designs RENAME COLUMN summary TO figures")
        connection.commit()
    assert Index(store).summaries() == scanned(store)
    assert indexed_keys(store) == keys


def test_a_store_whose_index_cannot_be_written(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    keys = fill(store, 3)
    Index(store).path.mkdir()
    assert Index(store).summaries() == scanned(store)
    assert Index(store).find(keys[1]).key == keys[1]
    assert Index(store).path.is_dir()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_store(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    fill(store, 3)
    expected = Index(store).summaries()
    fill(store, 1, first=3)
    tmp_path.chmod(0o500)
    try:
        assert Index(store).summaries() == scanned(store) != expected
    finally:
        tmp_path.chmod(0o700)


def test_a_locked_index_is_done_without(tmp_path: Path, fill: Filler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axhw.index._BUSY_S", 0.01)
    store = Store(tmp_path)
    fill(store, 2)
    Index(store).summaries()
    fill(store, 1, first=2)
    with contextlib.closing(sqlite3.connect(Index(store).path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert Index(store).summaries() == scanned(store)
        connection.execute("ROLLBACK")
    assert len(Index(store).summaries()) == len(indexed_keys(store)) == 3


def test_find(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    keys = fill(store, 50)
    for word in ("roup8s_p0_r0", "roup8s_p2_r3", keys[7], keys[7][:12]):
        assert Index(store).find(word) == store.find(word)
    assert Index(store).find("roup8s_p0_r0").key == keys[45], "the newest of its name"
    for word in ("roup", "", "%", "00000000", "deadbeef", "0000"):
        for find in (store.find, Index(store).find):
            with pytest.raises(AxhwError, match=r"^Expected the name or key|^Expected a key that only one") as error:
                find(word)
            assert repr(word) in str(error.value) or word in str(error.value)


@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_design_is_left_out_and_named(tmp_path: Path, fill: Filler, indexed: bool) -> None:
    store = Store(tmp_path)
    keys = fill(store, 3)
    if not indexed:
        Index(store).path.mkdir()
    index = Index(store)
    good = index.find(keys[0])
    path = store.root / "designs" / keys[1] / "design.json"
    path.write_text("{")
    assert [summary["key"] for summary in index.summaries()] == [keys[0], keys[2]]
    (sentence,) = index.unreadable()
    assert sentence.startswith(f"Expected the file {path} of the store, found other bytes than SHA256SUMS tells")
    shutil.rmtree(path.parent)
    assert index.unreadable() == []
    assert index.find(keys[0]) == good


def test_two_readers_build_the_index_at_once(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    keys = fill(store, 20)
    readers = [start(READER, store) for _ in range(2)]
    for process in readers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in readers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in readers:
        stdout, _ = process.communicate()
        assert process.returncode == 0
        assert stdout.split() == ["20"] * 30
    assert Index(store).summaries() == scanned(store)
    assert indexed_keys(store) == keys


def test_a_reader_killed_while_it_fills_the_index(tmp_path: Path, fill: Filler) -> None:
    store = Store(tmp_path)
    fill(store, 2)
    before = Index(store).summaries()
    keys = fill(store, 8, first=2)
    with start(BLOCKED, store) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in transaction\n"
        with contextlib.closing(sqlite3.connect(Index(store).path)) as connection:
            rows = connection.execute("SELECT summary FROM designs ORDER BY stored").fetchall()
        assert [json.loads(summary) for (summary,) in rows] == before, "nothing of an unfinished change is seen"
        process.kill()
    assert Index(store).summaries() == scanned(store)
    assert indexed_keys(store)[2:] == keys
    assert list(itertools.islice(Index(store).summaries(), 2)) == before
