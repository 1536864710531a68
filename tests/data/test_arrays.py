"""The user's own arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data.arrays import from_arrays, load_npz
from axhw.data.normalization import Normalization
from axhw.errors import AxhwError

LABELS = np.arange(20) % 4


def images(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (20, *shape), dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3, 8, 6), (3, 8, 6)),
        ((8, 6, 3), (3, 8, 6)),
        ((8, 6, 1), (1, 8, 6)),
        ((1, 8, 6), (1, 8, 6)),
        ((8, 6), (1, 8, 6)),
        ((3, 8, 3), (3, 8, 3)),
        ((4, 8, 6), (4, 8, 6)),
    ],
)
def test_channels_first_or_last(shape: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    given = images(*shape)
    splits = from_arrays(given, LABELS, name="x")
    assert splits.train.image_shape == expected
    first = given[int(splits.test.rows[0])]  # type: ignore[index]
    stored = splits.test.stored(slice(0, 1))[0]
    if shape == (8, 6, 3):
        first = first.transpose(2, 0, 1)
    assert np.array_equal(stored, first.reshape(expected))


def test_bytes_are_normalised_and_floats_are_not() -> None:
    splits = from_arrays(images(3, 4, 4), LABELS, name="x")
    assert splits.test.normalization == Normalization.measured(images(3, 4, 4))
    own = Normalization.none(3, scale=255.0)
    assert from_arrays(images(3, 4, 4), LABELS, name="x", normalization=own).test.normalization == own
    floats = np.random.default_rng(0).normal(size=(20, 3, 4, 4))
    splits = from_arrays(floats, LABELS, name="x")
    assert splits.test.pixels.dtype == np.float32
    assert np.array_equal(splits.test.images, floats.astype(np.float32)[splits.test.rows])
    assert from_arrays(floats.astype(np.float16), LABELS, name="x").test.pixels.dtype == np.float32


def test_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez_compressed(
        path,
        images=images(3, 4, 4),
        labels=LABELS.astype(np.uint8),
        test_images=images(3, 4, 4)[:5],
        test_labels=LABELS[:5],
        classes=np.array(["a", "b", "c", "d"]),
    )
    splits = load_npz(path)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 2, 5]
    assert splits.test.name == "mine.npz"
    assert splits.test.classes == ("a", "b", "c", "d")
    assert np.array_equal(splits.test.stored(slice(None)), images(3, 4, 4)[:5])
    np.savez(path, images=images(3, 4, 4), labels=LABELS)
    splits = load_npz(path)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [16, 2, 2]
    assert splits.test.classes == ("0", "1", "2", "3")


def with_nan(value: float) -> npt.NDArray[np.float64]:
    values = np.zeros((20, 3, 4, 4))
    values[3, 1, 2, 2] = value
    return values


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": None}, r"^Expected the arrays images and labels in .*x.npz, found labels\.$"),
        ({"labels": None}, r"^Expected the arrays images and labels in .*x.npz, found images\.$"),
        ({"labels": LABELS[:3]}, r"^Expected one label for each of the 20 images in images of x.npz, found 3\.$"),
        ({"labels": LABELS * 1.0}, r"^Expected a row of integers in labels of x.npz, found float64 of shape"),
        ({"labels": np.eye(20, dtype=int)}, r"found int64 of shape \(20, 20\)\.$"),
        ({"labels": LABELS - 1}, r"^Expected labels from 0 to at most 99999 in labels of x.npz, found -1 to 2\.$"),
        ({"labels": LABELS + 99_999}, r"found 99999 to 100002\.$"),
        ({"classes": np.array(["a"])}, r"^Expected labels from 0 to 0 in x.npz, split train, found 0 to 3\.$"),
        ({"classes": np.arange(4)}, r"^Expected a row of class names in classes of .*, found int64 of shape \(4,\)\.$"),
        ({"images": np.zeros((0, 3, 4, 4)), "labels": LABELS[:0]}, r"^Expected at least one image in images of x.npz"),
        ({"images": np.zeros((20, 3, 0, 4))}, r"^Expected at least one image in images of x.npz, found none\.$"),
        ({"images": images(4)}, r"^Expected images \[n, C, H, W\] or \[n, H, W, C\] in images of x.npz, found"),
        ({"images": images(3, 4, 4).astype(np.int32)}, r"^Expected images of uint8 or floating-point .* int32\.$"),
        ({"images": images(3, 4, 4).astype(bool)}, r"found bool\.$"),
        ({"images": with_nan(np.nan)}, r"^Expected finite float32 numbers in images of x.npz, found others \(NaN or"),
        ({"images": with_nan(np.inf)}, r"^Expected finite float32 numbers in images of x.npz"),
        ({"images": with_nan(1e39)}, r"^Expected finite float32 numbers in images of x.npz"),
        ({"images": np.full((20, 3, 4, 4), 7, np.uint8)}, r"^x.npz: Expected images that differ to measure"),
        ({"test_images": images(3, 4, 4)}, r"^Expected both test_images and test_labels in x.npz, found one"),
        (
            {"test_images": images(3, 5, 4), "test_labels": LABELS},
            r"^Expected images of one shape in all splits of x.npz, found \(3, 4, 4\) in train and \(3, 5, 4\) in",
        ),
        (
            {"test_images": images(3, 4, 4), "test_labels": LABELS[:3]},
            r"^Expected one label for each of the 20 images in test_images of x.npz, found 3\.$",
        ),
        ({"labels": np.array([{}] * 20)}, r"^Expected a .npz file of plain arrays at .*, found: Object arrays cannot"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    content = {"images": images(3, 4, 4), "labels": LABELS, **arrays}
    path = tmp_path / "x.npz"
    np.savez(path, **{name: values for name, values in content.items() if values is not None})
    with pytest.raises(AxhwError, match=message):
        load_npz(path)


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=images(3, 4, 4), labels=LABELS)
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], b"\x80\x04N."):
        path.write_bytes(content)
        with pytest.raises(AxhwError, match=r"^Expected a .npz file of plain arrays at .*x.npz, found: .*\.$"):
            load_npz(path)
    with path.open("wb") as file:
        np.save(file, images(3, 4, 4))
    with pytest.raises(AxhwError, match=r"^Expected a .npz file of plain arrays at"):
        load_npz(path)
    path.write_bytes(whole[:200] + b"!" + whole[201:])
    with pytest.raises(AxhwError, match=r"^Expected a .npz file of plain arrays at .*x.npz, found: Bad CRC-32"):
        load_npz(path)
