"""What the claims of AxMoE are computed from, and what several of them compute of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axhw.experiments.axmoe.cells import retrained_column, start_column
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT
from axhw.moe.cells import RECIPES
from axhw.moe.normalized_cost import published_ratio

Row = Mapping[str, Any]

LOST_PCT = 2.0
"""What a cell loses at least to count as one that lost."""

CHANCE = 0.05
"""Of finding what isn't there, all comparisons of a claim together."""

DIGITS = 9
"""Of differences of shares: those of whole numbers of images are to be equal where these are."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What claims are computed from.

    Attributes
    ----------
    cells : sequence of rows of `axhw.experiments.axmoe.cells`
    gains : sequence of rows of `axhw.experiments.axmoe.assignments.gains`
    recovering : tuple of str
        Networks that are to recover by retraining.
    circuits : tuple of str
        Of the plan.
    about : str
        Data and images.
    """

    cells: Sequence[Row]
    gains: Sequence[Row]
    recovering: tuple[str, ...]
    circuits: tuple[str, ...]
    about: str

    def first(self, **columns: Any) -> list[Row]:
        """Rows with these values, one for each network and circuit."""
        wanted = dict(columns)
        found: dict[tuple[str, str], Row] = {}
        for row in self.cells:
            if all(row[name] == value for name, value in wanted.items()):
                found.setdefault((row["network"], row["circuit"]), row)
        return list(found.values())

    def topologies(self, base: str) -> dict[str, list[Row]]:
        """Rows of approximate circuits by topology, from the circuit of least saving to that of most.

        Only circuits that all its topologies have.
        """
        found: dict[str, dict[str, Row]] = {}
        for row in self.first(base=base):
            if row["circuit"] != EXACT_CIRCUIT:
                found.setdefault(row["topology"], {})[row["circuit"]] = row
        common = set.intersection(*map(set, found.values())) if found else set[str]()
        order = sorted(common, key=lambda circuit: -published_ratio(circuit))
        return {name: [rows[circuit] for circuit in order] for name, rows in found.items()} if order else {}


def recovered(row: Row, column: str) -> float:
    """Share of the loss as is that another column of accuracies does not have."""
    lost = float(row["int8_accuracy"] - row["accuracy"])
    return round(float(row[column] - row["accuracy"]) / lost, DIGITS)


def final_accuracy(row: Row) -> float | None:
    """After retraining with the best recipe; of the exact circuit at least that of the network as it is.

    Retrainings of another training of the network are left out: nobody can choose between two networks by recipe.
    """
    others = other_recipes(row)
    found = [row[retrained_column(recipe)] for recipe in RECIPES if recipe not in others]
    if row["circuit"] == EXACT_CIRCUIT:
        found.append(row["int8_accuracy"])
    known = [float(accuracy) for accuracy in found if accuracy is not None]
    return max(known, default=None)


def other_recipes(row: Row) -> list[str]:
    """Recipes whose retrainings began with another training of the network than the one that is run as it is."""
    return [recipe for recipe in RECIPES if row[start_column(recipe)] not in (None, row["int8_accuracy"])]


def whole(value: float) -> str:
    """A rounded number, 0 without a sign."""
    return str(round(value))


def short(circuit: str) -> str:
    """A circuit without what all names begin with."""
    return circuit.removeprefix("mul8s_")


def loss(row: Row, column: str = "accuracy", *, start: str = "int8_accuracy") -> float:
    """Points of accuracy lost."""
    return round(100 * float(row[start] - row[column]), DIGITS)
