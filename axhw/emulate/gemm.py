"""Matrix product in which every scalar product is looked up in a table, exact in integers.

result[m, n] = sum over k of table[a[m, k] - low_a, w[k, n] - low_w], where low is the lowest code of an operand's
dtype: -128 for int8, 0 for uint8. Padding codes are ordinary codes: they are looked up as well.
"""

from __future__ import annotations

import numpy.typing as npt

from axhw.emulate.codes import Accumulators, Codes, check_codes, check_operands, code_index
from axhw.emulate.prepared import Multiplication
from axhw.emulate.tables import Table, Tables, exact_products, weight_columns
from axhw.errors import AxhwError

__all__ = ["Accumulators", "Codes", "Table", "Tables", "code_index", "exact_products", "gemm", "prepare_gemm"]


def gemm(a: Codes, w: Codes, table: Table, *, plan: str | None = None, threads: int | None = None) -> Accumulators:
    """Multiply activation codes by weight codes through a product table.

    Where the same weights come again, `prepare_gemm` prepares them once.

    Parameters
    ----------
    a : int8 or uint8 array, shape (M, K)
        Activations, the first operand of the table.
    w : int8 or uint8 array, shape (K, N)
        Weights, the second operand.
    table : ProductTable, or integer array of shape (256, 256) with values within int32
        Product of codes a and w at ``[a - low, w - low]``, low being -128 for int8 and 0 for uint8. A
        `ProductTable` of signed operands takes int8 codes, one of unsigned operands uint8; an array takes any.
    plan : str, optional
        Kernel to use instead of the planner's choice, one of `axhw.emulate.plan.PLANS`.
    threads : int, optional
        All processors if None.

    Returns
    -------
    int32 or int64 array, shape (M, N)
        The exact sums: int64 where K times the largest magnitude in the table exceeds int32.

    Raises
    ------
    AxhwError
        For operands or tables of another dtype or shape, and for a `ProductTable` of other signedness than the codes.
    """
    check_operands(a, w)
    return prepare_gemm(w, table, a_dtype=a.dtype, plan=plan, threads=threads)(a)


def prepare_gemm(
    w: Codes,
    tables: Tables,
    *,
    a_dtype: npt.DTypeLike,
    table_of: npt.ArrayLike | None = None,
    weight_zero: npt.ArrayLike | None = None,
    plan: str | None = None,
    threads: int | None = None,
) -> Multiplication:
    """Prepare a matrix product with fixed weights.

    Parameters
    ----------
    w : int8 or uint8 array, shape (K, N)
        Weights, the second operand of the tables.
    tables : table or sequence of tables
        Each a `ProductTable` or an integer array [256, 256] indexed from the lowest codes.
    a_dtype : int8 or uint8
        Of the activations to come.
    table_of : integer array that broadcasts to (K, N), optional
        Which of the tables each weight's products use.
    weight_zero : integer array that broadcasts to (K, N), optional
        Zero points of the weights: each sum is less the zero point times the sum of its activations.
    plan : str, optional
        Kernel to use instead of the planner's choice, one of `axhw.emulate.plan.PLANS`.
    threads : int, optional
        All processors if None. BLAS has threads of its own.

    Raises
    ------
    AxhwError
        For bad input.
    VerificationError
        If the kernel fails its check against plain integer arithmetic.
    """
    check_codes("w", w)
    if w.ndim != 2:
        raise AxhwError(f"Expected weights of shape [K, N], found {list(w.shape)}.")
    weights = weight_columns(w, tables, a_dtype=a_dtype, table_of=table_of, weight_zero=weight_zero)
    return Multiplication(weights.with_column(weights.column[None]), shape=None, plan=plan, threads=threads)
