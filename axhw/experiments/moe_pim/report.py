"""The results as files: tables, and one report in Markdown and in HTML that tells them."""

from __future__ import annotations

from typing import Any

from axhw.experiments.moe_pim.area_told import chip_blocks, gain_blocks, search_blocks
from axhw.experiments.moe_pim.hardware_told import group_blocks, unit_blocks
from axhw.experiments.moe_pim.run import SECTIONS
from axhw.experiments.moe_pim.schedule_told import cycle_blocks, schedule_blocks
from axhw.experiments.moe_pim.simulator_told import NAME, cache_blocks, figure_blocks, model_blocks, timeline_blocks
from axhw.experiments.moe_pim.value_told import value_blocks
from axhw.experiments.results import Document, Report, claims_blocks, made_by

_TABLES = ("claims", *SECTIONS, "cache_steps")


def _tables(document: Document) -> dict[str, Any]:
    return {name: [_flat(row) for row in document[name]] for name in _TABLES}


def _opening(document: Document) -> list[str]:
    settings = document["settings"]
    return [
        f"{made_by('axhw reproduce moe-pim')}: arXiv 2602.10254, whose experts are on crossbars that "
        "share their periphery in groups, with a cache of gates and outputs (GO) beside that of keys and values "
        "(KV). Its simulator counts time and energy; here values, gates and what it leaves out are there, too.",
        "Published parameters are those of HERMES cores of 256 x 256 cells, 130 ns and 12.5 nJ an MVM. Everything here "
        f"took {settings['seconds'] / 60:.1f} minutes.",
    ]


def _flat(row: Document) -> dict[str, Any]:
    """Lists as words, for a file of plain columns."""
    return {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}


REPORT = Report(
    name=NAME,
    title="Mixtures of experts on crossbars that share their periphery",
    opening=_opening,
    sections={
        "Claims": claims_blocks,
        "Published figures": figure_blocks,
        "Caches": cache_blocks,
        "The GO cache step by step": timeline_blocks,
        "Larger models": model_blocks,
        "Cycles": cycle_blocks,
        "Schedules": schedule_blocks,
        "Area efficiency": gain_blocks,
        "Chips with everything counted": chip_blocks,
        "Search": search_blocks,
        "Values": value_blocks,
        "A shared periphery in gates": group_blocks,
        "The GO-cache unit in gates": unit_blocks,
    },
    tables=_tables,
)
