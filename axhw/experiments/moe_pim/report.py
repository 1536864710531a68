"""The results as files: tables, and one report in Markdown and in HTML that tells them."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axhw import __version__
from axhw.experiments.moe_pim.area_told import chip_blocks, gain_blocks, search_blocks
from axhw.experiments.moe_pim.hardware_told import group_blocks, unit_blocks
from axhw.experiments.moe_pim.run import SECTIONS
from axhw.experiments.moe_pim.schedule_told import cycle_blocks, schedule_blocks
from axhw.experiments.moe_pim.simulator_told import NAME, cache_blocks, figure_blocks, model_blocks, timeline_blocks
from axhw.experiments.moe_pim.value_told import value_blocks
from axhw.experiments.results import claims_blocks, write_document
from axhw.report.study import Section, Study

_TABLES = ("claims", *SECTIONS, "cache_steps")


def write_results(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write moe-pim.md, .html, .json, a CSV file for each table and the figures as SVG and PNG.

    Parameters
    ----------
    document : mapping
        What `axhw.experiments.moe_pim.run.Experiment.run` gives.
    folder : Path
        An existing one.

    Returns
    -------
    list of Path
        The reports first.
    """
    tables = {name: [_flat(row) for row in document[name]] for name in _TABLES}
    return write_document(study(document), document, tables, folder, name=NAME)


def study(document: Mapping[str, Any]) -> Study:
    """The report."""
    sections = [
        Section(title="Claims", blocks=claims_blocks(document)),
        Section(title="Published figures", blocks=figure_blocks(document)),
        Section(title="Caches", blocks=cache_blocks(document)),
        Section(title="The GO cache step by step", blocks=timeline_blocks(document)),
        Section(title="Larger models", blocks=model_blocks(document)),
        Section(title="Cycles", blocks=cycle_blocks(document)),
        Section(title="Schedules", blocks=schedule_blocks(document)),
        Section(title="Area efficiency", blocks=gain_blocks(document)),
        Section(title="Chips with everything counted", blocks=chip_blocks(document)),
        Section(title="Search", blocks=search_blocks(document)),
        Section(title="Values", blocks=value_blocks(document)),
        Section(title="A shared periphery in gates", blocks=group_blocks(document)),
        Section(title="The GO-cache unit in gates", blocks=unit_blocks(document)),
    ]
    return Study(
        title="Mixtures of experts on crossbars that share their periphery",
        opening=_opening(document),
        sections=[section for section in sections if section.blocks],
    )


def _opening(document: Mapping[str, Any]) -> list[str]:
    settings = document["settings"]
    return [
        f"Made by `axhw reproduce moe-pim` with axhw {__version__}, Python {platform.python_version()} on "
        f"{platform.machine()}, {os.cpu_count()} processors: arXiv 2602.10254, whose experts are on crossbars that "
        "share their periphery in groups, with a cache of gates and outputs (GO) beside that of keys and values "
        "(KV). Its simulator counts time and energy; here values, gates and what it leaves out are there, too.",
        "Published parameters are those of HERMES cores of 256 x 256 cells, 130 ns and 12.5 nJ an MVM. Everything here "
        f"took {settings['seconds'] / 60:.1f} minutes.",
    ]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as words, for a file of plain columns."""
    return {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items()}
