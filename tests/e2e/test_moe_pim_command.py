"""``axhw reproduce moe-pim``, typed as a user would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from axhw.experiments.moe_pim import plan
from axhw.experiments.moe_pim import report as report_module
from axhw.experiments.moe_pim.plan import CacheSetting, GroupSetting
from axhw.measure import Conditions

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]

# Circuits of other tests, which share the store.
TINY = replace(
    plan.QUICK,
    generated=(8,),
    models={"olmoe": 1},
    model_steps=1,
    tokens=32,
    traces=(0,),
    small_cases=3,
    training_tokens=32,
    timeline=4,
    groups=(
        GroupSetting(
            multiplier="roup:width=4,p=1,r=1", rows=1, columns=1, multiply_in="cells", crossbars=(1, 2), depth=2
        ),
    ),
    caches=(CacheSetting(experts=2, kept=2, score_bits=3, tokens=16),),
    conditions=Conditions(pairs=256),
    values=replace(
        plan.QUICK.values,
        test_bytes=257,
        calibration_bytes=257,
        multipliers=(),
        scheduled=36,
        groupings=("S4",),
    ),
)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "QUICK", TINY)


def test_reproduce(run: Run, found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("reproduce", "moe-pim", "--quick", "--out", tmp_path)
    document = found(*command)
    assert next(iter(document)) == "claims"
    for claim in document["claims"]:
        assert list(claim) == ["claim", "paper", "ours", "met", "basis"]
        assert isinstance(claim["met"], bool)
    assert document["missing"]["claims"] == []
    met = {claim["claim"]: claim["met"] for claim in document["claims"]}
    assert met["The published simulator's figures are reproduced to the last digit."]
    assert met["KV and GO cache make 8 new tokens 4.2 times as fast, by the published accounting."]
    assert len(document["cache_steps"]) == 4
    assert {row["kind"] for row in document["counts"]} == {"synthetic", plan.MODEL}
    report = (tmp_path / "moe-pim.md").read_text(encoding="utf-8")
    for claim in document["claims"]:
        assert claim["ours"] in report
    pictures = [path for path in document["files"] if path.endswith(".svg")]
    assert len(pictures) >= 8
    for path in map(Path, pictures):
        assert f"({path.stem}.png)" in report
        assert path.read_text(encoding="utf-8").startswith("<?xml")
    page = (tmp_path / "moe-pim.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(pictures)
    assert len(pd.read_csv(tmp_path / "counts.csv")) == len(document["counts"])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    written: list[dict[str, Any]] = []

    def write(again: dict[str, Any], folder: Path) -> list[Path]:
        written.append(again)
        return [folder]

    monkeypatch.setattr(report_module, "REPORT", SimpleNamespace(write=write))
    code, out, _ = run(*command, "--no-gates")
    assert code == 0
    assert "Rescheduling saves transfers" in out
    assert "lacks groups of crossbars in gates" in out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == before
    (again,) = written
    assert again["groups"] == again["go_caches"] == []
    assert again["counts"] == document["counts"]


def test_unknown_models(run: Run, tmp_path: Path) -> None:
    code, _, err = run("reproduce", "moe-pim", "--quick", "--model", "nothing", "--out", tmp_path)
    assert code == 2
    assert "found 'nothing'" in err
