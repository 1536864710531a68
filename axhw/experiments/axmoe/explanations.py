"""The sections of the report that explain: bias, gates, experts, a multiplier for each expert, and arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from axhw.experiments.axmoe.cells import compensated_column
from axhw.experiments.axmoe.measured import LOST_PCT, loss, recovered, short, whole
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT
from axhw.moe.search import SHARINGS
from axhw.report.axmoe import draw_energies, draw_experts, draw_sharings
from axhw.report.study import Block, Picture, Table

Row = Mapping[str, Any]

NAME = "axmoe"


def about(document: Mapping[str, Any]) -> str:
    """Data and images, below a figure."""
    settings = document["settings"]
    return f"{settings['data']}, {settings['test_images']:,} test images"


def first_cells(document: Mapping[str, Any]) -> list[Row]:
    """A row for each network and circuit."""
    found: dict[tuple[str, str], Row] = {}
    for row in document["cells"]:
        found.setdefault((row["network"], row["circuit"]), row)
    return list(found.values())


def percent(share: float | None) -> str:
    """A share in %, or nothing."""
    return "" if share is None else f"{100 * share:.2f}"


def bias_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Whether the mean error or its spread costs accuracy."""
    rows = [row for row in first_cells(document) if row["circuit"] != EXACT_CIRCUIT]
    lines = []
    for circuit in document["circuits"]:
        own = [row for row in rows if row["circuit"] == circuit["circuit"] and row["network"] not in document["told"]]
        lost = [row for row in own if loss(row) > LOST_PCT]
        shares = [
            f"{whole(100 * float(np.median([recovered(row, compensated_column(method)) for row in lost])))} %"
            if lost
            else ""
            for method in ("bias", "affine")
        ]
        lines.append(
            (
                short(circuit["circuit"]),
                f"{circuit['published_saving_pct']:.1f}",
                f"{circuit['saving_pct']:.1f}",
                f"{circuit['bias']:+.2f}",
                f"{circuit['standard_deviation']:.1f}",
                f"{np.mean([loss(row) for row in own]):.2f}" if own else "",
                len(lost),
                *shares,
            )
        )
    heads = (
        "circuit",
        "published saving %",
        "our saving %",
        "bias",
        "standard deviation",
        "mean loss in points",
        "cells that lose",
    )
    return [
        "Bias and standard deviation are those of errors over all operands, in products of codes. A compensation takes "
        "back the mean error of each output channel of each expert (bias), or also what is wrong in proportion "
        f"(affine), learnt from unlabelled images. Of the networks with weights here: the mean loss of all, and the "
        f"median share of it that is recovered in those that lose more than {LOST_PCT:g} points.",
        Table(heads=(*heads, "recovered by bias", "recovered by affine"), rows=lines, left=1),
    ]


