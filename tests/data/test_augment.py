"""Random crops and mirror images."""

from __future__ import annotations

import numpy as np
import pytest

from axhw.data.augment import Augmentation
from axhw.errors import AxhwError


@pytest.mark.parametrize("flip", [False, True])
def test_every_image_is_a_crop_of_itself(flip: bool) -> None:
    images = np.random.default_rng(0).integers(1, 256, (200, 2, 5, 7), dtype=np.uint8)
    before = images.copy()
    changed = Augmentation(padding=2, flip=flip).apply(images, rng=np.random.default_rng(1))
    assert np.array_equal(images, before)
    assert (changed.dtype, changed.shape) == (images.dtype, images.shape)
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    found = set()
    for index, image in enumerate(changed):
        matches = {
            (top, left, mirrored)
            for top in range(5)
            for left in range(5)
            for mirrored in (False, True)
            if np.array_equal(image, padded[index, :, top : top + 5, left : left + 7][..., :: -1 if mirrored else 1])
        }
        assert len(matches) == 1
        found |= matches
    assert {mirrored for _, _, mirrored in found} == ({False, True} if flip else {False})
    assert {top for top, _, _ in found} == {left for _, left, _ in found} == set(range(5))


def test_half_of_the_images_are_mirrored() -> None:
    images = np.tile(np.arange(2, dtype=np.float32), (4000, 1, 1, 1))
    changed = Augmentation(flip=True).apply(images, rng=np.random.default_rng(0))
    assert changed.dtype == np.float32
    assert changed[:, 0, 0, 0].mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))


def test_a_seed_gives_the_same_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    augmentation = Augmentation(padding=4, flip=True)
    first, second, other = (augmentation.apply(images, rng=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_without_margin_and_mirror_nothing_changes() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 8, 8), dtype=np.uint8)
    assert np.array_equal(Augmentation().apply(images, rng=np.random.default_rng(0)), images)


def test_a_margin_is_not_negative() -> None:
    with pytest.raises(AxhwError, match=r"^Expected a margin of at least 0 pixels, found -1\.$"):
        Augmentation(padding=-1)
