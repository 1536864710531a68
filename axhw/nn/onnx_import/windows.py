"""Kernels, strides, paddings and dilations of convolutions and pools, with the ways in which ONNX gives them."""

from __future__ import annotations

from dataclasses import dataclass

from axhw.errors import AxhwError
from axhw.nn.layers.base import Shape
from axhw.nn.layers.products import Pair, Sides
from axhw.nn.onnx_import.call import Call
from axhw.nn.onnx_import.operation import Operation
from axhw.nn.onnx_import.values import Tensor


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows over an image; one of a single side gets rows of one place.

    Attributes
    ----------
    kernel, stride, dilation : pair of int
        Height and width.
    padding : four int
        At the top, left, bottom and right.
    rounding : pair of int
        Pixels that the last row and column of windows reach beyond the padding, where `ceil_mode` adds windows.
    sides : int
        Of the image in ONNX, 1 or 2.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Sides
    rounding: Pair
    sides: int

    @classmethod
    def of(cls, operation: Operation, *, kernel: Shape, image: Shape) -> Windows:
        """Those of an operator over an image of `image` pixels.

        Raises
        ------
        AxhwError
            For attributes of another number of sides, or an unknown ``auto_pad``.
        """
        sides = len(image)
        if sides not in (1, 2):
            raise AxhwError(f"Expected an image of 1 or 2 sides, found {sides}.")
        ones = (1,) * sides
        strides = operation.integers("strides", ones)
        dilations = operation.integers("dilations", ones)
        kernel = operation.integers("kernel_shape", kernel)
        pads = operation.integers("pads", (0,) * 2 * sides)
        if not len(kernel) == len(strides) == len(dilations) == len(pads) / 2 == sides:
            raise AxhwError(f"Expected a kernel, strides, dilations and pads for {sides} sides, found another number.")
        reach = tuple((side - 1) * step + 1 for side, step in zip(kernel, dilations))
        automatic = operation.text("auto_pad", "NOTSET")
        if automatic in ("SAME_UPPER", "SAME_LOWER"):
            missing = [
                max((-(-side // step) - 1) * step + width - side, 0) for side, step, width in zip(image, strides, reach)
            ]
            small, large = [total // 2 for total in missing], [total - total // 2 for total in missing]
            pads = (*small, *large) if automatic == "SAME_UPPER" else (*large, *small)
        elif automatic == "VALID":
            pads = (0,) * 2 * sides
        elif automatic != "NOTSET":
            raise AxhwError(f"Expected auto_pad to be NOTSET, VALID, SAME_UPPER or SAME_LOWER, found {automatic}.")
        rounding = (0,) * sides
        if operation.integer("ceil_mode", 0):
            rounding = tuple(
                _rounding(image[side], reach[side], strides[side], pads[side], pads[side + sides])
                for side in range(sides)
            )
        before, after = pads[:sides], pads[sides:]
        if sides == 1:
            kernel, strides, dilations = (1, *kernel), (1, *strides), (1, *dilations)
            before, after, rounding = (0, *before), (0, *after), (0, *rounding)
        return cls(
            kernel=(kernel[0], kernel[1]),
            stride=(strides[0], strides[1]),
            dilation=(dilations[0], dilations[1]),
            padding=(before[0], before[1], after[0], after[1]),
            rounding=(rounding[0], rounding[1]),
            sides=sides,
        )

    @property
    def rounded_padding(self) -> Sides:
        """The padding up to the end of the last windows."""
        top, left, bottom, right = self.padding
        return (top, left, bottom + self.rounding[0], right + self.rounding[1])

    def with_rows(self, call: Call, x: Tensor) -> Tensor:
        """A tensor [1, C, W] as [1, C, 1, W]."""
        return x if self.sides == 2 else call.reshape(x, (*x.shape[:2], 1, *x.shape[2:]))

    def without_rows(self, call: Call, x: Tensor) -> Tensor:
        """The opposite of `with_rows`."""
        return x if self.sides == 2 else call.reshape(x, (*x.shape[:2], *x.shape[3:]))


def _rounding(side: int, reach: int, stride: int, before: int, after: int) -> int:
    """What the last window reaches beyond the padding when the number of windows is rounded up.

    Windows that would start in the padding behind the image are not made.
    """
    steps = -(-(side + before + after - reach) // stride)
    if steps * stride >= side + before:
        steps -= 1
    return max(steps * stride + reach - (side + before + after), 0)
