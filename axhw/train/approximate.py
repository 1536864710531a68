"""Approximate products in PyTorch: exact integers forward, a chosen gradient backward, and no exact products beside.

A table of few integer factors, M[a, w] = sum over i of left[a, i] right[w, i], is one convolution of operands that have
a channel for each factor of each channel. Any other table is looked up (`axhw.train.lookup`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import torch
import torch.nn.functional as F

from axhw.nn.layers.base import ProductLayer, WeightLayer
from axhw.nn.layers.products import Conv2d, MatMul
from axhw.train.fusion import fused, fuses
from axhw.train.layers import convolve
from axhw.train.lookup import index_sums, look_up_sums
from axhw.train.products import FLOAT32_EXACT, exact_sums, gradients, product_sums, tf32
from axhw.train.table_maps import TableMaps

Saved: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor | None]

# Zero point times code.
_LARGEST_CORRECTION = 255 * 255


def approximate_sums(
    maps: TableMaps,
    a: torch.Tensor,
    w: torch.Tensor,
    *,
    a_zero: torch.Tensor | None,
    w_zero: torch.Tensor | None,
) -> torch.Tensor:
    """Sums of M[a, w] - z_w a - z_a w + z_a z_w over the terms of each output.

    Parameters
    ----------
    maps : TableMaps
    a, w : float32 tensors
        Codes less their zero points.
    a_zero : tensor of shape (), or None
        Zero point z_a; None for 0.
    w_zero : tensor, or None
        Zero points z_w that broadcast to `w`; None for 0.

    Returns
    -------
    tensor
        Whole numbers in float32, or in float64 where that might not hold them.
    """
    layer = maps.layer
    if isinstance(layer, Conv2d) and any(layer.padding) and not _padding_vanishes(maps, a_zero):
        # Padding goes through the table like any other code: zero points are 0 here.
        top, left, bottom, right = layer.padding
        a = F.pad(a, (left, right, top, bottom))
        layer = replace(layer, padding=(0, 0, 0, 0))
    sums: torch.Tensor = _Products.apply(a, w, maps, layer, a_zero, w_zero)
    return sums


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        a: torch.Tensor,
        w: torch.Tensor,
        maps: TableMaps,
        layer: ProductLayer,
        a_zero: torch.Tensor | None,
        w_zero: torch.Tensor | None,
    ) -> torch.Tensor:
        ctx.save_for_backward(a, w, a_zero, w_zero)
        ctx.maps, ctx.layer = maps, layer
        if maps.multiplies(a.device):
            left = _expanded_codes(maps, layer, a, a_zero)
            sums = _factored(maps, layer, left, _expanded_second(maps, layer, w, w_zero))
        else:
            sums = look_up_sums(layer, maps, _rows(maps, a, a_zero), _columns(maps, w, w_zero))
        return _without_zero_points(maps, layer, sums, a, w, (a_zero, w_zero))

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None, None, None]:
        a, w, a_zero, w_zero = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        gradient = gradient.to(torch.float32)
        if ctx.maps.approximation.gradient == "ste":
            a_gradient, w_gradient = gradients(ctx.layer, gradient, a, w, needed)
        else:
            a_gradient, w_gradient = _table_gradients(ctx.maps, ctx.layer, gradient, (a, w, a_zero, w_zero), needed)
        return a_gradient, w_gradient, None, None, None, None


def reference_sums(
    maps: TableMaps, a: torch.Tensor, w: torch.Tensor, *, a_zero: torch.Tensor | None, w_zero: torch.Tensor | None
) -> torch.Tensor:
    """What `approximate_sums` must give, from the error of each product: exact products in float64, plus errors.

    The errors are looked up one pair at a time by indexing, so that it shares no kernel with what it checks.
    """
    layer = maps.layer
    if isinstance(layer, Conv2d):
        top, left, bottom, right = layer.padding
        a = F.pad(a, (left, right, top, bottom))
        layer = replace(layer, padding=(0, 0, 0, 0))
    code = torch.arange(256, device=a.device, dtype=torch.int32) + maps.lowest
    exact = code[:, None] * code.repeat(maps.products.shape[1] // 256)
    errors = index_sums(
        layer,
        (maps.products - exact).to(torch.int64),
        _rows(maps, a, a_zero),
        _columns(maps, w, w_zero),
        zero=-maps.lowest,
    )
    return product_sums(layer, a.to(torch.float64), w.to(torch.float64)) + errors.to(torch.float64)


def _padding_vanishes(maps: TableMaps, a_zero: torch.Tensor | None) -> bool:
    return a_zero is None and maps.zero_products_vanish


def _shape_of_expanded(layer: ProductLayer, operand: torch.Tensor, terms: int) -> torch.Tensor:
    """A tensor without memory that has the shape of the expanded operand."""
    shape = list(operand.shape)
    if isinstance(layer, Conv2d):
        shape[1] *= terms
    return operand.new_empty(1).expand(shape)


def _rows(maps: TableMaps, a: torch.Tensor, a_zero: torch.Tensor | None) -> torch.Tensor:
    """Row of the table for each code."""
    code = a if a_zero is None else a + a_zero
    return (code - maps.lowest).to(torch.int32)


def _columns(maps: TableMaps, w: torch.Tensor, w_zero: torch.Tensor | None) -> torch.Tensor:
    """Column of the tables for each code."""
    code = w if w_zero is None else w + w_zero
    return (code - maps.lowest).to(torch.int32) + maps.first_column


def _expanded_codes(maps: TableMaps, layer: ProductLayer, a: torch.Tensor, a_zero: torch.Tensor | None) -> torch.Tensor:
    """Factors of codes of the first operand, in one pass where that can be."""
    if not fuses(a):
        return _expanded(layer, _rows(maps, a, a_zero), maps.left)
    offset = maps.offset if a_zero is None else maps.offset + a_zero
    return _in_order(layer, a, fused().expand(a, offset, maps.left))


def _expanded_second(
    maps: TableMaps, layer: ProductLayer, w: torch.Tensor, w_zero: torch.Tensor | None
) -> torch.Tensor:
    """Factors of codes of the second operand, in one pass where that can be."""
    if isinstance(layer, WeightLayer) and len(maps.tables.tables) == 1 and w_zero is None:
        ordered = w.contiguous(memory_format=torch.channels_last) if isinstance(layer, Conv2d) else w
        if fuses(ordered):
            return _in_order(layer, w, fused().expand(ordered, maps.offset, maps.right))
    return _expanded_weights(layer, _columns(maps, w, w_zero), maps.right)


def _in_order(layer: ProductLayer, operand: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """What the fused kernel makes of an operand, in its axes: the terms of a channel side by side."""
    if isinstance(layer, Conv2d):
        first, _, height, width = operand.shape
        return values.reshape(first, height, width, -1).permute(0, 3, 1, 2)
    return values.reshape(*operand.shape[:-1], -1)


def _expanded(layer: ProductLayer, index: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Factors of the first operand: the terms of a channel side by side where its channel was."""
    if isinstance(layer, Conv2d):
        values = F.embedding(index.permute(0, 2, 3, 1), factors)
        return values.flatten(3).permute(0, 3, 1, 2)
    return F.embedding(index, factors).flatten(-2)


