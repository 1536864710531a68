"""Where Triton is installed, a GPU does what is done to every element between convolutions in one pass."""

from __future__ import annotations

import warnings
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
import torch.nn.functional as F

from axhw.errors import VerificationError
from axhw.train import row_codes

_CHANNELS = 48


def fuses(*tensors: torch.Tensor) -> bool:
    """Whether the fused kernels take these tensors: on a GPU, dense, with channels last."""
    return all(tensor.is_cuda and _channels_last(tensor) for tensor in tensors) and has_triton()


def fuses_in_any_order(tensor: torch.Tensor) -> bool:
    """Whether fused kernels to which channels are no matter take a tensor: on a GPU, and contiguous."""
    return tensor.is_cuda and tensor.is_contiguous() and has_triton()


@lru_cache(maxsize=1)
def has_triton() -> bool:
    """Whether Triton is installed, as it is with PyTorch for GPUs, and can compile here.

    Raises
    ------
    VerificationError
        If a kernel gives other bits than PyTorch's own operations.
    """
    if find_spec("triton") is None or not torch.cuda.is_available():
        return False
    try:
        check_kernels("cuda")
    except VerificationError:
        raise
    except Exception as error:  # Triton, its compiler and the driver each raise their own kinds.
        warnings.warn(f"Triton can't be used here, plain PyTorch is slower: {error}", stacklevel=2)
        return False
    return True


@lru_cache(maxsize=1)
def fused() -> ModuleType:
    """`axhw.train.triton_elementwise`, which imports Triton."""
    return import_module("axhw.train.triton_elementwise")


@lru_cache(maxsize=1)
def fused_rows() -> ModuleType:
    """`axhw.train.triton_rows`, with the functions of `axhw.train.row_codes`."""
    return import_module("axhw.train.triton_rows")


def check_kernels(device: str) -> None:
    """Compare the fused kernels with PyTorch's operations, bit by bit, on random numbers.

    Raises
    ------
    VerificationError
        If one differs.
    """
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int, low: int, high: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=generator).to(device, torch.float32)

    def check(kernel: str, found: torch.Tensor, expected: torch.Tensor) -> None:
        if not torch.equal(found.to(expected.dtype), expected):
            raise VerificationError(
                f"Expected the kernel {kernel} to equal PyTorch's operations on {device}, found other bits: report "
                f"this device with PyTorch {torch.__version__}."
            )

    kernels = fused()
    rows = 1 << 10
    sums = random(rows, _CHANNELS, low=-(1 << 24), high=1 << 24)
    constant = random(_CHANNELS, low=-(1 << 24), high=1 << 24).to(torch.float64) * 63
    ratio = torch.rand(_CHANNELS, generator=generator).to(device) * 1e-5
    limits = torch.tensor([3.0, -128.0, 127.0], device=device)
    scaled = torch.round((sums + constant).to(torch.float32) * ratio) + limits[0]
    codes, inside = kernels.requantize(sums, constant, ratio, limits)
    check("requantize", codes, torch.clamp(scaled, -128, 127))
    check("requantize", inside, codes == scaled)
    gradient = torch.randn(rows, _CHANNELS, generator=generator).to(device)
    check("scaled_inside", kernels.scaled_inside(gradient, inside, ratio), gradient * ratio * inside)
    a, b = (random(rows, _CHANNELS, low=-128, high=128) for _ in range(2))
    for scales in torch.rand(8, 3, generator=generator).to(device):
        # Tensors, because PyTorch multiplies by the reciprocal of a number that it divides by.
        coding = torch.stack([scales[0], limits[0], scales[1], limits[0], scales[2] * 4, *limits])
        total = (a - coding[1]) * coding[0] + (b - coding[3]) * coding[2]
        expected = torch.clamp(torch.round(total / coding[4]) + coding[5], -128, 127)
        check("add", kernels.add(a, b, coding)[0], expected)
    channel = torch.randint(0, _CHANNELS, (rows,), generator=generator, dtype=torch.int32).to(device)
    values, scale = torch.randn(rows, generator=generator).to(device), torch.rand(_CHANNELS, generator=generator) * 0.1
    scale, zero_point = scale.to(device), random(_CHANNELS, low=0, high=9)
    codes, inside = kernels.encode(values, scale, zero_point, channel, (-128.0, 127.0))
    scaled = torch.round(values / scale[channel]).add_(zero_point[channel])
    check("encode", codes, torch.clamp(scaled, -128, 127))
    check("encode", inside, codes == scaled)
    expected = gradient.flatten()[:rows] * inside / scale[channel]
    check("divided_inside", kernels.divided_inside(gradient.flatten()[:rows], inside, scale, channel), expected)
    target = row_codes.Target(scale=torch.full((), 0.01, device=device), zero_point=-3.0)
    table = torch.rand(256, generator=generator).mul(1 << 20).round().div(1 << 20).to(device)
    check("softmax", fused_rows().softmax(a, table, target), row_codes.softmax(a, table, target))
    weight, bias = (torch.randn(_CHANNELS, generator=generator).to(device) for _ in range(2))
    for wide in (False, True):
        floor = torch.full((1,), 0.3, dtype=torch.float64, device=device)
        norm = row_codes.Norm(features=_CHANNELS, zero_point=5.0, floor=floor, wide=wide)
        expected = row_codes.layer_norm(a, weight, bias, norm, target)
        check("layer_norm", fused_rows().layer_norm(a, weight, bias, norm, target), expected)
    factors = torch.randn(256, 3, generator=generator).to(device)
    expected = F.embedding((a + 128).to(torch.int32), factors).flatten()
    check("expand", kernels.expand(a, torch.tensor([128.0], device=device), factors), expected)


def _channels_last(tensor: torch.Tensor) -> bool:
    last = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
    return bool(tensor.is_contiguous(memory_format=last))
