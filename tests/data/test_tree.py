"""Folders and zip archives as one thing."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from axhw.data import tree
from axhw.data.tree import open_tree
from axhw.errors import AxhwError

FILES: Mapping[str, bytes] = {"b/2.txt": b"two", "a.txt": b"one", ".hidden": b"x", "b/.DS_Store": b"y"}


def write_folder(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_files_by_name(write: type, tmp_path: Path) -> None:
    files = open_tree(write(tmp_path / "data.zip"))
    assert files.source == "data.zip"
    assert files.names == ("a.txt", "b/2.txt")
    assert files.read_bytes("b/2.txt") == b"two"
    assert files.text("a.txt") == "one"
    with pytest.raises(AxhwError, match=r"^Expected c.txt in data.zip, found no such file\.$"):
        files.text("c.txt")


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_the_fingerprint_changes_with_every_file(write: type, tmp_path: Path) -> None:
    found = [
        open_tree(write(tmp_path / "data", files)).fingerprint
        for files in (FILES, FILES, {**FILES, "b/2.txt": b"2"}, {**FILES, "c": b""})
    ]
    if write is write_zip:
        assert found[0] == found[1]
    assert len(set(found[1:])) == 3


def test_a_file_changed_in_place(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    before = open_tree(folder).fingerprint
    assert open_tree(folder).fingerprint == before
    os.utime(folder / "a.txt", ns=(0, 1))
    assert open_tree(folder).fingerprint != before


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_names_that_lead_out_of_an_archive(name: str, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "x.zip", {"a.txt": b"one", name: b"evil"})
    with pytest.raises(
        AxhwError, match=r"^Expected names below the archive in .*x.zip, found '.*evil.txt', which leads"
    ):
        open_tree(archive)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"no archive")
    with pytest.raises(
        AxhwError, match=r"^Expected a folder or a zip archive at .*x.zip, found: File is not a zip file"
    ):
        open_tree(path)
    write_zip(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AxhwError, match=r"^Expected a folder or a zip archive at .*x.zip, found: "):
        open_tree(path)


def test_damaged_content(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a.txt": b"one" * 100})
    content = bytearray(path.read_bytes())
    content[36] ^= 0xFF
    path.write_bytes(bytes(content))
    files = open_tree(path)
    with pytest.raises(AxhwError, match=r"^Expected to read a.txt in .*x.zip, found: .*\.$"):
        files.read_bytes("a.txt")


def test_files_that_are_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_LARGEST_FILE", 2)
    with pytest.raises(AxhwError, match=r"^Expected at most 2 bytes in a.txt of .*x.zip, found more\.$"):
        open_tree(write_zip(tmp_path / "x.zip")).read_bytes("a.txt")


def test_files_that_are_gone(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    files = open_tree(folder)
    (folder / "a.txt").unlink()
    with pytest.raises(AxhwError, match=r"^Expected to read .*a.txt, found: No such file or directory\.$"):
        files.read_bytes("a.txt")
    (folder / "a.txt").symlink_to(folder / "nothing")
    with pytest.raises(AxhwError, match=r"^Expected to read .*a.txt, found: No such file or directory\.$"):
        open_tree(folder)
