"""Image files decoded with Pillow, once: a copy of the pixels is kept in the cache folder and mapped from there.

The copy is what lets sets that are larger than memory be used, and makes every start but the first one immediate. One
thread decodes: for images of up to 64 pixels a side, two threads take longer than one (70 against 56 us an image of
32x32), because most of the time goes into Python code, which runs one thread at a time.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from axhw.data.places import CACHE_ENVIRONMENT, cache_folder
from axhw.data.progress import progress_bar
from axhw.errors import AxhwError
from axhw.files import output_folder, replacing

_CHUNK = 1024
_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


@dataclass(frozen=True, kw_only=True)
class ImageFiles:
    """Encoded images of one shape.

    Attributes
    ----------
    source : str
        For messages.
    fingerprint : str
        Differs whenever the images do.
    names : sequence of str
        Of the single images, for messages.
    read : callable
        The encoded image of a name.
    shape : tuple of int
        Channels (1 grey, 3 colour), height and width of every image.
    """

    source: str
    fingerprint: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]
    shape: tuple[int, int, int]

    @property
    def cache_path(self) -> Path:
        """Where the decoded copy lives; decoders differ in single bits, so it is one for each version of Pillow."""
        key = f"{self.fingerprint} {len(self.names)} {self.shape} Pillow {PIL.__version__}"
        return cache_folder() / "decoded" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"

    def pixels(self) -> npt.NDArray[np.uint8]:
        """All images decoded, uint8 [n, C, H, W], mapped read-only from the cache folder.

        Raises
        ------
        AxhwError
            For an image that cannot be decoded or has another shape, or a cache folder that cannot be written to.
        """
        channels, height, width = self.shape
        path, shape = self.cache_path, (len(self.names), *self.shape)
        # Copies are complete or absent, so the size tells what a full disk or a hand has cut off.
        header = _npy_header(shape)
        if not path.is_file() or path.stat().st_size != len(header) + math.prod(shape):
            _make_folder(path.parent)
            what = f"decoding {len(self.names)} images of {self.source}"
            with (
                replacing(path) as draft,
                draft.open("wb") as file,
                progress_bar(what, total=len(self.names)) as advance,
            ):
                file.write(header)
                for start in range(0, len(self.names), _CHUNK):
                    names = self.names[start : start + _CHUNK]
                    content = b"".join(self._decoded(name) for name in names)
                    chunk = np.frombuffer(content, np.uint8).reshape(len(names), height, width, channels)
                    file.write(np.moveaxis(chunk, 3, 1).tobytes())
                    advance(len(names))
                # On disk before it gets its name: a copy of the right size full of zeros would go unnoticed.
                file.flush()
                os.fsync(file.fileno())
        mapped: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r").view(np.ndarray)
        return mapped

    def _decoded(self, name: str) -> bytes:
        """Pixels of one image, channels last."""
        image = open_image(self.read(name), name=name, source=self.source)
        channels, height, width = self.shape
        if image.size != (width, height):
            raise AxhwError(
                f"Expected images of {width}x{height} pixels in {self.source}, found {name} of {image.width}x"
                f"{image.height}: scale or cut them to one size first."
            )
        try:
            return image.convert("L" if channels == 1 else "RGB").tobytes()
        except (OSError, ValueError, SyntaxError) as error:
            raise AxhwError(f"Expected an image in {name} of {self.source}, found: {error}.") from error


def open_image(content: bytes, *, name: str, source: str) -> Image.Image:
    """An image with 8 bits a channel, its header read; `name` and `source` are for messages.

    Raises
    ------
    AxhwError
        For what is no image, and for images with more bits, which would lose them.
    """
    try:
        image = Image.open(io.BytesIO(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "something else" if isinstance(error, PIL.UnidentifiedImageError) else str(error)
        raise AxhwError(f"Expected an image in {name} of {source}, found {reason}.") from error
    if image.mode not in (*_GREY_MODES, *_COLOUR_MODES):
        raise AxhwError(
            f"Expected images with 8 bits a channel in {source}, found {name} of mode {image.mode}: convert them first."
        )
    return image


def channels_of(image: Image.Image) -> int:
    """1 for a grey image, 3 for a coloured one; transparency does not count."""
    return 1 if image.mode in _GREY_MODES else 3


def _make_folder(folder: Path) -> None:
    try:
        output_folder(folder)
    except AxhwError as error:
        raise AxhwError(f"{str(error).rstrip('.')}; {CACHE_ENVIRONMENT} can name another one.") from error


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()
