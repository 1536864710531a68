"""Networks in safetensors files: parameters, the ranges that training fixed, and what they were made for.

The metadata of a file holds, beside the tensors, ``axhw``: a JSON object with the network's name (``model``), the
data set, the shape of an image, the number of classes, the ranges, and whether batch norms are folded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.nn.fold import folded_graph
from axhw.nn.layers.base import Shape
from axhw.nn.network import Network
from axhw.nn.zoo.names import build_graph, check_name

_KEY = "axhw"
SUFFIX = ".safetensors"

STAND_INS: Mapping[str, str] = {"cifar10": "cifar10_jpeg"}
"""Data sets whose weights serve for another one where it has none of its own; `TrainedNetwork.data` tells."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedNetwork:
    """A network and the data set it was trained on.

    Attributes
    ----------
    network : Network
    model : str
        Name in the zoo.
    data : str
        Name of the data set.
    """

    network: Network
    model: str
    data: str


def shipped_weights() -> dict[tuple[str, str], str]:
    """File names of the weights that come with axhw, by model and data set: ``<model>-<data>.safetensors``."""
    folder = resources.files("axhw.nn") / "weights"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(SUFFIX))
    pairs = (name.removesuffix(SUFFIX).split("-", 1) for name in names)
    return {(model, data): name for (model, data), name in zip(pairs, names)}


def load_shipped(model: str, data: str) -> TrainedNetwork:
    """Weights that come with axhw.

    Raises
    ------
    AxhwError
        For an unknown network, and if there are no weights of it for this data set.
    """
    check_name(model)
    available = shipped_weights()
    if (model, data) not in available:
        data = STAND_INS.get(data, data)
    if (model, data) not in available:
        found = ", ".join(f"{known} on {source}" for known, source in available)
        raise AxhwError(
            f"Expected trained weights of {model} on {data}; axhw comes with those of {found}: "
            "train some, or name a weights file."
        )
    with resources.as_file(resources.files("axhw.nn") / "weights" / available[model, data]) as path:
        return read_weights(path)


def read_weights(path: Path) -> TrainedNetwork:
    """The network in a file that `write_weights` made.

    Raises
    ------
    AxhwError
        If the file can't be read, is no safetensors file, or says nothing about its network.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            parameters = {name: np.asarray(file.get_tensor(name), np.float32) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise AxhwError(f"Expected weights at {path}: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise AxhwError(f"Expected a safetensors file at {path}, found something else: {error}.") from error
    try:
        header = json.loads(metadata[_KEY])
        model, data = str(header["model"]), str(header["data"])
        input_shape: Shape = tuple(int(side) for side in header["input_shape"])
        classes, folded = int(header["classes"]), bool(header["folded"])
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in header["ranges"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AxhwError(
            f"Expected {path} to say which network it holds (metadata {_KEY!r} as axhw writes it), found none."
        ) from error
    graph = build_graph(model, input_shape=input_shape, classes=classes)
    if folded:
        graph = folded_graph(graph)
    return TrainedNetwork(network=Network(graph=graph, parameters=parameters, ranges=ranges), model=model, data=data)


def write_weights(path: Path, trained: TrainedNetwork, *, folded: bool) -> None:
    """Write a network of the zoo; `folded` says whether its batch norms are folded."""
    graph = trained.network.graph
    header = {
        "model": trained.model,
        "data": trained.data,
        "input_shape": graph.input_shape,
        "classes": graph.classes,
        "folded": folded,
        "ranges": trained.network.ranges,
    }
    tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in trained.network.parameters.items()}
    with replacing(path) as draft:
        # Not save_file: what that writes is private.
        draft.write_bytes(save(tensors, metadata={_KEY: json.dumps(header)}))
