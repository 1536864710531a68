"""The examples of docs/data.md run as they stand, and its tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from axhw.data import cifar, cifar_jpeg, fashion_mnist, tiny_imagenet
from axhw.data.names import DATASETS
from axhw.data.normalization import Normalization

GUIDE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(examples) == 2
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "data.md", "exec"), names)
    stated = re.search(r"print\(few.name, few.split\)  # (.*)", GUIDE)
    assert stated is not None
    assert capsys.readouterr().out.splitlines()[-1] == stated.group(1)
    images = names["images"]
    assert isinstance(images, np.ndarray)
    assert (images.dtype, images.shape) == (np.float32, (32, 1, 8, 8))


def test_all_names_are_there() -> None:
    assert set(re.findall(r"^\| `(\w+)` \| \d", GUIDE, re.MULTILINE)) == set(DATASETS)


@pytest.mark.parametrize(
    ("name", "normalization"),
    [
        ("fashion_mnist", fashion_mnist.NORMALIZATION),
        ("cifar10", cifar.CIFAR10.published.normalization),
        ("cifar10_jpeg", cifar_jpeg.PUBLISHED.normalization),
        ("cifar100", cifar.CIFAR100.published.normalization),
        ("tiny_imagenet", tiny_imagenet.PUBLISHED.normalization),
    ],
)
def test_normalisations_are_the_stated_ones(name: str, normalization: Normalization) -> None:
    mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (normalization.mean, normalization.std))
    assert f"| `{name}` | {mean} | {std} |" in GUIDE
