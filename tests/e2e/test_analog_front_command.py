"""``axhw analog front``, typed as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from axhw.analog.placement import read_placement

Found = Callable[..., dict[str, Any]]
Run = Callable[..., tuple[int, str, str]]

SMALL = (
    *("analog", "front", "--model", "olmoe_bytes_small", "-m", "mul8s_1L2L", "--jobs", 1),
    *("--bytes", 1024, "--calibration-bytes", 1024, "--window", 128, "--seeds", 1),
    *("--tile-rows", 128, "--tile-columns", 64, "--array-rows", 1, "--array-columns", 2),
)


def test_front(found: Found, tmp_path: Path) -> None:
    command = (*SMALL, "--fractions", "0,50,100", "--magnitude", 2.5, "--out", tmp_path, "--energy-budget", 6000)
    document = found(*command)
    points = document["points"]
    assert [(row["multiplier"], row["choice"]) for row in points] == [
        ("none", "0 %"),
        ("exact8s", "50 %"),
        ("mul8s_1L2L", "50 %"),
        ("exact8s", "100 %"),
        ("mul8s_1L2L", "100 %"),
        ("exact8s", "budget"),
        ("mul8s_1L2L", "budget"),
    ]
    by_choice = {(row["multiplier"], row["choice"]): row for row in points}
    assert by_choice["exact8s", "100 %"]["energy_pct"] == pytest.approx(100)
    assert by_choice["exact8s", "100 %"]["perplexity"] == pytest.approx(document["reference"]["perplexity"])
    assert by_choice["mul8s_1L2L", "50 %"]["energy_nj"] < by_choice["exact8s", "50 %"]["energy_nj"]
    assert by_choice["none", "0 %"]["rise_pct"] > 0
    assert by_choice["none", "0 %"]["fetched_bytes"] < by_choice["exact8s", "50 %"]["fetched_bytes"]
    for name, (choice,) in document["chosen"].items():
        assert choice["energy_nj"] <= 6000
        assert choice["gain"] <= choice["bound"]
        assert len(read_placement(tmp_path / f"budget-{name}.json").digital) == choice["digital"]
    assert 0 <= document["exact_hypervolume"] <= document["hypervolume"] <= 1
    assert len(pd.read_csv(tmp_path / "front.csv")) == len(points)
    assert json.loads((tmp_path / "front.json").read_text())["points"] == points
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "energy of a token" in (tmp_path / "front.svg").read_text(encoding="utf-8")
    assert {Path(name).parent for name in document["files"]} == {tmp_path}


def test_front_as_a_table(run: Run) -> None:
    code, out, err = run(
        *SMALL, "--fractions", "25", "--noise", "none", "--memory", "none", "--technology", "measured", "--batch", 1
    )
    assert code == 0, err
    rows = [line.split() for line in out.splitlines() if line.startswith("25.0 %")]
    assert [row[2] for row in rows] == ["exact8s", "mul8s_1L2L"]
    assert "as measured; memory none; batch 1" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fractions", "a"), "expected numbers with commas between them, found 'a'"),
        (("--fractions", "120"), "Expected a part of the experts from 0 to 1, found 1.2."),
        (("--energy-budget", 1), "Expected a budget that the model keeps with all experts analog"),
        (("--library", "other.lib"), "Expected --technology measured with the library other.lib: the scaling to 14 nm"),
        (("-m", "exact:signed=false"), "Expected a signed 8-bit multiplier for arrays of experts, found exact8u."),
    ],
)
def test_mistakes_are_one_sentence(run: Run, options: tuple[object, ...], message: str) -> None:
    code, out, err = run(*SMALL, *options)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
