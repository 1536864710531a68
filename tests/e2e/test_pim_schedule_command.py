"""``axhw pim schedule``, typed as a user would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from axhw.pim.choices import synthetic_choices

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]


def test_the_published_trace(run: Run, found: Found) -> None:
    document = found("pim", "schedule", "--grouping", "S4")
    assert document["tokens"] == 512
    assert document["expert_loads"][:3] == [147, 132, 191]
    counts = {(row["scheduler"], row["mode"]): (row["cycles"], row["transfers"]) for row in document["schedules"]}
    published = {"token_by_token": (987, 987), "compact": (543, 2003), "rescheduled": (543, 1751)}
    assert {name: counts[name, "token_order"] for name in published} == published
    assert counts["ours", "token_order"][0] == counts["ours", "any_order"][0] == 543
    assert counts["ours", "any_order"][1] == 987 == document["schedules"][-1]["least_transfers"]
    code, out, _ = run("pim", "schedule", "--tokens", 20)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1::5]] == ["U1", "U2", "S2", "C2", "U4", "S4", "C4"]


def test_files(found: Found, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    synthetic_choices(seed=1, tokens=60, experts=8, active=2).save(trace)
    command = ("pim", "schedule", "--trace", trace, "--experts", 8, "--grouping", "C2", "--train-tokens", 40)
    document = found(*command, "--scheduler", "ours", "--any-order", "--out", tmp_path / "out")
    assert (document["tokens"], document["experts"]) == (20, 8)
    names = ["schedules.csv", "schedules.json", "schedules.svg", "schedules.png", "schedule.svg", "schedule.png"]
    assert [Path(path).name for path in document["files"]] == [*names, "schedule.npz"]
    (row,) = document["schedules"]
    assert pd.read_csv(tmp_path / "out" / "schedules.csv")["transfers"].tolist() == [row["transfers"]]
    with np.load(tmp_path / "out" / "schedule.npz") as arrays:
        assert arrays["slots"].shape == (row["cycles"], 4)
        assert arrays["mode"] == "any_order"
        assert np.count_nonzero(arrays["slots"] >= 0) == document["choices"] == 40


def test_longer_schedules_and_bounds(found: Found) -> None:
    command = ("pim", "schedule", "--tokens", 24, "--grouping", "S4", "--scheduler", "ours", "--bounds")
    (short,) = found(*command)["schedules"]
    (longer,) = found(*command, "--cycles", short["cycles"] + 10)["schedules"]
    assert short["least_transfers"] == short["transfers"], "the bound is the optimum, as the case is small"
    assert longer["cycles"] == short["cycles"] + 10
    assert longer["transfers"] < short["transfers"]


def test_language_model(found: Found) -> None:
    command = ("pim", "schedule", "--trace", "olmoe_bytes_small", "--layer", 1, "--tokens", 200)
    rows = found(*command, "--grouping", "S4", "--grouping", "C4", "--train-tokens", 1000)["schedules"]
    cycles = {row["grouping"]: row["cycles"] for row in rows if row["scheduler"] == "compact"}
    assert cycles["C4"] < cycles["S4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--grouping", "S3"), "Expected groups of a size that divides 16 experts, found 3."),
        (("--grouping", "best"), "Expected a grouping such as U1, U2, S2, C2 (a letter out of U, S, C and a size)"),
        (
            ("--scheduler", "best"),
            "Expected a scheduler out of token_by_token, compact, rescheduled, ours, found 'best'.",
        ),
        (("--cycles", 900), "Expected a number of cycles beside --scheduler ours alone, found other schedulers."),
        (("--scheduler", "compact", "--any-order"), "Expected --any-order beside --scheduler ours"),
        (("--trace", "gpt"), "Expected a trace out of synthetic, an .npz or .csv file, a model's folder, or one of"),
        (("--trace", "absent.npz"), "Expected a readable file absent.npz, found: No such file or directory."),
    ],
)
def test_errors(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, problem = run("pim", "schedule", *arguments)
    assert code == 2
    assert message in problem


def test_too_few_tokens(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    synthetic_choices(seed=0, tokens=30).save(path)
    code, _, problem = run("pim", "schedule", "--trace", path, "--tokens", 20, "--train-tokens", 11)
    assert code == 2
    assert "Expected at least 31 tokens in " in problem
    assert "found 30: ask for fewer --tokens or --train-tokens." in problem
