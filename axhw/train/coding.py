"""Quantisation on the device: `axhw.nn.quantize.Quantization` in PyTorch, equal to it bit by bit.

Codes are carried as whole numbers in float32 tensors, which every kernel takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from axhw.nn.quantize import Quantization
from axhw.train.fusion import fused, fuses, fuses_in_any_order

# A float64 has 52 bits behind the leading one; scales keep 15 of them (16 significant bits).
_DROPPED = 52 - 15
_KEPT = -(1 << _DROPPED)


@dataclass(frozen=True, kw_only=True, eq=False)
class Coding:
    """Scale and zero point of a tensor on the device.

    Attributes
    ----------
    scale, zero_point : float32 tensors, shape () or (channels,)
    low, high : int
        Smallest and largest code used.
    signed, narrow : bool
        As in `Quantization`.
    """

    scale: torch.Tensor
    zero_point: torch.Tensor
    low: int
    high: int
    signed: bool
    narrow: bool

    @classmethod
    def from_range(
        cls,
        low: torch.Tensor,
        high: torch.Tensor,
        *,
        signed: bool,
        symmetric: bool | None = None,
        smallest_scale: torch.Tensor | None = None,
    ) -> Coding:
        """`Quantization.from_range` for float64 tensors."""
        bottom, top = torch.clamp(low, max=0.0), torch.clamp(high, min=0.0)
        narrow = signed and symmetric is not False
        # Divided by a tensor: on a GPU PyTorch multiplies by the reciprocal of a number instead.
        steps = torch.full_like(bottom, 127.0 if narrow else 255.0)
        step = round_significant((torch.maximum(-bottom, top) if narrow else top - bottom) / steps)
        if smallest_scale is not None:
            step = torch.maximum(step, round_significant(smallest_scale))
        scale = torch.where(step > 0, step, torch.ones_like(step))
        zero_point = torch.zeros_like(scale) if narrow else torch.clamp(torch.round(-bottom / scale), 0, 255)
        if signed and not narrow:
            zero_point = zero_point - 128
        lowest, highest = ((-127 if narrow else -128), 127) if signed else (0, 255)
        return cls(
            scale=scale.to(torch.float32),
            zero_point=zero_point.to(torch.float32),
            low=lowest,
            high=highest,
            signed=signed,
            narrow=narrow,
        )

    def at(self, place: int) -> Coding:
        """The coding of one out of many channels."""
        return replace(self, scale=self.scale[place], zero_point=self.zero_point[place])

    def quantization(self) -> Quantization:
        """The same in numpy."""
        return Quantization(
            scale=self.scale.detach().cpu().numpy(),
            zero_point=self.zero_point.detach().cpu().numpy().astype("int32"),
            signed=self.signed,
            narrow=self.narrow,
        )

    @property
    def zero(self) -> torch.Tensor | None:
        """The zero point, None where it is 0 for every range."""
        return None if self.narrow else self.zero_point

    def encode(self, values: torch.Tensor) -> torch.Tensor:
        """Nearest codes of real values, ties to even, saturating; gradients pass where nothing saturates."""
        codes: torch.Tensor = Encode.apply(values, self.scale, self.zero_point, self.low, self.high)
        return codes

    def centred(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes less the zero point."""
        return codes if self.narrow else codes - self.zero_point

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Real values of codes."""
        return self.centred(codes) * self.scale


class Encode(torch.autograd.Function):
    """round(values / scale) + zero_point, saturating; straight-through within the limits (Bengio et al. 2013)."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        values: torch.Tensor,
        scale: torch.Tensor,
        zero_point: torch.Tensor,
        low: float,
        high: float,
    ) -> torch.Tensor:
        rounded = torch.round(values / scale).add_(zero_point)
        codes = torch.clamp(rounded, low, high)
        ctx.save_for_backward(codes == rounded, scale)
        return codes

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None, None]:
        inside, scale = ctx.saved_tensors
        return gradient * inside / scale, None, None, None, None


class EncodeByChannel(torch.autograd.Function):
    """`Encode` of flat values with the scale and zero point of a channel each; `zero_point` may have one for all."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        values: torch.Tensor,
        scale: torch.Tensor,
        zero_point: torch.Tensor,
        channel: torch.Tensor,
        low: float,
        high: float,
    ) -> torch.Tensor:
        if fuses(values):
            codes, inside = fused().encode(values, scale, zero_point, channel, (low, high))
        else:
            zeros = zero_point[channel] if zero_point.numel() > 1 else zero_point
            rounded = torch.round(values / scale[channel]).add_(zeros)
            codes = torch.clamp(rounded, low, high)
            inside = codes == rounded
        ctx.save_for_backward(inside, scale, channel)
        return codes

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None, None, None]:
        inside, scale, channel = ctx.saved_tensors
        if inside.dtype == torch.uint8:
            divided = fused().divided_inside(gradient.contiguous(), inside, scale, channel)
        else:
            divided = gradient * inside / scale[channel]
        return divided, None, None, None, None, None


class Decided(torch.autograd.Function):
    """Codes that were computed otherwise, saturating, with the gradient to the values that they are rounded from."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        values: torch.Tensor,
        codes: torch.Tensor,
        scale: torch.Tensor,
        low: torch.Tensor,
        high: torch.Tensor,
    ) -> torch.Tensor:
        within = torch.clamp(codes, low, high)
        ctx.save_for_backward(within == codes, scale)
        return within

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None, None]:
        inside, scale = ctx.saved_tensors
        return gradient * inside / scale, None, None, None, None


