"""The weights of a model in a folder: one safetensors file, or shards with an index, as published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.lm.matrices import Float32Array
from axhw.lm.safetensors_file import SafetensorsFile, Stored

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SCALE_SUFFIX = "_scale"
"""Behind the name of an int8 matrix: that of the scales of its rows [outputs, 1], as compressed-tensors has them."""

_PICKLED = (".bin", ".pt", ".pth", ".ckpt")
# Written by old versions of transformers; follows from the configuration.
_IGNORED = ".rotary_emb.inv_freq"


class Checkpoint:
    """Weights to read one tensor at a time, always as float32.

    Parameters
    ----------
    folder : Path
        Holds model.safetensors, or model.safetensors.index.json and the shards it names.

    Raises
    ------
    AxhwError
        If there are no such weights, or they are damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, SafetensorsFile] = {}
        if (folder / SINGLE).exists():
            file = SafetensorsFile(folder / SINGLE)
            self._files = dict.fromkeys(file.entries, file)
        elif (folder / INDEX).exists():
            self._files = _sharded(folder)
        else:
            raise _no_weights(folder)

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Refuse weights that are not those of a model with these tensors.

        Raises
        ------
        AxhwError
            If one is missing or has another shape, and for tensors that the model has no place for.
        """
        missing = [name for name in shapes if name not in self._files]
        if missing:
            raise AxhwError(
                f"Expected {len(shapes)} tensors in {self.folder}, found none called {missing[0]}"
                f"{_others(missing)}: are these the weights of config.json's model?"
            )
        for name, shape in shapes.items():
            self._check_shape(name, shape)
        scales = {name + SCALE_SUFFIX for name in shapes if self._dtype(name) == "I8"}
        unknown = [name for name in self._files if name not in shapes and name not in scales]
        unknown = [name for name in unknown if not name.endswith(_IGNORED) and name != "lm_head.weight"]
        if unknown:
            raise AxhwError(
                f"Expected no tensor {unknown[0]} in {self.folder}{_others(unknown)}: the model of config.json "
                "has no place for it."
            )

    def tensor(self, name: str, rows: npt.NDArray[np.integer] | None = None) -> Float32Array:
        """A tensor as float32, or some rows of it.

        Raises
        ------
        AxhwError
            If it is missing, or of another dtype than F32, F16, BF16, and I8 with scales.
        """
        stored = self._stored(name)
        if stored.dtype != np.int8:
            return _as_float32(stored if rows is None else stored[rows])
        scales = self._stored(name + SCALE_SUFFIX)
        if stored.ndim != 2 or scales.dtype == np.int8 or scales.shape != (len(stored), 1):
            raise AxhwError(
                f"Expected scales of shape {(*stored.shape[:1], 1)} for the int8 matrix {name} in {self.folder}, "
                f"found {scales.dtype} {scales.shape}."
            )
        if rows is not None:
            stored, scales = stored[rows], scales[rows]
        return stored.astype(np.float32) * _as_float32(scales)

    def _stored(self, name: str) -> Stored:
        if name not in self._files:
            raise AxhwError(f"Expected the tensor {name} in {self.folder}, found none.")
        return self._files[name].read(name)

    def _dtype(self, name: str) -> str:
        return self._files[name].entries[name].dtype

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        found = self._files[name].entries[name].shape
        if found != shape:
            raise AxhwError(
                f"Expected {name} in {self.folder} of shape {list(shape)}, found {list(found)}: are these the weights "
                "of config.json's model?"
            )
        if self._dtype(name) == "I8":
            self.tensor(name, rows=np.zeros(0, np.intp))
        else:
            self._stored(name)


def _as_float32(stored: Stored) -> Float32Array:
    """A copy, which stays when the file does not."""
    if stored.dtype == np.uint16:
        # bfloat16 is the upper half of a float32.
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return np.array(stored, np.float32)


def _sharded(folder: Path) -> dict[str, SafetensorsFile]:
    path = folder / INDEX
    try:
        index: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise AxhwError(f"Expected an index of shards at {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise AxhwError(f"Expected JSON in {path}, found something else: {error}.") from error
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(shard, str) for shard in places.values()):
        raise AxhwError(f"Expected a weight_map from tensors to files in {path}, found none.")
    files = {}
    for shard in sorted(set(places.values())):
        if Path(shard).name != shard:
            raise AxhwError(f"Expected names of files beside {path}, found {shard!r}.")
        if not (folder / shard).is_file():
            raise AxhwError(f"Expected the shard {shard} that {path} names, found none: is the download complete?")
        files[shard] = SafetensorsFile(folder / shard)
    absent = [name for name, shard in places.items() if name not in files[shard].entries]
    if absent:
        raise AxhwError(f"Expected {absent[0]} in {places[absent[0]]}, as {path} says, found none{_others(absent)}.")
    return {name: files[shard] for name, shard in places.items()}


def _no_weights(folder: Path) -> AxhwError:
    pickled = sorted(path.name for path in folder.glob("*") if path.suffix in _PICKLED)
    if pickled:
        return AxhwError(
            f"Expected {SINGLE} or {INDEX} in {folder}, found {pickled[0]}, which may run code when it is opened and "
            "is never read: save the model as safetensors."
        )
    return AxhwError(f"Expected {SINGLE} or {INDEX} in {folder}, found neither.")


def _others(names: list[str]) -> str:
    return f" (nor {len(names) - 1} others)" if len(names) > 1 else ""
