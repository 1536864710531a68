"""``axhw reproduce analog-moe``, typed as a user would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from axhw.cli.main import main

QUICK = ("reproduce", "analog-moe", "--quick", "--test-bytes", "1024", "--selection-bytes", "1024", "--seeds", "1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    capsys.readouterr()
    code = main([*arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    document: dict[str, Any] = json.loads(out)
    return document


def test_reproduce(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    document = found(capsys, *QUICK, "--out", str(tmp_path))
    assert next(iter(document)) == "claims"
    for claim in document["claims"]:
        assert list(claim) == ["claim", "paper", "ours", "met", "basis"]
        assert isinstance(claim["met"], bool)
    assert len(document["claims"]) + len(document["missing"]["claims"]) == 11
    assert len(document["claims"]) >= 7
    (model,) = document["models"]
    assert model["model"] == "olmoe_bytes_small"
    means = document["means"]
    assert {row["magnitude"] for row in means if row["noise"] == "pcm"} == {1.0, 1.5, 2.5, 3.0}
    # Programming noise at its largest costs more than all digital experts.
    noisy = [row for row in means if row["magnitude"] == 3.0 and row["digital_pct"] == 0 and row["analog"] == "all"]
    assert all(row["rise_nats"] > 0 for row in noisy)
    experts = [row for row in means if row["analog"] == "experts"]
    (digital,) = [row for row in experts if row["digital_pct"] == 100 and row["multiplier"] == "float32"]
    assert digital["rise_nats"] == 0
    assert digital["perplexity"] == model["perplexity"]
    for row in document["policies"]:
        assert row["budget_nj"] is None or row["energy_nj"] <= row["budget_nj"]
        assert row["limit_pct"] is None or row["predicted_pct"] <= row["limit_pct"]
    report = (tmp_path / "analog-moe.md").read_text(encoding="utf-8")
    for claim in document["claims"]:
        assert claim["ours"] in report
    for name in ("conditions", "selectors", "recovered", "drift", "front-olmoe-bytes-small", "policies"):
        assert f"(analog-moe-{name}.png)" in report
        assert (tmp_path / f"analog-moe-{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert len(pd.read_csv(tmp_path / "means.csv")) == len(means)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    code, out, _ = run(capsys, *QUICK, "--out", str(tmp_path))
    assert code == 0
    assert "Throughput grows from all experts digital" in out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == before
    again = json.loads((tmp_path / "analog-moe.json").read_text(encoding="utf-8"))
    for name in ("claims", "means", "front", "policies", "costs"):
        assert again[name] == document[name]


def test_bad_models(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, *QUICK, "--model", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "config.json" in err
