"""The examples of docs/networks.md run as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.nn.graph import Graph
from axhw.sim.product_table import ProductTable

GUIDE = Path(__file__).parents[2] / "docs" / "networks.md"


def test_examples_run(make_table: Callable[..., ProductTable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = make_table("roup:p=1,r=4")
    np.save("lut.npy", table.values)
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 3
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, str(GUIDE), "exec"), names)
    sums = names["sums"]
    assert isinstance(sums, np.ndarray)
    assert sums.shape == (1000, 24)
    graph = names["graph"]
    assert isinstance(graph, Graph)
    assert graph.shapes["conv"] == (8, 8, 8)
