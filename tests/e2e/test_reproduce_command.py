"""``axhw reproduce``, typed as a user would."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from axhw.cli.main import main

Found = Callable[..., dict[str, Any]]

COMMAND = ("reproduce", "max-dnn", "--quick", "--evaluations", "12", "--images", "60", "--test-images", "60")


def test_max_dnn(found: Found, tmp_path: Path) -> None:
    document = found(*COMMAND, "--out", str(tmp_path))
    assert next(iter(document)) == "claims"
    assert len(document["claims"]) >= 9
    for claim in document["claims"]:
        assert list(claim) == ["claim", "paper", "ours", "met", "basis"]
        assert isinstance(claim["met"], bool)
    assert {row["level"] for row in document["points"]} == {"layer", "filter", "kernel", "mixed"}
    assert {(row["palette"], row["compensation"]) for row in document["savings"]} == {
        ("roup", "none"),
        ("roup", "affine"),
        ("published", "none"),
        ("published", "affine"),
    }
    assert {row["strategy"] for row in document["searches"]} == {"nsga2", "random", "greedy", "one design"}
    for row in document["reconfiguration"]["rows"]:
        assert row["configurable_saved_pct"] < row["fixed_saved_pct"]
        assert row["fixed_saved_pct"] == pytest.approx(row["energy_saved_pct"], abs=1)
    exact, *totals = [row for row in document["divergence"] if row["layer"] == "all"]
    assert exact["level"] == "exact"
    assert {row["level"] for row in totals} <= {"layer", "filter", "kernel"}
    assert totals
    for row in totals:
        (saved,) = {
            point["energy_saved_pct"]
            for point in document["points"]
            if (point["palette"], point["compensation"], point["level"]) == ("roup", row["compensation"], row["level"])
            and point["energy_saved_pct"] == pytest.approx(row["uniform_saved_pct"])
        }
        assert 0 < row["array_cell_saved_pct"] < saved
        assert row["array_cell_divergence_points"] == pytest.approx(saved - row["array_cell_saved_pct"])
    assert {row["layer"] for row in document["filters"]} == {"conv1", "conv2", "conv3", "linear"}
    assert all(len(noise["predicted_noise"]) for noise in document["kernels"].values())
    report = (tmp_path / "max-dnn.md").read_text(encoding="utf-8")
    for claim in document["claims"]:
        assert claim["ours"] in report
    page = (tmp_path / "max-dnn.html").read_text(encoding="utf-8")
    assert page.count("<svg ") == 7
    for claim in document["claims"]:
        assert escape(claim["ours"]) in page
    for name in ("fronts", "sensitivity", "filters", "kernels", "predictions", "reconfiguration", "divergence"):
        assert f"(max-dnn-{name}.png)" in report
        assert (tmp_path / f"max-dnn-{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert len(pd.read_csv(tmp_path / "points.csv")) == len(document["points"])
    assert len(pd.read_csv(tmp_path / "sensitivity-filters.csv")) == len(document["filters"])
    kernels = pd.read_csv(tmp_path / "sensitivity-kernels.csv")
    assert int(kernels["noise"].notna().sum()) == len(document["measured_kernels"])
    again = found(*COMMAND, "--out", str(tmp_path))
    assert again["claims"] == document["claims"]
    assert again["searches"] == document["searches"], "finished parts are not run again"
    assert again["filters"] == document["filters"]


def test_bad_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert main([*COMMAND, "--out", str(file)]) == 2
    assert "Expected an output folder that can be written to" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["resnet8_hard4", "digits_cnn"])
def test_networks_to_search_on_have_experts_and_weights(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["reproduce", "axmoe", "--quick", "--search", name, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "Expected a network with experts and weights to search on, out of digits_cnn_hard2, " in error
    assert f"found {name!r}: choose one of these" in error
