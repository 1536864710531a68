"""A network run on images, with the experts that its gates choose for every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.data.dataset import Dataset
from axhw.moe.rows import ExpertRows, gate_sizes
from axhw.nn.assignment import Tables
from axhw.nn.evaluate import Classes, Progress, batch_size, classify
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Graph, Node
from axhw.nn.network import Images
from axhw.nn.quantize import Float32Array
from axhw.nn.quantized import QuantizedNetwork

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class RoutedRun:
    """What a network said to images.

    Attributes
    ----------
    graph : Graph
    classes : int64 array, shape (images,)
    chosen : mapping of str to bool array, shape (images, rows, experts)
        For every gate of the graph, which experts each row was given to; a row is a token, or the image.
    """

    graph: Graph
    classes: Classes
    chosen: Mapping[str, BoolArray]

    @cached_property
    def rows(self) -> ExpertRows:
        """How many rows each expert got of each image."""
        return ExpertRows(graph=self.graph, by_gate={name: found.sum(axis=1) for name, found in self.chosen.items()})

    def load(self, gate: str) -> npt.NDArray[np.float64]:
        """Share of the rows of a gate that each expert got, shape (experts,)."""
        found: npt.NDArray[np.float64] = self.chosen[gate].mean(axis=(0, 1))
        return found

    def agreement(self, other: RoutedRun) -> dict[str, float]:
        """Share of the choices of each gate that are the same in another run of the same images.

        A choice is one expert of one row. Experts whose weight has the code of 0 are not chosen.
        """
        return {name: float((found & other.chosen[name]).sum() / found.sum()) for name, found in self.chosen.items()}


def routed_run(
    network: QuantizedNetwork,
    data: Dataset,
    tables: Tables | None = None,
    *,
    batch: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> RoutedRun:
    """Run an integer network.

    Parameters
    ----------
    network : QuantizedNetwork
    data : Dataset
    tables : ProductTable or mapping, optional
        As `axhw.nn.executor.Executor` takes them; exact products by default.
    batch : int, optional
        Images at a time, by default few enough for the memory of any machine.
    threads : int, optional
        All processors by default.
    progress : callable, optional
        Called with the images done and their total after each batch.

    Raises
    ------
    AxhwError
        For images of another shape, and tables that don't fit the network.
    """
    kept: dict[str, list[BoolArray]] = {name: [] for name in gate_sizes(network.graph)}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if node.name in kept:
            coding = network.codings.get(node.name)
            chosen = output != (0 if coding is None else int(coding.zero_point))
            kept[node.name].append(chosen.reshape(len(chosen), -1, chosen.shape[-1]))

    executor = Executor(network, tables, threads=threads)

    def run(images: Images) -> Float32Array:
        return executor(images, observe=observe)

    size = batch_size(network.graph) if batch is None else batch
    classes = classify(run, data, batch=size, progress=progress)
    return RoutedRun(
        graph=network.graph,
        classes=classes,
        chosen={name: np.concatenate(parts) for name, parts in kept.items()},
    )
