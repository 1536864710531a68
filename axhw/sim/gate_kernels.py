"""Compiled evaluation of two-input gates over operand pairs, and their errors without ever forming an integer.

64 pairs share a word, 64 words make a block, and a signal of a block is a row, see `axhw.sim.block_rows`. The rows in
use at a time stay in the nearest caches. In a block, everything is a few bitwise operations on rows:

- Any function of two bits is ``x & p(y) ^ q(y)`` with p, q out of 0, 1, y, not y: no branch, which a processor would
  guess wrongly at every second gate.
- error = product - exact by a ripple of borrows. With s its sign and m its bits, inverted where it is negative,
  ``abs(error) = m + s``, so the sum of magnitudes is ``sum_k 2**k popcount(m_k) + popcount(s)``, that of squares takes
  the popcounts of pairs of planes, and whether any magnitude passes the worst one so far is one operation a plane.
- Relative and weighted errors need integers: `unpack` transposes the planes.

The counts are integers and exact for operands up to 16 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from axhw.hdl.bits import Words
from axhw.hdl.gates import GateNetlist
from axhw.sim.block_rows import BLOCK_PAIRS, BLOCK_WORDS, any_ones, count_ones, load, spread, store

MAX_WIDTH = 16

ROWS_DIGEST = "fa7ec0c9551a"
"""Of the source of `axhw.sim.block_rows`, held by a test: Numba's cache of compiled code knows this file only, which
therefore has to change when that one does."""

CountArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.uint32]
FloatArray = npt.NDArray[np.float64]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_BYTE = np.uint64(0xFF)
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
_SWAP_1, _SWAP_2, _SWAP_3 = (
    np.uint64(mask) for mask in (0x00AA_00AA_00AA_00AA, 0x0000_CCCC_0000_CCCC, 0x0000_0000_F0F0_F0F0)
)


class GateArrays(NamedTuple):
    """The gates that matter of a circuit, for the kernels.

    Attributes
    ----------
    function : (gates,) uint8
        As in `axhw.hdl.gates.FUNCTIONS`.
    x, y : (gates,) uint32
        Signals read; gate k drives signal ``inputs + k``.
    outputs : (outputs,) uint32
    inputs : int
    """

    function: npt.NDArray[np.uint8]
    x: IndexArray
    y: IndexArray
    outputs: IndexArray
    inputs: int

    @classmethod
    def of(cls, circuit: GateNetlist) -> GateArrays:
        """The arrays of a circuit, without gates that reach no output."""
        active = circuit.active.copy()
        active[: circuit.inputs] = True
        number = np.cumsum(active) - 1
        gates = [gate for gate, used in zip(circuit.gates, active[circuit.inputs :]) if used]
        return cls(
            function=np.array([gate.function for gate in gates], np.uint8),
            # What a function does not read may have been left out.
            x=np.array([number[gate.x] if gate.x in gate.fanin else 0 for gate in gates], np.uint32),
            y=np.array([number[gate.y] if gate.y in gate.fanin else 0 for gate in gates], np.uint32),
            outputs=number[list(circuit.outputs)].astype(np.uint32),
            inputs=circuit.inputs,
        )


class ErrorCounts(NamedTuple):
    """What the kernels count, to be added up over blocks; the bits of m and the sign s as above.

    Attributes
    ----------
    ones : (2 * width,) int64
        Pairs with bit k of m.
    negative_ones : (2 * width,) int64
        Those with a negative error among them.
    squares : (2 * width, 2 * width) int64
        Pairs with both bits j and k of m, j <= k; only if asked for.
    scalars : (4,) int64
        Pairs, pairs with a negative error, pairs with any error, largest magnitude.
    relative : (3,) float64
        Sum and maximum of abs(error) / abs(exact), and pairs whose exact product is not 0; only if asked for.
    """

    ones: CountArray
    negative_ones: CountArray
    squares: CountArray
    scalars: CountArray
    relative: FloatArray

    @classmethod
    def zeros(cls, width: int) -> ErrorCounts:
        """Nothing counted yet."""
        return cls(
            ones=np.zeros(2 * width, np.int64),
            negative_ones=np.zeros(2 * width, np.int64),
            squares=np.zeros((2 * width, 2 * width), np.int64),
            scalars=np.zeros(4, np.int64),
            relative=np.zeros(3, np.float64),
        )


PAIRS, NEGATIVE, WRONG, WORST = range(4)


@njit(nogil=True, cache=True)
def row_array(rows: int) -> Words:
    """Room for rows at the bounds of cache lines: a register's worth that lies in two of them takes twice as long."""
    words = np.empty((rows + 1) * BLOCK_WORDS, np.uint64)
    start = -int(words.ctypes.data) % 64 // 8
    return words[start : start + rows * BLOCK_WORDS].reshape(rows, BLOCK_WORDS)


