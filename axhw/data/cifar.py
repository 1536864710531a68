"""CIFAR-10 and CIFAR-100: 32x32 colour images, 10 or 100 classes (Krizhevsky 2009, "Learning Multiple Layers of
Features from Tiny Images"), from the binary version of the official archives.

A record is one byte of label (CIFAR-100: coarse, then fine label) and 3,072 bytes of pixels: red, green and blue
planes, each row by row. The Python version holds pickles, which can run any code when they are read, so it is refused.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.data.augment import Augmentation
from axhw.data.dataset import Splits
from axhw.data.download import RemoteFile
from axhw.data.normalization import Normalization
from axhw.data.splitting import Labelled, Published
from axhw.errors import AxhwError

_PIXELS = (3, 32, 32)
_PIXEL_BYTES = 3 * 32 * 32
_LARGEST_FILE = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of the two data sets and how its files are called.

    Attributes
    ----------
    published : Published
    archive : RemoteFile
        Binary version.
    folder : str
        In the archive.
    train : tuple of str
    test, names : str
        Test records; class names, one a line.
    label_bytes : int
        Before the pixels of a record; the last one is the label.
    python : tuple of str
        Archive and folder of the Python version.
    """

    published: Published
    archive: RemoteFile
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    python: tuple[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test, self.names)


AUGMENTATION = Augmentation(padding=4, flip=True)
CIFAR10 = Variant(
    published=Published(
        name="CIFAR-10",
        train_images=50_000,
        test_images=10_000,
        normalization=Normalization(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
        augmentation=AUGMENTATION,
    ),
    archive=RemoteFile(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        size=170_052_171,
    ),
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    names="batches.meta.txt",
    label_bytes=1,
    python=("cifar-10-python.tar.gz", "cifar-10-batches-py"),
)
CIFAR100 = Variant(
    published=Published(
        name="CIFAR-100",
        train_images=50_000,
        test_images=10_000,
        normalization=Normalization(mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762)),
        augmentation=AUGMENTATION,
    ),
    archive=RemoteFile(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        size=168_513_733,
    ),
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    names="fine_label_names.txt",
    label_bytes=2,
    python=("cifar-100-python.tar.gz", "cifar-100-python"),
)
VARIANTS = (CIFAR10, CIFAR100)


def find(variant: Variant, folder: Path) -> Path | None:
    """The folder or archive with the binary version in `folder`, or else with the Python version."""
    for place in (folder, folder / variant.folder):
        if (place / variant.train[0]).is_file() and (place / variant.test).is_file():
            return place
    for name in (variant.archive.name, *variant.python):
        if (folder / name).exists():
            return folder / name
    return folder if folder.name in variant.python else None


def identify(archive: Path) -> Variant:
    """Which of the two an archive of any name holds.

    Raises
    ------
    AxhwError
        For an archive that cannot be read, the Python version, or anything else.
    """
    with _opened(archive) as members:
        for member in members:
            for variant in VARIANTS:
                _refuse_python_version(variant, Path(member.name).parts[:1], archive)
                if member.name in {f"{variant.folder}/{name}" for name in variant.files}:
                    return variant
    raise AxhwError(
        f"Expected the binary version of CIFAR-10 or CIFAR-100 in {archive}, found neither {CIFAR10.folder} nor "
        f"{CIFAR100.folder}: get it from {CIFAR10.archive.url} or {CIFAR100.archive.url}."
    )


def load(variant: Variant, place: Path) -> Splits:
    """45,000 training, 5,000 validation and 10,000 test images, [n, 3, 32, 32]; CIFAR-100 with its fine labels.

    Parameters
    ----------
    place : Path
        Official archive, or the folder in it.

    Raises
    ------
    AxhwError
        For the Python version, and for files that are missing or damaged.
    """
    _refuse_python_version(variant, (place.name,), place)
    content = _read_folder(variant, place) if place.is_dir() else _read_archive(variant, place)
    train = np.concatenate([_records(variant, content[name], place / name) for name in variant.train])
    test = _records(variant, content[variant.test], place / variant.test)
    classes = tuple(content[variant.names].decode("utf-8", "replace").split())
    return variant.published.split(train=_labelled(variant, train), test=_labelled(variant, test), classes=classes)


def _labelled(variant: Variant, records: npt.NDArray[np.uint8]) -> Labelled:
    return Labelled(
        pixels=records[:, variant.label_bytes :].reshape(-1, *_PIXELS),
        labels=records[:, variant.label_bytes - 1].astype(np.int64),
    )


def _records(variant: Variant, content: bytes, source: Path) -> npt.NDArray[np.uint8]:
    size = variant.label_bytes + _PIXEL_BYTES
    if not content or len(content) % size:
        raise AxhwError(
            f"Expected records of {size} bytes in {source}, found {len(content)} bytes: get the archive again from "
            f"{variant.archive.url}."
        )
    return np.frombuffer(content, np.uint8).reshape(-1, size)


def _refuse_python_version(variant: Variant, names: Collection[str], place: Path) -> None:
    if not set(names).isdisjoint(variant.python):
        raise AxhwError(
            f"Expected the binary version of {variant.published.name}, found the Python version in {place}, whose "
            f"pickles could run any code: get the binary version from {variant.archive.url}."
        )


def _read_folder(variant: Variant, folder: Path) -> dict[str, bytes]:
    try:
        return {name: (folder / name).read_bytes() for name in variant.files}
    except OSError as error:
        raise AxhwError(
            f"Expected {', '.join(variant.files)} in {folder}, found: {error.filename}: {error.strerror}."
        ) from error


def _read_archive(variant: Variant, archive: Path) -> dict[str, bytes]:
    """The files of the archive, found by their full names; nothing is unpacked to disk."""
    wanted = {f"{variant.folder}/{name}": name for name in variant.files}
    content: dict[str, bytes] = {}
    with _opened(archive) as members:
        for member in members:
            if member.name not in wanted or not member.isreg():
                continue
            if member.size > _LARGEST_FILE:
                raise AxhwError(f"Expected at most {_LARGEST_FILE} bytes in {member.name} of {archive}, found more.")
            file = members.extractfile(member)
            content[wanted[member.name]] = b"" if file is None else file.read()
    missing = [name for name in wanted if wanted[name] not in content]
    if missing:
        raise AxhwError(f"Expected {', '.join(missing)} in {archive}, found no such files.")
    return content


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        # As a stream: one pass, front to back, without a jump back through the compressed data.
        with tarfile.open(archive, "r|gz") as members:
            yield members
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise AxhwError(f"Expected a .tar.gz archive at {archive}, found: {error}.") from error
