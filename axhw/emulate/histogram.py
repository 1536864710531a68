"""How often each pair of codes meets in a matrix product: the operand statistics of a layer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT, Codes, check_operands, code_index


def operand_histogram(a: Codes, w: Codes) -> npt.NDArray[np.int64]:
    """Count the operand pairs of ``gemm(a, w, table)``.

    Parameters
    ----------
    a : int8 or uint8 array, shape (M, K)
    w : int8 or uint8 array, shape (K, N)

    Returns
    -------
    int64 array, shape (256, 256)
        Multiplications of each pair at ``[a - low, w - low]``, indexed like the table; they sum to M * K * N.
    """
    check_operands(a, w)
    # For one k every activation meets every weight, so the counts of pairs are products of counts. They are
    # integers below 2**53 for any array that fits in memory: exact in float64, hence through BLAS.
    pairs: npt.NDArray[np.float64] = _counts_by_term(code_index(a).T).T @ _counts_by_term(code_index(w))
    return pairs.astype(np.int64)


def _counts_by_term(index: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Occurrences of each code in each row, shape (K, 256)."""
    terms = index.shape[0]
    flat = index + CODE_COUNT * np.arange(terms)[:, None]
    counts = np.bincount(flat.ravel(), minlength=CODE_COUNT * terms)
    return counts.reshape(terms, CODE_COUNT).astype(np.float64)
