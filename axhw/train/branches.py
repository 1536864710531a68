"""Experts side by side on a GPU: each runs on a stream of its own, so that small kernels share the device.

A recorded step (`axhw.train.trainer`) keeps the branches; backwards PyTorch takes every operation's stream from the
forward pass. On a CPU, and without gradients, nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from axhw.nn.graph import INPUT, Graph, Node


class Branches:
    """The streams of one forward pass, from and back to the stream that is current here.

    Parameters
    ----------
    graph : Graph
    device : device
        Of the images.
    fork : bool
        Whether experts are to leave the current stream at all.
    """

    def __init__(self, graph: Graph, device: torch.device, *, fork: bool = True) -> None:
        # Each stream keeps memory of its own, which large batches without gradients had better share.
        forked = fork and device.type == "cuda" and torch.is_grad_enabled()
        experts = {node.route.expert for node in graph if node.route is not None} if forked else set()
        self._trunk = torch.cuda.current_stream(device) if experts else None
        self._of_expert = {expert: torch.cuda.Stream(device) for expert in experts}
        self._homes = {INPUT: self._trunk}

    @contextmanager
    def at(self, node: Node, values: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Compute a node of the graph on its stream, behind the tensors that it takes out of `values`."""
        if self._trunk is None:
            yield
            return
        stream = self._trunk if node.route is None else self._of_expert[node.route.expert]
        for name in node.sources:
            home = self._homes[name]
            if home is not stream:
                stream.wait_stream(home)
                # Its memory is not to be used for anything else before this stream is through with it.
                values[name].record_stream(stream)
        self._homes[node.name] = stream
        with torch.cuda.stream(stream):
            yield
