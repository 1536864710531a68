"""A lossy copy of CIFAR-10: all images as JPEG of quality 75 in one .npz file of 56 MB.

Arrays ``train_jpeg``, ``test_jpeg`` (uint8, the files one after another), ``train_off``, ``test_off`` (image i is
``jpeg[off[i]:off[i + 1]]``), ``train_y``, ``test_y`` (labels) and ``classes``. Networks trained on the original lose
some 10 points of accuracy on it, so it never goes by the original's name.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from axhw.data.cifar import AUGMENTATION
from axhw.data.dataset import Splits
from axhw.data.images import ImageFiles, open_image
from axhw.data.normalization import Normalization
from axhw.data.splitting import Labelled, Published
from axhw.data.tree import ZIP_ERRORS
from axhw.errors import AxhwError

FILE = "cifar10_jpeg_bytes.npz"
QUALITY = 75
PUBLISHED = Published(
    name=f"CIFAR-10 (JPEG q{QUALITY})",
    train_images=50_000,
    test_images=10_000,
    normalization=Normalization(mean=(0.4913, 0.4821, 0.4465), std=(0.2452, 0.2428, 0.2606)),
    augmentation=AUGMENTATION,
)

_ARRAYS = ("train_jpeg", "train_off", "train_y", "test_jpeg", "test_off", "test_y", "classes")
_SHAPE = (3, 32, 32)


def find(folder: Path) -> Path | None:
    """The file in `folder`."""
    return folder / FILE if (folder / FILE).is_file() else None


def load(path: Path) -> Splits:
    """45,000 training, 5,000 validation and 10,000 test images, [n, 3, 32, 32], mapped from the cache folder.

    Raises
    ------
    AxhwError
        For a file of another layout or JPEG quality, or damaged images.
    """
    arrays = _arrays(path)
    return PUBLISHED.split(
        train=_labelled(path, arrays, "train"),
        test=_labelled(path, arrays, "test"),
        classes=tuple(map(str, arrays["classes"])),
    )


def is_jpeg_copy(path: Path) -> bool:
    """Whether a .npz file has the arrays of this format; other files are left to other readers to complain about."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _ARRAYS} <= set(archive.namelist())
    except ZIP_ERRORS:
        return False


def _arrays(path: Path) -> Mapping[str, npt.NDArray[np.generic]]:
    try:
        # Opened as an archive first: np.load takes other kinds of files too.
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in _ARRAYS}
    except ZIP_ERRORS as error:
        raise AxhwError(f"Expected the arrays {', '.join(_ARRAYS)} in {path}, found: {error}.") from error


def _labelled(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]], part: str) -> Labelled:
    jpeg, offsets, labels = (arrays[f"{part}_{what}"] for what in ("jpeg", "off", "y"))
    bounds = offsets.astype(np.int64).tolist() if offsets.dtype.kind in "iu" else []
    if (
        jpeg.dtype != np.uint8
        or offsets.shape != (len(labels) + 1,)
        or bounds != sorted(bounds)
        or (bounds[:1], bounds[-1:]) != ([0], [len(jpeg)])
    ):
        raise AxhwError(
            f"Expected {part}_off in {path} to hold {len(labels) + 1} rising positions from 0 to {jpeg.size} in the "
            f"bytes of {part}_jpeg, found others."
        )
    if labels.dtype.kind not in "iu":
        raise AxhwError(f"Expected integers in {part}_y of {path}, found {labels.dtype}.")
    content = jpeg.tobytes()

    def read(name: str) -> bytes:
        index = int(name.rsplit(" ", 1)[1])
        return content[bounds[index] : bounds[index + 1]]

    files = ImageFiles(
        source=path.name,
        fingerprint=hashlib.sha256(content + repr(bounds).encode()).hexdigest(),
        names=tuple(f"{part} image {index}" for index in range(len(labels))),
        read=read,
        shape=_SHAPE,
    )
    _check_quality(files)
    return Labelled(pixels=files.pixels(), labels=labels.astype(np.int64))


def _check_quality(files: ImageFiles) -> None:
    """The label says which quality it is: hold the first image to the quantisation tables of that quality."""
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(encoded, "JPEG", quality=QUALITY)
    for name in files.names[:1]:
        image = open_image(files.read(name), name=name, source=files.source)
        if _quantization(image) != _quantization(Image.open(encoded)):
            raise AxhwError(f"Expected JPEG images of quality {QUALITY} in {files.source}, found others.")


def _quantization(image: Image.Image) -> object:
    """The quantisation tables of a JPEG image, None of any other."""
    return image.quantization if isinstance(image, JpegImageFile) else None
