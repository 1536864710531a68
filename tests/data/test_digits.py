"""The embedded data set and its split."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from axhw.data import digits
from axhw.data.dataset import Splits


@pytest.fixture(scope="module")
def splits() -> Splits:
    return digits.load()


def test_parts_are_disjoint_and_complete(splits: Splits) -> None:
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [1097, 200, 500]
    assert [part.split for part in parts] == ["train", "validation", "test"]
    images = np.concatenate([part.images for part in parts])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 1797


def test_images_are_normalised(splits: Splits) -> None:
    images = splits.train.images
    assert images.shape == (1097, 1, 8, 8)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0, 1)
    assert np.array_equal(images * 16, splits.train.stored(slice(None)))


def test_every_class_is_tested(splits: Splits) -> None:
    assert np.bincount(splits.test.labels, minlength=10).min() >= 40


def test_the_split_is_the_one_the_weights_were_trained_with(splits: Splits) -> None:
    digest = hashlib.sha256(splits.test.labels.astype(np.uint8).tobytes()).hexdigest()
    assert digest.startswith("f6ea3245882a14d8")


def test_digits_are_not_mirrored(splits: Splits) -> None:
    assert not splits.augmentation.flip
