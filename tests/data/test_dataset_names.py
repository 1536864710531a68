"""Data sets by name and path: where they are looked for, and what they are taken for."""

from __future__ import annotations

import dataclasses
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from axhw.data import names
from axhw.data.dataset import Splits
from axhw.data.download import RemoteFile
from axhw.data.idx import encode_idx
from axhw.data.names import DATASETS, load_dataset
from axhw.data.places import DATA_ENVIRONMENT
from axhw.errors import AxhwError

Encoded = Callable[..., bytes]
SYSTEM_FOLDER = names._SOURCES["fashion_mnist"][0].system_folder


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """No package of the system, no network; the names of the files that would be downloaded."""
    asked: list[str] = []

    def fetch(remote: RemoteFile, folder: Path) -> Path:
        asked.append(f"{folder.relative_to(tmp_path)}/{remote.name}")
        raise AxhwError("no network")

    monkeypatch.setattr(names, "fetch", fetch)
    fashion = dataclasses.replace(names._SOURCES["fashion_mnist"][0], system_folder=tmp_path / "system")
    monkeypatch.setattr(names, "_SOURCES", {**names._SOURCES, "fashion_mnist": (fashion,)})
    return asked


def write_fashion(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (10, 4, 4), dtype=np.uint8)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(encode_idx(pixels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(encode_idx(np.arange(10, dtype=np.uint8)))
    return folder


def write_cifar10(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    record = bytes([1]) + np.random.default_rng(0).bytes(3072)
    for name in (*(f"data_batch_{index}.bin" for index in range(1, 6)), "test_batch.bin"):
        (folder / name).write_bytes(record)
    (folder / "batches.meta.txt").write_text("a\nb\n")
    return folder


def write_cifar10_jpeg(path: Path, encoded: Encoded) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [encoded(np.full((32, 32, 3), value, np.uint8), "JPEG", quality=75) for value in (0, 90, 180)]
    arrays = {
        f"{part}_{what}": values
        for part in ("train", "test")
        for what, values in (
            ("jpeg", np.frombuffer(b"".join(files), np.uint8)),
            ("off", np.cumsum([0, *map(len, files)])),
            ("y", np.arange(3)),
        )
    }
    np.savez(path, classes=np.array(["a", "b", "c"]), **arrays)
    return path


def write_tiny(folder: Path, encoded: Encoded) -> Path:
    image = [encoded(np.full((64, 64, 3), value, np.uint8), "JPEG") for value in (0, 90, 180)]
    (folder / "train" / "n1" / "images").mkdir(parents=True)
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("n1\n")
    for index, content in enumerate(image):
        (folder / "train" / "n1" / "images" / f"{index}.JPEG").write_bytes(content)
    (folder / "val" / "images" / "0.JPEG").write_bytes(image[0])
    (folder / "val" / "val_annotations.txt").write_text("0.JPEG\tn1\t0\t0\t1\t1\n")
    return folder


def name_of(splits: Splits) -> str:
    return splits.test.name


def test_digits_need_nothing() -> None:
    assert name_of(load_dataset("digits")).startswith("scikit-learn digits")
    assert DATASETS == ("digits", "fashion_mnist", "cifar10", "cifar10_jpeg", "cifar100", "tiny_imagenet")


def test_folders_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    root, variable = tmp_path / "root", tmp_path / "variable"
    root.mkdir()
    variable.mkdir()
    monkeypatch.setenv(DATA_ENVIRONMENT, str(variable))
    places = [tmp_path / "system", cache / "datasets" / "fashion-mnist", variable / "FashionMNIST" / "raw", root]
    for place in places:
        write_fashion(place)
        found = name_of(load_dataset("fashion_mnist", root=root))
        assert found == f"{place.name} (idx files, not Fashion-MNIST)"


def test_what_is_not_found_is_downloaded(
    bare_machine: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "variable").mkdir()

    def asked(name: str, root: Path | None = None) -> list[str]:
        bare_machine.clear()
        with pytest.raises(AxhwError, match="no network"):
            load_dataset(name, root=root)
        return bare_machine

    assert asked("cifar10", tmp_path / "root") == ["root/cifar-10-binary.tar.gz"]
    assert asked("cifar100") == ["cache/datasets/cifar-100-binary.tar.gz"]
    monkeypatch.setenv(DATA_ENVIRONMENT, str(tmp_path / "variable"))
    assert asked("tiny_imagenet") == ["variable/tiny-imagenet-200.zip"]
    assert asked("fashion_mnist") == ["variable/fashion-mnist/train-images-idx3-ubyte.gz"]


def test_downloads_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_fashion(remote: RemoteFile, folder: Path) -> Path:
        return write_fashion(folder) / remote.name

    monkeypatch.setattr(names, "fetch", fetch_fashion)
    assert name_of(load_dataset("fashion_mnist", root=tmp_path)) == "fashion-mnist (idx files, not Fashion-MNIST)"

    def fetch_cifar10(remote: RemoteFile, folder: Path) -> Path:
        with tarfile.open(folder / remote.name, "w:gz") as archive:
            archive.add(write_cifar10(tmp_path / "made"), "cifar-10-batches-bin")
        return folder / remote.name

    monkeypatch.setattr(names, "fetch", fetch_cifar10)
    (tmp_path / "root").mkdir()
    expected = "CIFAR-10 format (5 training and 1 test images)"
    assert name_of(load_dataset("cifar10", root=tmp_path / "root")) == expected


def test_the_lossy_copy_stands_in_for_cifar10_under_its_own_name(encoded: Encoded, tmp_path: Path) -> None:
    write_cifar10_jpeg(tmp_path / "cifar10_jpeg_bytes.npz", encoded)
    lossy = "CIFAR-10 (JPEG q75) format (3 training and 3 test images)"
    assert name_of(load_dataset("cifar10", root=tmp_path)) == lossy
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    assert name_of(load_dataset("cifar10", root=tmp_path)) == "CIFAR-10 format (5 training and 1 test images)"
    assert name_of(load_dataset("cifar10_jpeg", root=tmp_path)) == lossy


def test_the_lossy_copy_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(
        AxhwError,
        match=rf"^Expected CIFAR-10 \(JPEG q75\) in {tmp_path} or .*datasets, found none: name its folder, or set "
        r"AXHW_DATA_DIR to it\.$",
    ):
        load_dataset("cifar10_jpeg", root=tmp_path)


def test_paths_are_taken_for_what_they_hold(encoded: Encoded, tmp_path: Path) -> None:
    fashion = write_fashion(tmp_path / "fashion")
    assert name_of(load_dataset(str(fashion))) == "fashion (idx files, not Fashion-MNIST)"
    ten = write_cifar10(tmp_path / "ten" / "cifar-10-batches-bin")
    for path in (ten, ten.parent):
        assert name_of(load_dataset(str(path))) == "CIFAR-10 format (5 training and 1 test images)"
    with tarfile.open(tmp_path / "any.tar.gz", "w:gz") as archive:
        archive.add(ten, ten.name)
    assert name_of(load_dataset(str(tmp_path / "any.tar.gz"))).startswith("CIFAR-10 format")
    lossy = write_cifar10_jpeg(tmp_path / "lossy" / "cifar10_jpeg_bytes.npz", encoded)
    for path in (lossy, lossy.parent):
        assert name_of(load_dataset(str(path))).startswith("CIFAR-10 (JPEG q75) format")
    tiny = write_tiny(tmp_path / "tiny", encoded)
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as zipped:
        for file in tiny.rglob("*"):
            zipped.write(file, Path("tiny-imagenet-200") / file.relative_to(tiny))
    for path in (tiny, tmp_path / "any.zip"):
        assert name_of(load_dataset(str(path))).startswith("Tiny ImageNet format")
    own = tmp_path / "own.npz"
    np.savez(own, images=np.random.default_rng(0).integers(0, 256, (9, 4, 4), dtype=np.uint8), labels=np.arange(9))
    assert name_of(load_dataset(str(own))) == "own.npz"
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    for value in range(4):
        (tmp_path / "pets" / "cat" / f"{value}.png").write_bytes(encoded(np.full((4, 4), value, np.uint8)))
    assert name_of(load_dataset(str(tmp_path / "pets"))) == "pets"
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as zipped:
        for file in (tmp_path / "pets").rglob("*.png"):
            zipped.write(file, file.relative_to(tmp_path / "pets"))
    assert name_of(load_dataset(str(tmp_path / "pets.zip"))) == "pets.zip"


def test_a_folder_of_several_data_sets(tmp_path: Path) -> None:
    write_fashion(tmp_path / "fashion-mnist")
    write_cifar10(tmp_path / "cifar-10-batches-bin")
    with pytest.raises(
        AxhwError, match=r"^Expected one data set in .*, found Fashion-MNIST and CIFAR-10: choose one by its name or pa"
    ):
        load_dataset(str(tmp_path))


def test_names_and_paths_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(
        AxhwError,
        match=r"^Expected a data set out of digits, fashion_mnist, .*, or the path of a folder, archive or .npz file, "
        r"found 'mnist'\.$",
    ):
        load_dataset("mnist")
    with pytest.raises(AxhwError, match=r"found 'cifr10' \(did you mean cifar10\?\)\.$"):
        load_dataset("cifr10")
    with pytest.raises(AxhwError, match=r"found '.*absent.npz', which is no file\.$"):
        load_dataset(str(tmp_path / "absent.npz"))
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(
        AxhwError, match=r"^Expected a folder, .npz, .zip or .tar.gz file with a data set, found .*x.txt"
    ):
        load_dataset(str(tmp_path / "x.txt"))
    with pytest.raises(AxhwError, match=r"^Expected a folder with data sets, found none at .*absent: make it, or name"):
        load_dataset("cifar10", root=tmp_path / "absent")


def test_debian_has_a_package_with_fashion_mnist() -> None:
    assert Path("/usr/share/datasets/fashion-mnist") == SYSTEM_FOLDER
