"""Compiled functions, their calls, and the addresses that these take."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Bits of an offset.
BASE_SHIFT = 48

_NOTHING = ctypes.c_char * 0


class Kernel:
    """A compiled function; arrays are passed as pointers to their first element, those that stay as `fixed`."""

    def __init__(self, engine: Any, address: int, packed_address: int, arguments: Sequence[type]) -> None:
        self._engine = engine
        self._call = ctypes.CFUNCTYPE(None, *arguments)(address)
        self._packed_address = packed_address

    def __call__(self, *arguments: object) -> None:
        """Run it."""
        self._call(*[address_of(a) if isinstance(a, np.ndarray) else a for a in arguments])

    def call(self, *arguments: Any) -> Call:
        """A call to be run later, by `axhw.emulate.threads`, arrays and `fixed` pointers being held until then."""
        words = [argument if isinstance(argument, int) else _word(argument) for argument in arguments]
        return Call([self._packed_address, len(words), *words], (self, arguments))


class Call:
    """A kernel and its arguments, for compiled code to run.

    Arrays among the arguments live as long as it does, those passed by their addresses are the caller's concern. An
    address that is not known yet is given as `within` a base.

    Attributes
    ----------
    words : list of int
        Address of the entry for packed arguments, number of arguments, arguments.
    """

    __slots__ = ("_held", "words")

    def __init__(self, words: list[int], held: object) -> None:
        self.words = words
        self._held = held


class Fixed(int):
    """The address of an array, which it keeps alive."""

    array: npt.NDArray[Any]


def fixed(array: npt.NDArray[Any]) -> Fixed:
    """A pointer to an array: made once, it spares the microsecond that an address takes to find.

    The array is copied if it is not contiguous.
    """
    kept = np.ascontiguousarray(array)
    pointer = Fixed(address_of(kept))
    pointer.array = kept
    return pointer


def address_of(array: npt.NDArray[Any]) -> int:
    """Where the first element of an array lies."""
    try:
        # Takes a quarter of a microsecond instead of a whole one.
        return ctypes.addressof(_NOTHING.from_buffer(array.data))
    except TypeError:  # not contiguous, or read-only
        address: int = array.__array_interface__["data"][0]
        return address


def within(base: int, offset: int = 0) -> int:
    """The argument for an address so many bytes behind a base that is known when a call is run.

    Base 0 is the work space of the thread that runs it. Adding bytes means to subtract them from the argument.
    """
    return ~(base << BASE_SHIFT | offset)


def _word(argument: object) -> int:
    """An argument in 64 bits."""
    if isinstance(argument, np.ndarray):
        return address_of(argument)
    if isinstance(argument, float):
        return int(np.float32(argument).view(np.int32))
    return int(argument)  # type: ignore[call-overload, no-any-return]
