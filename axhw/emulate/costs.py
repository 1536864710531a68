"""Estimated time of each kernel, which the planner compares.

Nanoseconds on one core of a Zen 5 with registers of 512 bits, fitted to measurements of `benchmarks/emulation.py` by
eye. On other processors all kernels are slower alike, by the width of their registers for those that stream lines, so
only the order of the estimates is used, and roughly their size to tell what is worth sharing among threads
(`axhw.emulate.threads`). They depend on shapes alone: a layer gets the same kernel every time.
"""

from __future__ import annotations

from dataclasses import dataclass

from axhw.emulate import vector_ir as v
from axhw.emulate.blocks import column_blocks
from axhw.emulate.codes import CODE_COUNT

CALL = 15_000.0
_LINE = {512: 0.64, 256: 0.42, 128: 0.4}
_BUILT_ENTRY = {8: 0.034, 16: 0.067}
_DOT = {8: (0.045, 0.0020), 16: (0.05, 0.0045)}
_MAPPED_CODE = {8: 0.08, 16: 0.16}
_BYTE_PLANE_TERM = 0.012
_BYTE_PLANE_OUTPUT = 0.1
_TRANSPOSED_CODE = 0.06
_BYTE_ROW_TERM = 2.0
_BYTE_ROW_VECTOR = 1.3
_GATHERED = 1.0
_COPIED = 2.0
_MULTIPLIED = 0.022


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a kernel is asked for.

    Attributes
    ----------
    groups, terms, columns : int
        Shape of the weights.
    rows : int
        Rows of activations.
    pixels : int
        Places they are read from, padding included; as many as rows for a matrix.
    codes : int
        Activations in memory.
    """

    groups: int
    terms: int
    columns: int
    rows: int
    pixels: int
    codes: int


def row_table_time(work: Work, *, bits: int, planes: int = 1) -> float:
    """Of row tables with entries of 8 or 16 bits."""
    total = 0.0
    for block in column_blocks(1, work.columns, widest=512 // bits, narrowest=128 // bits):
        line = _LINE[block.width * bits] * _width_factor()
        build = CODE_COUNT * block.width * _BUILT_ENTRY[bits]
        total += CALL + work.terms * (work.rows * line + build)
    return work.groups * total * planes


def dot_time(work: Work, *, bits: int, mapped: bool, blocks: int = 1) -> float:
    """Of one term of a mapped product."""
    fixed, per_column = _DOT[bits]
    columns = -(-work.columns // 8) * 8
    sums = work.rows * work.terms * (fixed + per_column * columns) * _width_factor()
    return work.groups * (sums + CALL * blocks) + (work.codes * _MAPPED_CODE[bits] if mapped else 0.0)


def blas_time(work: Work, *, terms: int) -> float:
    """Of a mapped product in floating point, copies of patches included."""
    rows = work.groups * work.rows * work.terms
    return terms * (CALL * work.groups + rows * (_COPIED + _MULTIPLIED * work.columns))


def byte_plane_time(work: Work, *, planes: int) -> float:
    """Of tables in registers with lanes along pixels."""
    lanes = -(-work.pixels // 64) * 64
    columns = -(-work.groups * work.columns // 16) * 16
    per_place = work.terms * planes * _BYTE_PLANE_TERM + _BYTE_PLANE_OUTPUT
    return CALL + lanes * columns * per_place + work.codes * _TRANSPOSED_CODE


def byte_row_time(work: Work) -> float:
    """Of tables in registers with lanes along columns."""
    vectors = -(-work.columns // 64)
    return work.groups * (CALL + work.rows * work.terms * (_BYTE_ROW_TERM + _BYTE_ROW_VECTOR * vectors))


def gather_time(work: Work) -> float:
    """Of one load a product."""
    return CALL + work.rows * work.groups * work.columns * work.terms * _GATHERED


def _width_factor() -> float:
    return 512 / v.processor().vector_bits
