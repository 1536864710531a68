"""All rules, in an order in which one pass of each is enough."""

from __future__ import annotations

from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.fuse.activations import fuse_activations
from axhw.nn.onnx_import.fuse.affine import fuse_affine
from axhw.nn.onnx_import.fuse.attention import fuse_scales
from axhw.nn.onnx_import.fuse.moves import fuse_moves
from axhw.nn.onnx_import.fuse.norms import fuse_layer_norms


def fuse(draft: Draft, output: str) -> str:
    """Put layers together, drop those that the output does not need, and return the output's new name.

    No rule looks behind codes: where the file rounds, the network rounds.
    """
    for rule in (fuse_moves, fuse_layer_norms, fuse_activations, fuse_scales, fuse_affine):
        draft.prune(output)
        output = rule(draft, output)
    draft.prune(output)
    return output
