"""The lossy copy of CIFAR-10: small ones, and the real one where it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from axhw.data import cifar_jpeg
from axhw.data.normalization import Normalization
from axhw.errors import AxhwError

REAL = Path(__file__).parents[3] / "shared" / "data" / cifar_jpeg.FILE
Encoded = Callable[..., bytes]


def arrays(encoded: Encoded, *, quality: int = 75) -> dict[str, npt.NDArray[np.generic]]:
    """Twenty training and four test images, smooth enough for JPEG."""
    rng = np.random.default_rng(0)
    result: dict[str, npt.NDArray[np.generic]] = {"classes": np.array([f"class {index}" for index in range(10)])}
    for part, count in (("train", 20), ("test", 4)):
        files = [
            encoded(np.kron(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8)), "JPEG",
                    quality=quality)
            for _ in range(count)
        ]  # fmt: skip
        result[f"{part}_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        result[f"{part}_off"] = np.cumsum([0, *map(len, files)])
        result[f"{part}_y"] = (np.arange(count) % 10).astype(np.uint8)
    return result


def write(path: Path, content: dict[str, npt.NDArray[np.generic]]) -> Path:
    np.savez(path, **content)  # type: ignore[arg-type]
    return path


def test_small_copy(encoded: Encoded, tmp_path: Path) -> None:
    content = arrays(encoded)
    path = write(tmp_path / cifar_jpeg.FILE, content)
    assert cifar_jpeg.is_jpeg_copy(path)
    assert cifar_jpeg.find(tmp_path) == path
    splits = cifar_jpeg.load(path)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 2, 4]
    assert splits.test.name == "CIFAR-10 (JPEG q75) format (20 training and 4 test images)"
    assert splits.test.classes[3] == "class 3"
    start, stop = content["test_off"][2:4]
    image = Image.open(io.BytesIO(content["test_jpeg"][start:stop].tobytes()))
    assert np.array_equal(splits.test.stored(slice(2, 3))[0], np.asarray(image).transpose(2, 0, 1))
    assert splits.test.labels.tolist() == [0, 1, 2, 3]


def test_the_decoded_copy_belongs_to_the_content(encoded: Encoded, tmp_path: Path, cache: Path) -> None:
    content = arrays(encoded)
    cifar_jpeg.load(write(tmp_path / "a.npz", content))
    copies = {path: path.stat().st_mtime_ns for path in (cache / "decoded").iterdir()}
    assert len(copies) == 2
    cifar_jpeg.load(write(tmp_path / "b.npz", content))
    assert {path: path.stat().st_mtime_ns for path in (cache / "decoded").iterdir()} == copies
    swapped = {
        **content,
        "test_jpeg": content["train_jpeg"],
        "test_off": content["train_off"],
        "test_y": content["train_y"],
    }
    assert np.array_equal(cifar_jpeg.load(write(tmp_path / "c.npz", swapped)).test.pixels,
                          cifar_jpeg.load(tmp_path / "a.npz").train.pixels)  # fmt: skip


def test_another_quality_is_refused(encoded: Encoded, tmp_path: Path) -> None:
    path = write(tmp_path / "x.npz", arrays(encoded, quality=90))
    with pytest.raises(AxhwError, match=r"^Expected JPEG images of quality 75 in x.npz, found others\.$"):
        cifar_jpeg.load(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("train_off", lambda values: values[:-1]),
        ("train_off", lambda values: values[::-1]),
        ("train_off", lambda values: values + 1),
        ("train_off", lambda values: values.astype(np.float64)),
        ("train_jpeg", lambda values: values[:-1]),
        ("train_jpeg", lambda values: values.astype(np.int16)),
        ("train_y", lambda values: values[:-1]),
    ],
)
def test_positions_that_do_not_fit(
    name: str, change: Callable[[npt.NDArray[np.generic]], npt.NDArray[np.generic]], encoded: Encoded, tmp_path: Path
) -> None:
    content = arrays(encoded)
    content[name] = change(content[name])
    with pytest.raises(
        AxhwError, match=r"^Expected train_off in .*x.npz to hold \d+ rising positions from 0 to \d+ in"
    ):
        cifar_jpeg.load(write(tmp_path / "x.npz", content))


def test_labels_are_whole_numbers_of_classes(encoded: Encoded, tmp_path: Path) -> None:
    content = arrays(encoded)
    content["test_y"] = np.array([0.0, 1.0, 2.0, 3.0])
    with pytest.raises(AxhwError, match=r"^Expected integers in test_y of .*x.npz, found float64\.$"):
        cifar_jpeg.load(write(tmp_path / "x.npz", content))
    content["test_y"] = np.array([0, 1, 2, 10])
    with pytest.raises(AxhwError, match=r"^Expected labels from 0 to 9 in CIFAR-10 \(JPEG q75\) .* found 0 to 10\.$"):
        cifar_jpeg.load(write(tmp_path / "x.npz", content))


def test_damaged_images_and_files(encoded: Encoded, tmp_path: Path, cache: Path) -> None:
    content = arrays(encoded)
    damaged = content["train_jpeg"].copy()
    damaged[content["train_off"][5] : content["train_off"][6]] = 0
    path = write(tmp_path / "x.npz", {**content, "train_jpeg": damaged})
    with pytest.raises(AxhwError, match=r"^Expected an image in train image 5 of x.npz, found something else\.$"):
        cifar_jpeg.load(path)
    assert list((cache / "decoded").iterdir()) == []
    path.write_bytes(path.read_bytes()[:-100])
    assert not cifar_jpeg.is_jpeg_copy(path)
    with pytest.raises(AxhwError, match=r"^Expected the arrays train_jpeg, .* in .*x.npz, found: .*\.$"):
        cifar_jpeg.load(path)
    pickled = {**content, "classes": np.array([{}], object)}
    with pytest.raises(AxhwError, match=r"^Expected the arrays train_jpeg, .* Object arrays cannot be loaded"):
        cifar_jpeg.load(write(tmp_path / "x.npz", pickled))


@pytest.mark.skipif(not REAL.is_file(), reason="the JPEG copy of CIFAR-10 is not in ../shared/data")
def test_the_real_one() -> None:
    splits = cifar_jpeg.load(REAL)
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [45_000, 5_000, 10_000]
    assert {part.name for part in parts} == {"CIFAR-10 (JPEG q75)"}
    assert splits.train.image_shape == (3, 32, 32)
    assert np.bincount(splits.test.labels).tolist() == [1000] * 10
    assert splits.train.classes[6] == "frog"
    measured = Normalization.measured(splits.train.pixels)  # type: ignore[arg-type]
    assert tuple(round(value, 4) for value in (*measured.mean, *measured.std)) == (
        *cifar_jpeg.PUBLISHED.normalization.mean,
        *cifar_jpeg.PUBLISHED.normalization.std,
    )
