"""The weights of a module under the names of the files, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch

from axhw.errors import AxhwError
from axhw.lm.layout import EMBEDDING, LAST_NORM, layer_matrices, matrix_name, norm_name, vector_shapes
from axhw.lm.matrices import HEAD, MatrixKey
from axhw.train.language.model import LanguageModule

Float32Arrays = dict[str, npt.NDArray[np.float32]]


def to_arrays(module: LanguageModule) -> Float32Arrays:
    """Every tensor of a checkpoint by its name there, copied."""
    return {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in _named_tensors(module)}


def from_arrays(module: LanguageModule, arrays: Mapping[str, npt.NDArray[np.floating]]) -> None:
    """Give a module the weights of a checkpoint.

    Raises
    ------
    AxhwError
        For a tensor that is missing or has another shape.
    """
    with torch.no_grad():
        for name, tensor in _named_tensors(module):
            found = arrays[name].shape if name in arrays else "none"
            if found != tuple(tensor.shape):
                raise AxhwError(f"Expected a tensor {name} of shape {tuple(tensor.shape)}, found {found}.")
            tensor.copy_(torch.from_numpy(np.array(arrays[name], np.float32)))


def _named_tensors(module: LanguageModule) -> Iterator[tuple[str, torch.Tensor]]:
    """Views of the parameters, one for each tensor of a file: experts are held together here and apart there."""
    config = module.config
    parameters = dict(module.named_parameters())
    yield EMBEDDING, parameters["embedding"]
    for layer in range(config.layers):
        for key in layer_matrices(config, layer):
            yield matrix_name(config, key), _matrix(parameters, key)
        for name in vector_shapes(config, layer):
            yield name, parameters[_vector(layer, name)]
    yield LAST_NORM, parameters["norm.weight"]
    if module.head is not None:
        yield matrix_name(config, HEAD), parameters["head"]


def _matrix(parameters: Mapping[str, torch.Tensor], key: MatrixKey) -> torch.Tensor:
    block = f"blocks.{key.layer}"
    if key.module == "attention":
        return parameters[f"{block}.attention.{key.part}"]
    if key.module == "router":
        return parameters[f"{block}.feed_forward.router"]
    if key.module == "expert":
        assert key.expert is not None
        return parameters[f"{block}.feed_forward.experts.{key.part}"][key.expert]
    within = "shared." if key.module == "shared_expert" else ""
    return parameters[f"{block}.feed_forward.{within}{key.part}"]


def _vector(layer: int, name: str) -> str:
    places = {"attention": "attention_norm", "feed_forward": "feed_forward_norm"}
    places |= {"q": "attention.q_norm", "k": "attention.k_norm"}
    place = next(place for norm, place in places.items() if norm_name(layer, norm) == name)
    return f"blocks.{layer}.{place}.weight"
