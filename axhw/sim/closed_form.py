"""What the integer factors of a multiplier say about its whole table, at any width and without sampling.

With factors, products are ``left @ right.T`` and errors are ``[left, a] @ [right, -b].T``. Ranks of such products are
those of a few of their rows and columns. Where the error has rank 1 it is u(a) v(b): means and maxima of its
magnitude are products of means and maxima over one operand. That holds for exact products, perforation
without rounding, arrays cut on one operand only, and 2x2 blocks with 3 * 3 = 7.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.hdl.spec import Factors, IntegerArray, MultiplierSpec
from axhw.sim.metrics import ErrorMetrics, factor_moments, named_figures
from axhw.sim.rank import PRIMES, table_rank


def factored_rank(factors: Factors) -> int:
    """The exact rank of ``left @ right.T``, in the sense of `axhw.sim.rank.table_rank`."""
    rows, columns = _spanning_rows(factors.left), _spanning_rows(factors.right)
    if not len(rows) or not len(columns):
        return 0
    return table_rank(factors.left[rows] @ factors.right[columns].T)


def closed_form_metrics(spec: MultiplierSpec) -> ErrorMetrics | None:
    """Exact metrics over all operand pairs where the error is a product of functions of one operand, else None."""
    factors = spec.factors()
    if factors is None:
        return None
    codes = spec.operand_codes()
    error = Factors(
        left=np.column_stack([factors.left, codes]).astype(np.int64),
        right=np.column_stack([factors.right, -codes]).astype(np.int64),
    )
    if factored_rank(error) > 1:
        return None
    of_a, of_b, divisor = _separate(error)
    pairs, nonzero = len(codes) ** 2, codes != 0
    magnitude = np.abs(codes[nonzero])
    relative_a, relative_b = of_a[nonzero] / magnitude, of_b[nonzero] / magnitude
    moments = factor_moments(factors, codes)
    return ErrorMetrics(
        **named_figures(
            mae=int(of_a.sum()) * int(of_b.sum()) / (divisor * pairs),
            wce=int(of_a.max()) * int(of_b.max()) // divisor,
            mre=float(relative_a.mean()) * float(relative_b.mean()) / divisor,
            wcre=float(relative_a.max()) * float(relative_b.max()) / divisor,
            wrong=np.count_nonzero(of_a) * np.count_nonzero(of_b) / pairs,
            pairs=pairs,
            width=spec.width,
            signed=spec.signed,
        ),
        **moments._asdict(),
    )


def _separate(error: Factors) -> tuple[IntegerArray, IntegerArray, int]:
    """|u|, |v| and d with |error[i, j]| = |u[i]| |v[j]| / d, for an error of rank 0 or 1."""
    rows, columns = _spanning_rows(error.left), _spanning_rows(error.right)
    corner = error.left[rows] @ error.right[columns].T
    if not corner.any():
        return np.zeros(len(error.left), np.int64), np.zeros(len(error.right), np.int64), 1
    row, column = np.argwhere(corner)[0]
    of_a = np.abs(error.left @ error.right[columns[column]])
    of_b = np.abs(error.right @ error.left[rows[row]])
    return of_a, of_b, abs(int(corner[row, column]))


def _spanning_rows(matrix: IntegerArray) -> npt.NDArray[np.intp]:
    """Indices of rows that span all rows of a tall matrix: pivots of elimination modulo a prime."""
    prime = PRIMES[0]
    rest = matrix.T % prime
    rows = []
    for position in range(len(rest)):
        nonzero = np.argwhere(rest[position:])
        if not len(nonzero):
            break
        line, row = int(nonzero[0][0]) + position, int(nonzero[0][1])
        rest[[position, line]] = rest[[line, position]]
        rows.append(row)
        inverse = pow(int(rest[position, row]), -1, prime)
        multiples = rest[position + 1 :, row] * inverse % prime
        rest[position + 1 :] = (rest[position + 1 :] - multiples[:, None] * rest[position] % prime) % prime
    return np.array(rows, np.intp)
