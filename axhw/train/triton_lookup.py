"""A convolution whose products a GPU looks up: the table stays in the first-level cache of each multiprocessor.

The lanes of a warp lie along the outputs, which share the row of the table of one activation: 512 bytes in 16 bits.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from axhw.nn.layers.products import Conv2d, Linear

_ROWS = 32
_WIDEST = 64


def triton_sums(
    layer: Conv2d | Linear, products: torch.Tensor, a_index: torch.Tensor, column: torch.Tensor, *, zero: int
) -> torch.Tensor:
    """Sums of products of the table, int32: they must not exceed that.

    Parameters
    ----------
    layer : Conv2d or Linear
    products : int16 or int32 tensor, shape (256, columns)
    a_index, column : int32 tensors
        Row and column of each operand.
    zero : int
        The row that pads.
    """
    if isinstance(layer, Linear):
        rows = a_index.reshape(-1, 1, 1, a_index.shape[-1])
        geometry = _Geometry(rows, (1, 1), (1, 1), (1, 1), (0, 0), (1, 1), 1)
        by_term = column.reshape(1, len(column), -1).transpose(1, 2)
        return _run(geometry, products, rows, by_term, zero).reshape(*a_index.shape[:-1], len(column))
    rows = a_index.permute(0, 2, 3, 1)
    _, height, width = layer.output_shape((layer.in_channels, *a_index.shape[2:]))
    geometry = _Geometry(
        rows, (height, width), layer.kernel, layer.stride, layer.padding[:2], layer.dilation, layer.groups
    )
    by_group = column.reshape(layer.groups, -1, *column.shape[1:])
    # Terms in the order of kernel rows, kernel columns, channels.
    by_term = by_group.permute(0, 3, 4, 2, 1).reshape(layer.groups, layer.terms, -1)
    return _run(geometry, products, rows, by_term, zero).permute(0, 3, 1, 2)


class _Geometry:
    """Sizes that the kernel takes as constants."""

    def __init__(
        self,
        rows: torch.Tensor,
        output: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        corner: tuple[int, ...],
        dilation: tuple[int, int],
        groups: int,
    ) -> None:
        self.batch, self.height, self.width, channels = rows.shape
        self.output, self.kernel, self.stride, self.corner, self.dilation = output, kernel, stride, corner, dilation
        self.groups, self.channels = groups, channels // groups


def _run(
    geometry: _Geometry, products: torch.Tensor, rows: torch.Tensor, by_term: torch.Tensor, zero: int
) -> torch.Tensor:
    outputs = by_term.shape[2]
    pixels = geometry.batch * math.prod(geometry.output)
    sums = torch.empty(
        (geometry.batch, *geometry.output, geometry.groups * outputs), dtype=torch.int32, device=rows.device
    )
    lanes = min(_WIDEST, max(16, triton.next_power_of_2(outputs)))
    grid = (triton.cdiv(pixels, _ROWS), triton.cdiv(outputs, lanes), geometry.groups)
    _look_up[grid](
        products,
        rows.contiguous(),
        by_term.contiguous(),
        sums,
        pixels,
        zero,
        COLUMNS=products.shape[1],
        HEIGHT=geometry.height,
        WIDTH=geometry.width,
        CHANNELS=geometry.channels,
        GROUPS=geometry.groups,
        OUTPUTS=outputs,
        OUT_HEIGHT=geometry.output[0],
        OUT_WIDTH=geometry.output[1],
        KERNEL_HEIGHT=geometry.kernel[0],
        KERNEL_WIDTH=geometry.kernel[1],
        DOWN=geometry.stride[0],
        ALONG=geometry.stride[1],
        TOP=geometry.corner[0],
        LEFT=geometry.corner[1],
        DILATION_DOWN=geometry.dilation[0],
        DILATION_ALONG=geometry.dilation[1],
        ROWS=_ROWS,
        LANES=lanes,
    )
    return sums


def _look_up_kernel(
    products: tl.tensor,
    rows: tl.tensor,
    by_term: tl.tensor,
    sums: tl.tensor,
    pixels: tl.tensor,
    zero: tl.tensor,
    COLUMNS: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    GROUPS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    OUT_HEIGHT: tl.constexpr,
    OUT_WIDTH: tl.constexpr,
    KERNEL_HEIGHT: tl.constexpr,
    KERNEL_WIDTH: tl.constexpr,
    DOWN: tl.constexpr,
    ALONG: tl.constexpr,
    TOP: tl.constexpr,
    LEFT: tl.constexpr,
    DILATION_DOWN: tl.constexpr,
    DILATION_ALONG: tl.constexpr,
    ROWS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    output = tl.program_id(1) * LANES + tl.arange(0, LANES)
    group = tl.program_id(2)
    here, known = pixel < pixels, output < OUTPUTS
    image = pixel // (OUT_HEIGHT * OUT_WIDTH)
    top = pixel // OUT_WIDTH % OUT_HEIGHT * DOWN - TOP
    left = pixel % OUT_WIDTH * ALONG - LEFT
    total = tl.zeros((ROWS, LANES), tl.int32)
    for place in range(KERNEL_HEIGHT * KERNEL_WIDTH):
        y = top + place // KERNEL_WIDTH * DILATION_DOWN
        x = left + place % KERNEL_WIDTH * DILATION_ALONG
        seen = here & (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
        start = ((image.to(tl.int64) * HEIGHT + y) * WIDTH + x) * (CHANNELS * GROUPS) + group * CHANNELS
        term = (group * KERNEL_HEIGHT * KERNEL_WIDTH + place) * CHANNELS
        for channel in range(CHANNELS):
            row = tl.load(rows + start + channel, seen, zero)
            column = tl.load(by_term + (term + channel) * OUTPUTS + output, known, 0)
            total += tl.load(products + row[:, None] * COLUMNS + column[None, :]).to(tl.int32)
    where = pixel.to(tl.int64)[:, None] * (GROUPS * OUTPUTS) + group * OUTPUTS + output[None, :]
    tl.store(sums + where, total, here[:, None] & known[None, :])


_look_up = triton.jit(_look_up_kernel)
