"""The safetensors format: tensors by name, memory-mapped to read, one after the other to write.

A file is the length of its header (8 bytes, little-endian), the header (JSON: dtype, shape and place of each tensor)
and the tensors' bytes. It is read and written here because numpy has no bfloat16, which most published weights have:
the safetensors library gives none of them to numpy. Bytes are mapped, so that what is read of a tensor is all that
ever is in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.files import replacing

Stored: TypeAlias = npt.NDArray[np.float32 | np.float16 | np.uint16 | np.int8]

DTYPES: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I8": np.dtype("i1"),
}
"""How tensors are held in memory; bfloat16 as its bits."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # as the safetensors library has it
_ALIGNMENT = 8
_METADATA = "__metadata__"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where a tensor stands in a file.

    Attributes
    ----------
    dtype : str
        As the format spells it: "F32", "BF16", ...
    shape : tuple of int
    start, stop : int
        Bytes, counted from the beginning of the file.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class SafetensorsFile:
    """A file to read tensors of.

    Attributes
    ----------
    path : Path
    entries : mapping of str to Entry

    Raises
    ------
    AxhwError
        If there is none, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            self._bytes: npt.NDArray[np.uint8] = (
                np.memmap(path, np.uint8, "r") if size and path.is_file() else np.empty(0, np.uint8)
            )
        except OSError as error:
            raise AxhwError(f"Expected weights at {path}: {error.strerror or error}.") from error
        self.entries = self._read_header()

    def read(self, name: str) -> Stored:
        """A tensor as it is stored, a view of the file.

        Raises
        ------
        AxhwError
            If there is no such tensor, or of a dtype out of others than `DTYPES`.
        """
        if name not in self.entries:
            raise AxhwError(f"Expected the tensor {name} in {self.path}, found none.")
        entry = self.entries[name]
        if entry.dtype not in DTYPES:
            raise AxhwError(
                f"Expected {name} in {self.path} as one of {', '.join(DTYPES)}, found {entry.dtype}: convert it."
            )
        stored: Stored = self._bytes[entry.start : entry.stop].view(DTYPES[entry.dtype]).reshape(entry.shape)
        return stored

    def _read_header(self) -> dict[str, Entry]:
        length = int.from_bytes(self._bytes[:_LENGTH_BYTES].tobytes(), "little")
        first = _LENGTH_BYTES + length
        if len(self._bytes) < _LENGTH_BYTES or length > _LONGEST_HEADER or first > len(self._bytes):
            raise self._damaged("it ends before its header does")
        try:
            header = json.loads(self._bytes[_LENGTH_BYTES:first].tobytes())
        except (ValueError, RecursionError) as error:
            raise self._damaged("its header is no JSON") from error
        if not isinstance(header, dict):
            raise self._damaged("its header is no JSON object")
        return {name: self._entry(name, value, first) for name, value in header.items() if name != _METADATA}

    def _entry(self, name: str, value: object, first: int) -> Entry:
        try:
            if not isinstance(value, dict):
                raise TypeError
            dtype, shape, (start, stop) = value["dtype"], value["shape"], value["data_offsets"]
            whole = [*shape, start, stop]
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"it says nothing about the place of {name}") from error
        if not isinstance(dtype, str) or not all(type(number) is int and number >= 0 for number in whole):
            raise self._damaged(f"it says nothing about the place of {name}")
        entry = Entry(dtype=dtype, shape=tuple(shape), start=first + start, stop=first + stop)
        if not first <= entry.start <= entry.stop <= len(self._bytes):
            raise self._damaged(f"it ends before {name} does")
        if dtype in DTYPES and stop - start != math.prod(shape) * DTYPES[dtype].itemsize:
            raise self._damaged(f"{name} has another size than its shape")
        return entry

    def _damaged(self, reason: str) -> AxhwError:
        return AxhwError(f"Expected a safetensors file at {self.path}, found another or a damaged one: {reason}.")


def write_safetensors(
    path: Path, tensors: Iterable[tuple[str, str, Stored]], *, metadata: Mapping[str, str] | None = None
) -> int:
    """Write tensors to a file.

    Parameters
    ----------
    path : Path
    tensors : iterable of (name, dtype, array)
        Arrays hold what `DTYPES` says.
    metadata : mapping of str to str, optional

    Returns
    -------
    int
        Bytes of the tensors.

    Raises
    ------
    AxhwError
        If the file can't be written.
    """
    header: dict[str, object] = {} if metadata is None else {_METADATA: dict(metadata)}
    arrays = []
    size = 0
    for name, dtype, array in tensors:
        arrays.append(np.ascontiguousarray(array, DTYPES[dtype]))
        stop = size + arrays[-1].nbytes
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [size, stop]}
        size = stop
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with replacing(path) as draft, draft.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little"))
        file.write(text)
        for array in arrays:
            file.write(array.data)
    return size
