"""The user's own images in folders named after their classes, or in a zip archive of such folders.

FOLDER/<class>/*.png                                      split by a seeded shuffle
FOLDER/train/<class>/*.png and FOLDER/test/<class>/*.png  split as they lie; validation/ or val/ as well
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from axhw.data.augment import Augmentation
from axhw.data.dataset import Splits
from axhw.data.images import ImageFiles, channels_of, open_image
from axhw.data.splitting import Labelled, split
from axhw.data.tree import Tree, open_tree
from axhw.errors import AxhwError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
_PARTS: Mapping[str, str] = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


def load(path: Path) -> Splits:
    """Splits of all images; classes in the order of their names.

    Images are grey, [n, 1, H, W], if all of them are, and coloured, [n, 3, H, W], otherwise.

    Raises
    ------
    AxhwError
        Without images, for images outside class folders, of several sizes or unreadable, and for parts that don't
        fit together.
    """
    tree = open_tree(path)
    images = [PurePosixPath(name) for name in tree.names if name.lower().endswith(SUFFIXES)]
    if not images:
        raise AxhwError(
            f"Expected images ({', '.join(SUFFIXES)}) in folders named after their classes in {path}, found none."
        )
    given = {image.parts[0] for image in images} <= set(_PARTS)
    depth = 1 if given else 0
    parts: dict[str, list[tuple[str, str]]] = {}
    for image in images:
        if len(image.parts) < depth + 2:
            raise AxhwError(f"Expected every image of {path} in a folder named after its class, found {image} in none.")
        part = _PARTS[image.parts[0]] if given else "train"
        parts.setdefault(part, []).append((str(image), image.parts[depth]))
    if "train" not in parts:
        raise AxhwError(f"Expected training images in {path}/train, to calibrate with, found {', '.join(parts)} alone.")
    classes = tuple(sorted({label for _, label in parts["train"]}))
    for part, labelled in parts.items():
        unknown = sorted({label for _, label in labelled} - set(classes))
        if unknown:
            raise AxhwError(f"Expected the classes of {path}/train in {part}, found {', '.join(unknown)} besides.")
    shape = _shape(tree, [str(image) for image in images])
    ready = {part: _labelled(tree, part, labelled, classes, shape) for part, labelled in parts.items()}
    return split(
        name=tree.source,
        train=ready["train"],
        validation=ready.get("validation"),
        test=ready.get("test"),
        classes=classes,
        augmentation=Augmentation(),
    )


def _shape(tree: Tree, names: list[str]) -> tuple[int, int, int]:
    """Of all images, by their headers."""
    first, channels = None, 1
    for name in names:
        image = open_image(tree.read_bytes(name), name=name, source=tree.source)
        channels = max(channels, channels_of(image))
        first = first or image.size
        if image.size != first:
            raise AxhwError(
                f"Expected images of one size in {tree.source}, found {first[0]}x{first[1]} in {names[0]} and "
                f"{image.width}x{image.height} in {name}: scale or cut them to one size first."
            )
    width, height = first or (0, 0)
    return channels, height, width


def _labelled(
    tree: Tree, part: str, images: list[tuple[str, str]], classes: tuple[str, ...], shape: tuple[int, int, int]
) -> Labelled:
    number = {label: index for index, label in enumerate(classes)}
    files = ImageFiles(
        source=tree.source,
        fingerprint=f"{tree.fingerprint} {part}",
        names=tuple(name for name, _ in images),
        read=tree.read_bytes,
        shape=shape,
    )
    return Labelled(pixels=files.pixels(), labels=np.array([number[label] for _, label in images], np.int64))
