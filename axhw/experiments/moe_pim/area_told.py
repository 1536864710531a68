"""What the report tells of area, efficiency and the search of chips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.areas import CONTROL, GATES
from axhw.experiments.moe_pim.measured import listed
from axhw.experiments.moe_pim.simulator_told import NAME
from axhw.pim.efficiency import DEFINITIONS
from axhw.report.moe_pim_hardware import draw_areas, draw_gains
from axhw.report.pim_search import draw_search
from axhw.report.study import Block, Picture, Table

_WORKLOAD = f"one layer of the size of Llama-MoE-4/16, prompt of {published.PROMPT}, {published.NEW_TOKENS} new tokens"
_NAMES = {CONTROL: "published cores", GATES: "digital crossbars of gates"}

_SHOWN = 40
"""Points of the front in the report; `search.csv` has all."""


def gain_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Area efficiency by definition."""
    if not document["gains"]:
        return []
    heads = ("grouping", "cycles a token", "area factor", *(column.replace("_", " ") for column in DEFINITIONS))
    lines = [
        (
            row["grouping"],
            f"{row['cycles_per_token']:.4f}",
            f"{row['area_factor']:.1f}",
            *(f"{row[column]:.2f}" for column in DEFINITIONS),
        )
        for row in document["gains"]
    ]
    own = [
        (
            row["grouping"],
            f"{row['cycles_per_token']:.4f}",
            f"{row['area_factor']:.1f}",
            f"{row['token_by_token']:.2f}",
            f"{row['same_schedule']:.2f}",
        )
        for row in document["trace_gains"]
    ]
    words = "; ".join(f"{column.replace('_', ' ')}: {text}" for column, text in DEFINITIONS.items())
    return [
        f"The paper's gain of up to {published.AREA_EFFICIENCY_GAIN} names no baseline. All of these are from its "
        f"cycles a token and its area factors. {words[0].upper()}{words[1:]}.",
        Picture(
            stem=f"{NAME}-gains",
            caption="Area efficiency by grouping and definition",
            figure=draw_gains(
                document["gains"],
                definitions=DEFINITIONS,
                claimed=published.AREA_EFFICIENCY_GAIN,
                about="published cycles a token (Llama-MoE-4/16 on C4, compact schedules), published parameters",
            ),
        ),
        Table(heads=heads, rows=lines, left=1),
        f"The same from cycles of synthetic traces, {listed('seed', document['settings']['traces'])}:",
        Table(heads=heads[:5], rows=own, left=1),
    ]


def chip_blocks(document: Mapping[str, Any]) -> list[Block]:
    """Area, time and energy of chips with everything counted."""
    if not document["chips"]:
        return []
    lines = [
        (
            _NAMES[row["configuration"]],
            row["group"],
            row["phase"],
            f"{row['experts_mm2']:,.0f}",
            f"{row['chip_mm2']:,.0f}",
            f"{row['time_ns'] / 1e3:,.1f}",
            f"{row['energy_nj'] / 1e3:,.0f}",
            f"{row['experts_gain']:.2f}",
            f"{row['chip_gain']:.2f}",
            f"{row['energy_gain']:.2f}",
            f"{row['gops_w_mm2']:#.3g}",
        )
        for row in document["chips"]
    ]
    heads = (
        "cores",
        "g",
        "phase",
        "experts mm2",
        "chip mm2",
        "us",
        "uJ",
        "gain, experts",
        "gain, chip",
        "gain, energy",
        "GOPS/W/mm2",
    )
    largest = max(row["group"] for row in document["areas"])
    parts = [
        (row["part"], row["source"], f"{row['count']:,}", f"{row['unit_mm2']:.3g}", f"{row['mm2']:,.4g}")
        for row in document["areas"]
        if (row["configuration"], row["group"]) == (CONTROL, largest)
    ]
    best: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in document["densities"]:
        key = row["phase"], row["area"]
        if key not in best or row["gops_w_mm2"] > best[key]["gops_w_mm2"]:
            best[key] = row
    densities = [
        (
            phase,
            area,
            row["grouping"],
            f"{row['gops']:,.0f}",
            f"{row['watts']:.2f}",
            f"{row['mm2']:,.0f}",
            f"{row['gops_w_mm2']:.1f}",
        )
        for (phase, area), row in best.items()
    ]
    about = f"{_WORKLOAD}\ngates of the embedded library, {SCALED_TO_14_NM.name}"
    return [
        "Everything counted: all cores, schedulers and GO-cache units of gates, digital and attention units (lanes "
        "that multiply and add alone: a lower bound), buffers. Gains are over groups of one: time times area of the "
        "experts' part, of the chip, and energy. Additions of partial sums in 5 digital units take most of the time, "
        "so that experts that wait for each other cost none. Digital crossbars hold weights in flip-flops.",
        Picture(
            stem=f"{NAME}-area",
            caption="Area of chips",
            figure=draw_areas(document["areas"], names=_NAMES, about=about),
        ),
        Table(heads=heads, rows=lines, left=3),
        f"Parts of the chip with published cores, g = {largest}:",
        Table(heads=("part", "source", "number", "mm2 each", "mm2"), rows=parts, left=2),
        f"Operations per second, watt and mm2 by the published accounting; the paper has {published.GOPS_PER_W_MM2} "
        "and does not define it. For each phase and area the best grouping, with the published cycles:",
        Table(heads=("phase", "area", "grouping", "GOPS", "W", "mm2", "GOPS/W/mm2"), rows=densities, left=3),
    ]


def search_blocks(document: Mapping[str, Any]) -> list[Block]:
    """The front of area, latency and energy."""
    points = document["search"]
    if not points:
        return []
    front = sorted((point for point in points if point["front"]), key=lambda point: -float(point["area_mm2"]))
    lines = [
        (
            point["grouping"],
            str(point["schedule"]).replace("_", " "),
            point["caches"],
            point["digital_units"],
            point["attention_units"],
            point["dram"],
            f"{point['area_mm2']:,.1f}",
            f"{point['latency_ns'] / 1e3:,.1f}",
            f"{point['energy_nj'] / 1e3:,.1f}",
        )
        for point in front
    ]
    heads = (
        "grouping",
        "schedule",
        "caches",
        "digital units",
        "attention units",
        "DRAM",
        "area mm2",
        "latency us",
        "energy uJ",
    )
    volume = 100 * points[0]["hypervolume"]
    sizes = sorted({point["group"] for point in points})
    on_front = ", ".join(f"{sum(point['group'] == size for point in front)} with g = {size}" for size in sizes)
    return [
        f"Groupings, schedules, caches, units and DRAM, all {len(points):,} of them evaluated, everything counted; "
        f"latency and energy are those of prompt and steps. The front dominates {volume:.1f} % of the box of all "
        f"points; of its points are {on_front}.",
        Picture(
            stem=f"{NAME}-front",
            caption="Area, latency and energy of all chips, and the front",
            figure=draw_search(points, about=f"{_WORKLOAD}, choices drawn with seed {document['settings']['seed']}"),
        ),
        Table(heads=heads, rows=lines[:_SHOWN], left=3),
        *(
            [f"The other {len(lines) - _SHOWN:,} points of the front are in `search.csv`."]
            if len(lines) > _SHOWN
            else []
        ),
    ]


_SHOWN = 40
