"""Triton kernels for what is done to every element between convolutions: one pass over memory instead of many.

They give the same bits as the PyTorch operations that they replace: products and sums are not fused into one operation
and quotients are rounded correctly. Rounding to a whole number adds and subtracts 1.5 * 2**23, ties to even, after a
cut far outside of all codes.

Tensors are dense with channels last, so that the channel of an element is its place modulo the channels.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

_BLOCK = 1024
_EXACTLY = {"enable_fp_fusion": False}


def requantize(
    sums: torch.Tensor, constant: torch.Tensor, ratio: torch.Tensor, limits: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes, and where nothing was cut off; see `axhw.train.coding.Requantize`.

    Parameters
    ----------
    sums : float32 or float64 tensor
    constant, ratio : float64 and float32 tensors, of one element or one per channel
    limits : float32 tensor
        Zero point, lowest and highest code.
    """
    codes = torch.empty_like(sums, dtype=torch.float32)
    inside = torch.empty_like(sums, dtype=torch.uint8)
    _requantize[_grid(sums)](
        sums,
        constant,
        ratio,
        limits,
        codes,
        inside,
        sums.numel(),
        constant.numel(),
        ratio.numel(),
        BLOCK=_BLOCK,
        **_EXACTLY,
    )
    return codes, inside


