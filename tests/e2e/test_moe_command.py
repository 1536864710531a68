"""``axhw moe`` and ``axhw reproduce axmoe``, typed as a user would."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]


def test_eval(run: Run, found: Found, tmp_path: Path) -> None:
    models = ("--model", "digits_cnn", "--model", "digits_cnn_hard2")
    command = (
        "moe",
        "eval",
        *models,
        "-m",
        "mul8s_1KV6",
        "-m",
        "mul8s_1L2N",
        "--images",
        "100",
        "--out",
        str(tmp_path),
    )
    document = found(*command)
    rows = document["evaluations"]
    assert [(row["network"], row["circuit"]) for row in rows] == [
        ("digits_cnn", "mul8s_1KV6"),
        ("digits_cnn", "mul8s_1L2N"),
        ("digits_cnn_hard2", "mul8s_1KV6"),
        ("digits_cnn_hard2", "mul8s_1L2N"),
    ]
    (single,) = found("eval", "--model", "digits_cnn_hard2", "-m", "mul8s_1L2N", "--images", "100")["evaluations"]
    assert rows[3]["accuracy"] == single["accuracy"]
    assert rows[3]["multiplications"] == pytest.approx(single["multiplications"])
    assert rows[0]["published_cost"] == 1
    assert len(pd.read_csv(tmp_path / "moe.csv")) == 4
    assert len(pd.read_csv(tmp_path / "loads.csv")) == len(document["loads"]) == 6
    assert (tmp_path / "moe.svg").read_text(encoding="utf-8").startswith("<?xml")
    code, out, _ = run(*command, "--compensate", "affine")
    assert code == 0
    assert "digits_cnn_hard2: an expert gets" in out


def test_search(run: Run, found: Found, tmp_path: Path) -> None:
    designs = ("-m", "mul8s_1L2L", "-m", "mul8s_1L12")
    short = ("--evaluations", "8", "--population", "4", "--images", "60", "--test-images", "60")
    command = ("moe", "search", "--model", "digits_cnn_hard2", *designs, *short, "--out", str(tmp_path))
    document = found(*command)
    assert list(document["hypervolumes"]) == ["network", "layer", "expert"]
    assert len(document["designs"]) == 3
    rows = document["points"]
    assert len(pd.read_csv(tmp_path / "fronts.csv")) == len(rows)
    row = rows[-1]
    path = str(tmp_path / row["assignment"])
    evaluation = ("eval", "--model", "digits_cnn_hard2", "--assignment", path, "--images", "60")
    assert found(*evaluation)["evaluations"][0]["accuracy"] == pytest.approx(row["test_accuracy"])
    again = found(*command, "--resume")
    assert again["points"] == rows
    code, out, _ = run(*command, "--resume")
    assert code == 0
    assert "loss at most" in out
    assert "2 points" in out
    kept = {file: file.read_bytes() for file in tmp_path.iterdir()}
    for resume in ((), ("--resume",)):
        code, _, err = run(*command, "--seed", "2", *resume)
        assert code == 2
        assert "to have the same settings, found another seed: choose another --out" in err
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == kept
    code, _, err = run("moe", "search", "--model", "digits_cnn", "--out", str(tmp_path / "new"))
    assert code == 2
    assert "Expected a network with experts, found digits_cnn without: use axhw search." in err
    assert not (tmp_path / "new").exists()


def test_bad_usage(run: Run, tmp_path: Path) -> None:
    train = ("moe", "train", "--model", "digits_cnn_hard2", "--out", str(tmp_path))
    code, _, err = run(*train, "--retrain")
    assert code == 2
    assert "Expected circuits -m beside --retrain, found one without the other." in err
    code, _, err = run(*train, "--seed", "0", "--seed", "1")
    assert code == 2
    assert "Expected several seeds beside --retrain only" in err
    for option in ("--epochs", "--quantized-epochs", "--start", "--load-balance", "--time-limit"):
        code, _, err = run(*train, "--retrain", "-m", "mul8s_1L2L", option, "3")
        assert code == 2
        assert f"Expected {option} without --retrain, found both" in err
    code, _, err = run(*train, "--weights", str(tmp_path))
    assert code == 2
    assert "Expected --weights beside --retrain, found one without the other" in err
    code, _, err = run(*train, "--recipe", "study")
    assert code == 2
    assert "Expected --recipe beside --retrain, found one without the other" in err
    missing = tmp_path / "nope"
    code, _, err = run("reproduce", "axmoe", "--weights", str(missing), "--out", str(tmp_path))
    assert code == 2
    assert f"Expected a folder of trained networks, found none at {missing}: name another one" in err
    code, _, err = run("retrain", "-m", "mul8s_1L2L", "--assignment", "a.json", "--out", str(missing))
    assert code == 2
    assert "Expected --multiplier without --assignment, found both" in err
    assert not missing.exists()
    if find_spec("torch") is None:
        code, _, err = run(*train)
        assert code == 2
        assert "Expected PyTorch for training, found none" in err
    code, _, err = run("moe", "eval", "--model", "digits_cnn_hard7")
    assert code == 2
    assert "Expected trained weights of digits_cnn_hard7 on digits" in err


def test_networks_are_trained_and_retrained(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    model = ("--model", "digits_cnn_hard3", "--device", "cpu", "--out", str(tmp_path))
    code, _, err = run("moe", "train", *model, "--epochs", "1", "--quantized-epochs", "1")
    assert code == 0, err
    assert (tmp_path / "digits_cnn_hard3-digits.safetensors").exists()
    retrain = ("--retrain", "-m", "mul8s_1L2L", "--weights", str(tmp_path))
    code, out, err = run("moe", "train", *model, *retrain)
    assert code == 0, err
    path = tmp_path / "retrained" / "distilled" / "digits_cnn_hard3" / "mul8s_1L2L-seed0.safetensors"
    assert path.exists()
    assert path.name in out
    code, _, err = run("moe", "train", *model, "--epochs", "2", "--quantized-epochs", "1")
    assert code == 2
    assert "trained with other settings: choose another --out or remove them." in err
    code, _, err = run("moe", "train", *model, "--retrain", "-m", "mul8s_1L2L", "--weights", str(tmp_path / "nope"))
    assert code == 2
    assert "Expected a folder of trained networks, found none at" in err
    new = ("--out", str(tmp_path / "new"))
    (tmp_path / "moe.csv").touch()
    for changes in (("--device", "tpu"), ("--start", str(tmp_path / "moe.csv"))):
        code, _, err = run("moe", "train", "--model", "digits_cnn_hard3", "--device", "cpu", *changes, *new)
        assert code == 2, err
    assert not (tmp_path / "new").exists()


QUICK = ("reproduce", "axmoe", "--quick", "--test-images", "200", "--evaluations", "24")


def test_reproduce(run: Run, found: Found, tmp_path: Path) -> None:
    document = found(*QUICK, "--out", str(tmp_path))
    assert next(iter(document)) == "claims"
    for claim in document["claims"]:
        assert list(claim) == ["claim", "paper", "ours", "met", "basis"]
        assert isinstance(claim["met"], bool)
    assert len(document["claims"]) + len(document["missing"]["claims"]) == 12
    assert document["missing"]["networks"] == []
    assert len(document["claims"]) >= 6
    cells = document["cells"]
    assert len(cells) == 16
    for row in cells:
        if row["circuit"] == "mul8s_1KV6":
            assert row["accuracy"] == row["bias_accuracy"] == row["int8_accuracy"]
    dense = next(
        row for row in document["hardware"] if row["network"] == "digits_cnn" and row["circuit"] == "mul8s_1L2L"
    )
    assert dense["arrays"] == 1, "nothing of a dense network without attention is exact"
    report = (tmp_path / "axmoe.md").read_text(encoding="utf-8")
    for claim in document["claims"]:
        assert claim["ours"] in report
    for name in ("pareto", "accuracy", "experts", "search", "energy"):
        assert f"(axmoe-{name}.png)" in report
        assert (tmp_path / f"axmoe-{name}.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert len(pd.read_csv(tmp_path / "cells.csv")) == len(cells)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    again = found(*QUICK, "--out", str(tmp_path))
    for name in ("claims", "cells", "routing", "experts", "points", "hardware"):
        assert again[name] == document[name]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == before
    code, out, _ = run(*QUICK, "--out", str(tmp_path))
    assert code == 0
    assert "left out  Without retraining, all topologies of transformers degrade alike." in out
