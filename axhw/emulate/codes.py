"""Operand codes: 8-bit integers as they travel through a network, and where a table lists their products."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

Codes: TypeAlias = npt.NDArray[np.int8 | np.uint8]
CodeDtype: TypeAlias = np.dtype[np.int8] | np.dtype[np.uint8]
Accumulators: TypeAlias = npt.NDArray[np.int32 | np.int64]

CODE_COUNT = 256


def code_dtype(name: str, dtype: npt.DTypeLike) -> CodeDtype:
    """`dtype` as int8 or uint8; any other is refused, `name` saying whose it is.

    Raises
    ------
    AxhwError
    """
    found = np.dtype(dtype)
    if found == np.int8:
        return np.dtype(np.int8)
    if found == np.uint8:
        return np.dtype(np.uint8)
    raise AxhwError(f"Expected {name} as an int8 or uint8 array of codes, found {found}: quantise it first.")


def check_codes(name: str, codes: Codes) -> CodeDtype:
    """The dtype of an array of codes; anything else is refused.

    Raises
    ------
    AxhwError
    """
    if not isinstance(codes, np.ndarray):
        raise AxhwError(
            f"Expected {name} as an int8 or uint8 array of codes, found {type(codes).__name__}: quantise it first."
        )
    return code_dtype(name, codes.dtype)


def check_operands(a: Codes, w: Codes) -> None:
    """Refuse operands that are not int8 or uint8 matrices [M, K] and [K, N].

    Raises
    ------
    AxhwError
    """
    check_codes("a", a)
    check_codes("w", w)
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0]:
        raise AxhwError(f"Expected a of shape [M, K] and w of shape [K, N], found {a.shape} and {w.shape}.")


def code_index(codes: Codes) -> npt.NDArray[np.uint8]:
    """Codes counted from the lowest one of their dtype: 0 to 255."""
    unsigned = codes.view(np.uint8)
    return unsigned ^ np.uint8(0x80) if codes.dtype == np.int8 else unsigned


def code_values(dtype: npt.DTypeLike) -> npt.NDArray[np.int32]:
    """All codes of a dtype in increasing order, shape (256,)."""
    limits = np.iinfo(np.dtype(dtype).name)
    return np.arange(limits.min, limits.max + 1, dtype=np.int32)