def routing_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Load of the experts, and whether gates choose others."""
    if not document["routing"]:
        return []
    loads = []
    for network in dict.fromkeys(row["network"] for row in document["loads"]):
        own = [row for row in document["loads"] if row["network"] == network]
        shares = [row["share"] for row in own]
        gates = len({row["gate"] for row in own})
        unused = sum(share == 0 for share in shares)
        loads.append(
            (network, gates, len(own) // gates, f"{100 * min(shares):.1f}", f"{100 * max(shares):.1f}", unused)
        )
    lines = []
    for network in dict.fromkeys(row["network"] for row in document["routing"]):
        for circuit in dict.fromkeys(row["circuit"] for row in document["routing"] if row["network"] == network):
            features, gating = (
                row for row in document["routing"] if (row["network"], row["circuit"]) == (network, circuit)
            )
            lines.append(
                (
                    network,
                    short(circuit),
                    features["rows"],
                    percent(features["routing_agreement"]),
                    percent(features["least_agreement"]),
                    percent(features["accuracy"]),
                    percent(gating["routing_agreement"]),
                    percent(gating["least_agreement"]),
                    percent(gating["accuracy"]),
                )
            )
    heads = ("network", "circuit", "rows an image", "features: agree %", "worst gate %", "accuracy %")
    return [
        "Load of the experts with exact products: the smallest and the largest share of rows that one gets.",
        Table(
            heads=("network", "gates", "experts", "least %", "most %", "never chosen"),
            rows=loads,
            left=1,
        ),
        "Choices that are those of exact products. **Features**: gates multiply exactly, all else is approximate; "
        "gates of convolutional networks see the image alone, so their choices cannot change. **Gates**: they multiply "
        "approximately, too.",
        Table(heads=(*heads, "gates: agree %", "worst gate %", "accuracy %"), rows=lines, left=2),
    ]


def expert_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Each expert approximate alone."""
    rows = [row for row in document["experts"] if row["layer"] != "all"]
    if not rows:
        return []
    tests = [
        (
            row["network"],
            row["layers"],
            f"{row['spread_pct']:.2f}" if row["spread_pct"] is not None else "",
            f"{row['mean_standard_error_pct']:.2f}" if row["mean_standard_error_pct"] is not None else "",
            f"{row['q']:.1f}",
            row["freedom"],
            "" if row["p"] is None else f"{row['p']:.2g}",
            row["layers_differing"],
        )
        for row in document["heterogeneity"]
    ]
    alike = [
        (
            row["network"],
            row["expert"],
            f"{100 * row['multiplications_share']:.1f}",
            f"{row['loss_pct']:.2f}",
            f"{row['standard_error_pct']:.2f}",
        )
        for row in document["experts"]
        if row["layer"] == "all"
    ]
    images = document["settings"]["sensitivity_images"]
    blocks: list[Block] = [
        f"One expert of one layer multiplies with {short(rows[0]['circuit'])}, all else exactly; points lost by those "
        f"of {images:,} test images that the expert computes. Q sums up squared differences between the experts of a "
        "layer over their squared standard errors; a small p says that they differ by more than chance, which makes "
        "p < 0.05 by itself in one of twenty layers.",
        Picture(
            stem=f"{NAME}-experts",
            caption="Loss with one expert approximate (points)",
            figure=draw_experts(rows, about=f"{document['settings']['data']}, {images:,} test images"),
        ),
        Table(
            heads=(
                "network",
                "layers",
                "spread between experts",
                "standard error",
                "Q",
                "degrees of freedom",
                "p",
                "layers with p < 0.05",
            ),
            rows=tests,
            left=1,
        ),
    ]
    if alike:
        blocks += [
            "The experts of one number in all layers together, over all images:",
            Table(heads=("network", "expert", "multiplications %", "loss", "standard error"), rows=alike, left=1),
        ]
    return blocks


def sharing_blocks(document: Mapping[str, Any]) -> list[Block]:
    """What a multiplier for each expert saves."""
    if not document["points"]:
        return []
    settings = document["settings"]
    lines = [
        (
            row["network"],
            row["compensation"],
            f"{row['at_most_loss_pct']:g}",
            *(f"{row[f'{name}_energy_pct']:.1f} ({row[f'{name}_test_loss_pct']:.2f})" for name in SHARINGS),
            f"{row['less_by_layer_pct']:.1f}",
            f"{row['less_by_expert_pct']:.1f}",
        )
        for row in document["gains"]
    ]
    volumes = {
        (row["network"], row["compensation"], row["sharing"]): row["hypervolume"] for row in document["hypervolumes"]
    }
    covered = [
        (
            network,
            compensation,
            *(f"{volumes[network, compensation, name]:.3f}" for name in SHARINGS),
        )
        for network, compensation in dict.fromkeys((network, compensation) for network, compensation, _ in volumes)
    ]
    return [
        f"Searched on {settings['validation_images']:,} validation images with {settings['evaluations']:,} evaluations "
        f"a search, out of {settings['searched_circuits']} circuits, without retraining; energy of multiplications as "
        "executed, in % of exact products, and in brackets the test loss of the same point. A configuration by layer "
        "is one by expert, too.",
        Table(
            heads=(
                "network",
                "compensation",
                "loss at most",
                "one for all",
                "by layer",
                "by expert",
                "less by layer %",
                "less by expert %",
            ),
            rows=lines,
            left=2,
        ),
        Picture(
            stem=f"{NAME}-search",
            caption="One circuit for all, for each layer, and for each expert",
            figure=draw_sharings(document["points"], about=about(document)),
        ),
        "Hypervolume of losses up to 10 points and energies up to that of exact products, on validation images:",
        Table(heads=("network", "compensation", "one for all", "by layer", "by expert"), rows=covered, left=2),
    ]


