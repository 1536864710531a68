"""``axhw pim values``, typed as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from axhw.lm.config import ModelConfig
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint

Run = Callable[..., tuple[int, str, str]]
Found = Callable[..., dict[str, Any]]

QUICK = ("pim", "values", "--window", 32, "--bytes", 65, "--prompt", 8, "--schedule-tokens", 8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of bytes."""
    config = ModelConfig(
        architecture="olmoe",
        vocabulary=256,
        hidden=16,
        layers=2,
        heads=2,
        kv_heads=2,
        head_dim=8,
        context=32,
        rope_theta=1000.0,
        norm_eps=1e-5,
        experts=4,
        active_experts=2,
        expert_width=12,
        normalize_top_k=False,
    )
    folder = tmp_path_factory.mktemp("models") / "small"
    write_checkpoint(folder, config, random_tensors(config, np.random.default_rng(0), spread=0.3))
    return folder


def test_files_are_the_document(found: Found, model: Path, tmp_path: Path) -> None:
    command = (*QUICK, "--model", model, "-m", "roup:p=1,r=4", "--magnitude", 2.5, "--cache", "growing")
    document = found(*command, "--score-bits", 8, "--out", tmp_path / "out")
    assert (document["model"], document["trained"], document["bytes"]) == ("small", "token_choice", 65)
    files = [tmp_path / "out" / name for name in ("values.csv", "schedule-values.csv", "values.json")]
    assert document["files"] == [str(path) for path in files]
    values, schedules = document["values"], document["schedules"]
    assert [(row["multiplier"], row["seed"]) for row in values if row["routing"] == "token_choice"] == [
        ("float32", None),
        ("int8", None),
        ("roup:p=1,r=4", None),
        ("analog", 0),
    ]
    assert [(row["routing"], row["size"]) for row in values[2:6]] == [
        ("expert_choice", "growing"),
        ("expert_choice", "growing"),
        ("token_choice", ""),
        ("expert_choice", ""),
    ]
    table = pd.read_csv(files[0])
    assert table["perplexity"].tolist() == [row["perplexity"] for row in values]
    assert pd.read_csv(files[1])["cycles"].tolist() == [row["cycles"] for row in schedules]
    assert json.loads(files[2].read_text()) == {key: document[key] for key in document if key != "files"}
    # Two multipliers, two routings, five kinds of schedules.
    assert len(schedules) == 20
    assert all(row["equal"] for row in schedules)


def test_table(run: Run, model: Path) -> None:
    code, out, _ = run(*QUICK, "--model", model, "--exact-only", "--grouping", "U2")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[1:7]] == [["float32", "tokens"]] + [["float32", "experts"]] * 5
    assert [" 8 bits " in line for line in lines[1:7]] == [False, False, False, True, False, True]
    assert "* Experts saw later bytes when they chose: not a perplexity of prediction." in lines
    assert sum(" U2 " in line and " yes " in line for line in lines) == 15
    code, out, _ = run(*QUICK, "--model", model, "--schedule-tokens", 0, "--noise", "none", "-m", "exact")
    assert code == 0
    assert "grouping" not in out


def test_bad_input_gets_a_sentence(run: Run, model: Path) -> None:
    for options, message in (
        (("--prompt", 32), "Expected prompts of 1 to 31 tokens of a window, found 32."),
        (("--schedule-tokens", 99), "Expected at most 65 --schedule-tokens, as --bytes, found 99."),
        (("--model", "gpt"), "Expected a language model out of"),
        (("-m", "roup:p=1,r=4,signed=false"), "Expected a multiplier of signed operands for experts, found"),
        (("--bytes", 20), "Expected a window of at least 1 token and a text longer than it, found 32 and 20 tokens."),
    ):
        code, out, err = run(*QUICK, "--model", model, "-m", "exact", "--noise", "none", *options)
        assert (code, out) == (2, "")
        assert message in err
