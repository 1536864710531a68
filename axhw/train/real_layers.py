"""Layers that compute in real values, on codes, with the codes of the numpy executor.

Functions such as exp and sums in float32 differ in their last bits between PyTorch and numpy, and now and then a code
with them. On a CPU numpy computes these layers itself. On a GPU

- a function of one tensor is a table of codes that numpy makes,
- softmax, gates and layer norms are computed from codes with sums that are exact and single operations that IEEE 754
  rounds (`axhw.nn.layers.softmax`, `axhw.nn.layers.norms`), and exponentials are a table that numpy makes,
- what else there is only multiplies and adds element by element, which has the same bits in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch

from axhw.emulate.codes import CODE_COUNT, Codes, code_values
from axhw.nn.graph import Node
from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.base import RealLayer
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.routing import Combine, Gate
from axhw.nn.layers.softmax import Softmax, power_table
from axhw.nn.quantize import Quantization
from axhw.nn.routing import chosen_of_all
from axhw.train.routing import chosen_experts

CodeFunction: TypeAlias = Callable[[tuple[torch.Tensor, ...], Mapping[str, torch.Tensor]], torch.Tensor]
"""From the codes of the inputs and the parameters of a node to its output in float32: codes, or what is yet to be
encoded."""


def numpy_codes(node: Node, sources: tuple[Quantization, ...], target: Quantization) -> CodeFunction:
    """The codes that numpy computes for a `RealLayer`, from tensors on the CPU."""
    layer = node.layer
    assert isinstance(layer, RealLayer)

    def codes_of(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        arrays = [code.detach().numpy().astype(source.dtype) for code, source in zip(codes, sources)]
        if isinstance(layer, Combine):
            zero = int(sources[0].zero_point)
            arrays = [arrays[0], *chosen_of_all(arrays[0], tuple(arrays[1:]), zero=zero)]
        local = {name: tensor.detach().numpy() for name, tensor in parameters.items()}
        result = layer.on_codes(sources, target, *arrays, parameters=local)
        if result is None:
            reals = (source.decode(array) for source, array in zip(sources, arrays))
            result = target.encode(layer.forward(*reals, parameters=local))
        return torch.from_numpy(result.astype(np.float32))

    return codes_of


def device_codes(
    node: Node, sources: tuple[Quantization, ...], target: Quantization, device: torch.device
) -> CodeFunction | None:
    """The same codes from tensors on any device, None where single operations of PyTorch give them anyway."""
    layer = node.layer
    if isinstance(layer, Elementwise):
        every: Codes = code_values(sources[0].dtype).astype(sources[0].dtype)
        table = layer.on_codes(sources, target, every, parameters={}).astype(np.float32)
        return _looked_up(table, sources[0], device)
    if isinstance(layer, Softmax | Gate):
        return _encoded(_shares(layer, sources[0], device), target, device)
    if isinstance(layer, LayerNorm):
        return _encoded(_normalised(layer, sources[0]), target, device)
    return None


def _looked_up(table: np.ndarray, source: Quantization, device: torch.device) -> CodeFunction:
    values = torch.from_numpy(table).to(device)
    lowest = -CODE_COUNT // 2 if source.signed else 0
    return lambda codes, parameters: values[(codes[0].detach() - lowest).to(torch.int32)]


def _encoded(compute: CodeFunction, target: Quantization, device: torch.device) -> CodeFunction:
    """`Quantization.encode` of what is computed, but for saturation."""
    scale = torch.from_numpy(np.asarray(target.scale)).to(device)
    zero = float(target.zero_point)

    def codes_of(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        # Divided by a tensor: on a GPU PyTorch multiplies by the reciprocal of a number instead.
        rounded = torch.round(compute(codes, parameters) / scale)
        return rounded + zero if zero else rounded

    return codes_of


def _shares(layer: Softmax | Gate, source: Quantization, device: torch.device) -> CodeFunction:
    table = torch.from_numpy(power_table(source)).to(device)

    def shares(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        x = codes[0].detach()
        powers = table[(x.amax(dim=-1, keepdim=True) - x).to(torch.int32)]
        if isinstance(layer, Gate):
            powers = powers * chosen_experts(layer, x)
        return powers / powers.sum(dim=-1, keepdim=True, dtype=torch.float64).to(torch.float32)

    return shares


def _normalised(layer: LayerNorm, source: Quantization) -> CodeFunction:
    dtype = torch.float32 if layer.float32_is_exact(source) else torch.float64
    zero, floor = float(source.zero_point), layer.floor(source)

    def normalised(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        centred = codes[0].detach().to(dtype)
        if zero:
            centred = centred - zero
        total = centred.sum(dim=-1, keepdim=True)
        squares = (centred * centred).sum(dim=-1, keepdim=True).to(torch.float64)
        wide = total.to(torch.float64)
        # Products and sums of whole numbers may be one operation each, as they are exact; a GPU may round those of
        # others together, so they are one after the other.
        whole = torch.addcmul(squares * layer.features, wide, wide, value=-1)
        factor = torch.reciprocal(torch.sqrt(whole + floor)).to(torch.float32)
        deviation = torch.sub(centred * layer.features, total).to(torch.float32)
        normal = deviation * factor
        normal = normal * parameters["weight"].detach()
        return normal + parameters["bias"].detach()

    return normalised
