"""The user's own images and labels, as arrays or in a .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.data.augment import Augmentation
from axhw.data.dataset import Pixels, Splits
from axhw.data.normalization import Normalization
from axhw.data.splitting import Labelled, split
from axhw.data.tree import ZIP_ERRORS
from axhw.errors import AxhwError

_CHANNELS = (1, 3)
_MOST_CLASSES = 100_000


def from_arrays(
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    *,
    name: str,
    test_images: npt.NDArray[Any] | None = None,
    test_labels: npt.NDArray[Any] | None = None,
    classes: Sequence[str] | None = None,
    normalization: Normalization | None = None,
) -> Splits:
    """Splits of images of one's own.

    Parameters
    ----------
    images : uint8 or float array, shape (n, C, H, W), (n, H, W, C) or (n, H, W)
        The last axis is taken for the channels where it is 1 or 3 long and the second is not. Floating-point images
        are taken as networks get them: already normalised.
    labels : integer array, shape (n,)
        From 0.
    name : str
        For reports.
    test_images, test_labels : arrays, optional
        A tenth of the images when None.
    classes : sequence of str, optional
        Numbers up to the largest label when None.
    normalization : Normalization, optional
        Measured on the images when None, if they are bytes.

    Raises
    ------
    AxhwError
        For arrays of other types and shapes, values that are not finite, or labels that don't fit.
    """
    train = _labelled(images, labels, name=name, suffix="")
    if (test_images is None) != (test_labels is None):
        raise AxhwError(f"Expected both test_images and test_labels in {name}, found one of them.")
    test = None
    highest = int(train.labels.max())
    if test_images is not None and test_labels is not None:
        test = _labelled(test_images, test_labels, name=name, suffix="test_")
        highest = max(highest, int(test.labels.max()))
    return split(
        name=name,
        train=train,
        test=test,
        classes=tuple(map(str, range(highest + 1) if classes is None else classes)),
        normalization=normalization,
        augmentation=Augmentation(),
    )


def load_npz(path: Path) -> Splits:
    """Splits of the arrays ``images`` and ``labels``, and ``test_images``, ``test_labels`` and ``classes`` if there.

    Raises
    ------
    AxhwError
        For a file without them or with pickled objects, and as `from_arrays`.
    """
    try:
        # Opened as an archive first: np.load takes other kinds of files too.
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except ZIP_ERRORS as error:
        raise AxhwError(f"Expected a .npz file of plain arrays at {path}, found: {error}.") from error
    for name in ("images", "labels"):
        if name not in arrays:
            raise AxhwError(
                f"Expected the arrays images and labels in {path}, found {', '.join(arrays) or 'no arrays'}."
            )
    classes = arrays.get("classes")
    if classes is not None and (classes.ndim != 1 or classes.dtype.kind != "U"):
        raise AxhwError(
            f"Expected a row of class names in classes of {path}, found {classes.dtype} of shape {classes.shape}."
        )
    return from_arrays(
        arrays["images"],
        arrays["labels"],
        name=path.name,
        test_images=arrays.get("test_images"),
        test_labels=arrays.get("test_labels"),
        classes=None if classes is None else classes.tolist(),
    )


def _labelled(images: npt.NDArray[Any], labels: npt.NDArray[Any], *, name: str, suffix: str) -> Labelled:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise AxhwError(
            f"Expected a row of integers in {suffix}labels of {name}, found {labels.dtype} of shape {labels.shape}."
        )
    if len(labels) == 0 or images.size == 0:
        raise AxhwError(f"Expected at least one image in {suffix}images of {name}, found none.")
    if len(images) != len(labels):
        raise AxhwError(
            f"Expected one label for each of the {len(images)} images in {suffix}images of {name}, found {len(labels)}."
        )
    if labels.min() < 0 or labels.max() >= _MOST_CLASSES:
        raise AxhwError(
            f"Expected labels from 0 to at most {_MOST_CLASSES - 1} in {suffix}labels of {name}, found {labels.min()} "
            f"to {labels.max()}."
        )
    return Labelled(
        pixels=_stored(_channels_first(images, f"{suffix}images of {name}"), f"{suffix}images of {name}"),
        labels=labels.astype(np.int64),
    )


def _channels_first(images: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise AxhwError(f"Expected images [n, C, H, W] or [n, H, W, C] in {where}, found shape {images.shape}.")
    channels_last = images.shape[3] in _CHANNELS and images.shape[1] not in _CHANNELS
    return np.moveaxis(images, 3, 1) if channels_last else images


def _stored(images: npt.NDArray[Any], where: str) -> Pixels:
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise AxhwError(f"Expected images of uint8 or floating-point numbers in {where}, found {images.dtype}.")
    with np.errstate(over="ignore"):
        values = images.astype(np.float32)
    if not np.isfinite(values).all():
        raise AxhwError(f"Expected finite float32 numbers in {where}, found others (NaN or infinite).")
    return values
