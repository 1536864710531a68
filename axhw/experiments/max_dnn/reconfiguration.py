"""What hardware for an assignment costs beyond its multiplications.

Kernels    every PE holds one configurable ROUP with a few modes (`axhw.hdl.configurable`). A mode spends more than the
           fixed design it stands for, and every change of the mode costs energy; weights are stationary, so the mode of
           a PE that does all kernels of a layer, one after the other, changes between kernels of different designs.
           Assignments by layer and by filter on one such array need the same circuit.
Filters    columns of fixed designs in a systolic array (`axhw.hdl.pe.mixed`): a product spends what the fixed design
           spends, but the columns of one design stand still while a layer has work for the others only.

Both are worked out for searches that choose from the modes of one configurable circuit only: the exact one and those
that do most multiplications on the fronts of ROUP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.families.roup import RoupSpec
from axhw.mixed.overhead import Overhead
from axhw.nn.graph import Graph
from axhw.nn.layers.base import WeightLayer
from axhw.record import DesignRecord
from axhw.search.assignment import Assignment
from axhw.search.palette import Palette
from axhw.search.space import LEAST_SHARE

Row = Mapping[str, Any]

COLUMNS = 16


def most_used(assignments: Sequence[Assignment], graph: Graph, palette: Palette, *, modes: int) -> list[DesignRecord]:
    """The exact ROUP and the inexact ones that do most multiplications in some assignments, from the least error up.

    The exact design stands first: it is needed wherever a layer bears no error.
    """
    by_table = {reference.table_sha256: place for place, reference in enumerate(palette.references)}
    done: Counter[int] = Counter()
    for assignment in assignments:
        for counts in assignment.counts(graph).values():
            for reference, count in zip(assignment.designs, counts):
                place = by_table[reference.table_sha256]
                if place != palette.exact and isinstance(palette.records[place].spec, RoupSpec):
                    done[place] += count
    chosen = sorted(place for place, _ in done.most_common(modes - 1))
    return [palette.records[palette.exact], *(palette.records[place] for place in chosen)]


def configurable(records: Sequence[DesignRecord]) -> ConfigurableRoupSpec:
    """The circuit that is one of these designs at a time; exact products are those of ROUP without cuts."""
    specs = [record.spec for record in records]
    return ConfigurableRoupSpec(modes=tuple(spec if isinstance(spec, RoupSpec) else RoupSpec() for spec in specs))


def costed(assignment: Assignment, graph: Graph, palette: Palette, overhead: Overhead) -> dict[str, Any]:
    """Energy saved of an assignment with fixed designs, with the configurable one, and use of mixed columns.

    Parameters
    ----------
    assignment : Assignment
        Of designs of the palette.
    graph : Graph
    palette : Palette
        In the order of the modes of `overhead`.
    overhead : Overhead

    Returns
    -------
    dict
        Shares in %, relative to the fixed exact design; layers that are not searched are left out.
    """
    total = sum(graph.multiplications.values())
    layers = [name for name in assignment.layers if graph.multiplications[name] >= LEAST_SHARE * total]
    tables = [reference.table_sha256 for reference in palette.references]
    mode_of = np.array([tables.index(reference.table_sha256) for reference in assignment.designs])
    products, changes = np.zeros(len(palette)), np.zeros((len(palette), len(palette)))
    work: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    last: int | None = None
    for name in layers:
        layer = graph[name].layer
        assert isinstance(layer, WeightLayer)
        modes = mode_of[np.broadcast_to(_by_kernel(assignment.layers[name]), (layer.outputs, layer.channels))]
        share = np.bincount(modes.ravel(), minlength=len(palette)) / modes.size
        products += graph.multiplications[name] * share
        work.append(graph.multiplications[name] * share)
        sequence = modes.ravel() if last is None else np.concatenate([[last], modes.ravel()])
        np.add.at(changes, (sequence[:-1], sequence[1:]), 1)
        np.fill_diagonal(changes, 0)
        last = int(sequence[-1])
    exact = float(products.sum()) * float(overhead.fixed_fj[0])
    return {
        "fixed_saved_pct": 100 * (1 - overhead.model_fj(products) / exact),
        "configurable_saved_pct": 100 * (1 - overhead.assignment_fj(products, changes) / exact),
        "mode_changes_per_inference": int(changes.sum()),
        "mode_change_energy_pct": 100 * float((changes * overhead.change_fj).sum()) / exact,
        "mixed_columns_busy_pct": 100 * _busy(work),
        "modes_used": int(np.count_nonzero(products)),
    }


def _by_kernel(ids: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """With an axis of channels behind that of filters."""
    return ids[:, None] if ids.ndim == 1 else ids


def _busy(work: Sequence[np.ndarray[Any, np.dtype[np.float64]]]) -> float:
    """Share of the time of `COLUMNS` columns that does work, when each design gets as many as all layers together have
    work for, at least one, and a layer takes as long as the design that is busy longest."""
    total = np.sum(work, axis=0)
    used = total > 0
    columns = np.where(used, 1.0, 0.0)
    while columns.sum() < COLUMNS:
        columns[np.argmax(np.divide(total, columns, out=np.zeros_like(total), where=used))] += 1
    times = [np.divide(each, columns, out=np.zeros_like(each), where=used).max() for each in work]
    return float(total.sum() / (columns.sum() * sum(times)))


def load(folder: Path, row: Row) -> Assignment:
    """The assignment of a point."""
    return Assignment.load(folder / str(row["assignment"]))
