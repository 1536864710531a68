"""What the report tells of groups and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.measured import Row, listed
from axhw.experiments.moe_pim.plan import MODEL
from axhw.experiments.moe_pim.schedules import KINDS, SYNTHETIC, example_schedules, trace_schedules
from axhw.experiments.moe_pim.simulator_told import NAME
from axhw.pim.schedulers import OURS
from axhw.report.moe_pim import draw_cycles
from axhw.report.pim_schedule import draw_counts, draw_schedules
from axhw.report.study import Block, Picture, Table

_GANTT = "S4"


def cycle_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Cycles a token by grouping, beside the published ones."""
    rows = _mean_cycles(document["counts"])
    synthetic, model = _trace_words(document)
    kinds = {SYNTHETIC: f"synthetic, {synthetic}", MODEL: f"{MODEL}, {model}"}
    lines = [
        (
            name,
            f"{published.CYCLES_PER_TOKEN[name]:.4f}" if name in published.CYCLES_PER_TOKEN else "",
            *(_mean_of(row) for kind in kinds for row in rows if (row["grouping"], row["kind"]) == (name, kind)),
        )
        for name in dict.fromkeys(row["grouping"] for row in rows)
    ]
    tokens = document["settings"]["tokens"]
    return [
        "Cycles of compact schedules, which no schedule is shorter than, by the number of tokens. U: neighbours, S: "
        "sorted by load, C: few conflicts (ours), all made on the trace itself as the published ones are. The paper's "
        "choices are those of Llama-MoE-4/16 on C4; synthetic tokens choose 4 of 16 experts, those of "
        f"{MODEL} 2 of 16.",
        Picture(
            stem=f"{NAME}-cycles",
            caption="Cycles a token by grouping",
            figure=draw_cycles(
                [{**row, "kind": kinds[row["kind"]]} for row in rows],
                published=published.CYCLES_PER_TOKEN,
                about=f"compact schedules of {tokens} tokens; lines: least and most of the traces",
            ),
        ),
        Table(heads=("grouping", "paper", *kinds.values()), rows=lines, left=1),
    ]


