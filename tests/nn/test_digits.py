"""The data set and its split."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.dataset import Dataset, Splits


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


def test_every_class_is_tested(splits: Splits) -> None:
    assert np.bincount(splits.test.labels, minlength=10).min() >= 40


def test_the_split_is_the_one_the_weights_were_trained_with(splits: Splits) -> None:
    digest = hashlib.sha256(splits.test.labels.astype(np.uint8).tobytes()).hexdigest()
    assert digest.startswith("f6ea3245882a14d8")


def test_bad_data_sets_are_refused() -> None:
    images, labels = np.zeros((2, 1, 8, 8)), np.zeros(3, np.int64)
    with pytest.raises(AxhwError, match="Expected at least one image in x, split test, found none"):
        Dataset(name="x", split="test", seed=0, images=images[:0], labels=labels[:0])
    with pytest.raises(AxhwError, match=r"one label for each of the 2 images in x, split test, found .* \(3,\)"):
        Dataset(name="x", split="test", seed=0, images=images, labels=labels)
