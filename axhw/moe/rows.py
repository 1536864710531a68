"""How many rows each expert of a network gets of each image, and what the network multiplies for it.

A row is an image, or a token, as `axhw.nn.layers.routing` has it. Counts are kept image by image, because memory and
time depend on more than their mean: an expert that no token of an image has chosen is not fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.assignment import Tables
from axhw.nn.evaluate import batch_size
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Graph, Node
from axhw.nn.layers.routing import Gate
from axhw.nn.network import Images
from axhw.nn.quantized import QuantizedNetwork

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertRows:
    """Rows of some images by expert.

    Attributes
    ----------
    graph : Graph
    by_gate : mapping of str to int64 array, shape (images, experts)
        For every gate of the graph, of the same images.

    Raises
    ------
    AxhwError
        For other gates, other shapes, and counts that are not from 0 to the rows of an image.
    """

    graph: Graph
    by_gate: Mapping[str, IntArray]

    def __post_init__(self) -> None:
        gates = gate_sizes(self.graph)
        if set(self.by_gate) != set(gates):
            raise AxhwError(
                f"Expected rows of the gates {', '.join(gates) or 'none'} of {self.graph.name}, found those of "
                f"{', '.join(self.by_gate) or 'none'}."
            )
        for name, (rows, experts) in gates.items():
            counts = self.by_gate[name]
            if counts.shape != (self.images, experts) or not self.images:
                raise AxhwError(
                    f"Expected rows of shape ({self.images or 'images'}, {experts}) for {name} of {self.graph.name}, "
                    f"found {counts.shape}."
                )
            if counts.dtype.kind not in "iu" or int(counts.min()) < 0 or int(counts.max()) > rows:
                raise AxhwError(f"Expected numbers of rows from 0 to {rows} for {name}, found others.")

    @classmethod
    def balanced(cls, graph: Graph) -> ExpertRows:
        """As if every gate gave all its experts equally many rows, for plans.

        Where rows do not divide evenly, the experts take turns in getting more; there are as many images as all gates
        need to come around, the least common multiple of their numbers of experts.
        """
        gates = gate_sizes(graph)
        images = int(np.lcm.reduce([experts for _, experts in gates.values()])) if gates else 1
        by_gate = {}
        for name, (rows, experts) in gates.items():
            given = rows * _gate(graph, name).k
            turn = (np.arange(experts) - np.arange(images)[:, None]) % experts
            # Over the experts these sum up to what is given (Hermite's identity).
            by_gate[name] = (given + turn) // experts
        return cls(graph=graph, by_gate=by_gate)

    @classmethod
    def executed(
        cls,
        network: QuantizedNetwork,
        images: Images,
        tables: Tables | None = None,
        *,
        batch: int | None = None,
        threads: int | None = None,
    ) -> ExpertRows:
        """As a network gives them to its experts.

        Parameters
        ----------
        network : QuantizedNetwork
        images : float array, shape (B, *input_shape)
            At least one.
        tables : ProductTable or mapping, optional
            As `axhw.nn.executor.Executor` takes them; exact products by default.
        batch : int, optional
            Images at a time, by default few enough for the memory of any machine.
        threads : int, optional
            All processors by default.

        Raises
        ------
        AxhwError
            For no images, images of another shape, and tables that don't fit the network.
        """
        if not len(images):
            raise AxhwError(f"Expected at least one image to count the rows of {network.graph.name} with, found none.")
        counts: dict[str, list[IntArray]] = {name: [] for name in gate_sizes(network.graph)}

        def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
            if node.name in counts:
                coding = network.codings.get(node.name)
                chosen = output != (0 if coding is None else int(coding.zero_point))
                counts[node.name].append(chosen.reshape(len(chosen), -1, chosen.shape[-1]).sum(axis=1))

        run = Executor(network, tables, threads=threads)
        size = batch_size(network.graph) if batch is None else batch
        for start in range(0, len(images), size):
            run(images[start : start + size], observe=observe)
        return cls(graph=network.graph, by_gate={name: np.concatenate(parts) for name, parts in counts.items()})

    @property
    def images(self) -> int:
        """Number of images; one that stands for all where nothing depends on the image."""
        return max((len(counts) for counts in self.by_gate.values()), default=1)

    def of(self, name: str) -> IntArray:
        """Rows that a node computes of each image, shape (images,): 1 for a node of no expert, the image itself."""
        route = self.graph[name].route
        if route is None:
            return np.ones(self.images, np.int64)
        rows: IntArray = self.by_gate[route.gate][:, route.expert]
        return rows

    def used(self, name: str) -> float:
        """Share of the images for which a node computes anything."""
        return float(np.count_nonzero(self.of(name)) / self.images)

    @cached_property
    def multiplications(self) -> Mapping[str, float]:
        """Multiplications done for one image by product node, the mean."""
        return {name: count * float(self.of(name).mean()) for name, count in self.graph.multiplications.items()}


def gate_sizes(graph: Graph) -> Mapping[str, tuple[int, int]]:
    """Rows of an image and experts of each gate."""
    shapes = {node.name: graph.shapes[node.name] for node in graph if isinstance(node.layer, Gate)}
    return {name: (int(np.prod(shape[:-1])), shape[-1]) for name, shape in shapes.items()}


def _gate(graph: Graph, name: str) -> Gate:
    layer = graph[name].layer
    assert isinstance(layer, Gate)
    return layer
