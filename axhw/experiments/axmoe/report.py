"""The results as files: tables, and one report in Markdown and in HTML that tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from axhw.experiments.axmoe.cells import compensated_column, retrained_column, start_column
from axhw.experiments.axmoe.explanations import (
    NAME,
    about,
    bias_blocks,
    expert_blocks,
    first_cells,
    hardware_blocks,
    percent,
    routing_blocks,
    sharing_blocks,
)
from axhw.experiments.axmoe.measured import final_accuracy, loss, other_recipes, short
from axhw.experiments.results import Document, Report, claims_blocks, made_by, tables_named
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT
from axhw.moe.cells import RECIPES
from axhw.report.axmoe import draw_accuracies, draw_pareto
from axhw.report.study import Block, Picture, Table

Row = Mapping[str, Any]

_TABLES = (
    "claims",
    "circuits",
    "cells",
    "loads",
    "routing",
    "experts",
    "heterogeneity",
    "points",
    "hypervolumes",
    "gains",
    "arrays",
    "hardware",
)


def _opening(document: Document) -> list[str]:
    settings = document["settings"]
    networks = dict.fromkeys(row["network"] for row in document["cells"])
    recipes = "; ".join(f"**{name}** is `{text}`" for name, text in settings["recipes"].items())
    return [
        f"{made_by('axhw reproduce axmoe')}. Networks {', '.join(networks)} on "
        f"{settings['data']}, int8; accuracies are of {settings['test_images']:,} test images, bit for bit as hardware "
        "computes them. Circuits are those of EvoApproxLib v2022; all layers with weights use them but gates and what "
        "leads to these alone; products of activations are exact, too. The paper's networks see CIFAR-100 and Tiny "
        "ImageNet: hold its losses beside ours, not its accuracies.",
        f"Retraining: {recipes}. Gates are frozen. The weights of the epoch with the best validation accuracy are "
        "kept, those before the first included. The study's recipe is for networks with batch norms; these are folded "
        "here, so its gradients are cut to length 1, without which the loss diverges.",
        f"Normalised cost is that of the study, P_norm = M_eff / M_base (f P / P_exact + 1 - f), with published powers "
        f"and with our energies ({settings['library']}, {settings['engine']}); M_eff counts the rows that experts "
        "really computed. Energy is that of multiplications, of comparisons and of weighting experts; no additions, "
        f"memory or control. Everything here took {settings['seconds'] / 60:.1f} minutes without training.",
    ]


def _claims(document: Document) -> list[Block]:
    missing, blocks = document["missing"], claims_blocks(document, rows="cells")
    if document["told"]:
        blocks.append(
            f"Of {', '.join(document['told'])} there are no weights here: accuracies are those that their retraining "
            "told, with the same integers on the same images; costs are for evenly used experts."
        )
    if others := other_starts(document["cells"]):
        blocks.append(
            f"Retrained from another training of the network, with exact products: {'; '.join(others)}. Hold these "
            "against their own start."
        )
    if missing["networks"]:
        blocks.append(f"Networks of the plan without weights: {', '.join(missing['networks'])}.")
    if missing["retrained"]:
        every = {row["circuit"] for row in document["circuits"]} - {EXACT_CIRCUIT}
        for recipe in dict.fromkeys(row["recipe"] for row in missing["retrained"]):
            words = [
                row["network"]
                if set(row["circuits"]) == every
                else f"{row['network']} with {', '.join(map(short, row['circuits']))}"
                for row in missing["retrained"]
                if row["recipe"] == recipe
            ]
            blocks.append(f"Not retrained by the recipe **{recipe}**: {'; '.join(words)}.")
    return blocks


def other_starts(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Networks and recipes whose retrainings began with other weights than those run as they are."""
    found = {
        f"{row['network']} ({recipe}: {100 * row[start_column(recipe)]:.2f} % instead of "
        f"{100 * row['int8_accuracy']:.2f} %)"
        for row in cells
        for recipe in other_recipes(row)
    }
    return sorted(found)


def _accuracies(document: Document) -> list[Block]:
    rows = first_cells(document)
    circuits = [row["circuit"] for row in document["circuits"]]
    by_place = {(row["network"], row["circuit"]): row for row in rows}
    lines = []
    for network in dict.fromkeys(row["network"] for row in rows):
        cells = [_before_after(by_place.get((network, circuit))) for circuit in circuits]
        lines.append((network, *cells))
    final = [{**row, "final_accuracy": final_accuracy(row)} for row in rows]
    columns = {"accuracy": "as is", compensated_column("bias"): "biases compensated"}
    columns |= {compensated_column("affine"): "biases and scales compensated"}
    columns |= {retrained_column(recipe): f"retrained ({recipe})" for recipe in RECIPES}
    # Those of another training of the network would seem to gain or lose what they began with.
    own = [{**row, **{retrained_column(recipe): None for recipe in other_recipes(row)}} for row in rows]
    return [
        "Accuracy in % as is, and after retraining with the recipe that is best on these images (first seed), of the "
        "recipes that began with the network that is run as is.",
        Table(heads=("network", *map(short, circuits)), rows=lines, left=1),
        Picture(
            stem=f"{NAME}-pareto",
            caption="Accuracy against normalised cost",
            figure=draw_pareto(final, about=about(document)),
        ),
        Picture(
            stem=f"{NAME}-accuracy",
            caption="Accuracy by circuit, from the smallest published saving to the largest",
            figure=draw_accuracies(own, columns=columns, about=about(document)),
        ),
        *lost_blocks(rows, circuits),
        *_seeds(document),
    ]


