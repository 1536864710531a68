"""Weights moved to codes whose products come out better: AxTune of ALWANN (arXiv 1907.07229), without any training.

A multiplier M errs more at some weights than at their neighbours. Each weight code w is therefore given to it as

    w' = argmin over v of sum over x of p(x) |x w - M(x, v)|

with ties to w, then to the nearest code. For ``plain`` all activation codes x count alike, as published; for
``histogram`` p(x) is how often x occurs in the layer, padding included, so that nothing is paid for codes which never
come. Hardware stores w' in place of w, so tuning costs nothing; everything that is exact keeps to w.

Giving w' to a table is a table with its columns changed, so tuned tables go wherever tables go: they may be assigned to
layers, filters and kernels, compensated, and predicted by the error theory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import CODE_COUNT
from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables, Tables, assign
from axhw.nn.graph import Graph
from axhw.nn.operand_statistics import OperandStatistics
from axhw.nn.quantize import IntArray
from axhw.sim.product_table import ProductTable

Tuning: TypeAlias = Literal["plain", "histogram"]
TUNINGS: tuple[Tuning, ...] = get_args(Tuning)


def weight_map(table: ProductTable, activations: npt.ArrayLike | None = None) -> IntArray:
    """The code to use for each weight code, both as places on the axis of a table.

    Parameters
    ----------
    table : ProductTable
        Of 8-bit operands.
    activations : array-like, shape (256,), optional
        How often each activation code occurs, from the lowest; all alike by default.

    Raises
    ------
    AxhwError
        For a table of other operands, and frequencies of another shape, below 0 or all 0.
    """
    if table.width != 8:
        raise AxhwError(f"Expected an 8-bit multiplier to tune weights for, found {table.width} bits in {table.name}.")
    frequency = np.ones(CODE_COUNT) if activations is None else np.asarray(activations, np.float64)
    if frequency.shape != (CODE_COUNT,) or not frequency.min() >= 0 or not frequency.max() > 0:
        raise AxhwError(
            f"Expected how often each of {CODE_COUNT} activation codes occurs, found an array of shape "
            f"{frequency.shape} with values from {frequency.min(initial=0):g} to {frequency.max(initial=0):g}."
        )
    occurring = np.flatnonzero(frequency)
    weight = frequency[occurring]
    codes = table.operand_codes()
    # Whole numbers below 2**53, so ties are ties.
    x = codes[occurring, None].astype(np.float64)
    products = table.values[occurring].astype(np.float64)
    errors = np.empty_like(products)
    chosen = np.empty(CODE_COUNT, np.int64)
    for place, w in enumerate(codes):
        np.abs(np.subtract(products, x * w, out=errors), out=errors)
        cost = weight @ errors
        best = np.flatnonzero(cost == cost.min())
        chosen[place] = place if cost[place] == cost.min() else best[np.argmin(np.abs(best - place))]
    return chosen


def tuned(table: ProductTable, activations: npt.ArrayLike | None = None) -> ProductTable:
    """The table of a multiplier that is given w' for each weight w; parameters as for `weight_map`."""
    chosen = weight_map(table, activations)
    if np.array_equal(chosen, np.arange(CODE_COUNT)):
        return table
    source: dict[str, Any] = {**table.source, "weights_tuned": "plain" if activations is None else "histogram"}
    return replace(table, values=table.values[:, chosen], name=f"{table.name}_tuned", source=source)


def tuned_tables(
    graph: Graph,
    statistics: Mapping[str, OperandStatistics],
    tables: Tables,
    *,
    method: Tuning,
    signed: bool,
) -> dict[str, LayerTables]:
    """Tables with tuned weights, layer by layer.

    Parameters
    ----------
    graph : Graph
    statistics : mapping of str to OperandStatistics
        Of the layers with weights (`axhw.nn.operand_statistics`), for ``histogram``.
    tables : ProductTable, or mapping of layer name to ProductTable or LayerTables
    method : {"plain", "histogram"}
    signed : bool
        Signedness of the network's codes.

    Raises
    ------
    AxhwError
        For another method, tables that don't fit the network, and layers without statistics.
    """
    if method not in TUNINGS:
        raise AxhwError(f"Expected a weight tuning out of {', '.join(TUNINGS)}, found {method!r}.")
    found: dict[str, LayerTables] = {}
    for name, given in assign(tables, graph=graph, signed=signed).items():
        if name not in graph.weight_layers:
            # Both operands are activations.
            found[name] = given
            continue
        activations = activation_histogram(statistics, name) if method == "histogram" else None
        found[name] = replace(given, tables=tuple(tuned(table, activations) for table in given.tables))
    return found


def activation_histogram(statistics: Mapping[str, OperandStatistics], name: str) -> IntArray:
    """How often each activation code is multiplied in a layer, shape (256,).

    Raises
    ------
    AxhwError
        For a layer without statistics.
    """
    if name not in statistics:
        raise AxhwError(f"Expected operand statistics of {name}, found those of {', '.join(statistics) or 'none'}.")
    counts: IntArray = statistics[name].counts.sum(axis=(0, 1))
    return counts
