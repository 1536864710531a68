"""Sum of two tensors of codes, the end of a residual block, in float32 as a graph that dequantises, adds, quantises.

code = clip(rint((float32(a - za) * sa + float32(b - zb) * sb) / so) + zo, low, high)

Every operation is rounded once to float32, rint rounds halves to even. Compiled code and numpy give equal codes bit by
bit. A table of all 65,536 sums gives them too, but needs one load per element where vectors of 16 take a few cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import Kernel, address_of
from axhw.emulate.codes import Codes, check_codes, code_dtype
from axhw.emulate.program import Program
from axhw.emulate.requantize import store_codes
from axhw.emulate.threads import parts, run, thread_count
from axhw.errors import AxhwError

_LANES = 16
_MOST_ELEMENTS = 1 << 18
_ELEMENT = 0.2
"""Nanoseconds an element takes."""


@dataclass(frozen=True, kw_only=True)
class Affine:
    """What codes stand for: ``scale * (code - zero_point)``, codes between `low` and `high`.

    Raises
    ------
    AxhwError
        For a scale that is not positive, or integers that are not codes of `dtype`.
    """

    scale: float
    zero_point: int
    low: int
    high: int
    dtype: npt.DTypeLike

    def __post_init__(self) -> None:
        dtype = code_dtype("codes", self.dtype)
        object.__setattr__(self, "dtype", dtype)
        limits = np.iinfo(dtype)
        if not (np.isfinite(self.scale) and np.float32(self.scale) > 0):
            raise AxhwError(f"Expected a positive scale within float32, found {self.scale}.")
        if not limits.min <= self.zero_point <= limits.max or not limits.min <= self.low <= self.high <= limits.max:
            raise AxhwError(
                f"Expected zero point and limits that are codes of {dtype}, found {self.zero_point} and "
                f"{self.low} to {self.high}."
            )


def add_codes(
    a: Codes, b: Codes, *, a_coding: Affine, b_coding: Affine, output: Affine, threads: int | None = None
) -> Codes:
    """Codes of the sums, element by element.

    Parameters
    ----------
    a, b : arrays of codes of one shape
        Fastest when their memory is in one order; that of `a` is kept.
    a_coding, b_coding, output : Affine

    Raises
    ------
    AxhwError
        For operands of different shapes or of other dtypes than their codings say.
    """
    for name, codes, coding in (("a", a, a_coding), ("b", b, b_coding)):
        if check_codes(name, codes) != coding.dtype:
            raise AxhwError(f"Expected {name} as {coding.dtype} codes, as its coding says, found {codes.dtype}.")
    if a.shape != b.shape:
        raise AxhwError(f"Expected codes of one shape to add, found {a.shape} and {b.shape}.")
    result: Codes = np.empty_like(a, dtype=output.dtype)
    if not v.available():
        result[...] = _by_numpy(a, b, a_coding, b_coding, output)
        return result
    order = np.argsort([-stride for stride in result.strides], kind="stable")
    flat = [np.ascontiguousarray(codes.transpose(order)).reshape(-1) for codes in (a, b)]
    target = result.transpose(order).reshape(-1)
    kernel = add_kernel(a_coding.dtype == np.int8, b_coding.dtype == np.int8)
    addresses = [address_of(codes) for codes in (*flat, target)]
    constants = (
        *(a_coding.zero_point, b_coding.zero_point, a_coding.scale, b_coding.scale, output.scale),
        *(float(output.zero_point), float(output.low), float(output.high)),
    )
    count = len(target)
    used = parts(thread_count(threads), _ELEMENT * count)
    step = max(min(-(-count // used), _MOST_ELEMENTS), 1)
    tasks = [
        [kernel.call(*[address + first for address in addresses], min(step, count - first), *constants)]
        for first in range(0, count, step)
    ]
    run(Program(tasks), used)
    return result


def _by_numpy(a: Codes, b: Codes, a_coding: Affine, b_coding: Affine, output: Affine) -> npt.NDArray[np.float32]:
    total = _decoded(a, a_coding) + _decoded(b, b_coding)
    total /= np.float32(output.scale)
    np.rint(total, out=total)
    total += np.float32(output.zero_point)
    return np.clip(total, np.float32(output.low), np.float32(output.high), out=total)


def _decoded(codes: Codes, coding: Affine) -> npt.NDArray[np.float32]:
    decoded: npt.NDArray[np.float32] = codes.astype(np.float32)
    decoded -= np.float32(coding.zero_point)
    decoded *= np.float32(coding.scale)
    return decoded


@lru_cache(maxsize=4)
def add_kernel(a_signed: bool, b_signed: bool) -> Kernel:
    """Compile the loop over vectors of elements; the last few go one by one."""
    function = v.Builder(
        "add_codes",
        [
            ("a", v.pointer(8)),
            ("b", v.pointer(8)),
            ("out", v.pointer(8)),
            ("count", v.integer()),
            ("a_zero", v.integer(32)),
            ("b_zero", v.integer(32)),
            *((name, v.real()) for name in ("a_scale", "b_scale", "scale", "zero_point", "low", "high")),
        ],
    )
    b = function.ir

    def some(first: object, count: int) -> None:
        integers, reals, codes = v.lanes(32, count), v.reals(count), v.lanes(8, count)
        terms = []
        for name, signed in (("a", a_signed), ("b", b_signed)):
            loaded = function.load(function.at(function[name], first), vector=codes)
            wide = b.sext(loaded, integers) if signed else b.zext(loaded, integers)
            centred = b.sub(wide, function.broadcast(function[f"{name}_zero"], count))
            terms.append(b.fmul(b.sitofp(centred, reals), function.broadcast(function[f"{name}_scale"], count)))
        ratio = b.fdiv(b.fadd(*terms), function.broadcast(function["scale"], count))
        store_codes(function, ratio, function.at(function["out"], first))

    full = b.sub(function["count"], v.constant(_LANES - 1))
    with function.loop(v.constant(0), full, step=_LANES) as vectors:
        some(vectors.index, _LANES)
    with function.loop(vectors.index, function["count"]) as rest:
        some(rest.index, 1)
    return function.compiled()
