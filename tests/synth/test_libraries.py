from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.synth.liberty.reader import embedded_library
from axhw.synth.libraries import DEFAULT, EMBEDDED, load_library


def test_the_embedded_library() -> None:
    assert DEFAULT in EMBEDDED
    source = load_library(DEFAULT)
    assert source.cells.sha256 == embedded_library().sha256
    assert f"library({source.cells.name})" in source.text.replace(" (", "(")
    assert not source.cells.skipped


@pytest.mark.parametrize("name", ["my.lib", "my.liberty", "my.lib.gz", "folder/my"])
def test_a_library_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = load_library(DEFAULT).text
    (tmp_path / "folder").mkdir()
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    monkeypatch.chdir(tmp_path)
    for path in (name, str(tmp_path / name)):
        source = load_library(path)
        assert source.text == text
        assert source.cells.sha256 == embedded_library().sha256


@pytest.mark.parametrize("name", ["nangate45", "", "sg13g2 "])
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
