"""Networks in safetensors files: parameters, the ranges that training fixed, and what they were made for.

The metadata of a file holds, beside the tensors, ``axhw``: a JSON object with the network's name (``model``), the
data set, the shape of an image, the number of classes, the ranges, and whether batch norms are folded.

Weights can be stored as the int8 codes that they get for signed multipliers, beside ``<tensor>_scale``, one step for
each output channel: a quarter of the size, and the same integer network (`axhw.nn.quantizer.with_code_weights`). What
is gone is how far each real weight lay from its code, which unsigned codes and further training would begin with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from axhw.errors import AxhwError
from axhw.files import replacing
from axhw.nn.fold import folded_graph
from axhw.nn.layers.base import Shape
from axhw.nn.network import Network
from axhw.nn.quantize import Float32Array
from axhw.nn.quantizer import decoded_weights, signed_products
from axhw.nn.zoo.names import build_graph, check_name

_KEY = "axhw"
_SCALE = "_scale"
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
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
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
    network = Network(graph=graph, parameters=_decoded(path, tensors), ranges=ranges)
    return TrainedNetwork(network=network, model=model, data=data)


def write_weights(path: Path, trained: TrainedNetwork, *, folded: bool, compact: bool = False) -> None:
    """Write a network of the zoo.

    Parameters
    ----------
    path : Path
    trained : TrainedNetwork
    folded : bool
        Whether its batch norms are folded.
    compact : bool
        Store weights as int8 codes.

    Raises
    ------
    AxhwError
        If the file can't be written, and for codes of a network that has batch norms or no ranges yet.
    """
    graph = trained.network.graph
    header = {
        "model": trained.model,
        "data": trained.data,
        "input_shape": graph.input_shape,
        "classes": graph.classes,
        "folded": folded,
        "ranges": trained.network.ranges,
    }
    tensors: dict[str, npt.NDArray[np.generic]] = {
        name: np.ascontiguousarray(array, np.float32) for name, array in trained.network.parameters.items()
    }
    if compact:
        tensors |= _codes(trained.network)
    with replacing(path) as draft:
        # Not save_file: what that writes is private.
        draft.write_bytes(save(tensors, metadata={_KEY: json.dumps(header)}))


def _codes(network: Network) -> dict[str, npt.NDArray[np.generic]]:
    """The weights of all layers as int8 codes, and their steps."""
    found: dict[str, npt.NDArray[np.generic]] = {}
    for name, product in signed_products(network).items():
        found[f"{name}.weight"] = product.codes
        found[f"{name}.weight{_SCALE}"] = product.weights.scale
    return found


def _decoded(path: Path, tensors: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Float32Array]:
    """Real parameters of stored tensors."""
    found = {}
    for name, tensor in tensors.items():
        if tensor.dtype != np.int8:
            if not (name.endswith(_SCALE) and name.removesuffix(_SCALE) in tensors):
                found[name] = np.asarray(tensor, np.float32)
            continue
        scale = tensors.get(f"{name}{_SCALE}")
        if scale is None or scale.shape != tensor.shape[:1]:
            count = 0 if scale is None else scale.size
            raise AxhwError(
                f"Expected a scale for each of {len(tensor)} outputs beside the codes {name} in {path}, found {count}."
            )
        found[name] = decoded_weights(np.asarray(tensor, np.int8), scale.astype(np.float32))
    return found
