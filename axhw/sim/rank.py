"""The exact rank of a product table: how many products of functions of one operand it takes to write it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

IntegerArray = npt.NDArray[np.int64]

# The two largest primes below 2**31: products of residues stay within int64.
PRIMES = (2147483647, 2147483629)


def table_rank(values: npt.ArrayLike) -> int:
    """The rank over the rationals of an integer matrix.

    It is the largest rank modulo two large primes. Modulo any prime the rank can only fall, because a minor
    that is not 0 modulo the prime is not 0; so the result is a certified lower bound. It is smaller than
    the rank only if both primes divide every minor of that order, so it is equal unless a design conspires
    against these very primes (a chance of about 2**-62 for random minors). Where a spec has factors, their
    number is an upper bound.

    Parameters
    ----------
    values : (m, n) array_like of integers

    Raises
    ------
    AxhwError
        If `values` is no integer matrix.
    """
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.dtype.kind not in "iu":
        raise AxhwError(
            f"Expected an integer matrix to take the rank of, found {matrix.dtype} of shape {matrix.shape}."
        )
    matrix = matrix.astype(np.int64)
    rank = 0
    for prime in PRIMES:
        rank = max(rank, _rank_modulo(matrix, prime))
        if rank == min(matrix.shape):
            break
    return rank


def _rank_modulo(matrix: IntegerArray, prime: int) -> int:
    """Rank over the field of `prime` elements, by Gaussian elimination column by column."""
    rest = matrix % prime
    rank = 0
    for column in range(rest.shape[1]):
        nonzero = np.flatnonzero(rest[rank:, column])
        if not len(nonzero):
            continue
        row = rank + int(nonzero[0])
        rest[[rank, row], column:] = rest[[row, rank], column:]
        pivot = rest[rank, column:]
        multiples = rest[rank + 1 :, column] * pow(int(pivot[0]), -1, prime) % prime
        rank += 1
        remaining = rest[rank:, column + 1 :]
        update = multiples[:, None] * pivot[1:]
        np.subtract(remaining, update, out=update)
        # Half the time of `update % prime`: numpy divides by a scalar with vector instructions.
        quotient = update // prime
        quotient *= prime
        np.subtract(update, quotient, out=remaining)
        if rank == len(rest) or not remaining.any():
            break
    return rank
