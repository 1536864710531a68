"""Decoding with Pillow into a copy that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axhw.data.images import ImageFiles, channels_of, open_image
from axhw.data.places import CACHE_ENVIRONMENT
from axhw.errors import AxhwError

Encoded = Callable[..., bytes]


def image_files(content: Mapping[str, bytes], *, channels: int = 3, fingerprint: str = "f") -> ImageFiles:
    return ImageFiles(
        source="x",
        fingerprint=fingerprint,
        names=tuple(content),
        read=content.__getitem__,
        shape=(channels, 4, 6),
    )


@pytest.fixture(scope="module")
def coloured() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)


def test_pixels_are_channels_first_and_read_only(coloured: np.ndarray, encoded: Encoded) -> None:
    content = {str(index): encoded(image) for index, image in enumerate(coloured)}
    pixels = image_files(content).pixels()
    assert (pixels.dtype, type(pixels)) == (np.uint8, np.ndarray)
    assert np.array_equal(pixels, coloured.transpose(0, 3, 1, 2))
    assert not pixels.flags.writeable


def test_grey_and_coloured_images(coloured: np.ndarray, encoded: Encoded) -> None:
    grey = coloured[..., 0]
    content = {str(index): encoded(image) for index, image in enumerate(grey)}
    assert np.array_equal(image_files(content, channels=1).pixels(), grey[:, None])
    assert np.array_equal(image_files(content, channels=3).pixels(), np.repeat(grey[:, None], 3, axis=1))
    images = [open_image(encoded(image), name="a", source="x") for image in (grey[0], coloured[0])]
    assert [channels_of(image) for image in images] == [1, 3]


def test_images_are_decoded_once(coloured: np.ndarray, encoded: Encoded, cache: Path) -> None:
    content = {"a": encoded(coloured[0])}
    files = image_files(content)
    first = files.pixels().copy()
    content["a"] = encoded(coloured[1])
    assert np.array_equal(files.pixels(), first), "taken from the copy"
    assert np.array_equal(image_files(content, fingerprint="g").pixels()[0], coloured[1].transpose(2, 0, 1))
    assert {path.parent for path in cache.rglob("*.npy")} == {cache / "decoded"}


def test_a_copy_that_was_cut_off_is_made_again(coloured: np.ndarray, encoded: Encoded) -> None:
    files = image_files({"a": encoded(coloured[0])})
    pixels = files.pixels().copy()
    files.cache_path.write_bytes(files.cache_path.read_bytes()[:-1])
    assert np.array_equal(files.pixels(), pixels)


def test_more_images_than_are_written_at_once(encoded: Encoded) -> None:
    content = {str(index): encoded(np.full((4, 6), index % 256, np.uint8)) for index in range(2050)}
    pixels = image_files(content, channels=1).pixels()
    assert np.array_equal(pixels, np.broadcast_to(np.arange(2050).astype(np.uint8)[:, None, None, None], pixels.shape))


def test_one_line_says_what_takes_long(
    coloured: np.ndarray, encoded: Encoded, capsys: pytest.CaptureFixture[str]
) -> None:
    files = image_files({"a": encoded(coloured[0])})
    files.pixels()
    assert capsys.readouterr() == ("", "axhw: decoding 1 images of x\n")
    files.pixels()
    assert capsys.readouterr() == ("", "")


def test_images_of_another_size(coloured: np.ndarray, encoded: Encoded, cache: Path) -> None:
    files = image_files({"a": encoded(coloured[0]), "b": encoded(coloured[0, :3])})
    with pytest.raises(
        AxhwError, match=r"^Expected images of 6x4 pixels in x, found b of 6x3: scale or cut them to one size first\.$"
    ):
        files.pixels()
    assert list((cache / "decoded").iterdir()) == []


def test_images_with_more_bits_are_refused(encoded: Encoded) -> None:
    content = encoded(np.arange(24, dtype=np.uint16).reshape(4, 6))
    with pytest.raises(
        AxhwError, match=r"^Expected images with 8 bits a channel in x, found a of mode I;16: convert them first\.$"
    ):
        image_files({"a": content}).pixels()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_truncated_images(form: str, encoded: Encoded) -> None:
    whole = encoded(np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8), form)
    for size in (0, 10, len(whole) // 2):
        with pytest.raises(AxhwError, match=r"^Expected an image in a of x, found.*\.$"):
            image_files({"a": whole[:size]}, fingerprint=f"{form} {size}").pixels()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), patch=st.binary(min_size=1, max_size=4))
def test_damaged_images_are_decoded_or_refused_in_one_sentence(
    form: str, place: int, patch: bytes, encoded: Encoded
) -> None:
    content = bytearray(encoded(np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8), form))
    place %= len(content)
    content[place : place + len(patch)] = patch
    try:
        pixels = image_files({"a": bytes(content)}, fingerprint=bytes(content).hex()).pixels()
    except AxhwError:
        return
    assert pixels.shape == (1, 3, 4, 6)


def test_a_cache_folder_that_cannot_be_written_to(
    coloured: np.ndarray, encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(CACHE_ENVIRONMENT, str(tmp_path / "file"))
    with pytest.raises(AxhwError, match=r"found .*decoded: Not a directory; AXHW_CACHE_DIR can name another one\.$"):
        image_files({"a": encoded(coloured[0])}).pixels()
