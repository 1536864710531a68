"""The user's own images in class folders."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data import folder
from axhw.errors import AxhwError

Encoded = Callable[..., bytes]


def grey(value: int, size: tuple[int, int] = (4, 6)) -> npt.NDArray[np.uint8]:
    return np.full(size, value, np.uint8)


def write(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def names(prefix: str, classes: Iterable[str], count: int) -> list[str]:
    return [f"{prefix}{label}/{index}.png" for label in classes for index in range(count)]


@pytest.mark.parametrize("zipped", [False, True])
def test_class_folders_are_split_by_a_shuffle(zipped: bool, encoded: Encoded, tmp_path: Path) -> None:
    files = {name: encoded(grey(value)) for value, name in enumerate(names("", ("dog", "cat"), 10))}
    files |= {"cat/notes.txt": b"no image", "cat/.hidden.png": b"no image either"}
    path = write(tmp_path / "pets", files)
    if zipped:
        path = tmp_path / "pets.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    splits = folder.load(path)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [16, 2, 2]
    assert splits.train.name == path.name
    assert splits.train.classes == ("cat", "dog")
    assert splits.train.image_shape == (1, 4, 6)
    values = np.concatenate([part.stored(slice(None))[:, 0, 0, 0] for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    assert sorted(values.tolist()) == list(range(20))
    assert np.array_equal(labels, values < 10), "dog, the second class, has the values below 10"


@pytest.mark.parametrize("validation", ["validation", "val", None])
def test_folders_of_splits_are_taken_as_they_are(validation: str | None, encoded: Encoded, tmp_path: Path) -> None:
    counts = {"train": 10, "test": 4} | ({} if validation is None else {validation: 3})
    files = {}
    for part, count in counts.items():
        for value, name in enumerate(names(f"{part}/", ("a", "b"), count)):
            files[name] = encoded(grey(100 * (part == "test") + 200 * (part == validation) + value))
    splits = folder.load(write(tmp_path / "x", files))
    expected = [20, 6, 8] if validation else [18, 2, 8]
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == expected
    assert splits.test.stored(slice(None))[:, 0, 0, 0].tolist() == list(range(100, 108))
    assert splits.test.labels.tolist() == [0] * 4 + [1] * 4
    if validation:
        assert splits.validation.stored(slice(None)).min() == 200


def test_a_class_may_be_called_train(encoded: Encoded, tmp_path: Path) -> None:
    files = {name: encoded(grey(value)) for value, name in enumerate(names("", ("train", "car"), 5))}
    assert folder.load(write(tmp_path / "x", files)).train.classes == ("car", "train")


def test_images_are_coloured_if_one_of_them_is(encoded: Encoded, tmp_path: Path) -> None:
    files = {name: encoded(grey(value)) for value, name in enumerate(names("", "ab", 5))}
    files["b/9.jpg"] = encoded(np.zeros((4, 6, 3), np.uint8), "JPEG")
    assert folder.load(write(tmp_path / "x", files)).train.image_shape == (3, 4, 6)


def test_changed_images_are_decoded_again(encoded: Encoded, tmp_path: Path) -> None:
    files = {name: encoded(grey(value)) for value, name in enumerate(names("", "ab", 5))}
    path = write(tmp_path / "x", files)
    before = folder.load(path).train.pixels.copy()
    write(path, {"a/0.png": encoded(grey(77))})
    after = folder.load(path).train.pixels
    assert (before[0, 0, 0, 0], after[0, 0, 0, 0]) == (0, 77)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": (1,)}, r"^Expected images \(.png, .*\) in folders named after their classes in .*x, found"),
        ({"a/0.png": (1,), "1.png": (2,)}, r"^Expected every image of .*x in a folder named after its class, found 1"),
        ({"train/0.png": (1,)}, r"^Expected every image of .*x in a folder named after its class, found train/0.pn"),
        ({"test/a/0.png": (1,)}, r"^Expected training images in .*x/train, to calibrate with, found test alone\.$"),
        (
            {"train/a/0.png": (1,), "test/b/0.png": (2,)},
            r"^Expected the classes of .*x/train in test, found b besides\.$",
        ),
        (
            {"a/0.png": (1,), "b/1.png": (2, (5, 6))},
            r"^Expected images of one size in x, found 6x4 in a/0.png and 6x5 in b/1.png: scale or cut them",
        ),
        ({"a/0.png": (1,), "b/1.png": (2,)}, r"^Expected at least 3 training images in x to split, found 2\.$"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_used(
    files: dict[str, tuple[int, tuple[int, int]]], message: str, encoded: Encoded, tmp_path: Path
) -> None:
    path = write(tmp_path / "x", {name: encoded(grey(*content)) for name, content in files.items()})
    with pytest.raises(AxhwError, match=message):
        folder.load(path)


def test_an_empty_folder_and_a_file_that_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(AxhwError, match=r"in folders named after their classes in .*, found none\.$"):
        folder.load(tmp_path)
    with pytest.raises(AxhwError, match=r"^Expected an image in a/0.png of x, found something else\.$"):
        folder.load(write(tmp_path / "x", {"a/0.png": b"text"}))
