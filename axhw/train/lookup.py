"""Sums of products that are looked up, on any device.

On a CPU the compiled kernels of `axhw.emulate` do it, on a GPU a Triton kernel where Triton is installed, else, and for
products of two activations on a GPU, plain indexing, term by term.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from axhw.emulate.codes import CODE_COUNT
from axhw.emulate.conv import prepare_conv2d
from axhw.emulate.gemm import gemm, prepare_gemm
from axhw.nn.layers.base import ProductLayer
from axhw.nn.layers.products import Conv2d, Linear
from axhw.train.fusion import has_triton
from axhw.train.products import FLOAT32_EXACT
from axhw.train.table_maps import TableMaps

_INT32_MAX = 2**31 - 1


def look_up_sums(layer: ProductLayer, maps: TableMaps, a_index: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Sums of products of the table.

    Parameters
    ----------
    layer : ProductLayer
        Its geometry; a convolution's padding is the code 0.
    maps : TableMaps
    a_index, column : int32 tensors
        Row and column of the products of each operand.

    Returns
    -------
    tensor
        Whole numbers in float32, or in float64 where they could exceed 2**24.
    """
    largest = _terms(layer, column) * maps.largest
    if a_index.device.type == "cpu":
        sums = _compiled(layer, maps, a_index, column)
    elif has_triton() and isinstance(layer, Conv2d | Linear) and largest <= _INT32_MAX:
        from axhw.train.triton_lookup import triton_sums

        sums = triton_sums(layer, maps.narrow_products, a_index, column, zero=-maps.lowest)
    else:
        products = maps.products if largest <= _INT32_MAX else maps.products.to(torch.int64)
        sums = index_sums(layer, products, a_index, column, zero=-maps.lowest)
    return sums.to(torch.float32 if largest < FLOAT32_EXACT else torch.float64)


def index_sums(
    layer: ProductLayer, products: torch.Tensor, a_index: torch.Tensor, column: torch.Tensor, *, zero: int
) -> torch.Tensor:
    """The same by indexing, in the dtype of the products, which must hold the sums; `zero` is the row that pads."""
    if isinstance(layer, Conv2d):
        return _index_convolution(layer, products, a_index, column, zero)
    if isinstance(layer, Linear):
        total = products.new_zeros((*a_index.shape[:-1], len(column)))
        for term in range(column.shape[1]):
            total += F.embedding(a_index[..., term], products[:, column[:, term]])
        return total
    total = products.new_zeros((*a_index.shape[:-1], column.shape[-1]))
    for term in range(column.shape[-2]):
        total += products[a_index[..., :, term, None], column[..., term, None, :]]
    return total


def _index_convolution(
    layer: Conv2d, products: torch.Tensor, a_index: torch.Tensor, column: torch.Tensor, zero: int
) -> torch.Tensor:
    top, left, bottom, right = layer.padding
    padded = F.pad(a_index, (left, right, top, bottom), value=zero)
    _, height, width = layer.output_shape((layer.in_channels, *a_index.shape[2:]))
    outputs = layer.outputs // layer.groups
    total = products.new_zeros((len(a_index), height, width, layer.groups, outputs))
    by_group = column.reshape(layer.groups, outputs, *column.shape[1:])
    for channel in range(layer.channels):
        # The same channel of every group.
        image = padded[:, channel :: layer.channels]
        for row in range(layer.kernel[0]):
            for place in range(layer.kernel[1]):
                down, along = row * layer.dilation[0], place * layer.dilation[1]
                seen = image[
                    :,
                    :,
                    down : down + (height - 1) * layer.stride[0] + 1 : layer.stride[0],
                    along : along + (width - 1) * layer.stride[1] + 1 : layer.stride[1],
                ]
                for group in range(layer.groups):
                    rows = products[:, by_group[group, :, channel, row, place]]
                    total[:, :, :, group] += F.embedding(seen[:, group], rows)
    return total.flatten(3).permute(0, 3, 1, 2)


def _compiled(layer: ProductLayer, maps: TableMaps, a_index: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """By `axhw.emulate`, which prepares itself for the weights of this step."""
    signed = maps.lowest < 0
    dtype = np.int8 if signed else np.uint8
    a = (a_index + maps.lowest).numpy().astype(dtype)
    w = (column % CODE_COUNT + maps.lowest).numpy().astype(dtype)
    tables = [table.values for table in maps.tables.tables]
    threads = torch.get_num_threads()
    if isinstance(layer, Conv2d):
        convolve = prepare_conv2d(
            w,
            tables,
            a_dtype=dtype,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            table_of=maps.tables.for_weights(w.shape),
            threads=threads,
        )
        return torch.from_numpy(convolve(a))
    if isinstance(layer, Linear):
        multiply = prepare_gemm(
            w.T, tables, a_dtype=dtype, table_of=maps.tables.for_weights(w.shape).T, threads=threads
        )
        return torch.from_numpy(multiply(a.reshape(-1, a.shape[-1]))).reshape(*a.shape[:-1], len(w))
    matrices = zip(a.reshape(-1, *a.shape[-2:]), w.reshape(-1, *w.shape[-2:]))
    sums = np.stack([gemm(x, y, tables[0], threads=threads) for x, y in matrices])
    return torch.from_numpy(sums).reshape(*a.shape[:-1], w.shape[-1])


def _terms(layer: ProductLayer, column: torch.Tensor) -> int:
    """Products in a sum."""
    if isinstance(layer, Conv2d | Linear):
        return layer.terms
    return int(column.shape[-2])
