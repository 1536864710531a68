"""Handwritten digits, 8x8 pixels, 10 classes: the data set that scikit-learn carries, so that nothing is downloaded.

1,797 images of the test part of UCI "Optical recognition of handwritten digits" (Alpaydin and Kaynak 1998). The
split is random over all of them: writers appear on both sides, which makes the task easier than for new writers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.data.augment import Augmentation
from axhw.data.dataset import Dataset, Splits
from axhw.data.normalization import Normalization
from axhw.data.order import seeded_order

NAME = "scikit-learn digits (8x8, 10 classes)"
SPLIT_SEED = 0
TEST_IMAGES = 500
VALIDATION_IMAGES = 200
CLASSES = tuple("0123456789")
# A mirrored digit is none, and one moved up or down loses ink: most fill all rows.
AUGMENTATION = Augmentation()
# Pixels are 0 (paper) to 16 (ink), and networks take them from 0 to 1.
NORMALIZATION = Normalization.none(1, scale=16.0)


def load() -> Splits:
    """1,097 training, 200 validation and 500 test images, [n, 1, 8, 8], float32 from 0 (paper) to 1 (ink).

    The split is fixed, because the shipped networks were trained on its training part.
    """
    # scikit-learn takes a second to import: only those who need the data pay for it.
    from sklearn.datasets import load_digits

    source = load_digits()
    pixels = source.images.astype(np.uint8)[:, None]
    labels = source.target.astype(np.int64)
    order = seeded_order(len(pixels), seed=SPLIT_SEED)
    test, validation, train = np.split(order, [TEST_IMAGES, TEST_IMAGES + VALIDATION_IMAGES])

    def part(split: str, rows: npt.NDArray[np.int64]) -> Dataset:
        return Dataset(
            name=NAME,
            split=split,
            seed=SPLIT_SEED,
            pixels=pixels,
            labels=labels[rows],
            classes=CLASSES,
            normalization=NORMALIZATION,
            rows=rows,
        )

    return Splits(
        train=part("train", train),
        validation=part("validation", validation),
        test=part("test", test),
        augmentation=AUGMENTATION,
    )
