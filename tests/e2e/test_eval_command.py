"""``axhw eval``, typed as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from axhw.data import digits

Run = Callable[..., tuple[int, str, str]]


def rows(run: Run, *arguments: str, key: str = "evaluations") -> list[dict[str, Any]]:
    code, out, err = run("eval", *arguments, "--images", "60", "--json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)[key]
    return found


def test_a_grid_of_multipliers_with_files(run: Run, tmp_path: Path) -> None:
    found = rows(run, "-m", "exact", "-m", "roup:p=1|2,r=3", "--out", str(tmp_path))
    assert [row["name"] for row in found] == ["exact8s", "roup8s_p1_r3", "roup8s_p2_r3"]
    assert [row["images"] for row in found] == [60] * 3
    assert found[0]["accuracy"] == found[0]["int8_accuracy"] > 0.9
    energies = [row["energy_nj_per_inference"] for row in found]
    assert energies == sorted(energies, reverse=True)
    frame = pd.read_csv(tmp_path / "evaluation.csv")
    assert list(frame["name"]) == [row["name"] for row in found]
    assert (tmp_path / "accuracy.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_some_layers_only(run: Run) -> None:
    whole, some = (rows(run, "-m", "roup:p=2,r=3", *options)[0] for options in ((), ("--layers", "2-3")))
    assert some["layers"] == "conv2 conv3"
    assert whole["layers"] is None
    assert some["energy_nj_per_inference"] > whole["energy_nj_per_inference"]


def test_one_layer_at_a_time(run: Run, tmp_path: Path) -> None:
    found = rows(run, "-m", "roup:p=2,r=3", "--each-layer", "--out", str(tmp_path), key="sensitivities")
    assert [row["layer"] for row in found] == ["conv1", "conv2", "conv3", "linear"]
    assert found[0]["accuracy_alone"] == found[0]["accuracy_up_to"]
    whole = rows(run, "-m", "roup:p=2,r=3")[0]
    assert found[-1]["accuracy_up_to"] == whole["accuracy"]
    assert found[-1]["energy_nj_up_to"] == pytest.approx(whole["energy_nj_per_inference"])
    assert {path.name for path in tmp_path.iterdir()} == {"sensitivity.csv", "sensitivity.svg"}


def test_one_filter_at_a_time(run: Run, tmp_path: Path) -> None:
    options = ("-m", "roup:p=3,r=2", "--each-filter", "--layers", "1,4", "--out", str(tmp_path))
    found = rows(run, *options, key="sensitivities")
    assert [(row["layer"], row["filter"]) for row in found] == [
        *(("conv1", number) for number in range(16)),
        *(("linear", number) for number in range(10)),
    ]
    assert any(row["noise"] > 0 for row in found)
    assert len(pd.read_csv(tmp_path / "sensitivity-filters.csv")) == len(found)
    assert {path.name for path in tmp_path.iterdir()} == {"sensitivity-filters.csv", "sensitivity-filters.svg"}
    code, out, _ = run("eval", *options[:5], "--images", "60")
    assert code == 0
    worst = max((row for row in found if row["layer"] == "linear"), key=lambda row: float(row["cross_entropy_rise"]))
    (line,) = [line for line in out.splitlines() if "linear" in line]
    assert line.split()[-2:] == [f"{worst['cross_entropy_rise']:.5f}", str(worst["filter"])]


def test_compensation_helps_a_biased_multiplier(run: Run) -> None:
    worst = ("-m", "evoapprox:mul8s_1L12")
    plain = rows(run, *worst)[0]
    compensated = rows(run, *worst, "--compensate", "bias")[0]
    assert (plain["compensated"], compensated["compensated"]) == (None, "bias")
    assert compensated["accuracy"] > plain["accuracy"]


def test_the_stored_designs(run: Run) -> None:
    rows(run, "-m", "roup:p=2,r=3", "-m", "drum:k=4")
    found = rows(run, "--sweep", "--where", "family=drum and k=4 and shipped=false")
    assert [row["name"] for row in found] == ["drum8s_k4"]
    code, _, err = run("eval", "--sweep", "--where", "mae_pct>90")
    assert code == 2
    assert "Expected stored 8-bit multipliers measured in SG13G2" in err.replace("sg13g2", "SG13G2")


def test_own_images(run: Run, tmp_path: Path) -> None:
    data = digits.load().test
    path = tmp_path / "mine.npz"
    np.savez(path, images=data.images[:100], labels=data.labels[:100])
    found = rows(run, "--data", str(path), "--model", str(_weights()), "-m", "exact")[0]
    assert found["accuracy"] > 0.9
    assert "mine" in found["dataset"]


def _weights() -> Path:
    from importlib import resources

    return Path(str(resources.files("axhw.nn") / "weights" / "digits_cnn-digits.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--where", "mae<1"), "Expected --where beside --sweep, found it alone"),
        (
            ("--each-layer", "--layers", "1"),
            "Expected --each-layer without --layers, --tune and --compensate, found both",
        ),
        (
            ("--each-filter", "--tune", "plain"),
            "Expected --each-filter without --each-layer, --tune and --compensate, found both",
        ),
        (
            ("-m", "exact", "--assignment", "none.json"),
            "Expected --multiplier without --assignment and --sweep, found both",
        ),
        (
            ("--layers", "9"),
            "Expected product layers by name (conv1, conv2, conv3, linear) or number (1 to 4), found '9'",
        ),
        (("-m", "roup:p=7..9"), "Expected a possible design in the grid 'roup:p=7..9', found none of 3"),
        (("--model", "resnet8", "--data", "digits"), "Expected trained weights of resnet8 on digits"),
        (("--model", "none.onnx"), "none.onnx"),
        (("--model", "none.safetensors"), "Expected weights at none.safetensors: No such file"),
    ],
)
def test_user_errors_are_one_sentence(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run("eval", *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_images_of_another_shape(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wide.npz"
    np.savez(path, images=np.zeros((20, 1, 8, 9), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None, None],
             labels=np.arange(20) % 10)  # fmt: skip
    code, _, err = run("eval", "--data", str(path), "--model", str(_weights()))
    assert code == 2
    assert "Expected images of shape (1, 8, 8) for" in err
    assert "found (1, 8, 9)" in err
