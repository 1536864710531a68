"""Stored pixels, normalised batches and subsets of one split."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from axhw.data.augment import Augmentation
from axhw.data.dataset import Dataset, Splits
from axhw.data.normalization import Normalization
from axhw.errors import AxhwError


def dataset(**changes: object) -> Dataset:
    """Ten images of 2x3 pixels and 2 channels, all different, of classes a to c."""
    fields: dict[str, object] = {
        "name": "x",
        "split": "test",
        "seed": 0,
        "pixels": np.arange(120, dtype=np.uint8).reshape(10, 2, 2, 3),
        "labels": np.arange(10) % 3,
        "classes": ("a", "b", "c"),
        "normalization": Normalization(mean=(0.1, 0.2), std=(0.5, 0.25)),
    }
    return Dataset(**{**fields, **changes})  # type: ignore[arg-type]


def test_batches_are_the_whole_set_in_order() -> None:
    data = dataset()
    batches = list(data.batches(4))
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    assert np.array_equal(np.concatenate([images for images, _ in batches]), data.images)
    assert np.array_equal(np.concatenate([labels for _, labels in batches]), data.labels)
    images, labels = batches[0]
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert data.image_shape == images.shape[1:] == (2, 2, 3)
    assert (len(data), len(data.images)) == (10, 10)
    expected = (data.pixels / 255 - np.array([0.1, 0.2])[:, None, None]) / np.array([0.5, 0.25])[:, None, None]
    assert data.images == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_rows_choose_from_shared_pixels() -> None:
    data = dataset()
    rows = np.array([7, 2, 9])
    part = dataset(rows=rows, labels=data.labels[rows])
    assert len(part) == 3
    assert np.array_equal(part.images, data.images[rows])
    assert np.array_equal(part.stored(np.array([2, 0])), data.pixels[[9, 7]])
    images, labels = part.batch(1, 5)
    assert np.array_equal(images, data.images[[2, 9]])
    assert labels.tolist() == [2, 0]
    assert part.pixels is not data.pixels
    assert dataclasses.replace(data, rows=rows, labels=data.labels[rows]).pixels is data.pixels


def test_floats_stay_as_they_are_without_a_normalisation() -> None:
    pixels = np.random.default_rng(0).normal(size=(10, 2, 2, 3)).astype(np.float32)
    assert np.array_equal(dataset(pixels=pixels, normalization=Normalization.none(2)).images, pixels)


def test_a_limited_set_is_a_stated_random_part() -> None:
    data = dataset()
    few = data.limited(4)
    assert few.split == "test (4 of 10, seed 0)"
    assert (few.name, len(few), len(few.images)) == ("x", 4, 4)
    assert few.rows is not None
    # The order of the seed, which must not change: results are compared over years.
    assert few.rows.tolist() == [3, 2, 1, 8]
    assert np.array_equal(few.labels, data.labels[few.rows])
    assert np.array_equal(data.limited(6).images[:4], few.images)
    assert data.limited(10) is data
    assert data.limited(11) is data
    other = data.limited(4, seed=1)
    assert other.rows is not None
    assert other.rows.tolist() != few.rows.tolist()
    again = data.limited(8).limited(3)
    assert again.split == "test (8 of 10, seed 0) (3 of 8, seed 0)"
    assert set(map(bytes, again.stored(slice(None)))) < set(map(bytes, data.limited(8).stored(slice(None))))
    with pytest.raises(AxhwError, match=r"^Expected at least 1 image of x, split test, found 0\.$"):
        data.limited(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pixels": np.zeros((10, 2, 2, 3))},
            r"^Expected uint8 or float32 pixels \[n, C, H, W\] in x, split test, found float64 of shape "
            r"\(10, 2, 2, 3\)\.$",
        ),
        ({"pixels": np.zeros((10, 2, 3), np.uint8)}, r"found uint8 of shape \(10, 2, 3\)\.$"),
        (
            {"pixels": np.zeros((0, 2, 2, 3), np.uint8), "labels": np.zeros(0, np.int64)},
            r"^Expected at least one image in x, split test, found none\.$",
        ),
        ({"rows": np.zeros(0, np.int64), "labels": np.zeros(0, np.int64)}, "at least one image in x"),
        ({"pixels": np.zeros((10, 2, 0, 3), np.uint8)}, "at least one image in x"),
        ({"rows": np.array([10]), "labels": np.array([0])}, r"^Expected rows from 0 to 9 in x, split test, found o"),
        ({"rows": np.array([-1]), "labels": np.array([0])}, r"^Expected rows from 0 to 9 in x"),
        (
            {"labels": np.zeros(3, np.int64)},
            r"^Expected one label for each of the 10 images in x, split test, found labels of shape \(3,\)\.$",
        ),
        ({"labels": np.arange(10)}, r"^Expected labels from 0 to 2 in x, split test, found 0 to 9\.$"),
        ({"labels": np.full(10, -1)}, r"^Expected labels from 0 to 2 in x, split test, found -1 to -1\.$"),
        (
            {"normalization": Normalization.none(3)},
            r"^Expected a normalisation of 2 channels for x, split test, found one of 3\.$",
        ),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AxhwError, match=message):
        dataset(**changes)


def test_a_batch_has_images() -> None:
    with pytest.raises(AxhwError, match=r"^Expected a batch of at least 1 image, found 0\.$"):
        dataset().batches(0)


def test_splits_have_one_shape_and_the_same_classes() -> None:
    data = dataset()
    good = Splits(train=data, validation=data, test=data, augmentation=Augmentation())
    with pytest.raises(AxhwError, match=r"one shape in all splits of x, found \(2, 2, 3\) in test and \(2, 3, 2\) in"):
        dataclasses.replace(good, test=dataset(pixels=data.pixels.reshape(10, 2, 3, 2)))
    with pytest.raises(AxhwError, match=r"^Expected the same classes in all splits of x, found others\.$"):
        dataclasses.replace(good, validation=dataset(classes=("a", "b", "d")))


def test_another_normalisation_for_all_splits() -> None:
    data = dataset()
    splits = Splits(train=data, validation=data, test=data, augmentation=Augmentation(flip=True))
    plain = splits.normalized(Normalization.none(2, scale=255.0))
    for part in (plain.train, plain.validation, plain.test):
        assert np.array_equal(part.images, data.pixels.astype(np.float32) / np.float32(255))
    assert plain.augmentation == splits.augmentation
