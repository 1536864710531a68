"""Labelled images with a statement of where they come from."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.data.augment import Augmentation
from axhw.data.normalization import Normalization
from axhw.data.order import seeded_order
from axhw.errors import AxhwError

Pixels: TypeAlias = "npt.NDArray[np.uint8] | npt.NDArray[np.float32]"
Which: TypeAlias = "slice | npt.NDArray[np.int64]"

_DIGEST_IMAGES = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """One split of a labelled data set.

    Pixels stay as they are stored, mostly bytes and often mapped from a file; only the images of a batch exist as
    floating-point numbers. Splits of one source share its pixels.

    Attributes
    ----------
    name : str
        Source, for reports.
    split : str
        E.g. ``train``, ``validation`` or ``test``, and what part of it if not all.
    seed : int
        Of the split.
    pixels : uint8 or float32 array, shape (N, C, H, W)
        As stored, of all splits that share them.
    labels : int64 array, shape (n,)
        Positions in `classes`.
    classes : tuple of str
    normalization : Normalization
        From `pixels` to what networks take.
    rows : int64 array, shape (n,), optional
        Which of `pixels` the images of this split are; all of them, in their order, when None.

    Raises
    ------
    AxhwError
        Without images, with pixels of another kind, or with labels or a normalisation that do not fit them.
    """

    name: str
    split: str
    seed: int
    pixels: Pixels
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    normalization: Normalization
    rows: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        where = f"{self.name}, split {self.split}"
        if self.pixels.ndim != 4 or self.pixels.dtype not in (np.uint8, np.float32):
            raise AxhwError(
                f"Expected uint8 or float32 pixels [n, C, H, W] in {where}, found {self.pixels.dtype} of shape "
                f"{self.pixels.shape}."
            )
        images = len(self.pixels) if self.rows is None else len(self.rows)
        if not images or 0 in self.pixels.shape:
            raise AxhwError(f"Expected at least one image in {where}, found none.")
        if self.rows is not None and not 0 <= self.rows.min() <= self.rows.max() < len(self.pixels):
            raise AxhwError(f"Expected rows from 0 to {len(self.pixels) - 1} in {where}, found others.")
        if self.labels.shape != (images,):
            raise AxhwError(
                f"Expected one label for each of the {images} images in {where}, found labels of shape "
                f"{self.labels.shape}."
            )
        lowest, highest = int(self.labels.min()), int(self.labels.max())
        if lowest < 0 or highest >= len(self.classes):
            raise AxhwError(
                f"Expected labels from 0 to {len(self.classes) - 1} in {where}, found {lowest} to {highest}."
            )
        if self.normalization.channels != self.pixels.shape[1]:
            raise AxhwError(
                f"Expected a normalisation of {self.pixels.shape[1]} channels for {where}, found one of "
                f"{self.normalization.channels}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @property
    def images(self) -> npt.NDArray[np.float32]:
        """All images, normalised, [n, C, H, W]: made anew each time and held in memory, so for small sets only."""
        return self.normalization.apply(self.stored(slice(None)))

    def stored(self, which: Which) -> Pixels:
        """The pixels, as stored, of a range of this split's images or of those at given positions."""
        return self.pixels[which if self.rows is None else self.rows[which]]

    def batch(self, start: int, stop: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Normalised images [stop - start, C, H, W] and their labels; fewer at the end of the set."""
        return self.normalization.apply(self.stored(slice(start, stop))), self.labels[start:stop]

    def batches(self, size: int) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]:
        """All batches in order; the last one may be smaller.

        Raises
        ------
        AxhwError
            For a size below 1.
        """
        if size < 1:
            raise AxhwError(f"Expected a batch of at least 1 image, found {size}.")
        return (self.batch(start, start + size) for start in range(0, len(self), size))

    @cached_property
    def digest(self) -> str:
        """Of all that training sees of the images: pixels, labels, classes and normalisation."""
        about = (self.classes, self.normalization, self.pixels.dtype.str, self.image_shape)
        digest = hashlib.sha256(repr(about).encode() + self.labels.astype("<i8").tobytes())
        for start in range(0, len(self), _DIGEST_IMAGES):
            digest.update(np.ascontiguousarray(self.stored(slice(start, start + _DIGEST_IMAGES))).tobytes())
        return digest.hexdigest()

    def limited(self, images: int, *, seed: int = 0) -> Dataset:
        """The first images of a seeded shuffle, which `split` then says; this set itself where it has no more.

        Raises
        ------
        AxhwError
            For less than 1 image.
        """
        if images < 1:
            raise AxhwError(f"Expected at least 1 image of {self.name}, split {self.split}, found {images}.")
        if images >= len(self):
            return self
        chosen = seeded_order(len(self), seed=seed)[:images]
        return dataclasses.replace(
            self,
            split=f"{self.split} ({images} of {len(self)}, seed {seed})",
            labels=self.labels[chosen],
            rows=chosen if self.rows is None else self.rows[chosen],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Disjoint parts of one data set: fit on `train`, choose on `validation`, report on `test`.

    Attributes
    ----------
    train, validation, test : Dataset
    augmentation : Augmentation
        What may be done to training images without changing what they show.

    Raises
    ------
    AxhwError
        For parts whose images differ in shape, or with other classes.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    augmentation: Augmentation

    def __post_init__(self) -> None:
        for part in (self.validation, self.test):
            if part.image_shape != self.train.image_shape:
                raise AxhwError(
                    f"Expected images of one shape in all splits of {self.train.name}, found {self.train.image_shape} "
                    f"in {self.train.split} and {part.image_shape} in {part.split}."
                )
            if part.classes != self.train.classes:
                raise AxhwError(f"Expected the same classes in all splits of {self.train.name}, found others.")

    @cached_property
    def training_digest(self) -> str:
        """Of what decides the weights of a training: the images to fit on and those to choose an epoch on."""
        parts = (self.train.digest, self.validation.digest, self.augmentation)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def normalized(self, normalization: Normalization) -> Splits:
        """The same images for a network that was trained with another normalisation."""
        train, validation, test = (
            dataclasses.replace(part, normalization=normalization) for part in (self.train, self.validation, self.test)
        )
        return dataclasses.replace(self, train=train, validation=validation, test=test)
