"""Fashion-MNIST: the real one where it is installed, other data in the same format."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from axhw.data import fashion_mnist
from axhw.data.augment import Augmentation
from axhw.data.idx import encode_idx
from axhw.data.normalization import Normalization
from axhw.errors import AxhwError

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def write(folder: Path, *, compressed: bool = True) -> Path:
    """Thirty training and five test images of 4x4 pixels."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (30, 4, 4), dtype=np.uint8),
        np.arange(30, dtype=np.uint8) % 10,
        rng.integers(0, 256, (5, 4, 4), dtype=np.uint8),
        np.arange(5, dtype=np.uint8),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in zip(NAMES, arrays):
        content = encode_idx(values)
        (folder / f"{name}{'.gz' * compressed}").write_bytes(gzip.compress(content) if compressed else content)
    return folder


@pytest.mark.skipif(
    fashion_mnist.find(fashion_mnist.SYSTEM_FOLDER) is None, reason="Debian's dataset-fashion-mnist is not installed"
)
def test_the_real_one() -> None:
    splits = fashion_mnist.load(fashion_mnist.SYSTEM_FOLDER)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [54_000, 6_000, 10_000]
    assert {part.name for part in parts} == {"Fashion-MNIST"}
    assert splits.train.image_shape == (1, 28, 28)
    assert np.bincount(splits.test.labels).tolist() == [1000] * 10
    assert (splits.train.classes[9], int(splits.test.labels[0])) == ("Ankle boot", 9)
    measured = Normalization.measured(splits.train.pixels)  # type: ignore[arg-type]
    assert tuple(round(value, 4) for value in (*measured.mean, *measured.std)) == (
        *fashion_mnist.NORMALIZATION.mean,
        *fashion_mnist.NORMALIZATION.std,
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_other_data_in_the_format_is_not_called_fashion_mnist(compressed: bool, tmp_path: Path) -> None:
    splits = fashion_mnist.load(write(tmp_path / "mine", compressed=compressed))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [27, 3, 5]
    assert splits.test.name == "mine (idx files, not Fashion-MNIST)"
    assert splits.test.labels.tolist() == [0, 1, 2, 3, 4]
    assert splits.train.normalization != fashion_mnist.NORMALIZATION
    assert splits.train.classes == tuple("0123456789")
    assert splits.augmentation == Augmentation()


@pytest.mark.parametrize("place", [".", "fashion-mnist", "fashion_mnist", "FashionMNIST/raw"])
def test_it_is_found_in_the_usual_places(place: str, tmp_path: Path) -> None:
    write(tmp_path / place)
    found = fashion_mnist.find(tmp_path)
    assert found is not None
    assert found.resolve() == (tmp_path / place).resolve()
    assert fashion_mnist.find(tmp_path / "absent") is None


def test_all_four_files_are_needed(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / f"{NAMES[3]}.gz").unlink()
    with pytest.raises(
        AxhwError, match=r"^Expected t10k-labels-idx1-ubyte.gz or t10k-labels-idx1-ubyte in .*, found neither: all four"
    ):
        fashion_mnist.load(tmp_path)


def test_labels_that_are_no_class_or_too_few(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / f"{NAMES[3]}.gz").write_bytes(encode_idx(np.array([1, 2, 3, 4, 10], np.uint8)))
    with pytest.raises(AxhwError, match=r"^Expected labels from 0 to 9 in .*, split test, found 1 to 10\.$"):
        fashion_mnist.load(tmp_path)
    (tmp_path / f"{NAMES[3]}.gz").write_bytes(encode_idx(np.array([1, 2, 3, 4], np.uint8)))
    with pytest.raises(AxhwError, match=r"^Expected one label for each of the 5 images in .*, split test"):
        fashion_mnist.load(tmp_path)


def test_a_truncated_file(tmp_path: Path) -> None:
    path = write(tmp_path) / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AxhwError, match=r"^Expected to read .*train-images-idx3-ubyte.gz, found: "):
        fashion_mnist.load(tmp_path)
