"""Writing a model as it would be published: config.json, and its weights in one file or in shards with an index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.files import output_folder, replacing
from axhw.lm.checkpoint import INDEX, SCALE_SUFFIX, SINGLE
from axhw.lm.config import ModelConfig
from axhw.lm.config_file import QUANTIZATION, config_dict, write_config
from axhw.lm.layout import layer_matrices, matrix_name, tensor_shapes
from axhw.lm.matrices import Float32Array
from axhw.lm.safetensors_file import Stored, write_safetensors

Dtype: TypeAlias = Literal["float32", "float16", "bfloat16", "int8"]

_CODES: Mapping[str, str] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "F16"}
_SUFFIX = ".safetensors"
_LARGEST_CODE = 127
_METADATA = {"format": "pt"}  # without which transformers refuses a file


def write_checkpoint(
    folder: Path,
    config: ModelConfig,
    tensors: Mapping[str, npt.ArrayLike],
    *,
    dtype: Dtype = "float32",
    shards: int = 1,
) -> None:
    """Write a model to a folder, from which `axhw.lm.model.load_model` and transformers read it.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    config : ModelConfig
    tensors : mapping of str to array
        All of `axhw.lm.layout.tensor_shapes`.
    dtype : str
        "float32", "float16", "bfloat16", or "int8": the matrices of attention and feed-forward networks as int8 codes
        with a scale for each row (largest magnitude / 127), in the layout of compressed-tensors, and the rest
        (embedding, head, routers, norms, biases), which is small and sensitive, as float16.
    shards : int
        Files of about the same size; with more than one, an index says what is where.

    Raises
    ------
    AxhwError
        For tensors that are not the model's, for values that the dtype can't hold, if the folder holds other weights,
        and if it can't be written to.
    """
    if dtype not in _CODES:
        raise AxhwError(f"Expected a dtype out of {', '.join(_CODES)}, found {dtype!r}.")
    shapes = tensor_shapes(config)
    if not 1 <= shards <= len(shapes):
        raise AxhwError(f"Expected from 1 to {len(shapes)} shards, one for each tensor at most, found {shards}.")
    _check_tensors(shapes, tensors)
    output_folder(folder)
    if shards == 1:
        names = {SINGLE: list(shapes)}
    else:
        names = {f"model-{i + 1:05d}-of-{shards:05d}{_SUFFIX}": part for i, part in enumerate(_split(shapes, shards))}
    _check_folder(folder, [*names, INDEX] if shards > 1 else list(names))
    quantized = _quantized(config) if dtype == "int8" else frozenset[str]()
    size = 0
    places: dict[str, str] = {}
    for file, part in names.items():
        stored = [entry for name in part for entry in _encoded(name, tensors[name], dtype, name in quantized)]
        size += write_safetensors(folder / file, stored, metadata=_METADATA)
        places |= {name: file for name, _, _ in stored}
    if shards > 1:
        with replacing(folder / INDEX) as draft:
            index = {"metadata": {"total_size": size}, "weight_map": places}
            draft.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    data = config_dict(config) | {"torch_dtype": "float16" if dtype == "int8" else dtype}
    if dtype == "int8":
        data["quantization_config"] = _quantization()
    write_config(folder, data)


def _check_tensors(shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, npt.ArrayLike]) -> None:
    for name in shapes:
        if name not in tensors:
            raise AxhwError(f"Expected the tensor {name} of the model, found none.")
        if np.shape(tensors[name]) != shapes[name]:
            raise AxhwError(f"Expected {name} of shape {list(shapes[name])}, found {list(np.shape(tensors[name]))}.")
    if unknown := [name for name in tensors if name not in shapes]:
        raise AxhwError(f"Expected only tensors of the model, found {unknown[0]}.")


def _check_folder(folder: Path, names: list[str]) -> None:
    """Refuse a folder with weights that would be read in place of the new ones, or would lie about beside them."""
    there = [path.name for path in (*folder.glob(f"*{_SUFFIX}"), folder / INDEX) if path.exists()]
    if others := sorted(set(there) - set(names)):
        raise AxhwError(f"Expected a folder without other weights, found {others[0]} in {folder}: remove it.")


def _split(shapes: Mapping[str, tuple[int, ...]], shards: int) -> list[list[str]]:
    """The tensors in order, in parts of about the same size, none of them empty."""
    names = list(shapes)
    sizes = np.array([np.prod(shape) for shape in shapes.values()], np.float64)
    ends = np.searchsorted(np.cumsum(sizes) / sizes.sum(), np.arange(1, shards) / shards, side="right")
    for i in range(shards - 1):
        ends[i] = min(max(ends[i], (ends[i - 1] if i else 0) + 1), len(names) - (shards - 1 - i))
    return [list(part) for part in np.split(np.array(names, object), ends)]


def _quantized(config: ModelConfig) -> frozenset[str]:
    """The matrices that are held as int8: those of attention and feed-forward networks."""
    keys = (key for layer in range(config.layers) for key in layer_matrices(config, layer))
    return frozenset(matrix_name(config, key) for key in keys if key.part not in ("router", "shared_gate"))


def _quantization() -> dict[str, object]:
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    ignored = ["lm_head", r"re:.*\.gate$", r"re:.*shared_expert_gate$"]
    return {
        **QUANTIZATION,
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
        "ignore": ignored,
    }


def _encoded(name: str, values: npt.ArrayLike, dtype: str, quantized: bool) -> Iterable[tuple[str, str, Stored]]:
    """A tensor as it is stored, and the scales of one that is held as int8."""
    array = np.asarray(values, np.float32)
    if not np.isfinite(array).all():
        raise AxhwError(f"Expected finite numbers in {name}, found others.")
    if quantized:
        scales = np.abs(array).max(axis=1, keepdims=True) / np.float32(_LARGEST_CODE)
        codes = np.rint(array / np.where(scales > 0, scales, 1)).astype(np.int8)
        return [(name, "I8", codes), (name + SCALE_SUFFIX, "F32", scales)]
    code = _CODES[dtype]
    if code == "BF16":
        return [(name, code, _bfloat16(array))]
    if code == "F16" and np.abs(array).max(initial=0) > np.finfo(np.float16).max:
        raise AxhwError(f"Expected numbers within float16 in {name}, found {np.abs(array).max()}: choose bfloat16.")
    return [(name, code, array.astype(np.float16) if code == "F16" else array)]


def _bfloat16(array: Float32Array) -> npt.NDArray[np.uint16]:
    """The upper halves of float32 numbers, rounded to even."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
