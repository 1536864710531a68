"""Layers that compute in real values, on codes: decoded, computed in float32, encoded.

Functions such as exp and sums in float32 differ in their last bits between PyTorch and numpy, and now and then a code
with them. So numpy decides the codes: on a CPU it computes the layer, on a GPU it makes a table of the codes of a
function of one tensor. Softmax, layer norm and gates on a GPU are left to PyTorch; a gate that chooses one expert is
exact there, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from axhw.emulate.codes import CODE_COUNT, Codes, code_values
from axhw.nn.graph import Node
from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.base import RealLayer
from axhw.nn.layers.routing import Combine
from axhw.nn.quantize import Quantization
from axhw.nn.routing import chosen_of_all


class NumpyCodes:
    """What numpy makes of the codes of a node.

    Parameters
    ----------
    node : Node
        Of a `RealLayer`.
    sources, target : Quantization
        Of its inputs and output.
    device : torch.device
    """

    def __init__(
        self, node: Node, sources: tuple[Quantization, ...], target: Quantization, device: torch.device
    ) -> None:
        assert isinstance(node.layer, RealLayer)
        self._layer = node.layer
        self._sources, self._target = sources, target
        self._on_cpu = device.type == "cpu"
        self._table: torch.Tensor | None = None
        if isinstance(node.layer, Elementwise) and not self._on_cpu:
            every: Codes = code_values(sources[0].dtype).astype(sources[0].dtype)
            table = node.layer.on_codes(sources, target, every).astype(np.float32)
            self._table = torch.from_numpy(table).to(device)

    @property
    def decides(self) -> bool:
        """Whether there is a way to ask numpy on this device."""
        return self._on_cpu or self._table is not None

    def __call__(self, *codes: torch.Tensor, parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The output codes, as float32."""
        if self._table is not None:
            lowest = -CODE_COUNT // 2 if self._sources[0].signed else 0
            return self._table[(codes[0].detach() - lowest).to(torch.int32)]
        arrays = [code.detach().numpy().astype(source.dtype) for code, source in zip(codes, self._sources)]
        if isinstance(self._layer, Combine):
            zero = int(self._sources[0].zero_point)
            arrays = [arrays[0], *chosen_of_all(arrays[0], tuple(arrays[1:]), zero=zero)]
        result = self._layer.on_codes(self._sources, self._target, *arrays)
        if result is None:
            local = {name: tensor.detach().numpy() for name, tensor in parameters.items()}
            reals = (source.decode(array) for source, array in zip(self._sources, arrays))
            result = self._target.encode(self._layer.forward(*reals, parameters=local))
        return torch.from_numpy(result.astype(np.float32))
