"""Sums of products of whole numbers in PyTorch: convolution, linear layer and product of two activations alike.

Sums of magnitude below 2**24 are exact in float32 in any order, so where a layer could exceed that its terms are taken
in parts that can't, added in float64. TF32 keeps 11 significant bits of each factor: it is exact for factors that have
no more, such as codes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F

from axhw.nn.layers.base import ProductLayer
from axhw.nn.layers.products import Conv2d, Linear
from axhw.train.layers import convolve

FLOAT32_EXACT = 1 << 24

_CHANNELS_AT_ONCE = 8


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether a GPU may round the factors of convolutions and matrix products to TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=allowed):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def product_sums(layer: ProductLayer, a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Sums of products of the operands' values, in their dtype."""
    if isinstance(layer, Conv2d):
        return convolve(layer, a, w)
    if isinstance(layer, Linear):
        return F.linear(a, w)
    return torch.matmul(a, w)


def exact_sums(
    layer: ProductLayer, a: torch.Tensor, w: torch.Tensor, *, largest_product: int, terms: int = 1
) -> torch.Tensor:
    """The same for whole numbers, exactly.

    Parameters
    ----------
    layer : ProductLayer
    a, w : float32 tensors
        Operands as whole numbers; for a `MatMul` both are activations.
    largest_product : int
        Bound of the sum of the magnitudes of a product's terms, in units of a power of two that divides them all.
    terms : int
        Channels of both operands for each of the layer's, side by side: a product is the sum of theirs.

    Returns
    -------
    tensor
        float32, or float64 where a sum could exceed 2**24 units.
    """
    a_axis, w_axis = _term_axes(layer)
    channels = w.shape[w_axis] // terms
    places = math.prod(layer.kernel) if isinstance(layer, Conv2d) else 1
    most = (FLOAT32_EXACT - 1) // (places * max(largest_product, 1))
    if channels <= most:
        return product_sums(layer, a, w)
    if most < 1 or (isinstance(layer, Conv2d) and layer.groups > 1):
        return product_sums(layer, a.to(torch.float64), w.to(torch.float64))
    # GPUs take channels by fours, and copy what comes in other numbers.
    most = most - most % _CHANNELS_AT_ONCE or most
    total: torch.Tensor | None = None
    for a_part, w_part in zip(a.split(most * terms, a_axis), w.split(most * terms, w_axis)):
        sums = product_sums(layer, a_part, w_part).to(torch.float64)
        total = sums if total is None else total + sums
    assert total is not None
    return total


def gradients(
    layer: ProductLayer, gradient: torch.Tensor, a: torch.Tensor, w: torch.Tensor, needed: tuple[bool, bool]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Gradients of `product_sums` with respect to both operands, those that are needed."""
    if isinstance(layer, Conv2d):
        top, left, bottom, right = layer.padding
        if (top, left) != (bottom, right):
            padded = F.pad(a, (left, right, top, bottom))
            inner, outer = _convolution_gradients(layer, gradient, padded, w, (0, 0), needed)
            rows, columns = slice(top, top + a.shape[2]), slice(left, left + a.shape[3])
            return inner[:, :, rows, columns] if inner is not None else None, outer
        return _convolution_gradients(layer, gradient, a, w, (top, left), needed)
    if isinstance(layer, Linear):
        a_gradient = gradient @ w if needed[0] else None
        rows = gradient.reshape(-1, gradient.shape[-1])
        return a_gradient, rows.T @ a.reshape(-1, a.shape[-1]) if needed[1] else None
    return (
        gradient @ w.transpose(-1, -2) if needed[0] else None,
        a.transpose(-1, -2) @ gradient if needed[1] else None,
    )


def _convolution_gradients(
    layer: Conv2d,
    gradient: torch.Tensor,
    a: torch.Tensor,
    w: torch.Tensor,
    padding: tuple[int, int],
    needed: tuple[bool, bool],
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    a_gradient, w_gradient, _ = torch.ops.aten.convolution_backward(
        gradient, a, w, None, layer.stride, padding, layer.dilation, False, (0, 0), layer.groups, (*needed, False)
    )
    return a_gradient, w_gradient


def _term_axes(layer: ProductLayer) -> tuple[int, int]:
    """The axes of both operands along which products are summed."""
    if isinstance(layer, Conv2d):
        return 1, 1
    return (-1, -1) if isinstance(layer, Linear) else (-1, -2)