def _before_after(row: Row | None) -> str:
    if row is None:
        return ""
    after = final_accuracy(row)
    before = f"{100 * row['accuracy']:.2f}"
    return before if after is None or row["circuit"] == EXACT_CIRCUIT else f"{before} → {100 * after:.2f}"


def lost_blocks(rows: Sequence[Row], circuits: Sequence[str]) -> list[Block]:
    """What each recipe leaves lost, which is comparable where recipes began with other trainings of a network, too."""
    known = {
        (row["network"], row["circuit"], recipe): loss(row, retrained_column(recipe), start=start_column(recipe))
        for row in rows
        for recipe in RECIPES
        if row[retrained_column(recipe)] is not None
    }
    if not known:
        return []
    approximate = [circuit for circuit in circuits if circuit != EXACT_CIRCUIT]
    lines = []
    for network, recipe in dict.fromkeys((network, recipe) for network, _, recipe in known):
        found = [known.get((network, circuit, recipe)) for circuit in approximate]
        lines.append((network, recipe, *("" if lost is None else f"{lost:.2f}" for lost in found)))
    return [
        "Points lost after retraining, by recipe, against the exact products of the network that each began with "
        "(first seed; below 0 if more than that was recovered):",
        Table(heads=("network", "recipe", *map(short, approximate)), rows=lines, left=2),
    ]


def _seeds(document: Document) -> list[Block]:
    """Mean and standard deviation of cells that were retrained several times."""
    lines = []
    for row in first_cells(document):
        own = [
            each for each in document["cells"] if (each["network"], each["circuit"]) == (row["network"], row["circuit"])
        ]
        for recipe in RECIPES:
            found = [100 * each[retrained_column(recipe)] for each in own if each[retrained_column(recipe)] is not None]
            if len(found) > 1:
                spread = float(np.std(found, ddof=1))
                lines.append(
                    (
                        row["network"],
                        short(row["circuit"]),
                        recipe,
                        len(found),
                        f"{np.mean(found):.2f}",
                        f"{spread:.2f}",
                    )
                )
    if not lines:
        return []
    heads = ("network", "circuit", "recipe", "seeds", "mean accuracy %", "standard deviation")
    return ["Several seeds of one retraining:", Table(heads=heads, rows=lines, left=3)]


def _costs(document: Document) -> list[Block]:
    lines = []
    for row in first_cells(document):
        lines.append(
            (
                row["network"],
                short(row["circuit"]),
                f"{row['published_cost']:.3f}",
                f"{row['cost']:.3f}",
                f"{row['energy_nj']:,.0f}",
                f"{row['routing_nj']:,.1f}",
                *(percent(row[name]) for name in ("accuracy", *map(compensated_column, ("bias", "affine")))),
                *retrained_words(row),
            )
        )
    heads = ("network", "circuit", "cost", "cost, our energies", "nJ", "nJ of routing", "as is", "bias", "affine")
    once = {row["network"]: row for row in first_cells(document)}
    memory = [
        (
            name,
            f"{row['multiplications'] / 1e6:.2f}",
            f"{row['multiplications'] / row['dense_multiplications']:.3f}",
            f"{100 * row['approximate_share']:.2f}",
            f"{row['weight_bytes'] / 1024:,.0f}",
            f"{row['expert_bytes'] / 1024:,.0f}",
            f"{row['fetched_expert_bytes'] / 1024:,.0f}",
        )
        for name, row in once.items()
    ]
    return [
        "Multiplications of an image as executed (without weights here: with experts used evenly), and memory: all "
        "experts are resident, those that an image chooses are fetched.",
        Table(
            heads=(
                "network",
                "million multiplications",
                "of dense",
                "approximate %",
                "weights KiB",
                "experts KiB",
                "fetched KiB",
            ),
            rows=memory,
            left=1,
        ),
        "Accuracies in %; as is, compensated without retraining, and retrained with each recipe"
        f"{' (* of another training of the network)' if other_starts(document['cells']) else ''}.",
        Table(heads=(*heads, *RECIPES), rows=lines, left=2),
    ]


def retrained_words(row: Row) -> list[str]:
    """Accuracy in % after retraining with each recipe, marked where another training of the network was retrained."""
    others = other_recipes(row)
    return [percent(row[retrained_column(recipe)]) + ("*" if recipe in others else "") for recipe in RECIPES]


REPORT = Report(
    name=NAME,
    title="AxMoE: approximate multipliers inside networks with experts",
    opening=_opening,
    sections={
        "Claims": _claims,
        "Accuracy before and after retraining": _accuracies,
        "Cost": _costs,
        "Bias or variance": bias_blocks,
        "Choices of gates": routing_blocks,
        "Sensitivity of experts": expert_blocks,
        "A multiplier for each expert": sharing_blocks,
        "On systolic arrays": hardware_blocks,
    },
    tables=tables_named(*_TABLES),
)