def schedule_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Transfers by scheduler, bounds, optima, groupings and drawn schedules."""
    settings = document["settings"]
    synthetic, layers = _trace_words(document)
    first, tokens, seed = settings["traces"][0], settings["tokens"], settings["seed"]
    drawn = [row for row in document["counts"] if (row["kind"], row["trace"]) == (SYNTHETIC, first)]
    about = f"synthetic trace of {tokens} tokens, 4 of 16 experts, seed {first}"
    return [
        f"Synthetic traces of {tokens} tokens, 4 of 16 experts, skew 0.5, {synthetic}; {MODEL} on held-out text, "
        f"{layers}. Token by token is as long as the sum over tokens of their largest load; all others are as "
        "short as can be. Means over traces; less: against the published heuristic, the smallest and the largest.",
        Picture(
            stem=f"{NAME}-transfers",
            caption="Cycles and transfers by grouping and scheduler",
            figure=draw_counts(drawn, about=about),
        ),
        _transfer_table(document["counts"]),
        *_bound_blocks(document),
        "Optima of random traces of 3 to 7 tokens, by shortest ways in token order and by an integer program in any:",
        Table(
            heads=("order", "cases", "optimal", "most above", "mean above"),
            rows=[
                (
                    row["mode"].replace("_", " "),
                    row["cases"],
                    row["optimal"],
                    row["most_above"],
                    f"{row['mean_above']:.3f}",
                )
                for row in document["small_cases"]
            ],
            left=1,
        ),
        *_grouping_blocks(document),
        Picture(
            stem=f"{NAME}-example",
            caption="Schedules of the published worked example",
            figure=draw_schedules(
                example_schedules(),
                about="worked example of the paper: six tokens, four of eight experts each, in pairs",
            ),
        ),
        Picture(
            stem=f"{NAME}-schedule",
            caption=f"The first cycles of schedules with grouping {_GANTT}",
            figure=draw_schedules(
                trace_schedules(_GANTT, trace=first, tokens=tokens, seed=seed), about=f"{about}, grouping {_GANTT}"
            ),
        ),
    ]


def _transfer_table(counts: Sequence[Row]) -> Table:
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in counts):
        for grouping in dict.fromkeys(row["grouping"] for row in counts):
            by_kind = {
                (scheduler, mode): [
                    row
                    for row in counts
                    if (row["kind"], row["grouping"], row["scheduler"], row["mode"])
                    == (kind, grouping, scheduler, mode)
                ]
                for scheduler, mode in KINDS
            }
            heuristic = by_kind["rescheduled", "token_order"]
            cells: list[str] = [_mean(by_kind["token_by_token", "token_order"], "cycles"), _mean(heuristic, "cycles")]
            cells += [_mean(by_kind["compact", "token_order"], "transfers"), _mean(heuristic, "transfers")]
            for mode in ("token_order", "any_order"):
                own = by_kind[OURS, mode]
                saved = [1 - row["transfers"] / other["transfers"] for row, other in zip(own, heuristic)]
                cells += [_mean(own, "transfers"), _span(saved)]
            lines.append((kind, grouping, *cells))
    heads = (
        "trace",
        "grouping",
        "token by token, cycles",
        "cycles",
        "compact",
        "published",
        "ours, token order",
        "less",
        "ours, any order",
        "less",
    )
    return Table(heads=heads, rows=lines, left=2)


def _bound_blocks(document: Mapping[str, Any]) -> list[Block]:
    rows = document["bounds"]
    if not rows:
        return []
    heuristic = {
        (row["grouping"], row["trace"]): row["transfers"]
        for row in document["counts"]
        if (row["kind"], row["scheduler"]) == (SYNTHETIC, "rescheduled")
    }
    lines = []
    for row in rows:
        published_count = heuristic[row["grouping"], row["trace"]]
        lines.append(
            (
                f"{row['grouping']}, trace {row['trace']}",
                published_count,
                row["ours"],
                f"{100 * (1 - row['ours'] / published_count):.2f} %",
                row["least"],
                row["by"],
                f"{100 * row['above']:.2f} %",
                f"{100 * (1 - row['least'] / published_count):.2f} %",
            )
        )
    heads = ("trace", "published", "ours", "less", "no fewer than", "by", "ours above it", "could be saved at most")
    return [
        "What no schedule in token order has fewer transfers than: the optimum where the lattice of queues is small "
        "enough, elsewhere a lower bound, whose own gap to the optimum adds to that of the schedule. All synthetic "
        "traces in published groupings are here that save less than 10 %. In any order, ours have the fewest transfers "
        f"in {_reached(document)} schedules: the sum over tokens of their largest load.",
        Table(heads=heads, rows=lines, left=1),
    ]


def _grouping_blocks(document: Mapping[str, Any]) -> list[Block]:
    if not document["groupings"]:
        return []
    settings = document["settings"]
    lines = [
        (
            row["kind"],
            row["trace"],
            f"{settings['training_tokens']:,} other tokens" if row["held_out"] else "itself",
            row["size"],
            *(f"{row[f'{letter}_cycles']} / {row[f'{letter}_transfers']}" for letter in "SC"),
            *(f"{100 * (row[f'C_{name}'] / row[f'S_{name}'] - 1):+.1f} %" for name in ("cycles", "transfers")),
        )
        for row in document["groupings"]
    ]
    heads = ("trace", "seed or layer", "grouped on", "size", "S: cycles / transfers", "C", "cycles", "transfers")
    return [
        "Experts of few conflicts (C) beside those sorted by load (S), our schedules in any order. Experts of a "
        "synthetic trace differ in popularity alone: what C finds beyond that on pairs is chance, and does not hold "
        "on other tokens.",
        Table(heads=heads, rows=lines, left=3),
    ]


def _mean_of(row: Row) -> str:
    spread = f" ({row['least']:.4f} to {row['most']:.4f})" if row["least"] < row["most"] else ""
    return f"{row['mean']:.4f}{spread}"


def _mean_cycles(counts: Sequence[Row]) -> list[dict[str, Any]]:
    """Cycles a token of compact schedules, over the traces of a kind."""
    compact = [row for row in counts if row["scheduler"] == "compact"]
    found = []
    for kind, name in dict.fromkeys((row["kind"], row["grouping"]) for row in compact):
        own = [row["cycles_per_token"] for row in compact if (row["kind"], row["grouping"]) == (kind, name)]
        found.append({"kind": kind, "grouping": name, "mean": float(np.mean(own)), "least": min(own), "most": max(own)})
    return found


def _trace_words(document: Mapping[str, Any]) -> tuple[str, str]:
    """Seeds and layers."""
    settings = document["settings"]
    return listed("seed", settings["traces"]), listed("layer", settings["layers"])


def _reached(document: Mapping[str, Any]) -> str:
    rows = [row for row in document["counts"] if row["mode"] == "any_order"]
    return f"{sum(row['transfers'] == row['least_in_any_order'] for row in rows)} of {len(rows)}"


def _mean(rows: Sequence[Row], column: str) -> str:
    return f"{np.mean([row[column] for row in rows]):.0f}"


def _span(values: Sequence[float]) -> str:
    """Mean, smallest and largest share."""
    if len(values) == 1:
        return f"{100 * values[0]:.1f} %"
    return f"{100 * np.mean(values):.1f} % ({100 * min(values):.1f} to {100 * max(values):.1f})"
