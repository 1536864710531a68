"""Which designs are looked at for the library, and which of them are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from axhw.evolve.limits import Metric
from axhw.evolve.problem import Objective
from axhw.hdl.families.evoapprox import CIRCUITS, EvoApproxSpec
from axhw.record import DesignRecord
from axhw.selection import Row, flat_row, pareto_front

GRIDS = {
    True: (
        "exact:tree=*,adder=*",
        "roup:p=0..3,r=0..8",
        "roup:p=0..2,r=1..8,rule=absolute|symmetric",
        "bam:ha=0..3,hb=0..3,v=0..8",
        f"evoapprox:circuit={'|'.join(CIRCUITS)}",
        "truncated:k=2..10",
        "drum:k=3..6",
        "mitchell",
        "kulkarni",
        "lower_or:k=2..7",
    ),
    False: (
        "exact:tree=*,adder=*,signed=no",
        "roup:p=0..3,r=0..8,signed=no",
        "roup:p=0..2,r=1..8,rule=absolute|symmetric,signed=no",
        "bam:ha=0..3,hb=0..3,v=0..8,signed=no",
        "truncated:k=2..10,signed=no",
        "drum:k=3..6,signed=no",
        "mitchell:signed=no",
        "kulkarni:signed=no",
        "lower_or:k=2..12,signed=no",
    ),
}
"""Families by signedness, 8 bits."""

MOST_MAE_PCT = 5.0
LEAST_MAE_PCT = 0.001
# A design of every family is there, if it has one this far from exact.
_PER_FAMILY = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """One search of the plan.

    Attributes
    ----------
    signed : bool
    seed_design : str
    metric : Metric
        Whose limits make the ladder.
    objective : Objective
    seed : int
    """

    signed: bool
    seed_design: str
    metric: Metric
    objective: Objective
    seed: int

    @property
    def name(self) -> str:
        """Of the folder of its checkpoint."""
        return f"{'signed' if self.signed else 'unsigned'}-{self.metric}-{self.objective}-{self.seed}"


_SEARCHES: tuple[tuple[Metric, Objective, str], ...] = (
    ("mae", "area", "brent_kung"),
    ("mae", "energy", "ripple"),
    ("mae", "area", "sklansky"),
    ("mse", "area", "brent_kung"),
)

RUNS = tuple(
    Run(
        signed=signed,
        seed_design=f"bam:signed={'yes' if signed else 'no'},adder={adder}",
        metric=metric,
        objective=objective,
        seed=seed,
    )
    for signed in (True, False)
    for seed, (metric, objective, adder) in enumerate(_SEARCHES, start=1)
)
"""Searches from exact arrays; area is the better guide where glitches take half of the energy."""


def published_mae() -> tuple[float, ...]:
    """Mean absolute errors of the published signed circuits, from the exact one up."""
    found = []
    for circuit in CIRCUITS:
        spec = EvoApproxSpec(circuit=circuit)
        codes = spec.operand_codes()
        errors = np.abs(spec.reference(codes[:, None], codes) - codes[:, None] * codes)
        found.append(float(errors.mean()))
    return tuple(sorted(found))


def ladder(metric: Metric) -> tuple[float, ...]:
    """Limits of a search in the unit of the products: those of the published circuits, and even steps between."""
    steps = np.geomspace(LEAST_MAE_PCT, MOST_MAE_PCT, 24) / 100 * 4.0**8
    mean = sorted({*published_mae(), *(round(float(step), 3) for step in steps)})
    # A normal error with this mean magnitude has this mean square.
    return tuple(mean) if metric == "mae" else tuple(value**2 * np.pi / 2 for value in mean)


def chosen(records: Sequence[DesignRecord]) -> list[DesignRecord]:
    """The designs to ship out of those of one signedness, by rising error.

    Those that no other beats in an error (MAE, MRE, variance) and energy, some of each family, and the published
    circuits, which the others are measured by.
    """
    rows = {record.key: flat_row(record.summary()) for record in records}
    inside = [row for row in rows.values() if row["mae_pct"] <= MOST_MAE_PCT]
    keys: dict[str, None] = {}
    for error in ("mae_pct", "mre_pct", "variance"):
        keys |= dict.fromkeys(row["key"] for row in pareto_front(inside, [error, "energy_fj"]))
    keys |= dict.fromkeys(row["key"] for row in inside if row["family"] == EvoApproxSpec.family)
    for family in dict.fromkeys(row["family"] for row in inside):
        front = pareto_front([row for row in inside if row["family"] == family], ["mae_pct", "energy_fj"])
        keys |= dict.fromkeys(row["key"] for row in _spread(front))
    return sorted(
        (record for record in records if record.key in keys),
        key=lambda record: (record.metrics.mae, record.circuit_cost.energy_fj, record.name),
    )


def _spread(front: Sequence[Row]) -> list[Row]:
    """Some rows of a front, from one end to the other."""
    places = np.unique(np.linspace(0, len(front) - 1, min(_PER_FAMILY, len(front))).round().astype(int))
    return [front[place] for place in places]
