"""What the report tells of the simulator, of caches and of larger models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.measured import Row
from axhw.experiments.moe_pim.simulations import NEITHER
from axhw.report.moe_pim import draw_cache, draw_ratios, draw_switches
from axhw.report.study import Block, Picture, Table

NAME = "moe-pim"
"""Of the report's files."""

_WORKLOAD = f"one layer of the size of Llama-MoE-4/16, prompt of {published.PROMPT} tokens, published parameters"


def figure_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Figures of the published simulator beside ours."""
    lines = [
        (
            f"{row['figure']}, {row['unit']}",
            f"{row['paper']:,.{row['decimals']}f}",
            f"{row['ours']:,.{row['decimals']}f}",
            _difference(row),
        )
        for row in document["checks"]
    ]
    return [
        f"{_WORKLOAD[0].upper()}{_WORKLOAD[1:]} and accounting, {published.NEW_TOKENS} new tokens.",
        Table(heads=("figure", "published", "here", "difference"), rows=lines, left=1),
    ]


def cache_blocks(document: Mapping[str, Any]) -> list[Block]:
    """What caches are worth, and how the accounting changes it."""
    seed = document["settings"]["seed"]
    rows = document["caches"]
    lines = [
        (
            row["accounting"],
            row["new_tokens"],
            row["caches"],
            row["steps"],
            f"{row['mvms']:,}",
            f"{row['time_ns'] / 1e3:,.1f}",
            f"{row['energy_nj'] / 1e3:,.1f}",
            f"{row['time_ratio']:.2f}",
            f"{row['energy_ratio']:.2f}",
        )
        for row in rows
    ]
    heads = ("accounting", "new tokens", "caches", "steps", "MVMs", "us", "uJ", "time ratio", "energy ratio")
    switches = [
        (
            row["counted"],
            f"{row['prompt_ns'] / 1e3:.1f}",
            f"{row['prompt_nj'] / 1e3:.1f}",
            f"{row['steps_ns'] / 1e3:.1f}",
            f"{row['steps_nj'] / 1e3:.1f}",
            f"{row['time_ratio']:.2f}",
            f"{row['energy_ratio']:.2f}",
        )
        for row in document["switches"]
    ]
    switch_heads = ("also counted", "prompt us", "prompt uJ", "steps us", "steps uJ", "time ratio", "energy ratio")
    return [
        "All steps after the prompt; ratios are to those with both caches. Published accounting lets a step compute "
        "one token if there is a GO cache, whatever is known of keys; without both caches, a step needs all tokens.",
        Picture(
            stem=f"{NAME}-ratios",
            caption="What KV and GO cache save, by the number of new tokens",
            figure=draw_ratios(
                [row for row in rows if row["caches"] == NEITHER],
                published=(published.NEW_TOKENS, published.TIME_RATIO, published.ENERGY_RATIO),
                about=f"{_WORKLOAD}, choices drawn with seed {seed}",
            ),
        ),
        Table(heads=heads, rows=lines, left=3),
        f"From the published accounting to all of it, {published.NEW_TOKENS} new tokens; each line keeps what those "
        "above it count. The last three change nothing here: the scheduler has no published figures, nothing is "
        "shared, and there are both caches or none.",
        Picture(
            stem=f"{NAME}-accounting",
            caption="Ratios as more is counted, from the top down",
            figure=draw_switches(document["switches"], about=f"{_WORKLOAD}, {published.NEW_TOKENS} new tokens"),
        ),
        Table(heads=switch_heads, rows=switches, left=1),
    ]


def timeline_blocks(document: Mapping[str, Any]) -> list[Block]:
    """The GO cache step by step."""
    rows = document["cache_steps"]
    if not rows:
        return []
    experts = rows[0]["hits"] + rows[0]["misses"]
    share = 100 * sum(row["hits"] for row in rows) / (experts * len(rows))
    read, moved = (sum(row[name] for row in rows) for name in ("go_read_bytes", "moved_bytes"))
    return [
        f"Each expert keeps its 8 best tokens. Of the experts' outputs {share:.0f} % are used again over {len(rows)} "
        "steps, and more the longer the text is, as a new token has to be among the best of more. Reading scores and "
        f"outputs is {100 * read / moved:.0f} % of what DRAM moves, most of which are keys and values.",
        Picture(
            stem=f"{NAME}-cache",
            caption="The GO cache step by step",
            figure=draw_cache(
                rows,
                prompt=document["cache_prompt"],
                tokens=published.PROMPT,
                about=f"{_WORKLOAD}, everything counted, normal scores of seed {document['settings']['seed']}",
            ),
        ),
    ]


def model_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Larger models."""
    if not document["models"]:
        return []
    lines = [
        (
            row["model"],
            row["layers"],
            row["experts"],
            f"{row['crossbars']:,}",
            f"{row['prompt']} + {row['new_tokens']}",
            row["group"],
            f"{row['prompt_ns'] / 1e6:,.2f}",
            f"{row['prompt_nj'] / 1e6:,.2f}",
            f"{row['steps_ns'] / 1e6:,.2f}",
            f"{row['steps_nj'] / 1e6:,.2f}",
            f"{row['operations']:,}",
            f"{row['operations_per_s'] / 1e6:.1f}",
        )
        for row in document["models"]
    ]
    heads = (
        "model",
        "layers",
        "experts",
        "crossbars",
        "tokens",
        "g",
        "prompt ms",
        "prompt mJ",
        "steps ms",
        "steps mJ",
        "operations",
        "10^6 operations/s",
    )
    return [
        "All layers, everything counted, published parameters, both caches where experts choose and a KV cache where "
        "tokens do, choices drawn. g neighbours share a periphery by the published factor: that saves energy and area, "
        "and costs next to no time, as additions of partial sums in 5 digital units take longer than crossbars.",
        Table(heads=heads, rows=lines, left=3),
    ]


def _difference(row: Row) -> str:
    ours, step = round(row["ours"], row["decimals"]), 0.1 ** row["decimals"]
    apart = ours - row["paper"]
    return "0" if abs(apart) < step / 2 else f"{100 * apart / row['paper']:+.2f} %"
