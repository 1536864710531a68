from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.files import output_folder, replacing


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert output_folder(folder) == folder
    assert output_folder(folder) == folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("tail", ["", "below"])
def test_a_folder_that_is_a_file(tmp_path: Path, tail: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxhwError, match=r"^Expected an output folder that can be written to, found .*file.*: .+\.$"):
        output_folder(tmp_path / "file" / tail)


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
        assert (draft.parent, draft.suffix) == (tmp_path, ".csv")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_have_the_modes_of_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "file") as draft:
            draft.write_text("")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    for path in (tmp_path / "folder", tmp_path / "absent" / "file"):
        with pytest.raises(AxhwError, match=rf"^Expected to write {path}, found: .+\.$"), replacing(path) as draft:
            draft.write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "inside"]
