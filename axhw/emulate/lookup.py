"""Functions of one code: each byte of an array replaced by an entry of a table of 256.

With AVX-512 VBMI a table of bytes is four registers, and two ``vpermi2b`` and a blend by the top bit of the code look
up 64 codes at once. Elsewhere entries are loaded one by one.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.patches import Bytes
from axhw.emulate.threads import aligned, run_all, scratch

VBMI_LANES = 64
_PIECE = 1 << 17
# Codes looked up one by one in a turn of the plain loop.
_UNROLLED = 8
# Kernels that read several codes at a time read a little behind the last.
_SLACK = 8


def look_up(codes: Bytes, table: npt.NDArray[np.generic], *, name: str, threads: int = 1) -> npt.NDArray[np.generic]:
    """The entry of each code.

    Parameters
    ----------
    codes : uint8 array, flat and contiguous
    table : array of 1 or 2 bytes an entry, shape (256,)
    name : str
        Of this thread's work space for the result, which lasts until the name is used again.

    Returns
    -------
    array of the dtype of `table`, shape of `codes`; a few bytes may be read behind it
    """
    result = scratch.array(name, (len(codes) + _SLACK,), table.dtype)[: len(codes)]
    kernel = lookup_kernel(8 * table.itemsize, has_vbmi())
    planes = byte_planes(table) if has_vbmi() else np.ascontiguousarray(table)

    def piece(first: int, last: int) -> None:
        kernel(codes[first:last], last - first, planes, result[first:last])

    pieces = [(first, min(first + _PIECE, len(codes))) for first in range(0, len(codes), _PIECE)]
    run_all([partial(piece, *ends) for ends in pieces], threads)
    return result


def has_vbmi() -> bool:
    """Whether the processor looks up bytes in registers."""
    return v.processor().vector_bits == 512 and "avx512vbmi" in v.processor().features


def byte_planes(table: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The bytes of the entries by significance, lowest first: shape (bytes of an entry, 256)."""
    planes = aligned((table.itemsize, CODE_COUNT), np.uint8)
    planes[...] = np.ascontiguousarray(table).view(np.uint8).reshape(CODE_COUNT, table.itemsize).T
    return planes


def load_plane(function: v.Builder, address: Any) -> list[Any]:
    """The four registers of a table of bytes."""
    kind = v.lanes(8, VBMI_LANES)
    return [
        function.load(function.at(address, first), vector=kind, aligned=True)
        for first in range(0, CODE_COUNT, VBMI_LANES)
    ]


def permuted(function: v.Builder, plane: list[Any], codes: Any) -> Any:
    """The entries of 64 codes."""
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    low, high = (function.call(name, codes.type, [plane[i], codes, plane[i + 1]]) for i in (0, 2))
    in_upper_half = function.ir.icmp_signed("<", codes, v.zeros(8, VBMI_LANES))
    return function.ir.select(in_upper_half, high, low)


@lru_cache(maxsize=4)
def lookup_kernel(bits: int, vbmi: bool) -> v.Kernel:
    """Compile the loop over the codes of an array."""
    function = v.Builder(
        "look_up",
        [
            ("codes", v.pointer(8)),
            ("count", v.integer()),
            ("table", v.pointer(8 if vbmi else bits)),
            ("out", v.pointer(bits)),
        ],
    )
    b = function.ir
    step = VBMI_LANES if vbmi else _UNROLLED
    planes = [load_plane(function, function.at(function["table"], CODE_COUNT * i)) for i in range(bits // 8)] * vbmi

    def one(place: Any) -> None:
        code = b.zext(function.load(function.at(function["codes"], place)), v.integer())
        if not vbmi:
            function.store(function.load(function.at(function["table"], code)), function.at(function["out"], place))
            return
        entry = v.constant(0, bits)
        for i in range(bits // 8):
            part = b.zext(function.load(function.at(function["table"], code, CODE_COUNT * i)), v.integer(bits))
            entry = b.or_(entry, b.shl(part, v.constant(8 * i, bits)))
        function.store(entry, function.at(function["out"], place))

    with function.loop(v.constant(0), b.sub(function["count"], v.constant(step - 1)), step=step) as several:
        target = function.at(function["out"], several.index)
        if not vbmi:
            for i in range(step):
                one(b.add(several.index, v.constant(i)))
        else:
            codes = function.load(function.at(function["codes"], several.index), vector=v.lanes(8, VBMI_LANES))
            parts = [permuted(function, plane, codes) for plane in planes]
            entries = parts[0] if bits == 8 else _interleaved(function, *parts)
            function.store(entries, target)
    with function.loop(several.index, function["count"]) as rest:
        one(rest.index)
    return function.compiled()


def _interleaved(function: v.Builder, low: Any, high: Any) -> Any:
    """Entries of 16 bits from their bytes."""
    order = v.vector([i // 2 + i % 2 * VBMI_LANES for i in range(2 * VBMI_LANES)])
    return function.ir.bitcast(function.ir.shuffle_vector(low, high, order), v.lanes(16, VBMI_LANES))
