"""Texts as bytes: what is in which part, nothing in two of them, and what is refused."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from axhw.data import download, python_topics, tinyshakespeare
from axhw.data.text import MIX, TEXTS, TextSplits, load_text
from axhw.errors import AxhwError

REAL = Path(__file__).parents[2] / ".." / "shared" / "data"
SPEECHES = b"".join(b"SPEAKER %d:\nHe says this, number %d.\n\n" % (i, i * i) for i in range(400))


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = tinyshakespeare.FILE) -> Path:
    """A text that passes for the real one."""
    monkeypatch.setattr(tinyshakespeare, "SHA256", hashlib.sha256(SPEECHES).hexdigest())
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SPEECHES)
    return path


def paragraphs(text: bytes) -> set[str]:
    return {" ".join(paragraph.split()) for paragraph in text.decode().split("\n\n")} - {""}


@pytest.mark.skipif(not (REAL / tinyshakespeare.FILE).exists(), reason="tinyshakespeare.txt is not there")
def test_the_real_shakespeare() -> None:
    text = load_text("tinyshakespeare", root=REAL)
    assert [len(part) for part in (text.train, text.validation, text.test)] == [1_003_857, 55_825, 55_712]
    assert text.train[:14].tobytes() == b"First Citizen:"
    assert text.sha256 == "6bead4cdf283047e5f57e544af60df2c762f3529fc4c73e4fb7658a0efe70acc"


@pytest.mark.parametrize("name", [tinyshakespeare.FILE, "tinyshakespeare/input.txt"])
def test_shakespeare_is_cut_between_speeches(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, name)
    parts = tinyshakespeare.load(root=tmp_path)
    assert b"".join(parts) == SPEECHES
    assert all(part.startswith(b"SPEAKER") and part.endswith(b".\n\n") for part in parts)
    assert [round(len(part) / len(SPEECHES), 2) for part in parts] == [0.90, 0.05, 0.05]


def test_another_file_is_not_taken_for_shakespeare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(tmp_path, monkeypatch)
    path.write_bytes(SPEECHES + b"\n")
    with pytest.raises(AxhwError, match="Expected Tiny Shakespeare with SHA-256 .*, found .*: put the original there"):
        load_text("tinyshakespeare", root=tmp_path)
    with pytest.raises(AxhwError, match="Expected a folder with data sets, found none at .*missing"):
        load_text("tinyshakespeare", root=tmp_path / "missing")


def test_shakespeare_is_downloaded_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(remote: download.RemoteFile, folder: Path) -> Path:
        asked.append(remote)
        return stand_in(folder, monkeypatch, remote.name)

    monkeypatch.setattr(download, "fetch", fetch)
    for _ in range(2):
        assert b"".join(tinyshakespeare.load(root=tmp_path)) == SPEECHES
    assert [(remote.name, remote.size) for remote in asked] == [("input.txt", 1_115_394)]


def test_topics_of_this_python() -> None:
    parts = [paragraphs(part) for part in python_topics.load()]
    for i, part in enumerate(parts):
        assert all(part.isdisjoint(other) for other in parts[i + 1 :])
    sizes = [len(part) for part in python_topics.load()]
    assert 0.85 < sizes[0] / sum(sizes) < 0.95
    assert all(10_000 < size < 40_000 for size in sizes[1:])


def test_held_out_topics_are_the_same_with_every_python() -> None:
    parts = python_topics.held_out()
    assert python_topics.load()[1:] == parts
    assert [hashlib.sha256(part).hexdigest()[:16] for part in parts] == ["4bbc1c9556b44113", "23bec3c89568be00"]


def test_a_paragraph_is_kept_in_the_shortest_topic_that_has_it() -> None:
    names = [next(f"t{i}" for i in range(200) if python_topics.part_of(f"t{i}") == part) for part in range(3)]
    training, validation, test = names
    topics = {
        training: "Only here.\n\nIn   all\n three.\n\nIn two.\n\nLong, to be the longest one.",
        validation: "\nIn two.\n\n\nIn all three.\n\nAnd more.\n",
        test: "In all\nthree.\n",
    }
    assert python_topics.divide(topics) == (
        b"Only here.\n\nLong, to be the longest one.\n\n",
        b"In two.\n\nAnd more.\n\n",
        b"In all\nthree.\n\n",
    )


def test_topics_stay_in_their_part() -> None:
    held_out = {"comparisons": 1, "identifiers": 1, "with": 2, "customization": 2, "class": 0, "types": 0}
    assert {name: python_topics.part_of(name) for name in held_out} == held_out


def test_a_mix_is_its_sources_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)
    mix = load_text(MIX, root=tmp_path)
    assert [source.name for source in mix.sources] == [name for name in TEXTS if name != MIX]
    for part in ("train", "validation", "test"):
        parts = [getattr(source, part).tobytes() for source in mix.sources]
        assert getattr(mix, part).tobytes() == b"".join(parts)
    assert len({mix.sha256, *(source.sha256 for source in mix.sources)}) == 3


def test_bad_texts_get_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AxhwError, match="Expected a text out of tinyshakespeare, python_topics, mix, found 'bible'."):
        load_text("bible")
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(AxhwError, match="Expected Python's help topics .*, found a Python without them"):
        load_text("python_topics")
    data = np.zeros(3, np.uint8)
    with pytest.raises(AxhwError, match="Expected at least one byte in each part of the text t, found no test."):
        TextSplits(name="t", train=data, validation=data, test=data[:0])
