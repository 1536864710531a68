"""Training, validation and test images out of what there is."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.data.augment import Augmentation
from axhw.data.dataset import Splits
from axhw.data.normalization import Normalization
from axhw.data.splitting import Labelled, Published, split
from axhw.errors import AxhwError

CLASSES = ("a", "b")


def labelled(count: int, *, first: int = 0) -> Labelled:
    """Images of one pixel, each of its own value, sorted by class."""
    values = np.arange(first, first + count, dtype=np.uint8)
    return Labelled(pixels=values.reshape(-1, 1, 1, 1), labels=np.arange(count) * 2 // max(count, 1))


def parts(splits: Splits) -> list[set[int]]:
    return [set(part.stored(slice(None)).ravel().tolist()) for part in (splits.train, splits.validation, splits.test)]


def make(train: Labelled, **given: Labelled | None) -> Splits:
    return split(name="x", train=train, classes=CLASSES, augmentation=Augmentation(), **given)  # type: ignore[arg-type]


def test_a_tenth_is_held_out_for_each_part_that_is_missing() -> None:
    train, validation, test = parts(make(labelled(40)))
    assert [len(train), len(validation), len(test)] == [32, 4, 4]
    assert train | validation | test == set(range(40))
    train, validation, test = parts(make(labelled(40), test=labelled(6, first=100)))
    assert [len(train), len(validation)] == [36, 4]
    assert train | validation == set(range(40))
    assert test == set(range(100, 106))
    train, validation, test = parts(make(labelled(40), validation=labelled(5, first=200)))
    assert [len(train), len(test)] == [36, 4]
    assert validation == set(range(200, 205))
    given = make(labelled(40), validation=labelled(5, first=200), test=labelled(6, first=100))
    assert parts(given)[0] == set(range(40))


def test_the_split_is_seeded_and_labels_go_with_their_images() -> None:
    splits = make(labelled(40))
    assert parts(splits)[2] == {3, 11, 13, 20}
    for part in (splits.train, splits.validation, splits.test):
        assert part.seed == 0
        assert np.array_equal(part.labels, part.stored(slice(None)).ravel() >= 20)


def test_training_images_come_shuffled() -> None:
    labels = make(labelled(200)).train.labels
    assert 5 < labels[:20].sum() < 15


def test_the_smallest_set() -> None:
    assert [len(part) for part in parts(make(labelled(3)))] == [1, 1, 1]
    with pytest.raises(AxhwError, match=r"^Expected at least 3 training images in x to split, found 2\.$"):
        make(labelled(2))


def test_labels_are_as_many_as_images() -> None:
    wrong = Labelled(pixels=labelled(5).pixels, labels=labelled(4).labels)
    with pytest.raises(AxhwError, match=r"^Expected one label for each of the 5 images in x, found 4\.$"):
        make(wrong)
    with pytest.raises(AxhwError, match=r"^Expected one label for each of the 5 images in x, split test, found labels"):
        make(labelled(5), test=wrong)


def test_a_normalisation_is_measured_where_none_is_given() -> None:
    splits = make(labelled(40))
    assert splits.train.normalization == Normalization.measured(labelled(40).pixels)  # type: ignore[arg-type]
    floats = Labelled(pixels=np.ones((5, 3, 2, 2), np.float32), labels=np.zeros(5, np.int64))
    assert make(floats).test.normalization == Normalization.none(3)
    constant = Labelled(pixels=np.ones((5, 1, 2, 2), np.uint8), labels=np.zeros(5, np.int64))
    with pytest.raises(AxhwError, match=r"^x: Expected images that differ to measure a normalisation on"):
        make(constant)


def test_only_the_published_number_of_images_gets_the_name() -> None:
    published = Published(
        name="Set",
        train_images=40,
        test_images=10,
        normalization=Normalization(mean=(0.5,), std=(0.25,)),
        augmentation=Augmentation(flip=True),
        test_split="test (really)",
    )
    genuine = published.split(train=labelled(40), test=labelled(10), classes=CLASSES)
    assert {genuine.train.name, genuine.validation.name, genuine.test.name} == {"Set"}
    assert genuine.train.normalization == published.normalization
    assert (genuine.test.split, genuine.augmentation) == ("test (really)", Augmentation(flip=True))
    other = published.split(train=labelled(39), test=labelled(10), classes=CLASSES)
    assert other.test.name == "Set format (39 training and 10 test images)"
    assert other.train.normalization != published.normalization
