"""The examples of docs/language-models.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "language-models.md"


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_bytes(GUIDE.read_bytes()[:2100])
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 4
    names: dict[str, object] = {}
    exec(compile(examples[0], str(GUIDE), "exec"), names)
    tokens, nats, perplexity, accuracy = map(float, capsys.readouterr().out.split())
    assert tokens == 2048
    assert 5 < nats < 12
    assert perplexity > 100
    assert 0 <= accuracy < 0.1
    exec(compile(examples[1], str(GUIDE), "exec"), names)
    assert 0.5 < float(capsys.readouterr().out) < 2
    for example in examples[2:]:
        exec(compile(example, str(GUIDE), "exec"), names)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0", "1", "2"]
