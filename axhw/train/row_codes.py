"""Softmax and layer norm of codes, operation by operation: sums are exact, and all else IEEE 754 rounds.

`axhw.train.triton_rows` does the same in one pass on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """The coding of what comes out; saturation is left to what takes it.

    Attributes
    ----------
    scale : float32 tensor, shape ()
    zero_point : float
    """

    scale: torch.Tensor
    zero_point: float

    def encode(self, values: torch.Tensor) -> torch.Tensor:
        """Nearest codes, ties to even."""
        # Divided by a tensor: on a GPU PyTorch multiplies by the reciprocal of a number instead.
        rounded = torch.round(values / self.scale)
        return rounded + self.zero_point if self.zero_point else rounded


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """What a layer norm of codes knows of its input, see `axhw.nn.layers.norms.LayerNorm`.

    Attributes
    ----------
    features : int
    zero_point : float
    floor : float64 tensor, shape (1,)
        epsilon n n / (s s).
    wide : bool
        Whether sums need float64.
    """

    features: int
    zero_point: float
    floor: torch.Tensor
    wide: bool


def powers_below(codes: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Powers of all codes relative to the largest of the last axis, out of a table of 256 by distance."""
    return table[(codes.amax(dim=-1, keepdim=True) - codes).to(torch.int32)]


def shares(powers: torch.Tensor) -> torch.Tensor:
    """Powers over their sum on the last axis, which is rounded once."""
    return powers / powers.sum(dim=-1, keepdim=True, dtype=torch.float64).to(torch.float32)


def softmax(codes: torch.Tensor, table: torch.Tensor, target: Target) -> torch.Tensor:
    """Codes of the softmax of codes on the last axis."""
    return target.encode(shares(powers_below(codes, table)))


def layer_norm(
    codes: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, norm: Norm, target: Target
) -> torch.Tensor:
    """Codes of the layer norm of codes on the last axis."""
    centred = codes.to(torch.float64) if norm.wide else codes
    if norm.zero_point:
        centred = centred - norm.zero_point
    total = centred.sum(dim=-1, keepdim=True)
    squares = (centred * centred).sum(dim=-1, keepdim=True).to(torch.float64)
    wide = total.to(torch.float64)
    # Products and sums of whole numbers may be one operation each, as they are exact; a GPU may round those of others
    # together, so they are one after the other.
    whole = torch.addcmul(squares * norm.features, wide, wide, value=-1)
    factor = torch.reciprocal(torch.sqrt(whole + norm.floor)).to(torch.float32)
    normal = torch.sub(centred * norm.features, total).to(torch.float32) * factor
    normal = normal * weight
    return target.encode(normal + bias)