def scaled_inside(gradient: torch.Tensor, inside: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    """gradient * inside * ratio."""
    scaled = torch.empty_like(inside, dtype=torch.float32)
    _scale_inside[_grid(gradient)](
        gradient, inside, ratio, scaled, gradient.numel(), ratio.numel(), BLOCK=_BLOCK, **_EXACTLY
    )
    return scaled


def add(a: torch.Tensor, b: torch.Tensor, coding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of the sum of two tensors of codes, and where nothing was cut off.

    Parameters
    ----------
    a, b : float32 tensors
    coding : float32 tensor
        Scale and zero point of a, of b and of the sum, lowest and highest code.
    """
    codes = torch.empty_like(a)
    inside = torch.empty_like(a, dtype=torch.uint8)
    _add[_grid(a)](a, b, coding, codes, inside, a.numel(), BLOCK=_BLOCK, **_EXACTLY)
    return codes, inside


def expand(codes: torch.Tensor, offset: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Factors of each code, shape (*in memory order of `codes`*, terms) flattened.

    Parameters
    ----------
    codes : float32 tensor
    offset : float32 tensor of one element
        Added to a code to give its row.
    factors : float32 tensor, shape (rows, terms)
    """
    terms = factors.shape[1]
    out = torch.empty(codes.numel() * terms, dtype=torch.float32, device=codes.device)
    _expand[_grid(codes)](
        codes,
        offset,
        factors,
        out,
        codes.numel(),
        TERMS=terms,
        PADDED=triton.next_power_of_2(terms),
        BLOCK=_BLOCK // 4,
        **_EXACTLY,
    )
    return out


def encode(
    values: torch.Tensor,
    scale: torch.Tensor,
    zero_point: torch.Tensor,
    channel: torch.Tensor,
    limits: tuple[float, float],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of real values whose channels are given, and where nothing was cut off.

    Parameters
    ----------
    values : float32 tensor
    scale, zero_point : float32 tensors, of one element for each channel; zero points of one for all, too
    channel : int32 tensor
        Of each value.
    limits : tuple of float
        Lowest and highest code.
    """
    codes = torch.empty_like(values)
    inside = torch.empty_like(values, dtype=torch.uint8)
    _encode[_grid(values)](
        values,
        scale,
        zero_point,
        channel,
        codes,
        inside,
        values.numel(),
        zero_point.numel(),
        *limits,
        BLOCK=_BLOCK,
        **_EXACTLY,
    )
    return codes, inside


def divided_inside(
    gradient: torch.Tensor, inside: torch.Tensor, scale: torch.Tensor, channel: torch.Tensor
) -> torch.Tensor:
    """gradient * inside / scale of the channel."""
    divided = torch.empty_like(inside, dtype=torch.float32)
    _divide_inside[_grid(gradient)](
        gradient, inside, scale, channel, divided, gradient.numel(), BLOCK=_BLOCK, **_EXACTLY
    )
    return divided


def _grid(tensor: torch.Tensor) -> Any:
    return lambda meta: (triton.cdiv(tensor.numel(), meta["BLOCK"]),)


def _nearest(values: tl.tensor) -> tl.tensor:
    values = tl.minimum(tl.maximum(values, -1048576.0), 1048576.0)
    return (values + 12582912.0) - 12582912.0


nearest = triton.jit(_nearest)
"""The nearest whole number within a kernel."""


def _requantize_kernel(
    sums: tl.tensor,
    constant: tl.tensor,
    ratio: tl.tensor,
    limits: tl.tensor,
    codes: tl.tensor,
    inside: tl.tensor,
    count: tl.tensor,
    constants: tl.tensor,
    ratios: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = place < count
    total = tl.load(sums + place, here, 0).to(tl.float64) + tl.load(constant + place % constants)
    factor = tl.load(ratio + place % ratios)
    scaled = total.to(tl.float32) * factor
    rounded = nearest(scaled) + tl.load(limits)
    code = tl.minimum(tl.maximum(rounded, tl.load(limits + 1)), tl.load(limits + 2))
    tl.store(codes + place, code, here)
    tl.store(inside + place, (code == rounded).to(tl.uint8), here)


def _scale_inside_kernel(
    gradient: tl.tensor,
    inside: tl.tensor,
    ratio: tl.tensor,
    scaled: tl.tensor,
    count: tl.tensor,
    ratios: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = place < count
    value = tl.load(gradient + place, here, 0.0) * tl.load(ratio + place % ratios)
    tl.store(scaled + place, tl.where(tl.load(inside + place, here, 0) != 0, value, 0.0), here)


def _add_kernel(
    a: tl.tensor,
    b: tl.tensor,
    coding: tl.tensor,
    codes: tl.tensor,
    inside: tl.tensor,
    count: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = place < count
    first = (tl.load(a + place, here, 0.0) - tl.load(coding + 1)) * tl.load(coding)
    second = (tl.load(b + place, here, 0.0) - tl.load(coding + 3)) * tl.load(coding + 2)
    scaled = tl.div_rn(first + second, tl.load(coding + 4))
    rounded = nearest(scaled) + tl.load(coding + 5)
    code = tl.minimum(tl.maximum(rounded, tl.load(coding + 6)), tl.load(coding + 7))
    tl.store(codes + place, code, here)
    tl.store(inside + place, (code == rounded).to(tl.uint8), here)


def _expand_kernel(
    codes: tl.tensor,
    offset: tl.tensor,
    factors: tl.tensor,
    out: tl.tensor,
    count: tl.tensor,
    TERMS: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    term = tl.arange(0, PADDED)
    here = place < count
    row = (tl.load(codes + place, here, 0.0) + tl.load(offset)).to(tl.int32)
    both = here[:, None] & (term < TERMS)[None, :]
    value = tl.load(factors + row[:, None] * TERMS + term[None, :], both, 0.0)
    tl.store(out + place[:, None] * TERMS + term[None, :], value, both)


def _encode_kernel(
    values: tl.tensor,
    scale: tl.tensor,
    zero_point: tl.tensor,
    channel: tl.tensor,
    codes: tl.tensor,
    inside: tl.tensor,
    count: tl.tensor,
    zeros: tl.tensor,
    low: tl.tensor,
    high: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = place < count
    own = tl.load(channel + place, here, 0)
    scaled = tl.div_rn(tl.load(values + place, here, 0.0), tl.load(scale + own))
    rounded = nearest(scaled) + tl.load(zero_point + own % zeros)
    code = tl.minimum(tl.maximum(rounded, low), high)
    tl.store(codes + place, code, here)
    tl.store(inside + place, (code == rounded).to(tl.uint8), here)


def _divide_inside_kernel(
    gradient: tl.tensor,
    inside: tl.tensor,
    scale: tl.tensor,
    channel: tl.tensor,
    divided: tl.tensor,
    count: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = place < count
    value = tl.div_rn(tl.load(gradient + place, here, 0.0), tl.load(scale + tl.load(channel + place, here, 0)))
    tl.store(divided + place, tl.where(tl.load(inside + place, here, 0) != 0, value, 0.0), here)


_requantize = triton.jit(_requantize_kernel)
_scale_inside = triton.jit(_scale_inside_kernel)
_add = triton.jit(_add_kernel)
_expand = triton.jit(_expand_kernel)
_encode = triton.jit(_encode_kernel)
_divide_inside = triton.jit(_divide_inside_kernel)
