"""A network definition as a PyTorch module, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.layers import AvgPool2d, Conv2d, Flatten, Layer, Linear, MaxPool2d, ProductLayer, Relu

if TYPE_CHECKING:
    import torch


def require_torch() -> None:
    """Refuse in one sentence when PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise AxhwError(
            "Expected PyTorch for training, found none: install it with pip install 'axhw[train]'."
        ) from error


def build(architecture: Architecture) -> torch.nn.Sequential:
    """The architecture with random weights for ReLU networks (He et al. 2015) and biases of 0."""
    from torch import nn

    model = nn.Sequential(*(_module(layer) for layer in architecture.layers))
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        else:
            nn.init.zeros_(parameter)
    return model


def parameters(architecture: Architecture, model: torch.nn.Sequential) -> dict[str, npt.NDArray[np.float32]]:
    """The model's weights and biases under the names that `axhw.nn.network.Network` takes."""
    state = model.state_dict()
    # Copies: the model's own arrays go on changing while it is trained.
    return {
        f"{layer.name}.{kind}": state[f"{index}.{kind}"].cpu().numpy().copy()
        for index, layer in enumerate(architecture.layers)
        if isinstance(layer, ProductLayer)
        for kind in ("weight", "bias")
    }


def _module(layer: Layer) -> torch.nn.Module:
    from torch import nn

    match layer:
        case Conv2d():
            return nn.Conv2d(
                layer.in_channels, layer.out_channels, layer.kernel, stride=layer.stride, padding=layer.padding
            )
        case Linear():
            return nn.Linear(layer.in_features, layer.out_features)
        case Relu():
            return nn.ReLU()
        case MaxPool2d():
            return nn.MaxPool2d(layer.size)
        case AvgPool2d():
            return nn.AvgPool2d(layer.size)
        case Flatten():
            return nn.Flatten()
    raise AxhwError(f"Expected a layer with a PyTorch counterpart, found {type(layer).__name__}.")
