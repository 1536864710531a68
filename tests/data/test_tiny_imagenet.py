"""Tiny ImageNet from a small folder and archive in the official layout."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data import tiny_imagenet
from axhw.errors import AxhwError

Encoded = Callable[..., bytes]
CLASSES = ("n02", "n01")


def content(encoded: Encoded) -> dict[str, bytes]:
    """Four training images of each of two classes, not in the order of their names; three validation images."""

    def image(value: int, *, grey: bool = False) -> bytes:
        pixels: npt.NDArray[np.uint8] = np.full((64, 64) if grey else (64, 64, 3), value, np.uint8)
        return encoded(pixels, "JPEG")

    files = {
        "wnids.txt": "\n".join(CLASSES).encode(),
        "words.txt": b"n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tbullfrog\n",
        "val/val_annotations.txt": b"val_2.JPEG\tn01\t0\t0\t62\t62\nval_0.JPEG\tn02\t1\t2\t3\t4\nval_1.JPEG\tn01\n",
        "test/images/test_0.JPEG": image(9),
    }
    for index, name in enumerate(CLASSES):
        files[f"train/{name}/{name}_boxes.txt"] = b"ignored"
        for number in range(4):
            files[f"train/{name}/images/{name}_{number}.JPEG"] = image(100 * index + 10 * number, grey=number == 3)
    for number in range(3):
        files[f"val/images/val_{number}.JPEG"] = image(200 + number)
    return files


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, files: Mapping[str, bytes], *, prefix: str = "tiny-imagenet-200/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{prefix}{name}", data)
    return path


@pytest.mark.parametrize("form", ["folder", "archive", "archive without its folder"])
def test_official_layout(form: str, encoded: Encoded, tmp_path: Path) -> None:
    files = content(encoded)
    if form == "folder":
        place = write_folder(tmp_path / "tiny-imagenet-200", files)
        assert tiny_imagenet.find(tmp_path) == tiny_imagenet.find(place) == place
    else:
        place = write_zip(
            tmp_path / "tiny-imagenet-200.zip", files, prefix="" if "without" in form else "tiny-imagenet-200/"
        )
        assert tiny_imagenet.find(tmp_path) == place
        assert tiny_imagenet.is_archive(place)
    splits = tiny_imagenet.load(place)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [7, 1, 3]
    assert splits.train.image_shape == (3, 64, 64)
    assert splits.train.name == "Tiny ImageNet format (8 training and 3 test images)"
    assert splits.test.split == "test (official validation images)"
    assert splits.train.classes == ("bullfrog", "goldfish, Carassius auratus")
    assert splits.test.labels.tolist() == [1, 0, 1]
    assert splits.test.stored(slice(None))[:, 0, 0, 0].tolist() == [202, 200, 201]
    for part in (splits.train, splits.validation):
        values = part.stored(slice(None))[:, 2, 10, 10].astype(int)
        assert np.array_equal(part.labels, values // 100)


def test_classes_without_words_go_by_their_identifiers(encoded: Encoded, tmp_path: Path) -> None:
    files = content(encoded)
    del files["words.txt"]
    assert tiny_imagenet.load(write_folder(tmp_path, files)).test.classes == CLASSES


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("wnids.txt", b"n02", r"^Expected classes out of wnids.txt in .*, found train/n01/images/n01_0.JPEG\.$"),
        (
            "val/val_annotations.txt",
            b"val_0.JPEG\tn01\nval_9.JPEG\tn01\n",
            r"^Expected an image of val/images and a class of wnids.txt in line 2 of val/val_annotations.txt in .*, "
            r"found 'val_9.JPEG\\tn01'\.$",
        ),
        ("val/val_annotations.txt", b"val_0.JPEG\tn03\n", "in line 1 of val/val_annotations.txt"),
        ("val/val_annotations.txt", b"val_0.JPEG\n", "in line 1 of val/val_annotations.txt"),
        ("val/val_annotations.txt", b"", r"^Expected images in val of .*, found none\.$"),
        ("val/val_annotations.txt", None, r"^Expected val/val_annotations.txt in .*, found no such file\.$"),
        ("val/images/val_1.JPEG", b"\xff\xd8", r"^Expected an image in val/images/val_1.JPEG of .*, val, found someth"),
    ],
)
def test_damaged_data(name: str, data: bytes | None, message: str, encoded: Encoded, tmp_path: Path) -> None:
    files = content(encoded)
    if data is None:
        del files[name]
    else:
        files[name] = data
    with pytest.raises(AxhwError, match=message):
        tiny_imagenet.load(write_folder(tmp_path / "x", files))


def test_without_training_images(encoded: Encoded, tmp_path: Path) -> None:
    files = {name: data for name, data in content(encoded).items() if not name.startswith("train")}
    with pytest.raises(AxhwError, match=r"^Expected images in train of x, found none\.$"):
        tiny_imagenet.load(write_folder(tmp_path / "x", files))


def test_an_archive_that_leads_out_of_itself(encoded: Encoded, tmp_path: Path) -> None:
    place = write_zip(tmp_path / "tiny-imagenet-200.zip", {**content(encoded), "../../evil.JPEG": b"x"})
    with pytest.raises(AxhwError, match=r"found 'tiny-imagenet-200/../../evil.JPEG', which leads out of it\.$"):
        tiny_imagenet.load(place)
