"""Constants that are added or multiplied behind a layer with weights, as part of these weights and the bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from axhw.nn.layers.activations import Elementwise
from axhw.nn.layers.base import Layer
from axhw.nn.layers.joins import AddLearned, ScaleLearned
from axhw.nn.layers.norms import LayerNorm
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.fuse.match import real_layer


def fuse_affine(draft: Draft, output: str) -> str:
    """Take factors and offsets for each output channel or feature into the layer before."""
    for name in list(draft.nodes):
        node = draft.nodes[name]
        source = node.inputs[0]
        layer = real_layer(draft, source)
        if not isinstance(layer, Conv2d | Linear | LayerNorm) or len(draft.consumers()[source]) > 1:
            continue
        outputs = layer.features if isinstance(layer, LayerNorm) else layer.outputs
        affine = _affine(draft, name, outputs, channels_first=isinstance(layer, Conv2d))
        if affine is None or not _can_take(draft, source, factor=affine[0]):
            continue
        _take(draft, source, layer, *affine)
        output = draft.absorb(name, source, output)
    return output


def _affine(
    draft: Draft, name: str, outputs: int, *, channels_first: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Factor and offset of each output, None for a layer that does something else."""
    layer: Layer = draft.nodes[name].layer
    ones, zeros = np.ones(outputs), np.zeros(outputs)
    if isinstance(layer, Elementwise) and layer.function == "scale":
        return ones * layer.factor, zeros + layer.offset
    if not isinstance(layer, AddLearned | ScaleLearned):
        return None
    value = draft.parameters[f"{name}.value"].astype(np.float64)
    along = value.shape[0] if channels_first else value.shape[-1]
    if value.size != outputs or along != outputs:
        return None
    value = value.reshape(-1)
    return (ones, value) if isinstance(layer, AddLearned) else (value, zeros)


def _can_take(draft: Draft, name: str, *, factor: npt.NDArray[np.float64]) -> bool:
    """Codes in the file stay as they are."""
    return name not in draft.biases and (name not in draft.weights or bool((factor == 1).all()))


def _take(
    draft: Draft,
    name: str,
    layer: Conv2d | Linear | LayerNorm,
    factor: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
) -> None:
    parameters = draft.layer_parameters(name)
    weight = parameters["weight"]
    bias = parameters.get("bias", np.zeros(len(factor)))
    if not isinstance(layer, LayerNorm):
        layer = replace(layer, bias=True)
    draft.change(
        name,
        layer,
        *draft.nodes[name].inputs,
        parameters={
            "weight": (weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))).astype(np.float32),
            "bias": (bias * factor + offset).astype(np.float32),
        },
    )
