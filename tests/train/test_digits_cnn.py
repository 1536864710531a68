"""Training: what can be said without PyTorch, and with it where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from axhw.nn import digits
from axhw.nn.network import Network
from axhw.nn.zoo import DIGITS_CNN, read_network
from axhw.train.digits_cnn import Recipe, main, shifted, train
from axhw.train.torch_model import build, parameters


def test_images_are_shifted_sideways() -> None:
    images = np.arange(1, 13, dtype=np.float32).reshape(3, 1, 2, 2)
    result = shifted(images, np.array([1, 0, -1]))
    assert result.tolist() == [[[[0, 1], [0, 3]]], [[[5, 6], [7, 8]]], [[[10, 0], [12, 0]]]]


def test_without_pytorch_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "Expected PyTorch for training, found none: install it with pip install 'axhw[train]'.\n"
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--epochs", "Expected at least 1 epoch of training, found -1."),
        ("--seed", "Expected a seed of at least 0, found -1."),
    ],
)
def test_an_impossible_recipe_is_refused(
    option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), option, "-1"]) == 2
    assert capsys.readouterr().err == f"{message}\n"


def test_the_pytorch_model_is_the_same_network() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch (extra train) is not installed")
    torch.manual_seed(0)
    model = build(DIGITS_CNN)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    images = np.random.default_rng(0).uniform(-1, 1, (5, 1, 8, 8)).astype(np.float32)
    expected = model(torch.from_numpy(images)).detach().numpy()
    network = Network(architecture=DIGITS_CNN, parameters=parameters(DIGITS_CNN, model))
    assert network.forward(images) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_training_learns_and_a_seed_gives_the_same_weights() -> None:
    pytest.importorskip("torch", reason="PyTorch (extra train) is not installed")
    data = digits.load()
    lines: list[str] = []
    recipe = Recipe(seed=3, epochs=2)
    first = train(data, recipe, log=lines.append)
    second = train(data, recipe, log=lines.append)
    for name, values in first.parameters.items():
        assert np.array_equal(values, second.parameters[name])
    assert lines[:2] == lines[2:]
    right = np.mean(first.forward(data.validation.images).argmax(axis=1) == data.validation.labels)
    assert right > 0.8


def test_weights_and_log_are_written(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch (extra train) is not installed")
    assert main(["--out", str(tmp_path / "new"), "--epochs", "1"]) == 0
    read_network(DIGITS_CNN, tmp_path / "new" / "digits_cnn.safetensors")
    assert "float test accuracy: " in (tmp_path / "new" / "digits_cnn.log").read_text(encoding="utf-8")