@njit(nogil=True, cache=True)
def evaluate_gates(function: npt.NDArray[np.uint8], x: IndexArray, y: IndexArray, inputs: int, rows: Words) -> None:
    """Fill the rows behind those of the inputs; `rows` has shape (inputs + gates, BLOCK_WORDS) at least."""
    for gate in range(len(function)):
        code = np.uint64(function[gate])
        f00, f10, f01, f11 = code & _ONE, code >> _ONE & _ONE, code >> np.uint64(2) & _ONE, code >> np.uint64(3) & _ONE
        # f = x & (p0 ^ p1 & y) ^ (q0 ^ q1 & y), with all bits of each mask alike.
        q0, q1 = spread(_ZERO - f00), spread(_ZERO - (f00 ^ f01))
        p0, p1 = spread(_ZERO - (f00 ^ f10)), spread(_ZERO - (f00 ^ f10 ^ f01 ^ f11))
        of_x, of_y = load(rows, x[gate]), load(rows, y[gate])
        store(rows, inputs + gate, (of_x & (p0 ^ (p1 & of_y))) ^ (q0 ^ (q1 & of_y)))


@njit(nogil=True, cache=True)
def fill_operands(width: int, block: int, rows: Words) -> None:
    """Bits of a, then those of b: pair ``BLOCK_PAIRS * block + i`` has the code b in its low, a in its high bits.

    What is fewer pairs than a block is repeated to fill it.
    """
    for bit in range(2 * width):
        row = (bit + width) % (2 * width)
        for i in range(BLOCK_WORDS):
            if bit < 6:
                rows[row, i] = _COUNTER[bit]
            else:
                rows[row, i] = _ZERO - (np.uint64(block * BLOCK_WORDS + i) >> np.uint64(bit - 6) & _ONE)


@njit(nogil=True, cache=True)
def multiply(width: int, signed: bool, rows: Words, exact: Words) -> None:
    """Bits of the exact product of the operands in `rows`.

    Under each other are b times the bits of a. With signed operands b is extended by its sign, and the sign of a
    weighs -2**(width - 1): subtracting is adding the complement and 1.
    """
    for k in range(2 * width):
        store(exact, k, spread(_ZERO))
    for j in range(width):
        flip = spread(_ZERO - np.uint64(signed and j == width - 1))
        of_a = load(rows, j)
        carry = flip & of_a
        for k in range(j, 2 * width if signed else j + width):
            term, old = (load(rows, width + min(k - j, width - 1)) ^ flip) & of_a, load(exact, k)
            store(exact, k, old ^ term ^ carry)
            carry = (old & term) | (carry & (old | term))
        if not signed:
            store(exact, j + width, carry)


@njit(nogil=True, cache=True)
def subtract(signed: bool, rows: Words, outputs: IndexArray, exact: Words, magnitude: Words) -> None:
    """The bits m of every error in `magnitude`, its sign s in the row behind them: abs(error) = m + s."""
    planes = len(outputs)
    borrow = spread(_ZERO)
    for k in range(planes):
        product, expected = load(rows, outputs[k]), load(exact, k)
        store(magnitude, k, product ^ expected ^ borrow)
        borrow = (~product & (expected | borrow)) | (expected & borrow)
    sign = borrow
    if signed:
        # One more place, with the signs repeated.
        sign = borrow ^ load(rows, outputs[planes - 1]) ^ load(exact, planes - 1)
    for k in range(planes):
        store(magnitude, k, load(magnitude, k) ^ sign)
    store(magnitude, planes, sign)


@njit(nogil=True, cache=True)
def count_wrong(magnitude: Words) -> int:
    """Pairs with an error."""
    wrong = load(magnitude, 0)
    for k in range(1, len(magnitude)):
        wrong = wrong | load(magnitude, k)
    total: int = count_ones(wrong)
    return total


@njit(nogil=True, cache=True)
def largest(magnitude: Words, worst: int, scratch: Words) -> int:
    """The larger of `worst` and the largest magnitude of the block; `scratch` is one row to work in.

    A comparison with `worst` from the lowest bit up tells which pairs pass it: abs(error) > worst where m > worst, or
    m >= worst and the error is negative. Only their words are then searched from the highest bit down.
    """
    planes = len(magnitude) - 1
    passing = load(magnitude, planes)
    for k in range(planes):
        equal_bit = spread(_ZERO - np.uint64(worst >> k & 1))
        of_bit = load(magnitude, k)
        # AND where the bit of `worst` is 1, OR where it is 0.
        passing = (passing & of_bit) | (~equal_bit & (passing | of_bit))
    if not any_ones(passing):
        return worst
    store(scratch, 0, passing)
    for i in range(BLOCK_WORDS):
        for negative in range(2):
            sign = magnitude[planes, i]
            candidates = scratch[0, i] & (sign if negative else ~sign)
            if candidates == _ZERO:
                continue
            found = 0
            for k in range(planes - 1, -1, -1):
                with_bit = candidates & magnitude[k, i]
                if with_bit != _ZERO:
                    candidates = with_bit
                    found |= 1 << k
            worst = max(worst, found + negative)
    return worst


