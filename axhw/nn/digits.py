"""Handwritten digits, 8x8 pixels, 10 classes: the data set that scikit-learn carries, so that nothing is downloaded.

1,797 images of the test part of UCI "Optical recognition of handwritten digits" (Alpaydin and Kaynak 1998). The
split is random over all of them: writers appear on both sides, which makes the task easier than for new writers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.nn.dataset import Dataset, Splits

NAME = "scikit-learn digits (8x8, 10 classes)"
SPLIT_SEED = 0
TEST_IMAGES = 500
VALIDATION_IMAGES = 200

_LARGEST_PIXEL = 16


def load() -> Splits:
    """1,097 training, 200 validation and 500 test images, float32 [n, 1, 8, 8] from 0 (paper) to 1 (ink).

    The split is fixed, because the shipped networks were trained on its training part. It orders the images by
    the raw output of a bit generator, which NumPy keeps the same in all versions.
    """
    # scikit-learn takes a second to import: only those who need the data pay for it.
    from sklearn.datasets import load_digits

    source = load_digits()
    images = (source.images / _LARGEST_PIXEL).astype(np.float32)[:, None]
    labels = source.target.astype(np.int64)
    order = np.argsort(np.random.PCG64(SPLIT_SEED).random_raw(len(images)), kind="stable")
    test, validation, train = np.split(order, [TEST_IMAGES, TEST_IMAGES + VALIDATION_IMAGES])

    def part(split: str, index: npt.NDArray[np.intp]) -> Dataset:
        return Dataset(name=NAME, split=split, seed=SPLIT_SEED, images=images[index], labels=labels[index])

    return Splits(train=part("train", train), validation=part("validation", validation), test=part("test", test))
