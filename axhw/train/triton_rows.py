"""Triton kernels for softmax and layer norm of codes: a row at a time, with the bits of `axhw.train.row_codes`.

Sums are exact, so their order doesn't matter; products and sums are not fused into one operation, and quotients and
roots are rounded correctly.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from axhw.train.row_codes import Norm, Target
from axhw.train.triton_elementwise import nearest

_EXACTLY = {"enable_fp_fusion": False}


def softmax(codes: torch.Tensor, table: torch.Tensor, target: Target) -> torch.Tensor:
    """`axhw.train.row_codes.softmax` of a contiguous tensor."""
    out = torch.empty_like(codes)
    columns = codes.shape[-1]
    _softmax[(codes.numel() // columns,)](
        codes,
        table,
        target.scale,
        out,
        columns,
        target.zero_point,
        BLOCK=triton.next_power_of_2(columns),
        **_EXACTLY,
    )
    return out


def layer_norm(
    codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, norm: Norm, target: Target
) -> torch.Tensor:
    """`axhw.train.row_codes.layer_norm` of a contiguous tensor."""
    out = torch.empty_like(codes)
    _layer_norm[(codes.numel() // norm.features,)](
        codes,
        weight,
        bias,
        norm.floor,
        target.scale,
        out,
        norm.features,
        norm.zero_point,
        target.zero_point,
        WIDE=norm.wide,
        BLOCK=triton.next_power_of_2(norm.features),
        **_EXACTLY,
    )
    return out


def _encoded(values: tl.tensor, scale: tl.tensor, zero_point: tl.tensor) -> tl.tensor:
    return nearest(tl.div_rn(values, tl.load(scale))) + zero_point


_encode = triton.jit(_encoded)


def _softmax_kernel(
    codes: tl.tensor,
    table: tl.tensor,
    scale: tl.tensor,
    out: tl.tensor,
    columns: tl.tensor,
    zero_point: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.arange(0, BLOCK)
    here = place < columns
    start = tl.program_id(0).to(tl.int64) * columns
    code = tl.load(codes + start + place, here, -float("inf"))
    distance = tl.where(here, tl.max(code, axis=0) - code, 0.0).to(tl.int32)
    power = tl.load(table + distance, here, 0.0)
    total = tl.sum(power.to(tl.float64), axis=0).to(tl.float32)
    share = tl.div_rn(power, total + tl.zeros_like(power))
    tl.store(out + start + place, _encode(share, scale, zero_point), here)


def _layer_norm_kernel(
    codes: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    floor: tl.tensor,
    scale: tl.tensor,
    out: tl.tensor,
    features: tl.tensor,
    zero_point: tl.tensor,
    target_zero_point: tl.tensor,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.arange(0, BLOCK)
    here = place < features
    start = tl.program_id(0).to(tl.int64) * features
    centred = tl.where(here, tl.load(codes + start + place, here, 0.0) - zero_point, 0.0)
    if WIDE:
        centred = centred.to(tl.float64)
    total = tl.sum(centred, axis=0)
    squares = tl.sum(centred * centred, axis=0)
    whole = squares.to(tl.float64) * features - total.to(tl.float64) * total.to(tl.float64)
    factor = (1.0 / tl.sqrt(whole + tl.load(floor))).to(tl.float32)
    normal = (centred * features - total).to(tl.float32) * factor
    normal = normal * tl.load(weight + place, here, 0.0)
    normal = normal + tl.load(bias + place, here, 0.0)
    tl.store(out + start + place, _encode(normal, scale, target_zero_point), here)


_softmax = triton.jit(_softmax_kernel)
_layer_norm = triton.jit(_layer_norm_kernel)