def _expanded_weights(layer: ProductLayer, column: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Factors of the second operand, in the order of those of the first."""
    if isinstance(layer, MatMul):
        return F.embedding(column.transpose(-1, -2), factors).flatten(-2).transpose(-1, -2)
    return _expanded(layer, column, factors)


def _collapsed_weights(layer: ProductLayer, values: torch.Tensor, terms: int) -> torch.Tensor:
    """The inverse of `_expanded_weights`."""
    if isinstance(layer, MatMul):
        return values.transpose(-1, -2).unflatten(-1, (-1, terms)).transpose(-2, -3)
    return _collapsed(layer, values, terms)


def _collapsed(layer: ProductLayer, values: torch.Tensor, terms: int) -> torch.Tensor:
    """The terms on an axis of their own, behind all others: the inverse of `_expanded`."""
    if isinstance(layer, Conv2d):
        return values.permute(0, 2, 3, 1).unflatten(3, (-1, terms)).permute(0, 3, 1, 2, 4)
    return values.unflatten(-1, (-1, terms))


def _factored(maps: TableMaps, layer: ProductLayer, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    terms = maps.terms or 0
    if left.device.type != "cuda" or maps.fits_tf32:
        return exact_sums(layer, left, right, largest_product=maps.largest_factored, terms=terms)
    with tf32(False):
        return exact_sums(layer, left, right, largest_product=maps.largest_factored, terms=terms)


def _without_zero_points(
    maps: TableMaps,
    layer: ProductLayer,
    sums: torch.Tensor,
    a: torch.Tensor,
    w: torch.Tensor,
    zeros: tuple[torch.Tensor | None, torch.Tensor | None],
) -> torch.Tensor:
    """From sums of M[a, w] to those of M[a, w] - z_w (a - z_a) - z_a w."""
    a_zero, w_zero = zeros
    if a_zero is None and w_zero is None:
        return sums
    terms = math.prod(w.shape[1:]) if isinstance(layer, WeightLayer) else w.shape[-2]
    if terms * (maps.largest + 2 * _LARGEST_CORRECTION) >= FLOAT32_EXACT:
        sums = sums.to(torch.float64)
    if w_zero is not None:
        by_output = w_zero.reshape(-1, 1, 1) if isinstance(layer, Conv2d) else w_zero.reshape(-1)
        sums = sums - _operand_sums(layer, a).to(sums.dtype) * by_output
    if a_zero is not None:
        codes = w if w_zero is None else w + w_zero
        if isinstance(layer, MatMul):
            totals = codes.sum(dim=-2, keepdim=True)
        else:
            totals = codes.flatten(1).sum(dim=1)
            totals = totals[:, None, None] if isinstance(layer, Conv2d) else totals
        sums = sums - totals.to(sums.dtype) * a_zero
    return sums


def _operand_sums(layer: ProductLayer, a: torch.Tensor) -> torch.Tensor:
    """Sum of the first operands of each output; outputs of a group share it."""
    if not isinstance(layer, Conv2d):
        return a.sum(dim=-1, keepdim=True)
    ones = torch.ones((layer.groups, *layer.weight_shape[1:]), dtype=a.dtype, device=a.device)
    return convolve(layer, a, ones).repeat_interleave(layer.outputs // layer.groups, dim=1)


def _table_gradients(
    maps: TableMaps, layer: ProductLayer, gradient: torch.Tensor, saved: Saved, needed: tuple[bool, bool]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Gradients along the slopes of the table, less the zero points."""
    a, w, a_zero, w_zero = saved
    a_index, column = _rows(maps, a, a_zero), _columns(maps, w, w_zero)
    a_gradient = w_gradient = None
    if needed[0]:
        smooth = _expanded_weights(layer, column, maps.w_values)
        slope = F.embedding(a_index, maps.a_slope)
        inner, _ = gradients(layer, gradient, _shape_of_expanded(layer, a, slope.shape[-1]), smooth, (True, False))
        a_gradient = (_collapsed(layer, inner, slope.shape[-1]) * slope).sum(dim=-1)
        if w_zero is not None:
            a_gradient = a_gradient - gradients(layer, gradient, a, w_zero.expand_as(w), (True, False))[0]
    if needed[1]:
        smooth = _expanded(layer, a_index, maps.a_values)
        slope = F.embedding(column, maps.w_slope)
        _, outer = gradients(layer, gradient, smooth, _shape_of_expanded(layer, w, slope.shape[-1]), (False, True))
        w_gradient = (_collapsed_weights(layer, outer, slope.shape[-1]) * slope).sum(dim=-1)
        if a_zero is not None:
            w_gradient = w_gradient - gradients(layer, gradient, a_zero.expand_as(a), w, (False, True))[1]
    return a_gradient, w_gradient
