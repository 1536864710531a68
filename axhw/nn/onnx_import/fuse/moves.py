"""Transposes and reshapes one behind the other, most of them from exporters that change between orders of axes."""

from __future__ import annotations

from axhw.nn.layers.base import Layer
from axhw.nn.layers.shaping import Flatten, Reshape, Transpose
from axhw.nn.onnx_import.draft import Draft


def fuse_moves(draft: Draft, output: str) -> str:
    """Take two moves together, and leave out those that change nothing."""
    for name in list(draft.nodes):
        layer = draft.nodes[name].layer
        source = draft.nodes[name].inputs[0]
        before = draft.nodes.get(source)
        together = _together(before.layer, layer) if before is not None else None
        if before is not None and together is not None:
            (source,) = before.inputs
            draft.change(name, together, source)
        if _changes_nothing(draft, name):
            output = draft.bypass(name, source, output)
    return output


def _together(first: Layer, second: Layer) -> Layer | None:
    """One layer for two moves, None where there is none."""
    if isinstance(first, Transpose) and isinstance(second, Transpose):
        return Transpose(axes=tuple(first.axes[axis] for axis in second.axes))
    if isinstance(first, Reshape | Flatten) and isinstance(second, Reshape | Flatten):
        return second
    return None


def _changes_nothing(draft: Draft, name: str) -> bool:
    node = draft.nodes[name]
    if isinstance(node.layer, Transpose):
        return node.layer.axes == tuple(range(len(node.layer.axes)))
    return isinstance(node.layer, Reshape | Flatten) and draft.shapes[node.inputs[0]] == draft.shapes[name]
