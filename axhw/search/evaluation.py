"""An assignment from a file, evaluated on test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from axhw.evaluation import Bench, eight_bit_table, result_columns
from axhw.hdl.spec import MultiplierSpec
from axhw.nn.evaluate import EvaluationResult, Progress
from axhw.record import DesignRecord
from axhw.search.assignment import Assignment
from axhw.search.palette import Palette


def palette_of(assignment: Assignment, make: Callable[[MultiplierSpec], DesignRecord]) -> Palette:
    """The designs of an assignment, in its order.

    Parameters
    ----------
    assignment : Assignment
    make : callable
        Gives the record of a multiplier, from a store or anew.

    Raises
    ------
    AxhwError
        If a design computes something else than it did when the assignment was made.
    """
    records = []
    for reference in assignment.designs:
        record = make(reference.multiplier())
        reference.check(eight_bit_table(record))
        records.append(record)
    return Palette(records=tuple(records))


def evaluate_assignment(
    bench: Bench, assignment: Assignment, palette: Palette, *, progress: Progress | None = None
) -> EvaluationResult:
    """Accuracy and energy, as `Bench.evaluate` for one design, with the assignment's own tuning and compensation.

    Parameters
    ----------
    bench : Bench
    assignment : Assignment
    palette : Palette
        Of the assignment's designs: see `palette_of`.
    progress : callable, optional
        Called with the images done and their total.

    Raises
    ------
    AxhwError
        If it is for another network.
    """
    graph = bench.quantized(signed=palette.signed).graph
    assignment.check(graph)
    energy_fj = {
        name: float(counts @ palette.energies_fj) / graph.nominal_multiplications[name]
        for name, counts in assignment.counts(graph).items()
    }
    return bench.evaluate_tables(
        assignment.tables(palette.tables),
        signed=palette.signed,
        energy_fj=energy_fj,
        tune=assignment.tune,
        compensate=assignment.compensate,
        progress=progress,
    )


def assignment_row(name: str, palette: Palette, result: EvaluationResult) -> Mapping[str, Any]:
    """One evaluation, with the columns of `axhw.evaluation.evaluation_row`."""
    first = palette.records[0].circuit_cost
    return {
        "name": name,
        "family": "assignment",
        **result_columns(result),
        "energy_fj": None if result.energy_nj is None else 1e6 * result.energy_nj / result.multiplications,
        "energy_nj_per_inference": result.energy_nj,
        "library": first.library,
        "lut_sha256": None,
    }
