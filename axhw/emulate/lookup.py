"""Functions of one code: each byte of an array replaced by an entry of a table of 256.

With AVX-512 VBMI a table of bytes is four registers, and two ``vpermi2b`` and a blend by the top bit of the code look
up 64 codes at once. Elsewhere entries are loaded one by one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import Kernel, address_of, fixed, within
from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.patches import Bytes
from axhw.emulate.program import Program
from axhw.emulate.scratch import aligned, scratch
from axhw.emulate.threads import run

VBMI_LANES = 64
_MOST_CODES = 1 << 17
_LEAST_CODES = 1 << 15
# Codes looked up one by one in a turn of the plain loop.
_UNROLLED = 8
# Kernels that read several codes at a time read a little behind the last.
_SLACK = 8


class LookUp:
    """A function of codes.

    Parameters
    ----------
    table : array of 1 or 2 bytes an entry, shape (256,)
    """

    def __init__(self, table: npt.NDArray[np.generic]) -> None:
        self._dtype = table.dtype
        self._kernel = lookup_kernel(8 * table.itemsize, has_vbmi())
        self._table = fixed(byte_planes(table) if has_vbmi() else table)
        self._program = lru_cache(maxsize=16)(self._of_pieces)

    def __call__(self, codes: Bytes, *, name: str, threads: int = 1) -> npt.NDArray[np.generic]:
        """The entry of each code.

        Parameters
        ----------
        codes : uint8 array, flat and contiguous
        name : str
            Of this thread's work space for the result, which lasts until the name is used again.
        threads : int
            So many share in it if there is enough to do.

        Returns
        -------
        array of the dtype of the table, shape of `codes`; a few bytes may be read behind it
        """
        count = len(codes)
        result = scratch.array(name, (count + _SLACK,), self._dtype)[:count]
        run(self._program(count, threads), threads, bases=(address_of(codes), address_of(result)))
        return result

    def _of_pieces(self, count: int, threads: int) -> Program:
        return Program(
            [
                [
                    self._kernel.call(
                        within(1, first), last - first, self._table, within(2, first * self._dtype.itemsize)
                    )
                ]
                for first, last in _pieces(count, threads)
            ]
        )


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


def _pieces(count: int, threads: int) -> list[tuple[int, int]]:
    """Ends of the pieces that threads take."""
    pieces = max(-(-count // _MOST_CODES), min(threads, count // _LEAST_CODES), 1)
    step = -(-count // pieces // VBMI_LANES) * VBMI_LANES or 1
    return [(first, min(first + step, count)) for first in range(0, count, step)]


@lru_cache(maxsize=4)
def lookup_kernel(bits: int, vbmi: bool) -> Kernel:
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
