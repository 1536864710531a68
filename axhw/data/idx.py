"""The idx format of MNIST and its successors.

    00 00  type  d    then d sizes, 4 bytes each, most significant first, then the values in C order

Type 08 is unsigned bytes, the only one that these data sets use (LeCun, Cortes and Burges, "The MNIST database of
handwritten digits").
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
_MOST_BYTES = 1 << 30


def encode_idx(values: npt.NDArray[np.uint8]) -> bytes:
    """The content of an idx file of bytes."""
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes((0, 0, _UNSIGNED_BYTES, values.ndim)) + sizes + values.tobytes()


def read_idx(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    """The array in an idx file, compressed by gzip or not.

    Raises
    ------
    AxhwError
        For a file that cannot be read or is not an idx file of bytes with that many dimensions.
    """
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not compressed:
                return parse_idx(file, dimensions=dimensions, source=path.name)
            with gzip.open(file) as content:
                return parse_idx(content, dimensions=dimensions, source=path.name)
    except (OSError, EOFError, zlib.error) as error:
        raise AxhwError(f"Expected to read {path}, found: {getattr(error, 'strerror', None) or error}.") from error


def parse_idx(content: BinaryIO | gzip.GzipFile, *, dimensions: int, source: str) -> npt.NDArray[np.uint8]:
    """The array in the content of an idx file; `source` is its name in messages.

    Raises
    ------
    AxhwError
        As `read_idx`.
    """
    magic = content.read(4)
    if magic != bytes((0, 0, _UNSIGNED_BYTES, dimensions)):
        expected = f"0000{_UNSIGNED_BYTES:02x}{dimensions:02x}"
        raise AxhwError(
            f"Expected {source} to start with {expected}, as idx files of bytes with {dimensions} dimensions do, "
            f"found {magic.hex() or 'nothing'}."
        )
    sizes = content.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise AxhwError(f"Expected {dimensions} sizes behind the start of {source}, found its end.")
    shape = struct.unpack(f">{dimensions}I", sizes)
    size = math.prod(shape)
    if size > _MOST_BYTES:
        raise AxhwError(f"Expected at most {_MOST_BYTES} values in {source}, found sizes {shape}.")
    values = content.read(size + 1)
    if len(values) != size:
        found = "more" if len(values) > size else str(len(values))
        raise AxhwError(f"Expected {size} values in {source}, for its sizes {shape}, found {found}.")
    return np.frombuffer(values, np.uint8).reshape(shape)
