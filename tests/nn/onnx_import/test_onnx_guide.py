"""docs/onnx.md: its example runs as it stands, and it names every operator that is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

GUIDE = (Path(__file__).parents[3] / "docs" / "onnx.md").read_text(encoding="utf-8")


def test_example_runs(architecture: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = architecture("cnn")
    monkeypatch.chdir(path.parent)
    path.rename("net.onnx")
    examples = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (example,) = (text for text in examples if "read_onnx" in text)
    names: dict[str, object] = {}
    exec(compile(example, "onnx.md", "exec"), names)
    logits, integer = names["logits"], names["integer_logits"]
    assert isinstance(logits, np.ndarray)
    assert isinstance(integer, np.ndarray)
    assert logits.shape == integer.shape == (64, 10)
    assert np.abs(logits - integer).max() < 0.1 * np.abs(logits).max()


def test_all_operators_are_listed() -> None:
    from axhw.nn.onnx_import.lower import HANDLERS
    from axhw.nn.onnx_import.unpack import UNPACKERS

    table = GUIDE.split("## Operators")[1].split("\n\n")[1]
    listed = re.findall(r"(?:com\.microsoft\.)?[A-Z]\w+", re.sub(r"\([^)]*\)", "", table))
    assert sorted(listed) == sorted((*HANDLERS, *UNPACKERS))


def test_operator_sets_are_those_read() -> None:
    from axhw.nn.onnx_import.load import NEWEST_OPSET, OLDEST_OPSET

    assert f"Operator sets {OLDEST_OPSET} to {NEWEST_OPSET}." in GUIDE
