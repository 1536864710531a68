"""What the report tells of values: routings, caches, hardware, and schedules that change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from axhw.experiments.moe_pim.measured import Row
from axhw.experiments.moe_pim.simulator_told import NAME
from axhw.experiments.moe_pim.value_claims import ANALOG
from axhw.pim.machines import FLOAT32
from axhw.report.moe_pim import draw_values
from axhw.report.study import Block, Picture, Table

_REFERENCES = {"trained": "as trained", "window": "expert choice", "exact": "exact hardware"}


def value_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Perplexity and outputs by routing, cache and hardware, and what schedules change."""
    rows = document["values"]
    if not rows:
        return []
    text = document["settings"]["text"]
    lines = [
        (
            row["model"],
            row["hardware"],
            route_name(row),
            "" if row["causal"] else "no",
            f"{row['tokens']:,}",
            f"{row['perplexity']:.4f}",
            _REFERENCES[row["reference"]],
            f"{row['rise_pct']:+.2f}",
            f"{row['rise_trained_pct']:+.2f}",
            f"{100 * row['output_error']:.1f}",
            f"{100 * row['agreement']:.1f}",
            f"{row['experts_per_token']:.2f}",
            f"{row['without_pct']:.1f}",
        )
        for row in rows
    ]
    heads = (
        "model",
        "hardware",
        "routing",
        "causal",
        "bytes",
        "perplexity",
        "against",
        "rise %",
        "rise over trained %",
        "outputs differ %",
        "same experts %",
        "experts a token",
        "tokens without %",
    )
    models = {row["model"]: row["trained"].replace("_", " ") for row in rows}
    trained = ", ".join(f"{name} with {how}" for name, how in models.items())
    return [
        f"Bytes behind the prompt, {text}, windows of 256, or of prompt and new bytes; trained: {trained}. Where "
        "experts choose over the whole window, later bytes take part in what earlier ones run through, so that the "
        "perplexity is not one of prediction. A GO cache is causal behind the prompt: of fixed size, as published, "
        "each expert keeps as many tokens as it had of the prompt, and fewer and fewer new ones get in; of growing "
        "size it keeps its share of all tokens so far, which the published cache could, as it keeps all scores. "
        "Routings are compared with the model as trained, caches with choosing over the window, hardware with "
        "float32 in the same routing. Outputs: of what experts add to the states, relative to the reference. Analog "
        "experts are on tiles of 256 x 256 with 8-bit converters, calibrated on validation text.",
        *(_picture(name, [row for row in rows if row["model"] == name], text) for name in models),
        Table(heads=heads, rows=lines, left=4),
        *_schedule_blocks(document["schedule_values"]),
    ]


def _picture(model: str, rows: Sequence[Row], text: str) -> Picture:
    return Picture(
        stem=f"{NAME}-values-{model.replace('_', '-')}",
        caption=f"Perplexity of {model} through routings, caches and hardware",
        figure=draw_values(
            [{**row, "route": route_name(row)} for row in rows if row["score_bits"] is None], about=f"{model}, {text}"
        ),
    )


def route_name(row: Row) -> str:
    """How tokens get their experts."""
    if row["routing"] == "token_choice":
        return "tokens choose"
    if not row["size"]:
        return "experts choose, whole window"
    bits = "" if row["score_bits"] is None else f", {row['score_bits']}-bit scores"
    return f"{row['size']} cache, {row['prompt']} + {row['new']}{bits}"


def _schedule_blocks(rows: Sequence[Row]) -> list[Block]:
    if not rows:
        return []
    keys = dict.fromkeys((row["model"], row["hardware"], row["multiplier"], route_name(row)) for row in rows)
    lines = []
    for key in keys:
        own = [row for row in rows if (row["model"], row["hardware"], row["multiplier"], route_name(row)) == key]
        lines.append(
            (
                key[0],
                key[1],
                key[3],
                len(own),
                sum(row["equal"] for row in own),
                f"{max(row['difference'] for row in own):.1g}",
                f"{max(row['arrival_difference'] for row in own):.1g}",
            )
        )
    heads = ("model", "hardware", "routing", "schedules", "equal", "largest difference", "added up on arrival")
    kinds = {FLOAT32, ANALOG} & {row["multiplier"] for row in rows}
    digital = "int8" if kinds else "the hardware"
    return [
        f"All groupings ({', '.join(dict.fromkeys(row['grouping'] for row in rows))}) and schedulers, "
        f"{rows[0]['tokens']} bytes: logits of the model through groups and schedules, behind a prompt step by step, "
        "held against the plain one. Results wait in a buffer and are added up by expert; added up on arrival, sums "
        f"of three and more depend on the schedule. Products in {digital} are sums of integers and do not depend on "
        "any order; in float32 a library adds up a single row in another order than many.",
        Table(heads=heads, rows=lines, left=3),
    ]
