"""Images on the device are those of the data set, moved and mirrored as was chosen."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from axhw.data.augment import Augmentation  # noqa: E402
from axhw.data.dataset import Dataset, Splits  # noqa: E402
from axhw.data.normalization import Normalization  # noqa: E402
from axhw.train.batches import DeviceImages  # noqa: E402

NORMALIZATION = Normalization(mean=(0.3, 0.5), std=(0.21, 0.17))


def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset(
        name="noise",
        split="train",
        seed=0,
        pixels=rng.integers(0, 256, (40, 2, 5, 6), dtype=np.uint8),
        labels=rng.integers(0, 3, 30),
        classes=("a", "b", "c"),
        normalization=NORMALIZATION,
        rows=rng.permutation(40)[:30],
    )


def test_unchanged_images_have_the_bits_of_the_data_set() -> None:
    data = dataset()
    for augmentation in (Augmentation(), Augmentation(padding=3, flip=True)):
        batches = list(DeviceImages(data, augmentation, device="cpu").in_order(8))
        images, labels = (torch.cat(parts).numpy() for parts in zip(*batches))
        np.testing.assert_array_equal(images, data.images)
        np.testing.assert_array_equal(labels, data.labels)


def test_images_are_cut_out_of_a_black_margin_and_mirrored() -> None:
    data = dataset()
    images = DeviceImages(data, Augmentation(padding=2, flip=True), device="cpu")
    choice = images.epoch(seed=3, epoch=1)
    assert sorted(choice.index.tolist()) == list(range(30))
    assert set(choice.row.tolist()) == set(choice.column.tolist()) == set(range(5))
    assert 5 < int(choice.mirrored.sum()) < 25
    found, labels = images(choice[4:20])
    padded = np.pad(data.stored(slice(None)), ((0, 0), (0, 0), (2, 2), (2, 2)))
    for place in range(16):
        index, row, column = (int(side[4 + place]) for side in (choice.index, choice.row, choice.column))
        cut = padded[index, :, row : row + 5, column : column + 6]
        cut = cut[:, :, ::-1] if choice.mirrored[4 + place] else cut
        np.testing.assert_array_equal(found[place].numpy(), NORMALIZATION.apply(cut[None])[0])
        assert int(labels[place]) == data.labels[index]


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    images = DeviceImages(dataset(), Augmentation(padding=1, flip=True), device="cpu")
    first, again = images.epoch(seed=3, epoch=1), images.epoch(seed=3, epoch=1)
    assert first.index.tolist() == again.index.tolist()
    assert first.row.tolist() == again.row.tolist()
    for other in (images.epoch(seed=4, epoch=1), images.epoch(seed=3, epoch=2)):
        assert first.index.tolist() != other.index.tolist()


def test_without_augmentation_nothing_changes(splits: Splits) -> None:
    images = DeviceImages(splits.validation, device="cpu")
    choice = images.epoch(seed=0, epoch=0)
    assert not choice.mirrored.any()
    assert not choice.row.any()
    found, _ = images(choice)
    np.testing.assert_array_equal(found.numpy(), splits.validation.images[choice.index.numpy()])
