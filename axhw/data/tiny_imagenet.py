"""Tiny ImageNet: 64x64 colour images, 200 classes, from the official archive (Le and Yang 2015, Stanford CS231n).

    tiny-imagenet-200/wnids.txt                       the classes, one identifier a line
    tiny-imagenet-200/words.txt                       what they are called
    tiny-imagenet-200/train/<class>/images/*.JPEG     500 each
    tiny-imagenet-200/val/val_annotations.txt         file and class of the 10,000 images in val/images
    tiny-imagenet-200/test                            without labels, so not used

The images are JPEG as published; the few grey ones become coloured ones with equal channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from axhw.data.augment import Augmentation
from axhw.data.dataset import Splits
from axhw.data.download import RemoteFile
from axhw.data.images import ImageFiles
from axhw.data.normalization import Normalization
from axhw.data.splitting import Labelled, Published
from axhw.data.tree import Tree, open_tree
from axhw.errors import AxhwError

FOLDER = "tiny-imagenet-200"
MARKER = "wnids.txt"
REMOTE_FILE = RemoteFile(
    url="https://cs231n.stanford.edu/tiny-imagenet-200.zip",
    sha256="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    size=248_100_043,
)
PUBLISHED = Published(
    name="Tiny ImageNet",
    train_images=100_000,
    test_images=10_000,
    normalization=Normalization(mean=(0.4802, 0.4481, 0.3975), std=(0.2770, 0.2691, 0.2821)),
    augmentation=Augmentation(padding=4, flip=True),
    test_split="test (official validation images)",
)

_SHAPE = (3, 64, 64)


def find(folder: Path) -> Path | None:
    """The unpacked folder or the archive in `folder`."""
    for place in (folder, folder / FOLDER):
        if (place / MARKER).is_file():
            return place
    archive = folder / REMOTE_FILE.name
    return archive if archive.is_file() else None


def is_archive(path: Path) -> bool:
    """Whether a zip archive has the list of classes where this data set has it."""
    return not {MARKER, f"{FOLDER}/{MARKER}"}.isdisjoint(open_tree(path).names)


def load(place: Path) -> Splits:
    """90,000 training and 10,000 validation images, and as test set the 10,000 official validation images.

    [n, 3, 64, 64], mapped from the cache folder (1.4 GB there).

    Parameters
    ----------
    place : Path
        Official archive, or the folder in it.

    Raises
    ------
    AxhwError
        For files that are missing or damaged.
    """
    tree = open_tree(place)
    prefix = "" if MARKER in tree.names else f"{FOLDER}/"
    identifiers = tree.text(f"{prefix}{MARKER}").split()
    number = {identifier: index for index, identifier in enumerate(identifiers)}
    train: list[tuple[str, int]] = []
    for name in tree.names:
        parts = name.removeprefix(prefix).split("/")
        if parts[0] == "train" and name.endswith(".JPEG") and len(parts) == 4:
            if parts[1] not in number:
                raise AxhwError(f"Expected classes out of {MARKER} in {tree.source}, found {name}.")
            train.append((name, number[parts[1]]))
    return PUBLISHED.split(
        train=_labelled(tree, "train", train),
        test=_labelled(tree, "val", _annotated(tree, prefix, number)),
        classes=_class_names(tree, prefix, identifiers),
    )


def _annotated(tree: Tree, prefix: str, number: dict[str, int]) -> list[tuple[str, int]]:
    """Validation images and their classes."""
    annotations = f"{prefix}val/val_annotations.txt"
    present = set(tree.names)
    found = []
    for row, line in enumerate(tree.text(annotations).splitlines(), start=1):
        file, identifier = [*line.split("\t"), ""][:2]
        name = f"{prefix}val/images/{file}"
        if identifier not in number or name not in present:
            raise AxhwError(
                f"Expected an image of val/images and a class of {MARKER} in line {row} of {annotations} in "
                f"{tree.source}, found {line[:80]!r}."
            )
        found.append((name, number[identifier]))
    return found


def _labelled(tree: Tree, part: str, images: list[tuple[str, int]]) -> Labelled:
    if not images:
        raise AxhwError(f"Expected images in {part} of {tree.source}, found none.")
    files = ImageFiles(
        source=f"{tree.source}, {part}",
        fingerprint=f"{tree.fingerprint} {part}",
        names=tuple(name for name, _ in images),
        read=tree.read_bytes,
        shape=_SHAPE,
    )
    return Labelled(pixels=files.pixels(), labels=np.array([label for _, label in images], np.int64))


def _class_names(tree: Tree, prefix: str, identifiers: list[str]) -> tuple[str, ...]:
    """What words.txt calls the classes, their identifiers without it."""
    words = {}
    if f"{prefix}words.txt" in tree.names:
        words = dict(line.split("\t", 1) for line in tree.text(f"{prefix}words.txt").splitlines() if "\t" in line)
    return tuple(words.get(identifier, identifier) for identifier in identifiers)
