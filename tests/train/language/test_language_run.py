"""Training a language model from the command line to files that `axhw.lm` reads."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.data.text import load_text  # noqa: E402
from axhw.lm.checkpoint import INDEX, Checkpoint  # noqa: E402
from axhw.lm.config import ModelConfig  # noqa: E402
from axhw.lm.config_file import read_config  # noqa: E402
from axhw.lm.model import LanguageModel, load_model  # noqa: E402
from axhw.lm.scoring import score  # noqa: E402
from axhw.train.language import __main__ as command  # noqa: E402
from axhw.train.language import presets  # noqa: E402
from axhw.train.language import run as language_run  # noqa: E402
from axhw.train.language.presets import Preset  # noqa: E402
from axhw.train.language.recipe import Recipe  # noqa: E402

# What training needs beside PyTorch, NumPy and safetensors must not grow unnoticed: machines with GPUs lack the rest.
UNNEEDED = (
    "click",
    "pandas",
    "numba",
    "pymoo",
    "rich",
    "matplotlib",
    "amaranth",
    "sklearn",
    "PIL",
    "llvmlite",
    "jinja2",
)
NAME = "tiny-python_topics"


@pytest.fixture
def tiny(make_config: Callable[..., ModelConfig], monkeypatch: pytest.MonkeyPatch) -> ModelConfig:
    """The configuration of the preset ``tiny``."""
    config = make_config("deepseek", shared_width=12, dense_layers=(0,), dense_width=20)
    recipe = Recipe(rounds=2, steps=40, batch=8, length=32, learning_rate=0.01, dropout=0.0, expert_dropout=0.0)
    monkeypatch.setattr(presets, "PRESETS", {"tiny": Preset(config=config, recipe=recipe)})
    return config


def train(out: Path, *changes: str) -> list[str]:
    """The log."""
    given = ["--model", "tiny", "--text", "python_topics", "--out", str(out), "--device", "cpu"]
    assert command.main([*given, *changes]) == 0
    return (out / NAME / "training.log").read_text().splitlines()


def test_files_are_what_the_log_says(tiny: ModelConfig, tmp_path: Path) -> None:
    lines = train(tmp_path)
    text = load_text("python_topics")
    files = {"config.json", "model.safetensors", "training.log"}
    folders = {"float16": tmp_path / NAME, "int8": tmp_path / f"{NAME}-int8"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "python_topics-validation.txt",
        "python_topics-test.txt",
        *(folder.name for folder in folders.values()),
    }
    assert (tmp_path / "python_topics-test.txt").read_bytes() == text.test.tobytes()
    assert any(line.endswith(text.sha256) for line in lines)
    for form, folder in folders.items():
        assert {path.name for path in folder.iterdir()} == files
        assert (folder / "training.log").read_text().splitlines() == lines
        assert read_config(folder) == tiny
        found = score(LanguageModel(tiny, Checkpoint(folder), keep=True), text.test, window=32)
        (line,) = (line for line in lines if line.startswith(f"{form} weights, python_topics, test: "))
        told = re.search(r"perplexity ([\d.]+), accuracy ([\d.]+)$", line)
        assert told is not None
        assert found.perplexity == pytest.approx(float(told.group(1)), rel=1e-4)
        assert found.accuracy == pytest.approx(float(told.group(2)), abs=2e-4)
        assert found.perplexity < 25
    exact, rounded = (Checkpoint(folder) for folder in folders.values())
    name = "model.layers.1.mlp.experts.2.up_proj.weight"
    largest = np.abs(exact.tensor(name)).max(axis=1, keepdims=True)
    assert (np.abs(exact.tensor(name) - rounded.tensor(name)) <= largest * (0.5 / 127 + 2**-10)).all()


def test_experts_that_choose_are_trained_and_read(tiny: ModelConfig, tmp_path: Path) -> None:
    lines = train(tmp_path, "--routing", "expert_choice", "--steps", "20")
    text = load_text("python_topics")
    assert read_config(tmp_path / NAME) == replace(tiny, routing="expert_choice")
    assert sum("not those of prediction" in line for line in lines) == 1
    found = score(load_model(tmp_path / NAME, keep=True), text.test, window=32)
    (line,) = (line for line in lines if line.startswith("float16 weights, python_topics, test: "))
    told = re.search(r"perplexity ([\d.]+), accuracy", line)
    assert told is not None
    assert found.perplexity == pytest.approx(float(told.group(1)), rel=1e-3)
    assert found.perplexity < 30


def test_the_same_seed_gives_the_same_files_in_shards_too(
    tiny: ModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "first", "--steps", "4")
    for size in (7_000, 12_000):  # the second time over a folder with more shards
        monkeypatch.setattr(language_run, "SHARD_BYTES", size)
        lines = train(tmp_path / "second", "--steps", "4")
    folder = tmp_path / "second" / NAME
    shards = sorted(folder.glob("*.safetensors"))
    assert (folder / INDEX).exists()
    assert shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    assert len(shards) == 3
    assert all(path.stat().st_size < 20_000 for path in shards)
    assert sum(line.startswith("float16: model-") for line in lines) == len(shards)
    first, second = Checkpoint(tmp_path / "first" / NAME), Checkpoint(folder)
    for name in ("model.embed_tokens.weight", "model.layers.1.mlp.gate.weight", "lm_head.weight"):
        np.testing.assert_array_equal(first.tensor(name), second.tensor(name))


def test_training_needs_little_beside_pytorch(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "before = set(sys.modules)\n"
        "from axhw.train.language.run import run\n"
        "from axhw.train.language.__main__ import main\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(UNNEEDED)


def test_bad_input_gets_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def complaint(*changes: str) -> str:
        given = ["--model", "olmoe_bytes_small", "--text", "python_topics", "--out", str(tmp_path), "--device", "cpu"]
        assert command.main([*given, *changes]) == 2
        return capsys.readouterr().err

    assert complaint("--model", "gpt").startswith("Expected a model out of olmoe_bytes, ")
    assert complaint("--text", "bible") == (
        "Expected a text out of tinyshakespeare, python_topics, mix, found 'bible'.\n"
    )
    assert complaint("--device", "tpu").startswith("Expected a device out of auto, cpu and cuda")
    assert complaint("--data-folder", str(tmp_path / "none"), "--text", "mix").startswith(
        "Expected a folder with data sets, found none at "
    )
