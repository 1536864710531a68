from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from axhw import checksums
from axhw.errors import AxhwError
from axhw.store import ENVIRONMENT, Store, default_root
from axhw.synth.engines import Engine
from axhw.synth.synthesis import Synthesis, SynthesisJob

KEY = "0123456789abcdef" * 4
FILES = {"lut.npy": b"table" * 1000, "netlist.v": b"module"}

# Stops for ever in the n-th fsync, after telling that it got there.
BLOCKED = """
import os, sys
from pathlib import Path
from axhw.store import Store

calls = 0
def fsync(handle, real=os.fsync):
    global calls
    real(handle)
    calls += 1
    if calls == int(sys.argv[3]):
        print("in fsync", flush=True)
        sys.stdin.read()
os.fsync = fsync
Store(Path(sys.argv[1])).put(sys.argv[2], {"name": "killed"}, {"lut.npy": b"1" * 9999, "netlist.v": b"2"})
"""

# Puts designs under keys that the other writer uses too, starting with it.
WRITER = """
import sys
from pathlib import Path
from axhw.store import Store

store, writer = Store(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    store.put(f"{number:064d}", {"name": f"d{number}", "writer": writer}, {"who": writer.encode() * 50_000})
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_entry_holds_its_files_and_its_document(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.get(KEY) is None
    entry = store.put(KEY, {"name": "a", "rank": None}, FILES)
    assert (entry.key, entry.name, entry.folder) == (KEY, "a", tmp_path / "designs" / KEY)
    assert entry.document == {"name": "a", "rank": None}
    assert store.get(KEY) == entry
    written = contents(entry.folder)
    design = written.pop("design.json")
    assert json.loads(design) == entry.document
    assert written.pop("SHA256SUMS") == checksums.sums({**FILES, "design.json": design})
    assert written == FILES
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_second_put_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.put(KEY, {"name": "a"}, FILES).folder
    before, modified = contents(folder), folder.stat().st_mtime_ns
    entry = store.put(KEY, {"name": "b"}, {"lut.npy": b"other", "more": b""})
    assert entry.document == {"name": "a"}
    assert contents(folder) == before
    assert folder.stat().st_mtime_ns == modified
    assert list((tmp_path / "partial").iterdir()) == []


# Two files, the document, the digests and the draft's folder are flushed before the entry appears, its parent after it.
@pytest.mark.parametrize(("flush", "complete"), [(1, False), (2, False), (3, False), (4, False), (5, False), (6, True)])
def test_a_killed_writer_leaves_a_complete_entry_or_none(tmp_path: Path, flush: int, complete: bool) -> None:
    store = Store(tmp_path)
    with start(BLOCKED, str(tmp_path), KEY, str(flush)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in fsync\n"
        process.kill()
    assert (store.get(KEY) is not None) is complete
    assert [entry.name for entry in store.designs()] == ["killed"] * complete
    assert len(list((tmp_path / "partial").iterdir())) == (not complete)
    entry = store.put(KEY, {"name": "later"}, FILES)
    assert entry.name == "killed" if complete else "later"
    assert set(contents(entry.folder)) == {"lut.npy", "netlist.v", "design.json", "SHA256SUMS"}


def test_drafts_of_killed_writers_go_after_a_day(tmp_path: Path) -> None:
    old, young = tmp_path / "partial" / "old", tmp_path / "partial" / "young"
    for draft in (old, young):
        draft.mkdir(parents=True)
        (draft / "lut.npy").write_bytes(b"half")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    Store(tmp_path).put(KEY, {"name": "a"}, FILES)
    assert not old.exists()
    assert young.exists()


def test_a_failed_write_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AxhwError, match=r"^Expected to write into the store .*, found No space left on device: set"):
        Store(tmp_path).put(KEY, {"name": "a"}, FILES)
    assert list((tmp_path / "partial").iterdir()) == []
    assert Store(tmp_path).get(KEY) is None


def test_two_writers_of_the_same_keys(tmp_path: Path) -> None:
    writers = [start(WRITER, str(tmp_path), name) for name in "AB"]
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    entries = list(Store(tmp_path).designs())
    assert sorted(entry.name for entry in entries) == sorted(f"d{number}" for number in range(40))
    for entry in entries:
        assert (entry.folder / "who").read_bytes() == entry.document["writer"].encode() * 50_000
    assert list((tmp_path / "partial").iterdir()) == []


def test_designs_come_oldest_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number, name in enumerate("cab"):
        folder = store.put(f"{number:064d}", {"name": name}, {}).folder
        os.utime(folder, (number, number))
    assert [entry.name for entry in store.designs()] == ["c", "a", "b"]
    assert list(Store(tmp_path / "empty").designs()) == []


def test_files_beside_the_designs_are_none(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(KEY, {"name": "a"}, {})
    (tmp_path / "designs" / ".DS_Store").write_bytes(b"\0")
    assert [entry.name for entry in store.designs()] == ["a"]


def test_find_by_name_and_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = ["aaaaaaaa" + "0" * 56, "aaaaaaaa" + "1" * 56, "bbbbbbbb" + "0" * 56]
    for number, (key, name) in enumerate(zip(keys, ["first", "second", "first"])):
        os.utime(store.put(key, {"name": name}, {}).folder, (number, number))
    assert store.find("second").key == keys[1]
    assert store.find("first").key == keys[2], "the newest of its name"
    assert store.find(keys[0]).key == keys[0]
    assert store.find("aaaaaaaa0").key == keys[0]
    with pytest.raises(
        AxhwError, match=r"^Expected a key that only one design has, found 2 beginning with aaaaaaaa\.$"
    ):
        store.find("aaaaaaaa")


@pytest.mark.parametrize("word", ["", "bbbbbbb", "third", "first8s", "cccccccc"])
def test_find_what_is_not_there(tmp_path: Path, word: str) -> None:
    store = Store(tmp_path)
    store.put("bbbbbbbb" + "0" * 56, {"name": "first"}, {})
    with pytest.raises(AxhwError, match=re.escape(f"Expected the name or key of a stored design, found {word!r},")):
        store.find(word)


def test_a_root_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "store"
    store = Store(root)
    assert store.get(KEY) is None
    assert list(store.designs()) == []
    with pytest.raises(
        AxhwError,
        match=rf"^Expected to write into the store {re.escape(str(root))}, found .+: set {ENVIRONMENT} to a folder "
        r"you can write to\.$",
    ):
        store.put(KEY, {"name": "a"}, FILES)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "No such file"),
        (b'{"name": "b"}', "other bytes than SHA256SUMS tells"),
        (b"\xff\xfe", "other bytes than text"),
    ],
)
def test_a_damaged_document(tmp_path: Path, content: bytes | None, found: str) -> None:
    store = Store(tmp_path)
    path = store.put(KEY, {"name": "a"}, FILES).folder / "design.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    message = rf"^Expected the file {re.escape(str(path))} of the store, found {found}.*: remove its folder"
    for read in (lambda: store.get(KEY), lambda: list(store.designs()), lambda: store.find("a")):
        with pytest.raises(AxhwError, match=message):
            read()


@pytest.mark.parametrize("damage", ["changed", "gone", "no digests"])
def test_a_damaged_design_is_moved_aside(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    assert store.sound(KEY) is None
    entry = store.put(KEY, {"name": "a"}, FILES)
    assert store.sound(KEY) == entry
    if damage == "changed":
        (entry.folder / "netlist.v").write_bytes(b"modulf")
    else:
        (entry.folder / ("netlist.v" if damage == "gone" else checksums.FILE)).unlink()
    left = contents(entry.folder)
    assert store.sound(KEY) is None
    (aside,) = (tmp_path / "damaged").iterdir()
    assert aside.name.startswith(KEY)
    assert contents(aside / "designs") == left, "nothing is lost"
    assert store.put(KEY, {"name": "a"}, FILES) == store.sound(KEY) == entry


def test_a_file_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "o.txt").touch()
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "o.txt"))
    with pytest.raises(AxhwError, match=rf"^Expected a folder as {ENVIRONMENT}, found the file .*o\.txt\.$"):
        Store.default()


def job() -> SynthesisJob:
    return SynthesisJob(
        name="top", rtlil="rtlil", liberty="liberty", engine=Engine(name="yosys", version="1", command=("absent",))
    )


SYNTHESIS = Synthesis(
    name="top", engine="yosys 1", rtl_verilog="// µ", netlist_verilog="gates", netlist_json="{}", seconds=1.5
)


def test_a_synthesis_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, runs = Store(tmp_path), []
    monkeypatch.setattr(SynthesisJob, "run", lambda self: runs.append(self) or SYNTHESIS)
    assert store.synthesise(job()) == store.synthesise(job()) == Store(tmp_path).synthesise(job()) == SYNTHESIS
    assert runs == [job()]
    assert (tmp_path / "synthesis" / job().key).is_dir()


def test_a_failed_synthesis_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: SynthesisJob) -> Synthesis:
        raise AxhwError("Expected, found.")

    monkeypatch.setattr(SynthesisJob, "run", fail)
    with pytest.raises(AxhwError, match="^Expected, found.$"):
        Store(tmp_path).synthesise(job())
    assert not (tmp_path / "synthesis").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file or directory"), (b"{", "no JSON document"), (b'{"a": 1}', "other fields")],
)
def test_a_damaged_synthesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, found: str
) -> None:
    monkeypatch.setattr(SynthesisJob, "run", lambda self: SYNTHESIS)
    Store(tmp_path).synthesise(job())
    path = tmp_path / "synthesis" / job().key / "synthesis.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    message = f"Expected the file {path} of the store, found {found}: remove its folder"
    with pytest.raises(AxhwError, match=re.escape(message)):
        Store(tmp_path).synthesise(job())


def test_the_default_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "here"))
    assert default_root() == Store.default().root == tmp_path / "here"
    monkeypatch.setenv(ENVIRONMENT, "~/axhw-store")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert default_root() == tmp_path / "axhw-store"
    monkeypatch.setenv(ENVIRONMENT, "")
    assert default_root().name == "axhw"
    assert not (tmp_path / "here").exists(), "asking for the store makes no folders"


def test_figures_are_measured_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    measured = []

    def measure() -> dict[str, float]:
        measured.append(1)
        return {"energy_fj": 2.5}

    assert store.remember("energies", "ab", measure) == store.remember("energies", "ab", measure) == {"energy_fj": 2.5}
    assert len(measured) == 1
    (tmp_path / "energies" / "ab" / "figures.json").write_text("{")
    with pytest.raises(AxhwError, match="Expected the file .*figures.json of the store, found no JSON document"):
        store.remember("energies", "ab", measure)