class Requantize(torch.autograd.Function):
    """Sums to codes as `axhw.emulate.requantize` does it: clip(round(float32(sums + constant) * ratio) + zero_point).

    Sums are whole numbers that float32 holds, or float64 ones; constants are float64. Constant and
    ratio have one element or one for each channel (axis 1 of images, else the last). `limits` holds zero point, lowest
    and highest code. The gradient passes where nothing is cut off.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        sums: torch.Tensor,
        constant: torch.Tensor,
        ratio: torch.Tensor,
        limits: torch.Tensor,
    ) -> torch.Tensor:
        ctx.sums_dtype = sums.dtype
        # With one constant and one ratio for all it doesn't matter which channel an element is of.
        if fuses(sums) or (constant.numel() == ratio.numel() == 1 and fuses_in_any_order(sums)):
            codes, inside = fused().requantize(sums, constant, ratio, limits)
        else:
            scaled = torch.empty_like(sums, dtype=torch.float32)
            # One operation that adds in float64 and rounds once to float32.
            torch.add(sums, _by_channel(constant, sums), out=scaled)
            scaled.mul_(_by_channel(ratio, sums)).round_().add_(limits[0])
            codes = torch.minimum(torch.maximum(scaled, limits[1]), limits[2])
            inside = codes == scaled
        ctx.save_for_backward(inside, ratio)
        ctx.constants = constant.numel()
        return codes

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        inside, ratio = ctx.saved_tensors
        sums = _inside(gradient, inside, ratio)
        constant = None
        if ctx.needs_input_grad[1]:
            others = (0, 2, 3) if sums.ndim == 4 else tuple(range(sums.ndim - 1))
            constant = sums.sum(dim=others if ctx.constants > 1 else None).reshape(-1).to(torch.float64)
        return sums.to(ctx.sums_dtype), constant, None, None


class AddCodes(torch.autograd.Function):
    """Codes of the sum of two tensors as `axhw.emulate.add` does it, from real values back to codes.

    `coding` holds scale and zero point of both and of the sum, then the lowest and the highest code.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, a: torch.Tensor, b: torch.Tensor, coding: torch.Tensor
    ) -> torch.Tensor:
        if fuses(a, b):
            codes, inside = fused().add(a, b, coding)
        else:
            total = (a - coding[1]) * coding[0] + (b - coding[3]) * coding[2]
            rounded = (total / coding[4]).round_().add_(coding[5])
            codes = torch.minimum(torch.maximum(rounded, coding[6]), coding[7])
            inside = codes == rounded
        ctx.save_for_backward(inside, coding)
        return codes

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        inside, coding = ctx.saved_tensors
        first, second = (
            _inside(gradient, inside, coding[scale] / coding[4]) if needed else None
            for scale, needed in zip((0, 2), ctx.needs_input_grad)
        )
        return first, second, None


class Units(torch.autograd.Function):
    """A float64 bias in whole units of the sums: round(bias / unit), straight-through."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, bias: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(unit)
        return torch.round(bias / unit)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (unit,) = ctx.saved_tensors
        return gradient / unit, None


def _inside(gradient: torch.Tensor, inside: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    """The gradient times a ratio, where nothing was cut off."""
    if inside.dtype == torch.uint8:
        order = torch.contiguous_format if inside.is_contiguous() else torch.channels_last
        return fused().scaled_inside(gradient.contiguous(memory_format=order), inside, ratio)
    return gradient * inside * _by_channel(ratio, gradient)


def _by_channel(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """One value or one per channel, to be broadcast."""
    return values.reshape(-1, 1, 1) if like.ndim == 4 else values.reshape(-1)


def round_significant(values: torch.Tensor) -> torch.Tensor:
    """Float64 numbers of at least 0 rounded to 16 significant bits, ties to even."""
    bits = values.view(torch.int64)
    half_less_one = (1 << (_DROPPED - 1)) - 1
    rounded = (bits + half_less_one + ((bits >> _DROPPED) & 1)) & _KEPT
    return rounded.view(torch.float64)
