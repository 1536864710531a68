"""From images and labels to training, validation and test splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.data.augment import Augmentation
from axhw.data.dataset import Dataset, Pixels, Splits
from axhw.data.normalization import Normalization
from axhw.data.order import seeded_order
from axhw.errors import AxhwError

SPLIT_SEED = 0
_HELD_OUT = 10
_LEAST_IMAGES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Stored images [n, C, H, W] and their labels, before they are split."""

    pixels: Pixels
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a published data set is known by.

    Attributes
    ----------
    name : str
        For reports.
    train_images, test_images : int
    normalization : Normalization
        Measured on all of its training images.
    augmentation : Augmentation
    test_split : str
        What the test images are, for reports.
    """

    name: str
    train_images: int
    test_images: int
    normalization: Normalization
    augmentation: Augmentation
    test_split: str = "test"

    def split(self, *, train: Labelled, test: Labelled, classes: tuple[str, ...]) -> Splits:
        """Its splits; images in its format but of another number don't get its name or normalisation."""
        genuine = (len(train.labels), len(test.labels)) == (self.train_images, self.test_images)
        renamed = f"{self.name} format ({len(train.labels)} training and {len(test.labels)} test images)"
        return split(
            name=self.name if genuine else renamed,
            train=train,
            test=test,
            classes=classes,
            normalization=self.normalization if genuine else None,
            augmentation=self.augmentation,
            test_split=self.test_split,
        )


def split(
    *,
    name: str,
    train: Labelled,
    classes: tuple[str, ...],
    augmentation: Augmentation,
    validation: Labelled | None = None,
    test: Labelled | None = None,
    normalization: Normalization | None = None,
    test_split: str = "test",
) -> Splits:
    """Splits with what is given; what is missing is taken out of the training images.

    One training image in ten, by a shuffle with seed 0, becomes a test or a validation image where there are none.
    The others stay in the order of the shuffle, so that the first of them are a random sample even where the source
    is sorted by class.

    Parameters
    ----------
    normalization : Normalization, optional
        Measured on the images of `train` when None: mean and standard deviation of each channel. Images that are not
        bytes are taken as they are.

    Raises
    ------
    AxhwError
        For too few images to split, or parts that do not fit together.
    """
    images = len(train.labels)
    if len(train.pixels) != images:
        raise AxhwError(f"Expected one label for each of the {len(train.pixels)} images in {name}, found {images}.")
    if images < _LEAST_IMAGES:
        raise AxhwError(f"Expected at least {_LEAST_IMAGES} training images in {name} to split, found {images}.")
    order = seeded_order(images, seed=SPLIT_SEED)
    held_out = max(1, images // _HELD_OUT)
    test_rows, order = (order[:held_out], order[held_out:]) if test is None else (None, order)
    validation_rows, order = (order[:held_out], order[held_out:]) if validation is None else (None, order)
    if normalization is None:
        normalization = _measured(train.pixels, name=name)

    def part(what: str, source: Labelled, rows: npt.NDArray[np.int64] | None) -> Dataset:
        return Dataset(
            name=name,
            split=what,
            seed=SPLIT_SEED,
            pixels=source.pixels,
            labels=source.labels if rows is None else source.labels[rows],
            classes=classes,
            normalization=normalization,
            rows=rows,
        )

    return Splits(
        train=part("train", train, order),
        validation=part("validation", validation or train, validation_rows),
        test=part(test_split, test or train, test_rows),
        augmentation=augmentation,
    )


def _measured(pixels: Pixels, *, name: str) -> Normalization:
    if pixels.dtype != np.uint8:
        return Normalization.none(pixels.shape[1])
    try:
        return Normalization.measured(pixels.view(np.uint8))
    except AxhwError as error:
        raise AxhwError(f"{name}: {error}") from None
