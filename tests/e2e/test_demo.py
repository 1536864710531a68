"""The main job: five multipliers, a network with each, one page."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from axhw.cli.main import main
from axhw.demo import DESIGNS


def test_demo_writes_a_report_and_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["demo", "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = [design["name"] for design in document["designs"]]
    assert len(names) == len(DESIGNS)
    page = (tmp_path / "index.html").read_text()
    assert all(name in page for name in names)
    multipliers = pd.read_csv(tmp_path / "multipliers.csv").set_index("name")
    evaluation = pd.read_csv(tmp_path / "evaluation.csv").set_index("name")
    assert list(multipliers.index) == list(evaluation.index) == names
    for name in names:
        lut = pd.read_csv(tmp_path / multipliers.loc[name, "lut_file"])
        assert (lut["product"] - lut["exact"]).mean() == pytest.approx(multipliers.loc[name, "bias"])
    assert evaluation["accuracy"].min() > 0.9
    energy = multipliers["energy_fj"]
    assert energy["roup8s_p2_r3"] < energy["roup8s_p1_r4"] < energy["exact8s"]
