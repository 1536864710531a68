"""Memory that starts at a cache line, and work space that each thread uses again and again."""

from __future__ import annotations

import math
import threading
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from axhw.emulate.calls import Fixed, fixed

_LINE = 64

Scalar = TypeVar("Scalar", bound=np.generic)


def aligned(shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar]) -> npt.NDArray[Scalar]:
    """An uninitialised array that starts at a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(size + _LINE, np.uint8)
    start = -buffer.ctypes.data % _LINE
    return buffer[start : start + size].view(dtype).reshape(shape)


class Scratch(threading.local):
    """Work space of each thread, reused from call to call because fresh pages cost more than what is written to them.

    Its contents mean nothing between calls.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Fixed] = {}

    def address(self, name: str, size: int) -> int:
        """Where so many bytes of this thread lie, from a cache line on, valid until `name` is asked for again."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer.array) < size:
            buffer = self._buffers[name] = fixed(aligned((size,), np.uint8))
        return buffer

    def array(self, name: str, shape: tuple[int, ...], dtype: type[Scalar] | np.dtype[Scalar]) -> npt.NDArray[Scalar]:
        """The same as an uninitialised array."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        self.address(name, size)
        found: npt.NDArray[np.uint8] = self._buffers[name].array
        return found[:size].view(dtype).reshape(shape)


scratch = Scratch()
