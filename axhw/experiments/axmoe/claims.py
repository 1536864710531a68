"""The claims of AxMoE and our own beside what was measured; whether they are met follows from the rows alone.

Claims whose cells are not all there are left out, and told as missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from axhw.experiments.axmoe.cells import compensated_column
from axhw.experiments.axmoe.measured import (
    CHANCE,
    DIGITS,
    LOST_PCT,
    Measured,
    Row,
    final_accuracy,
    loss,
    recovered,
    short,
    whole,
)
from axhw.experiments.axmoe.retraining_claims import (
    BETTER_RECIPE,
    CHEAPER_RECIPE,
    better_recipe,
    cheaper_recipe,
    recovery,
    recovery_text,
)
from axhw.experiments.claims import Claim, Missing, computed
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT
from axhw.moe.cells import RECIPES

COLLAPSED = 0.5
"""Share of the exact accuracy below which a network has collapsed."""

ALIKE_PCT = 3.0
EQUAL_COST = 0.01
LESS_ENERGY_PCT, EQUAL_LOSS_PCT = 10.0, 1.0
HALF = 0.5
SOFT_COST = (2.0, 3.0)

_WITH = {"none": "as is", "bias": "biases compensated", "affine": "biases and scales compensated"}


def claims(measured: Measured) -> tuple[list[Claim], list[dict[str, str]]]:
    """All claims, and those that could not be computed with what they lack."""
    makers: dict[str, Callable[[Measured], Claim]] = {
        DENSE_RESILIENT: _dense_resilient,
        COLLAPSE: _collapse,
        TRANSFORMERS: _transformers,
        **{recovery_text(recipe, measured.recovering): recovery(recipe) for recipe in RECIPES},
        BETTER_RECIPE: better_recipe,
        CHEAPER_RECIPE: cheaper_recipe,
        BEATS_AS_IS: _beats_as_is,
        BEATS: _beats,
        SOFT: _soft,
        PER_EXPERT: _per_expert,
        BIAS: _bias,
    }
    return computed(makers, measured)


DENSE_RESILIENT = "Without retraining, Dense is the most resilient topology of convolutional networks."
COLLAPSE = "Without retraining, Hard and Cluster collapse at circuits that Dense still bears."
TRANSFORMERS = "Without retraining, all topologies of transformers degrade alike."
BEATS_AS_IS = "Without retraining, a topology with experts is more accurate than Dense at equal normalised cost."
BEATS = "Retrained, a topology with experts is more accurate than Dense at equal normalised cost."
SOFT = "Soft reaches the best accuracy of all topologies, at 2 to 3 times the cost."
PER_EXPERT = "A multiplier for each expert saves at least 10 % more energy than one for all, at equal accuracy."
BIAS = "It is the bias of products that costs accuracy: taking the mean error back recovers most of it."


def _bases(measured: Measured) -> dict[str, dict[str, list[Row]]]:
    """Topologies of convolutional networks by dense network, where there are several."""
    bases = dict.fromkeys(row["base"] for row in measured.cells if not row["base"].startswith("vit"))
    found = {base: measured.topologies(base) for base in bases}
    return {base: rows for base, rows in found.items() if "dense" in rows and len(rows) > 1}


def _dense_resilient(measured: Measured) -> Claim:
    bases = _bases(measured)
    if not bases:
        raise Missing("a convolutional network with and without experts")
    met, texts = True, []
    for base, topologies in bases.items():
        mean = {name: float(np.mean([loss(row) for row in rows])) for name, rows in topologies.items()}
        met = met and mean["dense"] < min(value for name, value in mean.items() if name != "dense")
        texts.append(f"{base}: " + ", ".join(f"{name} {value:.1f}" for name, value in mean.items()))
    return Claim(
        claim=DENSE_RESILIENT,
        paper="Dense is the most resilient",
        ours=f"mean loss in points: {'; '.join(texts)}",
        met=met,
        basis=f"{measured.about}; mean over the approximate circuits; met if Dense loses least on every network",
    )


def _collapse(measured: Measured) -> Claim:
    bases = {base: rows for base, rows in _bases(measured).items() if {"hard", "cluster"} & set(rows)}
    if not bases:
        raise Missing("Hard or Cluster of a convolutional network")
    met, texts = True, []
    for base, topologies in bases.items():
        first = {name: _first_collapse(rows) for name, rows in topologies.items()}
        met = met and all(first[name] < first["dense"] for name in ("hard", "cluster") if name in first)
        words = []
        for name, place in first.items():
            rows = topologies[name]
            words.append(f"{name} {'nowhere' if place == len(rows) else 'at ' + short(rows[place]['circuit'])}")
        texts.append(f"{base}: {', '.join(words)}")
    return Claim(
        claim=COLLAPSE,
        paper="Hard and Cluster collapse early",
        ours="; ".join(texts),
        met=met,
        basis=f"{measured.about}; circuits in the order of their published savings; collapsed is below "
        f"{100 * COLLAPSED:g} % of the exact accuracy; met if both collapse at an earlier circuit than Dense on every "
        "network",
    )


def _transformers(measured: Measured) -> Claim:
    largest, texts = 0.0, []
    for base in dict.fromkeys(row["base"] for row in measured.cells if row["base"].startswith("vit")):
        losses: dict[str, list[float]] = {}
        for row in measured.first(base=base):
            if row["circuit"] != EXACT_CIRCUIT:
                losses.setdefault(row["circuit"], []).append(loss(row))
        spreads = {circuit: float(np.ptp(found)) for circuit, found in losses.items() if len(found) > 1}
        if spreads:
            worst = max(spreads, key=spreads.__getitem__)
            largest = max(largest, spreads[worst])
            texts.append(
                f"{base}: at most {spreads[worst]:.1f} points apart ({short(worst)}) of {len(spreads)} circuits"
            )
    if not texts:
        raise Missing("a transformer with and without experts")
    return Claim(
        claim=TRANSFORMERS,
        paper="all topologies degrade alike",
        ours="; ".join(texts),
        met=largest <= ALIKE_PCT,
        basis=f"{measured.about}; losses of the topologies with one circuit; met if they are at most {ALIKE_PCT:g} "
        "points apart with every circuit",
    )


def _finished(measured: Measured, base: str) -> list[Row]:
    """Rows with an accuracy that is final, under ``final``."""
    rows = ({**row, "final": final_accuracy(row)} for row in measured.first(base=base))
    return [row for row in rows if row["final"] is not None]


def _beats(measured: Measured) -> Claim:
    row, rival, count = _largest_gain(measured, _finished)
    if row is None or rival is None:
        raise Missing("retrained cells of a network with and without experts at one cost")
    return _beating(
        measured,
        BEATS,
        pair=(row, rival),
        paper="ViT-Small with 1L2L at 0.485: Hard 75.97 %, Dense 75.00 %",
        count=count,
        which="retrained accuracy of the best recipe, first seed, exact networks included",
    )


def _beats_as_is(measured: Measured) -> Claim:
    row, rival, count = _largest_gain(measured, _as_they_are)
    if row is None or rival is None:
        raise Missing("a network with and without experts at one cost")
    return _beating(
        measured,
        BEATS_AS_IS,
        pair=(row, rival),
        paper="Dense is the most resilient of convolutional networks",
        count=count,
        which="accuracy without retraining and compensation, exact networks included",
    )


def _as_they_are(measured: Measured, base: str) -> list[Row]:
    """Rows of a dense network and those made of it, with ``final`` the accuracy as they are."""
    return [{**row, "final": row["accuracy"]} for row in measured.first(base=base)]


def _largest_gain(
    measured: Measured, rows_of: Callable[[Measured, str], Sequence[Row]]
) -> tuple[Row | None, Row | None, int]:
    """What gains most, in standard errors, on the best dense network of its cost, that one, and of how many pairs.

    Pairs are of a row and the best dense one of its cost, where Dense has the row's circuit, too.
    """
    pairs: list[tuple[Row, Row]] = []
    for base in dict.fromkeys(row["base"] for row in measured.cells):
        rows = rows_of(measured, base)
        dense = [row for row in rows if row["topology"] == "dense"]
        circuits = {row["circuit"] for row in dense}
        for row in rows:
            most = (1 + EQUAL_COST) * row["published_cost"]
            within = [other for other in dense if other["published_cost"] <= most]
            # Without Dense's own cell of the circuit a far cheaper one would stand in for it.
            if row["topology"] != "dense" and within and row["circuit"] in circuits:
                pairs.append((row, max(within, key=lambda other: float(other["final"]))))
    if not pairs:
        return None, None, 0
    row, rival = max(pairs, key=lambda pair: _gain_in_errors(*pair))
    return row, rival, len(pairs)


def _gain_in_errors(row: Row, rival: Row) -> float:
    """How many standard errors of the difference a row is more accurate by."""
    gain, error = float(row["final"] - rival["final"]), _standard_error(row, rival)
    if error:
        return gain / error
    return math.copysign(math.inf, gain) if gain else 0.0


def _beating(measured: Measured, claim: str, *, pair: tuple[Row, Row], paper: str, count: int, which: str) -> Claim:
    row, rival = pair
    # The largest of so many differences without any in truth is beyond this in one of twenty cases (Bonferroni).
    bound = NormalDist().inv_cdf(1 - CHANCE / count)
    words = (
        f"{each['network']} with {short(each['circuit'])} at {each['published_cost']:.3f} {100 * each['final']:.2f} %"
        for each in pair
    )
    return Claim(
        claim=claim,
        paper=paper,
        ours=f"clearest gain of {count}: {', '.join(words)}; standard error of the difference "
        f"{100 * _standard_error(row, rival):.2f} points",
        met=_gain_in_errors(row, rival) > bound,
        basis=f"{measured.about}; {which}; published costs, against the best Dense of at most {100 * EQUAL_COST:g} % "
        f"more; networks as trained once; met if one point is more accurate by more than {bound:.1f} standard "
        f"errors, as the largest of {count} differences is by chance in {100 * CHANCE:g} % of cases; errors are those "
        "of two independent draws of images",
    )


def _standard_error(*rows: Row) -> float:
    """Of the difference of two final accuracies."""
    return float(np.sqrt(sum(row["final"] * (1 - row["final"]) / row["images"] for row in rows)))


def _soft(measured: Measured) -> Claim:
    low, high = SOFT_COST
    met, texts = True, []
    for base in dict.fromkeys(row["base"] for row in measured.cells):
        top: dict[str, Row] = {}
        for row in sorted(_finished(measured, base), key=lambda row: float(row["final"])):
            top[row["topology"]] = row
        if "soft" not in top or len(top) < 2:
            continue
        rivals = [row["final"] for name, row in top.items() if name != "soft"]
        met = met and bool(top["soft"]["final"] > max(rivals)) and low <= top["soft"]["published_cost"] <= high
        words = (f"{name} {100 * row['final']:.2f} % at {row['published_cost']:.2f}" for name, row in top.items())
        texts.append(f"{base}: {', '.join(words)}")
    if not texts:
        raise Missing("Soft beside other topologies")
    return Claim(
        claim=SOFT,
        paper="the best accuracy, at 2 to 3 times the cost",
        ours="; ".join(texts),
        met=met,
        basis=f"{measured.about}; the best accuracy of each topology over all circuits, exact and retrained, and its "
        f"published cost; met if Soft's is the highest and costs {low:g} to {high:g} on every network",
    )


def _per_expert(measured: Measured) -> Claim:
    rows = [row for row in measured.gains if row["at_most_loss_pct"] == EQUAL_LOSS_PCT]
    if not rows:
        raise Missing("searches of a network with experts")
    met = any(
        round(row["less_by_expert_pct"], DIGITS) >= LESS_ENERGY_PCT
        and round(row["expert_test_loss_pct"], DIGITS)
        <= max(EQUAL_LOSS_PCT, round(row["network_test_loss_pct"], DIGITS))
        for row in rows
    )
    texts = [
        f"{row['network']} ({_WITH[row['compensation']]}) {row['less_by_expert_pct']:.1f} % less, with one for all "
        f"experts of a layer {row['less_by_layer_pct']:.1f} % less; test losses {row['expert_test_loss_pct']:.2f}, "
        f"{row['layer_test_loss_pct']:.2f} and, with one for all, {row['network_test_loss_pct']:.2f} points"
        for row in rows
    ]
    return Claim(
        claim=PER_EXPERT,
        paper="not in the paper",
        ours="; ".join(texts),
        met=met,
        basis=f"{measured.about}; energy of multiplications as executed, without retraining; one circuit for all at a "
        f"validation loss of at most {EQUAL_LOSS_PCT:g} point, against a design for each expert that loses no more; "
        f"met if a network spends {LESS_ENERGY_PCT:g} % less at a test loss of at most {EQUAL_LOSS_PCT:g} point or "
        "that of the one circuit",
    )


def _bias(measured: Measured) -> Claim:
    column = compensated_column("bias")
    lost = [
        row
        for row in measured.first()
        if row["circuit"] != EXACT_CIRCUIT and row[column] is not None and loss(row) > LOST_PCT
    ]
    if not lost:
        raise Missing(f"cells that lose more than {LOST_PCT:g} points")
    shares = [recovered(row, column) for row in lost]
    by_circuit = {
        circuit: float(np.median([recovered(row, column) for row in lost if row["circuit"] == circuit]))
        for circuit in dict.fromkeys(row["circuit"] for row in lost)
    }
    middle = float(np.median(shares))
    words = ", ".join(f"{short(circuit)} {whole(100 * share)} %" for circuit, share in by_circuit.items())
    return Claim(
        claim=BIAS,
        paper="not in the paper (our hypothesis)",
        ours=f"{whole(100 * middle)} % of the loss recovered in the middle of {len(lost)} cells; by circuit {words}",
        met=middle >= HALF,
        basis=f"{measured.about}; cells that lose more than {LOST_PCT:g} points, without retraining; the mean error of "
        f"each channel and expert taken back; met if the median share recovered is at least {100 * HALF:g} %",
    )


def _first_collapse(rows: Sequence[Row]) -> int:
    """Place of the first circuit with which the network has collapsed; their number if there is none."""
    collapsed = (place for place, row in enumerate(rows) if row["accuracy"] < COLLAPSED * row["int8_accuracy"])
    return next(collapsed, len(rows))
