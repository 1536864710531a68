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
from types import ModuleType
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
from axhw.train import row_codes
from axhw.train.fusion import fused_rows, fuses_in_any_order
from axhw.train.routing import chosen_experts
from axhw.train.row_codes import Target

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
    """The same codes, but for saturation, from tensors on any device.

    None where single operations of PyTorch give them anyway.
    """
    layer = node.layer
    if isinstance(layer, Elementwise):
        every: Codes = code_values(sources[0].dtype).astype(sources[0].dtype)
        table = layer.on_codes(sources, target, every, parameters={}).astype(np.float32)
        return _looked_up(table, sources[0], device)
    scale = torch.from_numpy(np.asarray(target.scale)).to(device)
    coded = Target(scale=scale, zero_point=float(target.zero_point))
    if isinstance(layer, Softmax | Gate):
        powers = torch.from_numpy(power_table(sources[0])).to(device)
        return _softmax(powers, coded) if isinstance(layer, Softmax) else _gate(layer, powers, coded)
    if isinstance(layer, LayerNorm):
        return _layer_norm(layer, sources[0], coded)
    return None


def _looked_up(table: np.ndarray, source: Quantization, device: torch.device) -> CodeFunction:
    values = torch.from_numpy(table).to(device)
    lowest = -CODE_COUNT // 2 if source.signed else 0
    return lambda codes, parameters: values[(codes[0].detach() - lowest).to(torch.int32)]


def _softmax(powers: torch.Tensor, target: Target) -> CodeFunction:
    def softmax(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        x = codes[0].detach()
        found: torch.Tensor = _rows_of(x).softmax(x, powers, target)
        return found

    return softmax


def _gate(layer: Gate, powers: torch.Tensor, target: Target) -> CodeFunction:
    def gate(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        x = codes[0].detach()
        return target.encode(row_codes.shares(row_codes.powers_below(x, powers) * chosen_experts(layer, x)))

    return gate


def _layer_norm(layer: LayerNorm, source: Quantization, target: Target) -> CodeFunction:
    norm = row_codes.Norm(
        features=layer.features,
        zero_point=float(source.zero_point),
        floor=torch.full((1,), layer.floor(source), dtype=torch.float64, device=target.scale.device),
        wide=not layer.float32_is_exact(source),
    )

    def layer_norm(codes: tuple[torch.Tensor, ...], parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        x = codes[0].detach()
        weight, bias = (parameters[name].detach() for name in ("weight", "bias"))
        found: torch.Tensor = _rows_of(x).layer_norm(x, weight, bias, norm, target)
        return found

    return layer_norm


def _rows_of(codes: torch.Tensor) -> ModuleType:
    """What computes the rows of a tensor: one kernel where that can be."""
    return fused_rows() if fuses_in_any_order(codes) else row_codes