def hardware_blocks(document: Mapping[str, Any]) -> list[Block]:
    """The networks on arrays."""
    settings, rows = document["settings"], document["hardware"]
    if not rows:
        return []
    arrays = [
        (
            short(row["circuit"]),
            f"{row['area_um2']:,.0f}",
            f"{row['period_ns']:.2f}",
            f"{row['product_fj']:,.0f}",
            f"{row['clock_fj']:,.0f}",
            f"{100 * row['clock_share']:.0f}",
        )
        for row in document["arrays"]
    ]
    lines = [
        (
            row["network"],
            short(row["circuit"]),
            f"{row['area_um2']:,.0f}",
            f"{row['cycles']:,.0f}",
            f"{row['latency_us']:,.1f}",
            f"{100 * row['utilisation']:.1f}",
            f"{row['energy_nj']:,.0f}",
            f"{100 * (row['product_nj'] / row['energy_nj']):.0f}",
            f"{row['energy_nj'] / _exact_dense(rows, row):.2f}" if _exact_dense(rows, row) else "",
        )
        for row in rows
    ]
    side = settings["array_side"]
    exact = document["arrays"][0]
    return [
        f"Weight-stationary arrays of {side} x {side} PEs: layers that are approximate on one of the circuit, all "
        f"others on one of {short(exact['circuit'])}, which isn't built where there are none. Gates multiply exactly: "
        "with experts there are always two arrays, and the slower one sets the clock of both. Rows as "
        f"{settings['array_images']:,} test images give them to experts.",
        Table(
            heads=("array", "area um2", "period ns", "fJ a product", "of them clock", "clock %"), rows=arrays, left=1
        ),
        _clock_sentence(document),
        Table(
            heads=(
                "network",
                "circuit",
                "area um2",
                "cycles",
                "us",
                "utilisation %",
                "nJ",
                "% of nJ by products",
                "of dense exact",
            ),
            rows=lines,
            left=2,
        ),
        Picture(
            stem=f"{NAME}-energy",
            caption="Energy of an image by topology",
            figure=draw_energies(first_cells(document), rows, about=about(document)),
        ),
    ]


def _clock_sentence(document: Mapping[str, Any]) -> str:
    """Why arrays save less than the normalised cost says."""
    exact = document["arrays"][0]
    words = []
    cells = {(row["network"], row["circuit"]): row for row in first_cells(document)}
    for row in document["hardware"]:
        reference = _exact_dense(document["hardware"], row)
        if row["topology"] == "dense" and row["circuit"] != EXACT_CIRCUIT and reference:
            saved = 100 * (1 - row["energy_nj"] / reference)
            cost = cells[row["network"], row["circuit"]]["published_cost"]
            words.append(
                f"{row['network']} with {short(row['circuit'])} {saved:.0f} % at a normalised cost of {cost:.2f}"
            )
    return (
        f"Clock pins are {100 * exact['clock_share']:.0f} % of what an exact PE spends on a product, and the adder and "
        "registers are the same with any multiplier: that is why arrays save less than normalised costs, which count "
        f"multipliers alone, let expect{': ' + '; '.join(words) if words else ''}."
    )


def _exact_dense(rows: Sequence[Row], row: Row) -> float | None:
    """Energy of the dense network on the exact array."""
    found = [
        other["energy_nj"]
        for other in rows
        if (other["base"], other["topology"], other["circuit"]) == (row["base"], "dense", EXACT_CIRCUIT)
    ]
    return float(found[0]) if found else None
