"""CIFAR-10 and CIFAR-100 from small files in the official binary format."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data import cifar
from axhw.data.cifar import CIFAR10, CIFAR100, Variant
from axhw.data.dataset import Splits
from axhw.errors import AxhwError

NAMES: Mapping[str, bytes] = {
    "batches.meta.txt": b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n",
    "fine_label_names.txt": "\n".join(f"class_{index}" for index in range(100)).encode(),
}


def pixels(count: int, seed: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def record(variant: Variant, image: npt.NDArray[np.uint8], label: int) -> bytes:
    """As https://www.cs.toronto.edu/~kriz/cifar.html describes it: CIFAR-100 has a coarse label before the fine one."""
    red, green, blue = (bytes(plane.ravel().tolist()) for plane in image)
    return (b"\x07" if variant is CIFAR100 else b"") + bytes([label]) + red + green + blue


def content(variant: Variant) -> dict[str, bytes]:
    """Four records in each training file, two in the test file."""
    files = {variant.names: NAMES[variant.names]}
    for seed, name in enumerate((*variant.train, variant.test)):
        images = pixels(2 if name == variant.test else 4, seed)
        files[name] = b"".join(record(variant, image, index + seed) for index, image in enumerate(images))
    return files


def write_folder(variant: Variant, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, data in content(variant).items():
        (folder / name).write_bytes(data)
    return folder


def write_archive(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def official(variant: Variant) -> dict[str, bytes]:
    return {f"{variant.folder}/{name}": data for name, data in content(variant).items()}


def check(variant: Variant, splits: Splits) -> None:
    train = 4 * len(variant.train)
    held_out = max(1, train // 10)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [train - held_out, held_out, 2]
    last = len(variant.train)
    assert np.array_equal(splits.test.stored(slice(None)), pixels(2, last))
    assert splits.test.labels.tolist() == [last, last + 1]
    everything = np.concatenate([pixels(4, seed) for seed in range(last)])
    assert np.array_equal(splits.train.pixels, everything)
    labels = np.array([index + seed for seed in range(last) for index in range(4)])
    assert np.array_equal(splits.train.labels, labels[splits.train.rows])
    assert splits.train.name == f"{variant.published.name} format ({train} training and 2 test images)"
    assert splits.augmentation == cifar.AUGMENTATION


@pytest.mark.parametrize("variant", cifar.VARIANTS, ids=["10", "100"])
def test_folder_and_archive(variant: Variant, tmp_path: Path) -> None:
    folder = write_folder(variant, tmp_path / "data" / variant.folder)
    check(variant, cifar.load(variant, folder))
    archive = write_archive(tmp_path / "any.tgz", official(variant))
    assert cifar.identify(archive) is variant
    check(variant, cifar.load(variant, archive))
    for place in (folder, folder.parent):
        assert cifar.find(variant, place) == folder
    assert {path.name for path in tmp_path.iterdir()} == {"data", "any.tgz"}, "nothing is unpacked"


def test_classes_have_their_names(tmp_path: Path) -> None:
    splits = cifar.load(CIFAR10, write_folder(CIFAR10, tmp_path / "ten"))
    assert (len(splits.train.classes), splits.train.classes[9]) == (10, "truck")
    splits = cifar.load(CIFAR100, write_folder(CIFAR100, tmp_path / "hundred"))
    assert (len(splits.train.classes), splits.train.classes[99]) == (100, "class_99")


def test_the_archive_is_found_by_its_name(tmp_path: Path) -> None:
    assert cifar.find(CIFAR10, tmp_path) is None
    archive = write_archive(tmp_path / "cifar-10-binary.tar.gz", official(CIFAR10))
    assert cifar.find(CIFAR10, tmp_path) == archive
    assert cifar.find(CIFAR100, tmp_path) is None


@pytest.mark.parametrize("variant", cifar.VARIANTS, ids=["10", "100"])
def test_the_python_version_is_never_read(variant: Variant, tmp_path: Path) -> None:
    archive_name, folder_name = variant.python
    message = (
        rf"^Expected the binary version of {variant.published.name}, found the Python version in .*, whose pickles "
        rf"could run any code: get the binary version from {variant.archive.url}\.$"
    )
    # Pickles that say so if somebody loads them.
    bomb = b"cbuiltins\nexec\n(S'raise SystemExit(\"unpickled\")'\ntR."
    archive = write_archive(tmp_path / archive_name, {f"{folder_name}/data_batch_1": bomb, f"{folder_name}/meta": bomb})
    assert cifar.find(variant, tmp_path) == archive
    with pytest.raises(AxhwError, match=message):
        cifar.load(variant, archive)
    with pytest.raises(AxhwError, match=message):
        cifar.identify(archive.rename(tmp_path / "renamed.tar.gz"))
    (tmp_path / folder_name).mkdir()
    (tmp_path / folder_name / "data_batch_1").write_bytes(bomb)
    for place in (tmp_path, tmp_path / folder_name):
        assert cifar.find(variant, place) == tmp_path / folder_name
    with pytest.raises(AxhwError, match=message):
        cifar.load(variant, tmp_path / folder_name)


def test_the_binary_version_is_preferred(tmp_path: Path) -> None:
    (tmp_path / CIFAR10.python[1]).mkdir()
    folder = write_folder(CIFAR10, tmp_path / CIFAR10.folder)
    assert cifar.find(CIFAR10, tmp_path) == folder


def test_truncated_records(tmp_path: Path) -> None:
    folder = write_folder(CIFAR10, tmp_path / "x")
    path = folder / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        AxhwError, match=r"^Expected records of 3073 bytes in .*data_batch_3.bin, found 12291 bytes: get the archive"
    ):
        cifar.load(CIFAR10, folder)
    path.write_bytes(b"")
    with pytest.raises(AxhwError, match=r"^Expected records of 3073 bytes in .*data_batch_3.bin, found 0 bytes"):
        cifar.load(CIFAR10, folder)


def test_labels_out_of_range(tmp_path: Path) -> None:
    folder = write_folder(CIFAR10, tmp_path / "x")
    (folder / "test_batch.bin").write_bytes(record(CIFAR10, pixels(1, 0)[0], 10))
    with pytest.raises(AxhwError, match=r"^Expected labels from 0 to 9 in CIFAR-10 format .*, split test, found 10 to"):
        cifar.load(CIFAR10, folder)


def test_missing_files(tmp_path: Path) -> None:
    folder = write_folder(CIFAR10, tmp_path / "x")
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(AxhwError, match=r"^Expected data_batch_1.bin, .* in .*x, found: .*data_batch_2.bin: No such"):
        cifar.load(CIFAR10, folder)
    files = official(CIFAR100)
    del files["cifar-100-binary/test.bin"]
    archive = write_archive(tmp_path / "x.tar.gz", files)
    with pytest.raises(AxhwError, match=r"^Expected cifar-100-binary/test.bin in .*x.tar.gz, found no such files\.$"):
        cifar.load(CIFAR100, archive)


def test_truncated_archives(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "x.tar.gz", official(CIFAR10))
    whole = archive.read_bytes()
    for size in (0, 5, len(whole) // 2):
        archive.write_bytes(whole[:size])
        with pytest.raises(AxhwError, match=r"^Expected a .tar.gz archive at .*x.tar.gz, found: .*\.$"):
            cifar.load(CIFAR10, archive)


def test_other_archives(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "x.tar.gz", {"readme.txt": b"hello"})
    with pytest.raises(
        AxhwError, match=r"^Expected the binary version of CIFAR-10 or CIFAR-100 in .*x.tar.gz, found n"
    ):
        cifar.identify(archive)
    archive.write_bytes(b"not compressed")
    with pytest.raises(AxhwError, match=r"^Expected a .tar.gz archive at .*x.tar.gz, found: "):
        cifar.identify(archive)


def test_links_and_names_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(content(CIFAR10)["test_batch.bin"])
    files = official(CIFAR10)
    outside = files.pop("cifar-10-batches-bin/test_batch.bin")
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for name, data in {**files, "../cifar-10-batches-bin/test_batch.bin": outside}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.bin")
        file.addfile(link)
    with pytest.raises(AxhwError, match=r"^Expected cifar-10-batches-bin/test_batch.bin in .*, found no such files\.$"):
        cifar.load(CIFAR10, archive)


def test_a_file_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "_LARGEST_FILE", 10_000)
    archive = write_archive(tmp_path / "x.tar.gz", official(CIFAR10))
    with pytest.raises(AxhwError, match=r"^Expected at most 10000 bytes in cifar-10-batches-bin/data_batch_1.bin of"):
        cifar.load(CIFAR10, archive)
