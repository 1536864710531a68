"""Integers and the rows of their bits: bit i of word w in a row of uint64 words belongs to vector 64 * w + i."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
IntegerArray = npt.NDArray[np.int64]

VECTORS_PER_WORD = 64

# Row k is bit k of the numbers 0..63: what the six lowest bits of a counter look like inside one word.
_COUNTER = np.array(
    [
        0xAAAA_AAAA_AAAA_AAAA,
        0xCCCC_CCCC_CCCC_CCCC,
        0xF0F0_F0F0_F0F0_F0F0,
        0xFF00_FF00_FF00_FF00,
        0xFFFF_0000_FFFF_0000,
        0xFFFF_FFFF_0000_0000,
    ],
    np.uint64,
)
# Transposition of an 8x8 bit matrix in three swaps: Warren, Hacker's Delight, section 7-3.
_SWAPS = tuple(
    (np.uint64(shift), np.uint64(mask))
    for shift, mask in ((7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0))
)


def exhaustive_words(bits: int, *, start: int = 0, count: int | None = None) -> Words:
    """The bits of a counter over consecutive vectors.

    Parameters
    ----------
    bits : int
        Bits of the counter.
    start, count : int
        First word and number of words; all of them by default, at least one.

    Returns
    -------
    (bits, count) uint64 array
        Row k is bit k of vector 64 * start + i, repeating after ``2**bits`` vectors.
    """
    if count is None:
        count = max(1, (1 << bits) // VECTORS_PER_WORD) - start
    words = np.empty((bits, count), np.uint64)
    inside = min(bits, len(_COUNTER))
    words[:inside] = _COUNTER[:inside, None]
    position = np.arange(start, start + count, dtype=np.uint64)
    for row in range(inside, bits):
        # 0 - 1 wraps to all ones.
        words[row] = np.uint64(0) - (position >> np.uint64(row - inside) & np.uint64(1))
    return words


def pack_operands(values: npt.ArrayLike, width: int) -> Words:
    """Bits of integers as rows of words.

    Parameters
    ----------
    values : (n,) array_like of integers
        Taken modulo ``2**width``, so negative ones come out in two's complement.
    width : int
        1 to 64 bits.

    Returns
    -------
    (width, ceil(n / 64)) uint64 array
        Vectors behind the last one are 0.
    """
    array = np.asarray(values)
    size = -(-width // 8)
    count = -(-len(array) // VECTORS_PER_WORD)
    numbers = np.zeros(count * VECTORS_PER_WORD, "<i8")
    numbers[: len(array)] = array
    # Plane k holds byte k of every number; eight numbers' bytes form an 8x8 bit matrix in one word.
    planes = np.ascontiguousarray(numbers.view(np.uint8).reshape(-1, 8).T[:size]).view("<u8")
    blocks = _transpose_bits(planes).view(np.uint8).reshape(size, -1, 8)
    rows = np.ascontiguousarray(blocks.transpose(0, 2, 1)).reshape(size * 8, -1)
    words: Words = rows[:width].view("<u8").astype(np.uint64, copy=False)
    return words


def unpack_product(rows: Words, *, signed: bool, count: int | None = None) -> IntegerArray:
    """Integers from the rows of their bits; the inverse of `pack_operands`.

    Parameters
    ----------
    rows : (width, n) uint64 array, least significant bit first
        1 to 64 rows, 63 if unsigned.
    signed : bool
        Whether the last row is the sign.
    count : int, optional
        Vectors wanted, all ``64 * n`` by default.

    Returns
    -------
    (count,) int64 array
    """
    width, words = rows.shape
    size = next(size for size in (1, 2, 4, 8) if 8 * size >= width)
    padded = np.zeros((8 * size, words), "<u8")
    padded[:width] = rows
    if signed:
        padded[width:] = rows[-1]
    blocks = padded.view(np.uint8).reshape(size, 8, -1).transpose(0, 2, 1)
    planes = _transpose_bits(np.ascontiguousarray(blocks).view("<u8")[..., 0]).view(np.uint8)
    numbers = np.ascontiguousarray(planes.T).view(f"<{'i' if signed else 'u'}{size}")[:, 0]
    result: IntegerArray = numbers[:count].astype(np.int64)
    return result


def _transpose_bits(matrices: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Transpose 8x8 bit matrices, one to a word: bit 8 * i + j goes to bit 8 * j + i."""
    result: Words = matrices.copy()
    swap = np.empty_like(result)
    for shift, mask in _SWAPS:
        np.right_shift(result, shift, swap)
        np.bitwise_xor(swap, result, swap)
        np.bitwise_and(swap, mask, swap)
        np.bitwise_xor(result, swap, result)
        np.left_shift(swap, shift, swap)
        np.bitwise_xor(result, swap, result)
    return result
