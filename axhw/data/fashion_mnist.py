"""Fashion-MNIST: 28x28 grey images of clothes, 10 classes (Xiao, Rasul and Vollgraf, arXiv:1708.07747; MIT licence)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from axhw.data.augment import Augmentation
from axhw.data.dataset import Splits
from axhw.data.download import RemoteFile
from axhw.data.idx import encode_idx, read_idx
from axhw.data.normalization import Normalization
from axhw.data.splitting import Labelled, split
from axhw.errors import AxhwError

NAME = "Fashion-MNIST"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# Of the 60,000 official training images.
NORMALIZATION = Normalization(mean=(0.2860,), std=(0.3530,))
AUGMENTATION = Augmentation(padding=4, flip=True)

# Where Debian's package dataset-fashion-mnist puts it.
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FOLDER = "fashion-mnist"
# As downloaded here, as unpacked by hand, as torchvision keeps it.
_PLACES = (".", FOLDER, "fashion_mnist", "FashionMNIST/raw")

_TRAIN_IMAGES, _TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_TEST_IMAGES, _TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
# Of the content: the compressed files differ from source to source.
CONTENT_SHA256: Mapping[str, str] = {
    _TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    _TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    _TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    _TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_SOURCE = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
REMOTE_FILES = (
    RemoteFile(
        url=f"{_SOURCE}/{_TRAIN_IMAGES}.gz",
        sha256="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        size=26_421_880,
    ),
    RemoteFile(
        url=f"{_SOURCE}/{_TRAIN_LABELS}.gz",
        sha256="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        size=29_515,
    ),
    RemoteFile(
        url=f"{_SOURCE}/{_TEST_IMAGES}.gz",
        sha256="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        size=4_422_102,
    ),
    RemoteFile(
        url=f"{_SOURCE}/{_TEST_LABELS}.gz",
        sha256="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        size=5_148,
    ),
)


def find(folder: Path) -> Path | None:
    """The folder with the training images, `folder` or one of the usual ones in it."""
    for place in _PLACES:
        if _file(folder / place, _TRAIN_IMAGES) is not None:
            return folder / place
    return None


def load(folder: Path) -> Splits:
    """54,000 training, 6,000 validation and 10,000 test images, [n, 1, 28, 28].

    Other data in files of the same names (MNIST itself has them) gets neither the name nor the normalisation.

    Raises
    ------
    AxhwError
        For files that are missing, damaged or don't belong together.
    """
    content = {name: _read(folder, name) for name in CONTENT_SHA256}
    genuine = all(hashlib.sha256(encode_idx(content[name])).hexdigest() == CONTENT_SHA256[name] for name in content)

    def labelled(images: str, labels: str) -> Labelled:
        return Labelled(pixels=content[images][:, None], labels=content[labels].astype(np.int64))

    return split(
        name=NAME if genuine else f"{folder.resolve().name} (idx files, not Fashion-MNIST)",
        train=labelled(_TRAIN_IMAGES, _TRAIN_LABELS),
        test=labelled(_TEST_IMAGES, _TEST_LABELS),
        classes=CLASSES if genuine else tuple(map(str, range(len(CLASSES)))),
        normalization=NORMALIZATION if genuine else None,
        augmentation=AUGMENTATION if genuine else Augmentation(),
    )


def _read(folder: Path, name: str) -> npt.NDArray[np.uint8]:
    path = _file(folder, name)
    if path is None:
        raise AxhwError(f"Expected {name}.gz or {name} in {folder}, found neither: all four files are needed.")
    return read_idx(path, dimensions=int(name[-len("3-ubyte")]))


def _file(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None
