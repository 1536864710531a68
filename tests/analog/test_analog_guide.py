"""The examples of docs/analog.md run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "analog.md"


def test_the_examples_print_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    tiles, experts = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(tiles, str(GUIDE), "exec"), names)
    said = re.findall(r" (\d+%)", tiles)
    assert capsys.readouterr().out.split() == said
    assert len(said) == 4
    exec(compile(experts, str(GUIDE), "exec"), names)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["0", "25.0", "100"]
    assert len({row[1] for row in rows}) == 3
