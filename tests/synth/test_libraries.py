from __future__ import annotations

import dataclasses
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.library import Cell
from axhw.synth.liberty.mapping import mapping_text
from axhw.synth.liberty.reader import embedded_library
from axhw.synth.liberty.writer import write_liberty
from axhw.synth.libraries import DEFAULT, EMBEDDED, absolute_name, library_files, load_library


def test_the_embedded_library() -> None:
    assert DEFAULT in EMBEDDED
    source = load_library(DEFAULT)
    assert source.cells.sha256 == embedded_library().sha256
    assert f"library({source.cells.name})" in source.text.replace(" (", "(")
    assert not source.cells.skipped


@pytest.mark.parametrize("name", ["my.lib", "my.liberty", "my.lib.gz", "folder/my", "with,comma.lib", "no_suffix"])
def test_a_library_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = load_library(DEFAULT).text
    (tmp_path / "folder").mkdir()
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    monkeypatch.chdir(tmp_path)
    for path in (name, str(tmp_path / name)):
        source = load_library(path)
        assert source.files == (text,)
        assert source.text == mapping_text(embedded_library(), source=path)
        assert source.cells.sha256 == embedded_library().sha256


def split(folder: Path, *, parts: Sequence[str] = ("inv|buf", "nand|nor", "df", "")) -> list[str]:
    """The embedded library in several files, a cell in the first whose pattern it matches."""
    whole = embedded_library()
    groups: dict[str, dict[str, Cell]] = {part: {} for part in parts}
    for name, cell in whole.cells.items():
        groups[next(part for part in parts if re.search(part, name))][name] = cell
    paths = []
    for number, cells in enumerate(groups.values()):
        library = dataclasses.replace(whole, name=f"tech_{number}", cells=cells)
        paths.append(str(folder / f"part{number}.lib"))
        # A part is no library of its own: a file of flip-flops has no inverter.
        Path(paths[-1]).write_text(write_liberty(library, attribution="a part", table_digits=9))
    return paths


def test_a_library_in_several_files(tmp_path: Path) -> None:
    paths = split(tmp_path)
    source = load_library(",".join(paths))
    whole = load_library(DEFAULT).cells
    assert source.cells.name == "tech_0+3"
    assert source.files == tuple(Path(path).read_text() for path in paths)
    assert source.cells.cells.keys() == whole.cells.keys()
    assert source.cells.wire_loads.models.keys() == whole.wire_loads.models.keys()
    assert source.text == load_library(",".join(reversed(paths))).text
    with pytest.raises(
        AxhwError, match="Expected an inverter, a buffer .* found no inverter among the 8 cells of 8 that may"
    ):
        load_library(paths[2])


def test_names_that_mean_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = split(tmp_path)
    monkeypatch.chdir(tmp_path)
    relative = ",".join(Path(path).name for path in paths)
    assert absolute_name(relative) == ",".join(paths)
    assert library_files(relative) == [Path(path).name for path in paths]
    assert absolute_name(DEFAULT) == DEFAULT


def test_an_embedded_library_is_whole(tmp_path: Path) -> None:
    with pytest.raises(
        AxhwError, match=r"^Expected one embedded library or Liberty files, found sg13g2 among 2 names\.$"
    ):
        load_library(f"{tmp_path}/a.lib,sg13g2")


@pytest.mark.parametrize("name", ["nangate45", "", "sg13g2 ", ","])
def test_an_unknown_library(name: str) -> None:
    with pytest.raises(AxhwError) as found:
        load_library(name)
    assert str(found.value) == f"Expected an embedded library (sg13g2) or a Liberty file, found {name!r}."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^Expected a Liberty file at .*my\.lib, found: No such file or directory\.$"),
        (b"\x7fELF\0\0", r"^Expected a Liberty file \(text\) at .*my\.lib, found binary data\.$"),
        (b"library(x) { cell(INV) {", r"^Expected .*my\.lib"),
        (b"", r"^Expected .*my\.lib"),
    ],
)
def test_files_that_are_no_library(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "my.lib"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AxhwError, match=message):
        load_library(str(path))
