"""The examples of docs/error-theory.md run as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.nn.quantized import QuantizedNetwork
from axhw.sim.product_table import ProductTable

GUIDE = Path(__file__).parents[2] / "docs" / "error-theory.md"


def test_examples_run(
    make_table: Callable[..., ProductTable],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("lut.npy", make_table("bam:v=9").values)
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    names: dict[str, object] = {}
    exec(compile(examples[0], str(GUIDE), "exec"), names)
    before, after = map(float, capsys.readouterr().out.split())
    assert after > before + 0.2
    exec(compile(examples[1], str(GUIDE), "exec"), names)
    assert isinstance(names["at_once"], QuantizedNetwork)
