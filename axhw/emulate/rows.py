"""Rows of sums copied, shifted, offset or filled, by compiled code for `axhw.emulate.product.Compiled`."""

from __future__ import annotations

from functools import lru_cache

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import Kernel

_LANES = 8


@lru_cache(maxsize=1)
def rows_kernel() -> Kernel:
    """Compile ``out[row, column] = (source[row, column] << shift) + constant[column]``, modulo 2**32.

    Source and output may be the same; a source of stride 0 is one row, repeated.
    """
    function = v.Builder(
        "rows",
        [
            ("source", v.pointer(32)),
            ("source_stride", v.integer()),
            ("rows", v.integer()),
            ("columns", v.integer()),
            ("shift", v.integer(32)),
            ("constant", v.pointer(32)),
            ("out", v.pointer(32)),
            ("out_stride", v.integer()),
        ],
        aliased=("source", "out"),
    )
    b = function.ir

    def some(source: object, column: object, out: object, count: int) -> None:
        numbers = v.lanes(32, count)
        loaded = function.load(function.at(source, column), vector=numbers)
        shifted = b.shl(loaded, function.broadcast(function["shift"], count))
        constant = function.load(function.at(function["constant"], column), vector=numbers)
        function.store(b.add(shifted, constant), function.at(out, column))

    with function.loop(v.constant(0), function["rows"]) as row:
        source = function.at(function["source"], b.mul(row.index, function["source_stride"]))
        out = function.at(function["out"], b.mul(row.index, function["out_stride"]))
        full = b.sub(function["columns"], v.constant(_LANES - 1))
        with function.loop(v.constant(0), full, step=_LANES) as vectors:
            some(source, vectors.index, out, _LANES)
        with function.loop(vectors.index, function["columns"]) as rest:
            some(source, rest.index, out, 1)
    return function.compiled()
