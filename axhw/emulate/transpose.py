"""Codes by channel instead of by pixel: bytes transposed in registers, sixteen by sixteen."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import Kernel
from axhw.emulate.patches import Bytes

_TILE = 16


def transpose_bytes(codes: Bytes, out: Bytes) -> None:
    """Write the transpose of `codes` [rows, columns], contiguous, to `out` [columns, rows] with contiguous rows."""
    rows, columns = (side // _TILE * _TILE for side in codes.shape)
    if rows and columns:
        transpose_kernel()(codes, rows, columns, codes.shape[1], out, out.strides[0])
    np.copyto(out[columns:], codes[:, columns:].T)
    np.copyto(out[:columns, rows:], codes[rows:, :columns].T)


@lru_cache(maxsize=1)
def transpose_kernel() -> Kernel:
    """Compile the loop over full tiles."""
    function = v.Builder(
        "transpose_bytes",
        [
            ("codes", v.pointer(8)),
            ("rows", v.integer()),
            ("columns", v.integer()),
            ("stride", v.integer()),
            ("out", v.pointer(8)),
            ("out_stride", v.integer()),
        ],
    )
    b = function.ir
    kind = v.lanes(8, _TILE)
    with (
        function.loop(v.constant(0), function["rows"], step=_TILE) as row,
        function.loop(v.constant(0), function["columns"], step=_TILE) as column,
    ):
        lines = []
        for i in range(_TILE):
            start = b.mul(b.add(row.index, v.constant(i)), function["stride"])
            lines.append(function.load(function.at(function["codes"], start, column.index), vector=kind))
        for i, line in enumerate(transposed(function, lines)):
            start = b.mul(b.add(column.index, v.constant(i)), function["out_stride"])
            function.store(line, function.at(function["out"], start, row.index))
    return function.compiled()


def transposed(function: v.Builder, lines: list[Any]) -> list[Any]:
    """A square of vectors transposed by rounds of interleaving."""
    count = len(lines)
    half = count // 2
    low = v.vector([i // 2 + i % 2 * count for i in range(count)])
    high = v.vector([half + i // 2 + i % 2 * count for i in range(count)])
    for _ in range(count.bit_length() - 1):
        pairs = [(lines[i], lines[i + half]) for i in range(half)]
        lines = [function.ir.shuffle_vector(x, y, order) for x, y in pairs for order in (low, high)]
    return lines
