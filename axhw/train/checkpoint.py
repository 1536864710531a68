"""Training that was cut off: its tensors in a safetensors file, what they belong to in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from axhw.errors import AxhwError
from axhw.files import replacing

_KEY = "axhw-training"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far training has come.

    Attributes
    ----------
    run : mapping
        All that decides the result, as JSON values: model, data, recipes, seed.
    stage : str
        ``dense``, ``real`` or ``quantized``.
    epochs : int
        Finished in this stage.
    position : float
        Place in its schedule, in epochs: further on where a time limit made it skip.
    log : tuple of str
        Lines so far.
    """

    run: Mapping[str, Any]
    stage: str
    epochs: int
    position: float
    log: tuple[str, ...]


def save_checkpoint(path: Path, progress: Progress, tensors: Mapping[str, torch.Tensor]) -> None:
    """Replace the file in one step: it is complete at any moment."""
    header = asdict(progress)
    arrays = {name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in tensors.items()}
    with replacing(path) as draft:
        save_file(arrays, draft, metadata={_KEY: json.dumps(header)})


def read_progress(path: Path, run: Mapping[str, Any]) -> Progress | None:
    """How far the training in a file has come; None without a file.

    Raises
    ------
    AxhwError
        For another training than `run`, and files that are no checkpoints.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
        progress = Progress(
            run=header["run"],
            stage=str(header["stage"]),
            epochs=int(header["epochs"]),
            position=float(header["position"]),
            log=tuple(header["log"]),
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise AxhwError(
            f"Expected a checkpoint of training at {path}, found something else ({error}): move it away."
        ) from error
    if json.dumps(progress.run, sort_keys=True) != json.dumps(run, sort_keys=True):
        raise AxhwError(
            f"Expected a checkpoint of the same training at {path}, found one of other options: repeat those, choose "
            "another folder, or delete it."
        )
    return progress


def restore(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy the values in a checkpoint into tensors of the same names and shapes.

    Raises
    ------
    AxhwError
        If one is missing.
    """
    with safe_open(path, framework="numpy") as file:
        missing = sorted(set(tensors) - set(file.keys()))
        if missing:
            raise AxhwError(f"Expected {missing[0]} in the checkpoint {path}, found none: delete it and start again.")
        with torch.no_grad():
            for name, tensor in tensors.items():
                tensor.copy_(torch.from_numpy(file.get_tensor(name)))
