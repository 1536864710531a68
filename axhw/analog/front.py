"""Accuracy against energy, over the share of digital experts and their multiplier: which points no other beats."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from axhw.analog.cost import TokenCost
from axhw.errors import AxhwError
from axhw.search.hypervolume import hypervolume
from axhw.selection import pareto_front

Row = Mapping[str, Any]
Point = tuple[str, float]

WORST_RISE = 0.10
"""Relative rise of the perplexity up to which points are of interest."""

_COLUMNS = ("multiplier", "digital_pct", "nats_per_token", "accuracy")


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """Points, and those that no other beats in perplexity and energy.

    Attributes
    ----------
    rows : tuple of dict
        A point each: multiplier, share of digital experts, means and standard deviations over its rows (seeds), figures
        of its cost, relative rise of the perplexity and of the energy, and `on_front`.
    """

    rows: tuple[dict[str, Any], ...]

    @property
    def front(self) -> tuple[dict[str, Any], ...]:
        """The points that no other beats, from the least energy up."""
        return tuple(sorted((row for row in self.rows if row["on_front"]), key=lambda row: float(row["energy_nj"])))

    def hypervolume(
        self,
        multipliers: Collection[str] | None = None,
        *,
        worst_rise: float = WORST_RISE,
        least_energy: float = 0.0,
    ) -> float:
        """Share that points dominate of a rectangle of perplexity and energy (`axhw.search.hypervolume`).

        Parameters
        ----------
        multipliers : collection of str, optional
            Of the points that count; all by default.
        worst_rise, least_energy : float
            The rectangle is from no rise to `worst_rise`, and from `least_energy` to the energy of the reference, as
            shares of the reference's.
        """
        own = [row for row in self.rows if multipliers is None or row["multiplier"] in multipliers]
        points = [
            (row["rise_pct"] / 100, max(row["energy_pct"] / 100 - least_energy, 0.0) / (1 - least_energy))
            for row in own
        ]
        return hypervolume(points, worst_loss=worst_rise)


def energy_front(
    measured: Sequence[Row], costs: Mapping[Point, TokenCost], *, reference_nats: float, reference_nj: float
) -> Front:
    """The front of measured points.

    Parameters
    ----------
    measured : sequence of mapping
        With `multiplier` (of digital experts), `digital_pct`, `nats_per_token` and `accuracy`: one or several rows a
        point, such as those of several seeds.
    costs : mapping of (multiplier, digital_pct) to TokenCost
    reference_nats : float
        Loss of the model that the others are held against: all experts digital and exact.
    reference_nj : float
        Its energy.

    Raises
    ------
    AxhwError
        For rows that lack a column or a cost, and losses that are not finite.
    """
    for row in measured:
        _check(row)
        if _point(row) not in costs:
            raise AxhwError(
                f"Expected a cost for {row['multiplier']} with {row['digital_pct']:g} % of the experts digital, found "
                "none."
            )
    own = [costs[_point(row)] for row in measured]
    return front_of_rows(measured, own, reference_nats=reference_nats, reference_nj=reference_nj)


def front_of_rows(
    measured: Sequence[Row], costs: Sequence[TokenCost], *, reference_nats: float, reference_nj: float
) -> Front:
    """The same with a cost for each row: those of a point may be of different experts.

    Parameters
    ----------
    measured : sequence of mapping
        As for `energy_front`; a column `choice` tells points apart where `digital_pct` does not.
    costs : sequence of TokenCost
        Of a point's rows the mean is taken.
    reference_nats, reference_nj : float

    Raises
    ------
    AxhwError
        As `energy_front`.
    """
    if len(measured) != len(costs):
        raise AxhwError(f"Expected a cost for each measured row, found {len(costs)} for {len(measured)} rows.")
    by_point: dict[tuple[str, str], list[tuple[Row, TokenCost]]] = {}
    for row, cost in zip(measured, costs):
        _check(row)
        key = str(row["multiplier"]), str(row.get("choice", row["digital_pct"]))
        by_point.setdefault(key, []).append((row, cost))
    rows = [_row(own, reference_nats, reference_nj) for own in by_point.values()]
    best = pareto_front(rows, ["energy_nj", "perplexity"])
    return Front(rows=tuple({**row, "on_front": any(row is other for other in best)} for row in rows))


def _point(row: Row) -> Point:
    return str(row["multiplier"]), float(row["digital_pct"])


def _check(row: Row) -> None:
    if missing := [column for column in _COLUMNS if row.get(column) is None]:
        raise AxhwError(f"Expected measured points with {', '.join(_COLUMNS)}, found one without {missing[0]}.")
    if not math.isfinite(row["nats_per_token"]):
        raise AxhwError(f"Expected finite losses to draw a front of, found {row['nats_per_token']}.")


def _row(own: Sequence[tuple[Row, TokenCost]], nats: float, energy_nj: float) -> dict[str, Any]:
    first = own[0][0]
    losses = np.array([row["nats_per_token"] for row, _ in own], np.float64)
    mean = float(losses.mean())
    figures = [cost.row() for _, cost in own]
    costs = {name: float(np.mean([row[name] for row in figures])) for name in figures[0]}
    return {
        "multiplier": first["multiplier"],
        "choice": first.get("choice", first["digital_pct"]),
        "digital_pct": float(np.mean([row["digital_pct"] for row, _ in own])),
        "seeds": len(own),
        "nats_per_token": mean,
        # That of the mean loss: all rows are of the same text.
        "perplexity": math.exp(mean),
        "perplexity_deviation": float(np.exp(losses).std(ddof=1)) if len(own) > 1 else 0.0,
        "accuracy": float(np.mean([row["accuracy"] for row, _ in own])),
        "rise_pct": 100 * math.expm1(mean - nats),
        "energy_pct": 100 * costs["energy_nj"] / energy_nj,
        **costs,
        "bottleneck": own[0][1].bottleneck,
    }
