"""Claims about retraining: how much it recovers, and by which recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.stats

from axhw.experiments.axmoe.cells import retrained_column, start_column
from axhw.experiments.axmoe.measured import CHANCE, DIGITS, Measured, loss, short
from axhw.experiments.claims import Claim, Missing
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT
from axhw.moe.cells import OURS, RECIPES, STUDYS
from axhw.moe.normalized_cost import published_ratio

LAST_CIRCUIT = "mul8s_1L2L"
"""The most aggressive circuit of the study."""

RECOVERED_PCT = 1.0

ALIKE_PCT = 0.25
"""Points of accuracy that a mean may be lower by and still count as no lower."""

_EPOCHS = tuple(RECIPES[recipe].epochs for recipe in (OURS, STUDYS))

BETTER_RECIPE = "Retrained by our recipe, networks lose less than by the study's."
CHEAPER_RECIPE = f"In {_EPOCHS[0]} epochs of our recipe networks lose no more than in {_EPOCHS[1]} of the study's."


def recovery_text(recipe: str, networks: Sequence[str]) -> str:
    """The claim about networks retrained with a recipe."""
    whose = "the study's recipe" if recipe == STUDYS else "our recipe"
    named = " and ".join(networks) or "Networks"
    return f"{named} recover to within 1 point with every circuit up to 1L2L, retrained by {whose}."


def recovery(recipe: str) -> Callable[[Measured], Claim]:
    """Maker of the claim that networks retrained with a recipe recover."""

    def make(measured: Measured) -> Claim:
        column, start, wanted = retrained_column(recipe), start_column(recipe), _up_to_last(measured.circuits)
        if not (measured.recovering and wanted):
            raise Missing("networks and circuits to retrain")
        worst, texts = -np.inf, []
        for network in measured.recovering:
            losses = {}
            for circuit in wanted:
                rows = [row for row in measured.cells if (row["network"], row["circuit"]) == (network, circuit)]
                found = [loss(row, column, start=start) for row in rows if row[column] is not None]
                if not found:
                    raise Missing(f"{network} retrained for {circuit} (recipe {recipe})")
                losses[circuit] = float(np.mean(found))
            at = max(losses, key=losses.__getitem__)
            worst = max(worst, losses[at])
            texts.append(f"{network}: at most {losses[at]:.2f} points lost ({short(at)})")
        others = [
            row
            for row in measured.first()
            if row["network"] not in measured.recovering and row["circuit"] in wanted and row[column] is not None
        ]
        if others:
            row = max(others, key=lambda row: loss(row, column, start=start))
            count = len({row["network"] for row in others})
            lost = loss(row, column, start=start)
            texts.append(f"{count} others: at most {lost:.2f} ({row['network']}, {short(row['circuit'])})")
        return Claim(
            claim=recovery_text(recipe, measured.recovering),
            paper="ResNet-20 Dense: 68.58 % exact, 68.31 % with 1L2J",
            ours="; ".join(texts),
            met=bool(worst <= RECOVERED_PCT),
            basis=f"{measured.about}; against the network with exact products before retraining, mean over seeds (of "
            f"others the first); met if none of the named loses more than {RECOVERED_PCT:g} point with a circuit up to "
            f"{short(LAST_CIRCUIT)}",
        )

    return make


def better_recipe(measured: Measured) -> Claim:
    """Our recipe against the study's, on the cells that both were run on from one start."""
    found = _losses_of_both(measured)
    if not found:
        raise Missing("cells retrained by the study's recipe and ours from one start")
    studys, own = np.array(found).T
    better, untied = int((own < studys).sum()), int((own != studys).sum())
    chance = _chance_of_so_many(better, untied)
    return Claim(
        claim=BETTER_RECIPE,
        paper="not in the paper",
        ours=f"{own.mean():.2f} points lost in the mean of {len(found)} cells, by the study's recipe "
        f"{studys.mean():.2f}; better in {better} of {untied} that differ, by chance in {100 * chance:.1f} % of cases",
        met=chance <= CHANCE,
        basis=f"{measured.about}; cells of approximate circuits, first seed, against their start with exact products; "
        f"met if ours loses less in so many cells as it would by chance in at most {100 * CHANCE:g} % of cases (sign "
        "test)",
    )


def cheaper_recipe(measured: Measured) -> Claim:
    """Our recipe, which takes fewer epochs, against the study's on the cells that both were run on from one start."""
    more = np.array([own - studys for studys, own in _losses_of_both(measured)])
    if len(more) < 2:
        raise Missing("2 cells retrained by the study's recipe and ours from one start")
    # Of a t distribution, as there may be few cells.
    quantile = float(scipy.stats.t.ppf(1 - CHANCE, len(more) - 1))
    highest = round(float(more.mean() + quantile * more.std(ddof=1) / math.sqrt(len(more))), DIGITS)
    return Claim(
        claim=CHEAPER_RECIPE,
        paper="not in the paper",
        ours=f"{_signed(float(more.mean()))} points lost beside the study's in the mean of {len(more)} cells, at most "
        f"{_signed(highest)}",
        met=highest <= ALIKE_PCT,
        basis=f"{measured.about}; cells of approximate circuits, first seed, of networks retrained by both; met if the "
        f"mean of what is lost beside the study's recipe is at most {ALIKE_PCT:g} points with {100 - 100 * CHANCE:g} % "
        "confidence (t distribution)",
    )


def _signed(value: float) -> str:
    """With two decimals, and no sign that they don't show."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _chance_of_so_many(better: int, cells: int) -> float:
    """Probability that at least so many of some fair coins show heads."""
    return sum(math.comb(cells, heads) for heads in range(better, cells + 1)) / (1 << cells)


def _losses_of_both(measured: Measured) -> list[tuple[float, float]]:
    """Points lost by the study's recipe and by ours, cell by cell."""
    columns = [retrained_column(recipe) for recipe in (STUDYS, OURS)]
    starts = [start_column(recipe) for recipe in (STUDYS, OURS)]
    return [
        (loss(row, columns[0], start=starts[0]), loss(row, columns[1], start=starts[1]))
        for row in measured.first()
        if row["circuit"] != EXACT_CIRCUIT
        and None not in (row[columns[0]], row[columns[1]])
        and row[starts[0]] == row[starts[1]]
    ]


def _up_to_last(circuits: Sequence[str]) -> list[str]:
    """Approximate circuits that save at most as much as `LAST_CIRCUIT`."""
    least = published_ratio(LAST_CIRCUIT)
    return [circuit for circuit in circuits if circuit != EXACT_CIRCUIT and published_ratio(circuit) >= least]
