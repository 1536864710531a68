"""Requantisation: 32-bit sums back to 8-bit codes in float32, the rule of ONNX QLinearConv as onnxruntime computes it.

code = clip(rint(float32(sum + constant[n]) * scale[n]) + zero_point, low, high)

Addition of the constant is modulo 2**32, the conversion and the product are each rounded once to float32, rint rounds
halves to even. Compiled code and numpy give equal codes bit by bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate import vector_ir as v
from axhw.emulate.calls import Kernel
from axhw.emulate.codes import Accumulators, Codes, code_dtype
from axhw.errors import AxhwError

_LANES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Epilogue:
    """From sums to codes.

    Attributes
    ----------
    constant : int32 array, shape (N,)
        Bias and whatever zero points add, in units of the sums.
    scale : float32 array, shape (N,)
        Codes per unit of the sums: input scale times weight scale by output scale.
    zero_point : int
        Output code of zero.
    low, high : int
        Codes are clipped to these: a ReLU is ``low = zero_point``.
    dtype : dtype
        int8 or uint8, of the output.

    Raises
    ------
    AxhwError
        For arrays of other form or limits that the dtype does not hold.
    """

    constant: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]
    zero_point: int
    low: int
    high: int
    dtype: npt.DTypeLike

    def __post_init__(self) -> None:
        dtype = code_dtype("the output of a requantisation", self.dtype)
        limits = np.iinfo(dtype)
        if not limits.min <= self.low <= self.high <= limits.max:
            raise AxhwError(
                f"Expected limits within {limits.min} to {limits.max} for {dtype} codes, "
                f"found {self.low} to {self.high}."
            )
        if not limits.min <= self.zero_point <= limits.max:
            raise AxhwError(f"Expected a zero point that is a code of {dtype}, found {self.zero_point}.")
        for name, array, expected in (("constant", self.constant, np.int32), ("scale", self.scale, np.float32)):
            if not isinstance(array, np.ndarray) or array.dtype != expected or array.shape != self.constant.shape:
                raise AxhwError(
                    f"Expected {name} as an array {np.dtype(expected)} [N], as many as constants, "
                    f"found {np.asarray(array).dtype} {list(np.shape(array))}."
                )
        if self.constant.ndim != 1:
            raise AxhwError(f"Expected constant of shape [N], found {list(self.constant.shape)}.")
        if not np.isfinite(self.scale).all():
            raise AxhwError("Expected finite scales, found infinity or NaN: the calibration has gone wrong.")
        object.__setattr__(self, "dtype", dtype)


def requantize(sums: Accumulators, epilogue: Epilogue) -> Codes:
    """Codes of sums whose last axis is the channel.

    Parameters
    ----------
    sums : int32 or int64 array, shape (..., N)

    Raises
    ------
    AxhwError
        If N is not that of the epilogue.
    """
    channels = len(epilogue.constant)
    if sums.ndim < 1 or sums.shape[-1] != channels:
        raise AxhwError(f"Expected sums of {channels} channels in the last axis, found the shape {sums.shape}.")
    flat = np.ascontiguousarray(sums).reshape(math.prod(sums.shape[:-1]), channels)
    codes: Codes = np.empty(flat.shape, epilogue.dtype)
    requantize_columns(flat, epilogue, slice(0, channels), codes)
    return codes.reshape(sums.shape)


def requantize_columns(sums: Accumulators, epilogue: Epilogue, columns: slice, out: Codes) -> None:
    """Write the codes of some channels, sums [M, channels] with contiguous rows, to `out` of the same form."""
    constant, scale = epilogue.constant[columns], epilogue.scale[columns]
    low, high, zero = float(epilogue.low), float(epilogue.high), float(epilogue.zero_point)
    if sums.dtype == np.int32 and v.available():
        rows, channels = sums.shape
        if rows and channels:
            strides = (sums.strides[0] // sums.itemsize, out.strides[0])
            requantize_kernel()(sums, rows, channels, strides[0], constant, scale, zero, low, high, out, strides[1])
        return
    scaled = (sums + constant).astype(np.float32) * scale
    np.rint(scaled, out=scaled)
    scaled += np.float32(zero)
    out[...] = np.clip(scaled, np.float32(low), np.float32(high), out=scaled)


@lru_cache(maxsize=1)
def requantize_kernel() -> Kernel:
    """Compile the loop over rows and, within, over vectors of channels; the last few channels go one by one."""
    function = v.Builder(
        "requantize",
        [
            ("sums", v.pointer(32)),
            ("rows", v.integer()),
            ("channels", v.integer()),
            ("sums_stride", v.integer()),
            ("constant", v.pointer(32)),
            ("scale", v.real().as_pointer()),
            *((name, v.real()) for name in ("zero_point", "low", "high")),
            ("codes", v.pointer(8)),
            ("codes_stride", v.integer()),
        ],
    )
    b = function.ir

    def some(row_sums: object, row_codes: object, channel: object, count: int) -> None:
        integers, reals = v.lanes(32, count), v.reals(count)
        total = b.add(
            function.load(function.at(row_sums, channel), vector=integers),
            function.load(function.at(function["constant"], channel), vector=integers),
        )
        scale = function.load(function.at(function["scale"], channel), vector=reals)
        store_codes(function, b.fmul(b.sitofp(total, reals), scale), function.at(row_codes, channel))

    with function.loop(v.constant(0), function["rows"]) as row:
        row_sums = function.at(function["sums"], b.mul(row.index, function["sums_stride"]))
        row_codes = function.at(function["codes"], b.mul(row.index, function["codes_stride"]))
        full = b.sub(function["channels"], v.constant(_LANES - 1))
        with function.loop(v.constant(0), full, step=_LANES) as vectors:
            some(row_sums, row_codes, vectors.index, _LANES)
        with function.loop(vectors.index, function["channels"]) as rest:
            some(row_sums, row_codes, rest.index, 1)
    return function.compiled()


def store_codes(function: v.Builder, values: Any, address: Any) -> None:
    """Round a vector of float32 to the nearest even integers, add the argument zero_point, clip to low and high, and
    store the results as 8-bit codes."""
    count = int(values.type.count)
    rounded = function.call(f"llvm.rint.v{count}f32", values.type, [values])
    shifted = function.ir.fadd(rounded, function.broadcast(function["zero_point"], count))
    above = function.call(
        f"llvm.maxnum.v{count}f32", values.type, [shifted, function.broadcast(function["low"], count)]
    )
    within = function.call(
        f"llvm.minnum.v{count}f32", values.type, [above, function.broadcast(function["high"], count)]
    )
    integers = function.ir.fptosi(within, v.lanes(32, count))
    function.store(function.ir.trunc(integers, v.lanes(8, count)), address)
