"""Without PyTorch, training says what to install."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from axhw.train import __main__ as command
from axhw.train import extra


def test_without_pytorch_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "torch" else found(name))
    assert command.main(["--model", "digits_cnn", "--data", "digits", "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err == "Expected PyTorch for training, found none: install it with pip install 'axhw[train]'.\n"
    assert not captured.out