@njit(nogil=True, cache=True)
def count_squares(magnitude: Words, squares: CountArray) -> None:
    """Add the pairs with both bits j and k of m, j <= k: abs(error)**2 = m**2 + 2 s m + s."""
    for k in range(len(magnitude) - 1):
        of_bit = load(magnitude, k)
        for j in range(k + 1):
            squares[j, k] += count_ones(load(magnitude, j) & of_bit)


@njit(nogil=True, cache=True)
def unpack(planes: Words, count: int, values: CountArray) -> None:
    """Unsigned integers from `count` rows of their bits.

    ``values[p, i]``, of shape (64, BLOCK_WORDS), is the one of bit p of word i.
    """
    for p in range(64):
        store(values, p, spread(_ZERO))
    for first in range(0, count, 8):
        for byte in range(8):
            matrix = spread(_ZERO)
            for k in range(first, min(first + 8, count)):
                matrix = matrix | (load(planes, k) >> np.uint64(8 * byte) & _BYTE) << np.uint64(8 * (k - first))
            swap = ((matrix >> np.uint64(7)) ^ matrix) & _SWAP_1
            matrix = matrix ^ swap ^ (swap << np.uint64(7))
            swap = ((matrix >> np.uint64(14)) ^ matrix) & _SWAP_2
            matrix = matrix ^ swap ^ (swap << np.uint64(14))
            swap = ((matrix >> np.uint64(28)) ^ matrix) & _SWAP_3
            matrix = matrix ^ swap ^ (swap << np.uint64(28))
            for bit in range(8):
                part = (matrix >> np.uint64(8 * bit) & _BYTE) << np.uint64(first)
                store(values, 8 * byte + bit, load(values, 8 * byte + bit) | part)


@njit(nogil=True, cache=True)
def add_relative(signed: bool, magnitude: Words, exact: Words, work: CountArray, total: FloatArray) -> None:
    """Add to sum, maximum and number of the relative errors in `total`; `work` is (128, BLOCK_WORDS) to work in."""
    bits = len(exact)
    sizes, products = work[:64], work[64:]
    unpack(magnitude, bits, sizes)
    unpack(exact, bits, products)
    sums, worst, nonzero = np.zeros(BLOCK_WORDS), np.zeros(BLOCK_WORDS), np.zeros(BLOCK_WORDS, np.int64)
    for p in range(64):
        for i in range(BLOCK_WORDS):
            negative = products[p, i] >> (bits - 1) if signed else 0
            product = abs(products[p, i] - (negative << bits))
            error = sizes[p, i] + np.int64(magnitude[bits, i] >> np.uint64(p) & _ONE)
            relative = error / max(product, 1) if product != 0 else 0.0
            sums[i] += relative
            worst[i] = max(worst[i], relative)
            nonzero[i] += product != 0
    for i in range(BLOCK_WORDS):
        total[0] += sums[i]
        total[1] = max(total[1], worst[i])
        total[2] += nonzero[i]


@njit(nogil=True, cache=True)
def count_errors(
    gates: GateArrays,
    width: int,
    signed: bool,
    first: int,
    last: int,
    squares: bool,
    relative: bool,
    counts: ErrorCounts,
) -> None:
    """Add the errors of the blocks `first` to `last` - 1, of ``max(1, 4**width // BLOCK_PAIRS)``, to `counts`.

    Parameters
    ----------
    squares, relative : bool
        Whether to count for the mean square, and for the relative errors.
    """
    rows = row_array(gates.inputs + len(gates.function))
    exact, magnitude, scratch = row_array(2 * width), row_array(2 * width + 1), row_array(1)
    work = np.empty((128, BLOCK_WORDS), np.int64)
    for block in range(first, last):
        fill_operands(width, block, rows)
        multiply(width, signed, rows, exact)
        evaluate_gates(gates.function, gates.x, gates.y, gates.inputs, rows)
        subtract(signed, rows, gates.outputs, exact, magnitude)
        sign = load(magnitude, 2 * width)
        for k in range(2 * width):
            of_bit = load(magnitude, k)
            counts.ones[k] += count_ones(of_bit)
            counts.negative_ones[k] += count_ones(of_bit & sign)
        counts.scalars[PAIRS] += BLOCK_PAIRS
        counts.scalars[NEGATIVE] += count_ones(sign)
        counts.scalars[WRONG] += count_wrong(magnitude)
        counts.scalars[WORST] = largest(magnitude, counts.scalars[WORST], scratch)
        if squares:
            count_squares(magnitude, counts.squares)
        if relative:
            add_relative(signed, magnitude, exact, work, counts.relative)
