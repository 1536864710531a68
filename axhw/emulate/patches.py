"""Activations of a matrix product where they lie: no copy of overlapping patches is ever made.

Row m of the left operand is read as ``codes[base[m] + offset[k]]`` from one array of bytes. For a matrix the bases
count rows; for a convolution over a padded image, channels last, they count output pixels and the offsets walk through
the kernel. Padding is filled with the code of zero and multiplied like any other code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.emulate.calls import Fixed, fixed
from axhw.emulate.codes import Codes
from axhw.errors import AxhwError

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

_SLACK = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where the codes of a left operand lie, M rows of K codes for each group of columns.

    Attributes
    ----------
    base : int64 array, shape (M,)
    offset : int64 array, shape (K,)
    group_step : int
        Added to the offsets from one group to the next.
    channels : int
        Codes of a pixel: bases are multiples of it. Of a matrix K, its rows being the pixels.
    """

    base: Positions
    offset: Positions
    group_step: int
    channels: int

    @cached_property
    def fixed_base(self) -> Fixed:
        """The bases as kernels read them."""
        return fixed(self.base)

    def base_address(self, rows: slice) -> int:
        """Where the bases of some rows begin."""
        first: int = rows.start
        return self.fixed_base + self.base.itemsize * first

    @property
    def terms(self) -> int:
        """K."""
        return len(self.offset)

    def of_terms(self, terms: slice) -> Places:
        """Those of some terms."""
        return _of_terms(self, terms.start, terms.stop)

    def offset_of(self, group: int, *, run: int = 1, step: int = 1) -> Fixed:
        """The offsets of a group: of every term, or of every `step` bytes of each run of so many terms."""
        return _offset_of(self, group, run, step)


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """The left operand of a product.

    Attributes
    ----------
    codes : uint8 array, flat and contiguous
        Bits of the codes, int8 or uint8; also what a kernel maps them to.
    places : Places
    slack : int
        Bytes behind the codes that may be read: kernels that read four bytes at a time read behind the last code.
    """

    codes: npt.NDArray[Any]
    places: Places
    slack: int = 0

    @property
    def rows(self) -> int:
        """M."""
        return len(self.places.base)

    def with_slack(self) -> Patches:
        """The same with a few bytes behind the codes that may be read, for which they are copied if need be."""
        if self.slack:
            return self
        codes = _with_slack(self.codes.shape)
        codes[...] = self.codes
        return Patches(codes=codes, places=self.places, slack=_SLACK)

    def matrix(self, rows: slice, group: int) -> Bytes:
        """The codes of some rows, copied out: shape (rows, K)."""
        offset = self.places.offset_of(group).array
        codes: Bytes = np.take(self.codes, self.places.base[rows, None] + offset)
        return codes


@dataclass(frozen=True, kw_only=True)
class ConvShape:
    """Geometry of a convolution, all but batch and image size.

    Attributes
    ----------
    channels, filters, groups : int
    kernel, stride, dilation : (int, int)
        Vertical, horizontal.
    padding : (int, int, int, int)
        Top, left, bottom, right.
    zero : int
        Code that pads.
    """

    channels: int
    filters: int
    groups: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    zero: int

    @property
    def run(self) -> int:
        """Terms that lie next to each other in memory."""
        channels = self.channels // self.groups
        return channels * self.kernel[1] if self.groups == 1 and self.dilation[1] == 1 else channels

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input of that size.

        Raises
        ------
        AxhwError
            If the kernel does not fit.
        """
        sizes = []
        for side, before, after, kernel, stride, dilation in zip(
            (height, width), self.padding[:2], self.padding[2:], self.kernel, self.stride, self.dilation
        ):
            span = dilation * (kernel - 1) + 1
            if side + before + after < span:
                raise AxhwError(
                    f"Expected an image of at least {span} pixels a side with its padding for the kernel "
                    f"{self.kernel} dilated by {self.dilation}, found {height} x {width} padded by {self.padding}."
                )
            sizes.append((side + before + after - span) // stride + 1)
        return sizes[0], sizes[1]

    def patches(self, x: Codes) -> Patches:
        """The rows of the product, one for each output pixel of x [B, C, H, W]."""
        batch, _, height, width = x.shape
        top, left, bottom, right = self.padding
        padded = (height + top + bottom, width + left + right)
        by_pixel = x.view(np.uint8).transpose(0, 2, 3, 1)
        in_place = padded == (height, width) and by_pixel.flags.c_contiguous
        if in_place:
            codes = by_pixel
        else:
            codes = _with_slack((batch, *padded, self.channels))
            if padded != (height, width):
                codes[...] = self.zero & 0xFF
            codes[:, top : top + height, left : left + width] = by_pixel
        places = _image_places(self, batch, height, width)
        return Patches(codes=codes.reshape(-1), places=places, slack=0 if in_place else _SLACK)


def matrix_patches(a: Codes) -> Patches:
    """The rows of a matrix [M, K]."""
    return Patches(codes=np.ascontiguousarray(a).view(np.uint8).reshape(-1), places=matrix_places(*a.shape))


@lru_cache(maxsize=256)
def matrix_places(rows: int, terms: int, groups: int = 1) -> Places:
    """Places of a matrix whose rows hold the terms of one group after the other."""
    channels = groups * terms
    base, offset = np.arange(rows, dtype=np.int64) * channels, np.arange(terms, dtype=np.int64)
    return Places(base=base, offset=offset, group_step=terms, channels=channels)


def _with_slack(shape: tuple[int, ...]) -> Bytes:
    """An uninitialised array behind which a few bytes may be read."""
    size = math.prod(shape)
    return np.empty(size + _SLACK, np.uint8)[:size].reshape(shape)


@lru_cache(maxsize=256)
def _of_terms(places: Places, first: int, last: int) -> Places:
    offset = places.offset[first:last]
    return Places(base=places.base, offset=offset, group_step=places.group_step, channels=places.channels)


@lru_cache(maxsize=1024)
def _offset_of(places: Places, group: int, run: int, step: int) -> Fixed:
    starts = places.offset[::run] + group * places.group_step
    return fixed((starts[:, None] + np.arange(0, run, step)).reshape(-1))


@lru_cache(maxsize=256)
def _image_places(shape: ConvShape, batch: int, height: int, width: int) -> Places:
    """Bases in the order of images, output rows, output columns."""
    rows, columns = shape.output_size(height, width)
    top, left, bottom, right = shape.padding
    line = (width + left + right) * shape.channels
    image = np.arange(batch, dtype=np.int64) * (height + top + bottom) * line
    down = np.arange(rows, dtype=np.int64) * shape.stride[0] * line
    along = np.arange(columns, dtype=np.int64) * shape.stride[1] * shape.channels
    base = (image[:, None, None] + down[:, None] + along).reshape(-1)
    offset = _offsets(shape, width + left + right)
    return Places(base=base, offset=offset, group_step=shape.channels // shape.groups, channels=shape.channels)


def _offsets(shape: ConvShape, padded_width: int) -> Positions:
    """Place of each term within a patch, in the order of kernel rows, kernel columns, channels of a group."""
    down = np.arange(shape.kernel[0], dtype=np.int64) * shape.dilation[0] * padded_width * shape.channels
    along = np.arange(shape.kernel[1], dtype=np.int64) * shape.dilation[1] * shape.channels
    channel = np.arange(shape.channels // shape.groups, dtype=np.int64)
    return (down[:, None, None] + along[:, None] + channel).reshape(-1)
