"""``axhw pim search``, and hardware by name in ``axhw pim simulate``, typed as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]

SMALL = ("--model", "llama-moe-4-16", "--quick", "--prompt", "8", "--generate", "1", "--jobs", "1")
SEARCH = ("pim", "search", *SMALL, "--grouping", "U1", "--grouping", "C4")


def test_search(run: Run, found: Found, tmp_path: Path) -> None:
    document = found(*SEARCH, "--out", str(tmp_path))
    assert document["points"] == 2 * 2 * 2
    assert document["parameters"] == "control"
    assert 0 < document["hypervolume"] <= 1
    names = ["pim-search.csv", "pim-front.csv", "pim-search.json", "pim-front.svg", "pim-front.png"]
    assert [Path(path).name for path in document["files"]] == names
    points, front = (pd.read_csv(tmp_path / name) for name in names[:2])
    assert len(points) == document["points"]
    assert points["front"].sum() == len(front) == len(document["front"])
    assert json.loads((tmp_path / names[2]).read_text())["front"] == document["front"]
    assert (tmp_path / names[4]).read_bytes().startswith(b"\x89PNG")
    # From the store now.
    code, out, _ = run(*SEARCH)
    assert code == 0
    assert f"{len(front)} of 8 points are on the front" in out
    assert "C4" in out


def test_limits(run: Run, found: Found) -> None:
    document = found(*SEARCH, "--area-limit", "4000")
    assert document["within"] == 4
    assert {point["grouping"] for point in document["front"]} == {"C4"}
    code, _, problem = run(*SEARCH, "--energy-limit", "1")
    assert code == 2
    assert "Expected chips within the limits, found none of 8: the least are" in problem


def test_simulate_with_hardware_by_name(run: Run, found: Found) -> None:
    simulate = ("pim", "simulate", "--model", "llama-moe-4-16", "--prompt", "8", "--generate", "1", "--group", "4")
    published, control, gates = (found(*simulate, "--parameters", name) for name in ("published", "control", "gates"))
    assert published["parameters"] == "published"
    assert published["area"]["experts_mm2"] == pytest.approx(1536 * 0.634 * 0.4)
    assert control["area"]["total_mm2"] == published["area"]["total_mm2"]
    assert control["prefill"]["scheduler_nj"] > published["prefill"]["scheduler_nj"] == 0
    # Digital crossbars are faster, larger, and leak.
    assert gates["area"]["total_mm2"] > 10 * control["area"]["total_mm2"]
    assert gates["prefill"]["mvm_nj"] < control["prefill"]["mvm_nj"]
    assert gates["prefill"]["passive_nj"] > 100 * control["prefill"]["passive_nj"]
    code, out, _ = run(*simulate, "--parameters", "control")
    assert code == 0
    assert "control parameters, 3,585.1 mm2: 389.5 for crossbars of experts" in out


def test_errors(run: Run) -> None:
    code, _, problem = run("pim", "search", "--model", "llama-moe-4-16", "--grouping", "U3")
    assert code == 2
    assert "Expected groups of a size that divides 16 experts, found none in the space." in problem
    code, _, problem = run(*SEARCH, "--parameters", "own")
    assert code == 2
    assert "published" in problem
    code, _, problem = run("pim", "simulate", "--model", "llama-moe-4-16", "--parameters", "gates", "--group", "16")
    assert code == 2
    assert "Expected a group of 1, 2, 4, 8 digital crossbars, which were measured, found 16." in problem
