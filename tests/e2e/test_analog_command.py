"""``axhw analog eval`` and ``axhw analog select``, typed as a user would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from axhw.cli.main import main
from axhw.lm.config import ModelConfig
from axhw.lm.model import load_model
from axhw.lm.random_weights import random_tensors
from axhw.lm.save import write_checkpoint
from axhw.lm.scoring import score

CONFIG = ModelConfig(
    architecture="olmoe",
    vocabulary=256,
    hidden=16,
    layers=2,
    heads=2,
    kv_heads=2,
    head_dim=8,
    context=64,
    rope_theta=10000.0,
    norm_eps=1e-5,
    experts=4,
    active_experts=2,
    expert_width=8,
    normalize_top_k=False,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model, and texts of 600 and 400 bytes."""
    folder = tmp_path_factory.mktemp("analog")
    write_checkpoint(folder / "tiny", CONFIG, random_tensors(CONFIG, np.random.default_rng(0), spread=0.5))
    rng = np.random.default_rng(1)
    for name, size in (("test.txt", 600), ("calibration.txt", 400)):
        (folder / name).write_bytes(rng.integers(0, 256, size).astype(np.uint8).tobytes())
    names = {"model": "tiny", "text": "test.txt", "calibration": "calibration.txt"}
    return {option: str(folder / name) for option, name in names.items()}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    capsys.readouterr()
    code = main(["analog", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    document: dict[str, Any] = json.loads(out)
    return document


def options(files: dict[str, str], *names: str) -> list[str]:
    return [word for name in names for word in (f"--{name}", files[name])]


def test_eval(capsys: pytest.CaptureFixture[str], files: dict[str, str], tmp_path: Path) -> None:
    command = [
        *("eval", *options(files, "model", "text", "calibration"), "--seeds", "2", "--magnitude", "2.5"),
        *("--selector", "maxnn", "--selector", "probed", "--scope", "layer", "--scope", "global"),
        *("--digital", "0", "--digital", "25", "--digital", "100", "--out", str(tmp_path), "--jobs", "1"),
    ]
    document = found(capsys, *command)
    text = np.frombuffer(Path(files["text"]).read_bytes(), np.uint8)
    expected = score(load_model(Path(files["model"]), keep=True), text, window=64)
    assert document["window"] == 64, "the context of the model, which is less than 256"
    assert document["reference"]["nats_per_token"] == pytest.approx(expected.nats_per_token)
    assert [row["part"] for row in document["converters"]] == ["gate", "up", "down"]
    assert len(document["means"]) == 2 * 2 * 3
    assert len(document["scores"]) == 2 * len(document["means"])
    for row in document["means"]:
        if row["digital_pct"] == 100:
            assert row["nats_per_token"] == pytest.approx(expected.nats_per_token)
    assert len(pd.read_csv(tmp_path / "scores.csv")) == len(document["scores"])
    assert len(pd.read_csv(tmp_path / "means.csv")) == len(document["means"])
    saved = json.loads((tmp_path / "analog.json").read_text(encoding="utf-8"))
    assert saved == {key: value for key, value in document.items() if key != "files"}
    code, out, _ = run(capsys, *command)
    assert code == 0
    assert "recovered" in out
    assert "tiny: perplexity" in out


def test_a_chosen_placement_scores_as_its_selector_does(
    capsys: pytest.CaptureFixture[str], files: dict[str, str], tmp_path: Path
) -> None:
    common = [*options(files, "model", "calibration"), "--magnitude", "2", "--jobs", "1"]
    chosen = found(
        capsys,
        "select",
        *common,
        "--selector",
        "oracle",
        "--scope",
        "global",
        "--digital",
        "25",
        "--out",
        str(tmp_path),
    )
    assert len(chosen["digital"]) == 2
    assert [[row["layer"], row["expert"]] for row in chosen["ranking"][:2]] in (
        chosen["digital"],
        chosen["digital"][::-1],
    )
    ranking = pd.read_csv(tmp_path / "ranking.csv")
    assert list(ranking.columns) == ["rank", "layer", "expert", "score", "digital"]
    assert ranking["score"].is_monotonic_decreasing
    evaluated = found(
        capsys,
        *("eval", *common, *options(files, "text"), "--seeds", "2", "--placement", str(tmp_path / "placement.json")),
        *("--selector", "oracle", "--scope", "global", "--digital", "25"),
    )
    by_selector, given = evaluated["means"]
    assert (by_selector["selector"], given["selector"]) == ("oracle", "placement")
    assert given["nats_per_token"] == by_selector["nats_per_token"]
    code, out, _ = run(capsys, "select", *common, "--selector", "router")
    assert code == 0
    assert "2 of 8 experts digital, the first of each layer by router" in out


def test_kinds_of_hardware(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    def mean(*arguments: str) -> dict[str, Any]:
        rows: list[dict[str, Any]] = found(
            capsys,
            *("eval", *options(files, "model", "text", "calibration"), "--digital", "0", "--seeds", "1"),
            *("--jobs", "1", *arguments),
        )["means"]
        assert len(rows) == 1
        return rows[0]

    ideal = mean("--no-converters", "--noise", "none")
    assert ideal["rise_nats"] == pytest.approx(0, abs=1e-5)
    assert ideal["converters"] is False
    kinds = [
        mean(),
        mean("--noise", "none"),
        mean("--noise", "none", "--k", "18", "--lambda", "14"),
        mean("--noise", "none", "--tile-rows", "4", "--adc-bits", "6"),
        mean("--no-converters", "--noise", "hermes"),
        mean("--no-converters", "--noise", "none", "--dense-analog", "--dac-bits", "4"),
        mean("--dense-analog"),
        mean("--seconds", "3600"),
        mean("--seconds", "3600", "--compensate"),
    ]
    rises = [row["rise_nats"] for row in kinds]
    assert len(set(rises)) == len(rises)
    assert [row["seconds"] for row in kinds[-2:]] == [3600, 3600]
    digital = found(
        capsys,
        *("eval", *options(files, "model", "text", "calibration"), "--digital", "100", "--seeds", "1"),
        *("--jobs", "1", "--multiplier", "roup:p=1,r=4"),
    )
    assert digital["means"][0]["rise_nats"] != 0


def test_a_file_is_cut_in_halves(capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> None:
    document = found(capsys, "eval", *options(files, "model", "text"), "--digital", "0", "--seeds", "1")
    assert (document["calibration_bytes"], document["test_bytes"]) == (300, 300)
    document = found(
        capsys,
        *("eval", *options(files, "model", "text", "calibration"), "--digital", "0", "--seeds", "1"),
        *("--bytes", "200", "--calibration-bytes", "130", "--window", "32"),
    )
    assert (document["calibration_bytes"], document["test_bytes"], document["window"]) == (130, 200, 32)


def test_bad_input(capsys: pytest.CaptureFixture[str], files: dict[str, str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"digital": [[0, 7]]}', encoding="utf-8")
    tokens = tmp_path / "tokens"
    config = ModelConfig(**{**CONFIG.__dict__, "vocabulary": 300})
    write_checkpoint(tokens, config, random_tensors(config, np.random.default_rng(0)))
    texts = options(files, "text", "calibration")
    tiny = ["--model", files["model"]]
    for arguments, sentence in (
        (["--model", "gpt9", *texts], "Expected a language model out of"),
        (["--model", str(tokens), *texts], "Expected a language model of bytes, with 256 tokens, found 300 in"),
        ([*tiny, "--text", "nowhere.txt"], "Expected a text out of tinyshakespeare, python_topics, mix, or a file"),
        ([*tiny, *texts, "--window", "100"], "Expected texts of at most 64 tokens, found 100."),
        ([*tiny, *texts, "--bytes", "40"], "Expected a window of at least 1 token and a text longer than it"),
        ([*tiny, *texts, "--selector", "best"], "Invalid value for '--selector'"),
        ([*tiny, *texts, "--digital", "101"], "Invalid value for '--digital'"),
        ([*tiny, *texts, "--placement", str(wrong)], "found expert 7 of layer 0 in the placement."),
        ([*tiny, *texts, "--compensate"], "Expected a time --seconds beside --compensate, found none."),
        ([*tiny, *texts, "--k", "0"], "Expected a K above 0"),
        ([*tiny, *texts, "-m", "exact:signed=false"], "Expected a multiplier of signed operands for experts"),
        ([*tiny, *texts, "-m", "exact:width=4"], "Expected a multiplier of 8-bit operands"),
    ):
        code, out, err = run(capsys, "eval", *arguments)
        assert code == 2, arguments
        assert out == ""
        last = err.splitlines()[-1]
        assert last.startswith("axhw: ")
        assert sentence in last
    code, _, err = run(capsys, "select", *tiny, "--calibration", str(tmp_path / "nowhere"))
    assert code == 2
    assert "or a file, found" in err
