"""Codings put where they belong: on the tensors that layers make.

Reading leaves a node of its own for each QuantizeLinear. Most of them go here: the layer before makes the codes
itself. What stays is a change of codes, where the layer before has codes already, or real values that others take.
"""

from __future__ import annotations

from axhw.nn.graph import INPUT, Node
from axhw.nn.layers.base import CodeLayer
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.quantised import SAME, same_coding
from axhw.nn.quantize import Quantization


def place_codings(draft: Draft, output: str) -> str:
    """Take out the nodes that only make codes wherever the layer before them can, and return the output's new name."""
    for name in [node.name for node in draft.nodes.values() if node.layer == SAME and node.name in draft.codings]:
        (source,) = draft.nodes[name].inputs
        coding = draft.codings[name]
        twin = _twin(draft, name, source, coding)
        if twin is not None:
            output = draft.bypass(name, twin, output)
        elif _make(draft, source, name, coding):
            output = draft.bypass(name, source, output)
        else:
            continue
        del draft.nodes[name], draft.codings[name]
    return output


def _twin(draft: Draft, name: str, source: str, coding: Quantization) -> str | None:
    """Another node that makes the same codes of the same tensor."""
    for node in draft.nodes.values():
        if node.name == name:
            return None
        if node.layer == SAME and node.inputs == (source,) and _has(draft, node.name, coding):
            return node.name
    return None


def _has(draft: Draft, name: str, coding: Quantization) -> bool:
    own = draft.codings.get(name)
    return own is not None and same_coding(own, coding)


def _make(draft: Draft, source: str, consumer: str, coding: Quantization) -> bool:
    """Let `source` make the codes that `consumer` would make of its values, if nothing else takes the values."""
    chain: list[str] = []
    consumers = draft.consumers()
    while not _has(draft, source, coding):
        if source in draft.codings or not _all_want(draft, consumers[source], consumer, coding):
            return False
        chain.append(source)
        if source == INPUT or not isinstance(draft.nodes[source].layer, CodeLayer):
            break
        # Encoding is monotonous, so what only moves values or cuts them off can as well work on the codes.
        consumer = source
        (source,) = draft.nodes[source].inputs
    draft.codings.update(dict.fromkeys(chain, coding))
    return True


def _all_want(draft: Draft, takers: list[Node], consumer: str, coding: Quantization) -> bool:
    return all(node.name == consumer or (node.layer == SAME and _has(draft, node.name, coding)) for node in takers)
