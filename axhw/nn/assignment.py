"""Which table each product layer uses: one for the layer, one for each filter, or one for each kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.graph import Graph
from axhw.nn.layers.base import Shape, WeightLayer
from axhw.sim.product_table import ProductTable, kind


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTables:
    """The tables of one layer.

    Attributes
    ----------
    tables : tuple of ProductTable
    table_of : int array, shape (), (outputs,) or (outputs, channels)
        Index into `tables`: one for the layer, one for each filter (output), or one for each kernel (output and input
        channel; a linear layer's kernels are single weights).
    """

    tables: tuple[ProductTable, ...]
    table_of: npt.NDArray[np.integer]

    def __post_init__(self) -> None:
        if not self.tables:
            raise AxhwError("Expected at least one table for a layer, found none.")
        if self.table_of.dtype.kind not in "iu" or self.table_of.ndim > 2:
            raise AxhwError(
                f"Expected table numbers as an integer array of up to 2 axes, found {self.table_of.dtype} "
                f"with {self.table_of.ndim}."
            )
        if self.table_of.size and not 0 <= int(self.table_of.min()) <= int(self.table_of.max()) < len(self.tables):
            raise AxhwError(
                f"Expected table numbers from 0 to {len(self.tables) - 1}, found {int(self.table_of.min())} to "
                f"{int(self.table_of.max())}."
            )

    @classmethod
    def uniform(cls, table: ProductTable) -> LayerTables:
        """One table for the whole layer."""
        return cls(tables=(table,), table_of=np.zeros((), np.intp))

    def for_weights(self, shape: Shape) -> npt.NDArray[np.integer]:
        """`table_of` with axes added behind, to be broadcast to weights of `shape`."""
        return self.table_of.reshape(self.table_of.shape + (1,) * (len(shape) - self.table_of.ndim))

    def shares(self, shape: Shape) -> npt.NDArray[np.float64]:
        """Share of the layer's multiplications that each table does, for weights of `shape`; they sum to 1."""
        numbers = np.broadcast_to(self.for_weights(shape[:2]), shape[:2])
        counts = np.bincount(numbers.ravel(), minlength=len(self.tables))
        shares: npt.NDArray[np.float64] = counts / counts.sum()
        return shares


Tables: TypeAlias = ProductTable | Mapping[str, ProductTable | LayerTables]
"""One table for all product layers but those of gates, or tables by the layer's name; layers without one multiply
exactly."""


def approximated_layers(graph: Graph, *, attention: bool = False) -> tuple[str, ...]:
    """The product layers that are approximate unless one says otherwise: all but those that lead to gates alone.

    Parameters
    ----------
    graph : Graph
    attention : bool
        Whether products of two activations count, too.
    """
    gates = {node.name for node in graph.gate_nodes}
    return tuple(
        node.name
        for node in graph.product_nodes
        if node.name not in gates and (attention or isinstance(node.layer, WeightLayer))
    )


def assign(tables: Tables | None, *, graph: Graph, signed: bool) -> dict[str, LayerTables]:
    """The tables of each product layer that has some; layers without multiply exactly.

    Parameters
    ----------
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables, or None
        One table is for all layers but those of gates (`approximated_layers`); a mapping may leave layers out, or name
        those of gates, too.
    graph : Graph
    signed : bool
        Signedness of the network's codes.

    Raises
    ------
    AxhwError
        For a layer the network does not have, tables of another width or signedness, or numbers of tables for more
        filters or kernels than the layer has.
    """
    if tables is None:
        return {}
    layers = tuple(node.name for node in graph.product_nodes)
    usual = approximated_layers(graph, attention=True)
    chosen = dict(tables) if isinstance(tables, Mapping) else dict.fromkeys(usual, tables)
    assigned: dict[str, LayerTables] = {}
    for layer, choice in chosen.items():
        if layer not in layers:
            raise AxhwError(f"Expected product layers out of {', '.join(layers)}, found {layer!r} in the assignment.")
        if not isinstance(choice, ProductTable | LayerTables):
            raise AxhwError(
                f"Expected a ProductTable for {layer}, found {type(choice).__name__}: make one of your array."
            )
        given = LayerTables.uniform(choice) if isinstance(choice, ProductTable) else choice
        _check_numbers(layer, given, graph)
        for table in given.tables:
            _check_table(table, signed=signed)
        assigned[layer] = given
    return assigned


def _check_numbers(name: str, given: LayerTables, graph: Graph) -> None:
    layer = graph[name].layer
    if not isinstance(layer, WeightLayer):
        if given.table_of.ndim:
            raise AxhwError(f"Expected one table for {name}, which has no weights, found one for each filter.")
        return
    expected = (layer.outputs, layer.channels)[: given.table_of.ndim]
    if given.table_of.shape != expected:
        raise AxhwError(f"Expected table numbers of shape {expected} for {name}, found {given.table_of.shape}.")


def _check_table(table: ProductTable, *, signed: bool) -> None:
    if table.width != 8:
        raise AxhwError(
            f"Expected 8-bit multipliers for a network of 8-bit codes, found {table.width} bits in {table.name}."
        )
    if table.signed != signed:
        raise AxhwError(
            f"Expected tables of {kind(signed)} operands for a network of {kind(signed)} codes, found "
            f"{table.name} of {kind(table.signed)} ones: quantise the network with signed={table.signed}."
        )
