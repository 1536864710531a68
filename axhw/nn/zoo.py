"""The networks that come with axhw: their definitions, shared by evaluator and trainer, and their weights."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load

from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.layers import AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Relu
from axhw.nn.network import Network

DIGITS_CNN = Architecture(
    name="digits_cnn",
    input_shape=(1, 8, 8),
    hidden_layers=(
        Conv2d(name="conv1", in_channels=1, out_channels=16, kernel=3, padding=1),
        Relu(),
        Conv2d(name="conv2", in_channels=16, out_channels=24, kernel=3, padding=1),
        Relu(),
        MaxPool2d(size=2),
        Conv2d(name="conv3", in_channels=24, out_channels=32, kernel=3, padding=1),
        Relu(),
        AvgPool2d(size=2),
        Flatten(),
    ),
    output_layer=Linear(name="linear", in_features=128, out_features=10),
)

ARCHITECTURES: Mapping[str, Architecture] = {architecture.name: architecture for architecture in (DIGITS_CNN,)}


def load_network(name: str) -> Network:
    """A shipped network with its trained weights.

    Raises
    ------
    AxhwError
        For a name that is not in `ARCHITECTURES`.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise AxhwError(f"Expected a network out of {', '.join(ARCHITECTURES)}, found {name!r}{hint}.")
    with resources.as_file(resources.files("axhw.nn") / "weights" / f"{name}.safetensors") as path:
        return read_network(ARCHITECTURES[name], path)


def read_network(architecture: Architecture, path: Path) -> Network:
    """An architecture with the weights of a safetensors file.

    Raises
    ------
    AxhwError
        If the file can't be read or holds other parameters than the architecture's.
    """
    try:
        parameters = load(path.read_bytes())
    except OSError as error:
        raise AxhwError(f"Expected weights of {architecture.name} at {path}: {error.strerror}.") from error
    except SafetensorError as error:
        raise AxhwError(f"Expected a safetensors file at {path}, found something else: {error}.") from error
    return Network(architecture=architecture, parameters=parameters)
