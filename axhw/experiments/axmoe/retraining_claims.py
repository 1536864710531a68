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
from axhw.moe.cells import RECIPES
from axhw.moe.normalized_cost import published_ratio

LAST_CIRCUIT = "mul8s_1L2L"
"""The most aggressive circuit of the study."""

RECOVERED_PCT = 1.0

ALIKE_PCT = 0.25
"""Points of accuracy that a mean may be lower by and still count as no lower."""

BETTER_RECIPE = "Retrained by a recipe of ours, networks lose less than by the study's."
CHEAPER_RECIPE = "Retrained by a recipe of ours in half the epochs or fewer, networks lose no more than by the study's."
_STUDY = "study"


def recovery_text(recipe: str, networks: Sequence[str]) -> str:
    """The claim about networks retrained with a recipe."""
    whose = "the study's recipe" if recipe == "study" else f"our recipe {recipe!r}"
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
    """Our recipes against the study's, on the cells that both were run on from one start."""
    pairs = {recipe: found for recipe in RECIPES if recipe != _STUDY and (found := _losses_of_both(measured, recipe))}
    if not pairs:
        raise Missing("cells retrained by the study's recipe and one of ours from one start")
    texts, chances = [], []
    for recipe, found in pairs.items():
        studys, own = np.array(found).T
        better, untied = int((own < studys).sum()), int((own != studys).sum())
        chances.append(_chance_of_so_many(better, untied))
        texts.append(
            f"{recipe}: {own.mean():.2f} points lost in the mean of {len(found)} cells, by the study's recipe "
            f"{studys.mean():.2f} there; better in {better} of {untied} that differ, by chance in "
            f"{100 * chances[-1]:.1f} % of cases"
        )
    return Claim(
        claim=BETTER_RECIPE,
        paper="not in the paper",
        ours="; ".join(texts),
        met=min(chances) * len(chances) <= CHANCE,
        basis=f"{measured.about}; cells of approximate circuits, first seed, against their start with exact products; "
        f"met if a recipe of ours loses less in so many cells as it would by chance in at most {100 * CHANCE:g} % of "
        f"cases (sign test, {len(chances)} recipes)",
    )


def cheaper_recipe(measured: Measured) -> Claim:
    """Those of our recipes that take at most half the epochs against the study's, on the cells of one start."""
    longest = RECIPES[_STUDY].epochs / 2
    brief = [recipe for recipe in RECIPES if RECIPES[recipe].epochs <= longest]
    pairs = {recipe: found for recipe in brief if len(found := _losses_of_both(measured, recipe)) > 1}
    if not pairs:
        raise Missing("cells retrained by the study's recipe and, in half the epochs, by one of ours from one start")
    texts, highest = [], []
    for recipe, found in pairs.items():
        more = np.array([own - studys for studys, own in found])
        # Of a t distribution, as there may be few cells.
        quantile = float(scipy.stats.t.ppf(1 - CHANCE / len(pairs), len(more) - 1))
        highest.append(round(float(more.mean() + quantile * more.std(ddof=1) / math.sqrt(len(more))), DIGITS))
        texts.append(
            f"{recipe}, {RECIPES[recipe].epochs} epochs instead of {RECIPES[_STUDY].epochs}: {more.mean():+.2f} points "
            f"lost beside the study's in the mean of {len(more)} cells, at most {highest[-1]:+.2f}"
        )
    return Claim(
        claim=CHEAPER_RECIPE,
        paper="not in the paper",
        ours="; ".join(texts),
        met=min(highest) <= ALIKE_PCT,
        basis=f"{measured.about}; cells of approximate circuits, first seed, of networks retrained by both; met if the "
        f"mean of what is lost beside the study's recipe is at most {ALIKE_PCT:g} points with {100 - 100 * CHANCE:g} % "
        f"confidence (t distribution, {len(pairs)} recipe{'s' if len(pairs) > 1 else ''})",
    )


def _chance_of_so_many(better: int, cells: int) -> float:
    """Probability that at least so many of some fair coins show heads."""
    return sum(math.comb(cells, heads) for heads in range(better, cells + 1)) / (1 << cells)


def _losses_of_both(measured: Measured, recipe: str) -> list[tuple[float, float]]:
    """Points lost by the study's recipe and by another, cell by cell."""
    columns = [retrained_column(each) for each in (_STUDY, recipe)]
    starts = [start_column(each) for each in (_STUDY, recipe)]
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
