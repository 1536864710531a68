"""Finished parts of an experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

from axhw.errors import AxhwError
from axhw.experiments.parts import Parts


def test_a_part_is_made_once_for_equal_settings(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, list[int]]:
        made.append(len(made))
        return {"values": list(made)}

    for _ in range(2):
        parts = Parts(folder=tmp_path / "parts")
        assert parts.remember("front", {"seed": 1}, make) == {"values": [0]}
        assert parts.remember("front", {"seed": 2}, make) == {"values": [0, 1]}
        assert len(parts.seconds) == 2
    assert made == [0, 1]


def test_a_part_that_failed_is_made_again(tmp_path: Path) -> None:
    parts = Parts(folder=tmp_path)

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.remember("front", {}, fail)
    assert list(tmp_path.iterdir()) == []
    assert parts.remember("front", {}, lambda: [1.5]) == [1.5]


def test_a_damaged_part(tmp_path: Path) -> None:
    parts = Parts(folder=tmp_path)
    parts.remember("front", {}, lambda: 1)
    parts.file("front", {}).write_text("{", encoding="utf-8")
    with pytest.raises(
        AxhwError, match="Expected a finished part of the experiment in .*front-.*json, found .*: remove"
    ):
        parts.remember("front", {}, lambda: 1)
