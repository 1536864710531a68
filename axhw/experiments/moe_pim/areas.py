"""Area, area efficiency and operations per second, watt and mm2, as published and with everything counted; the search.

Gates are scaled to 14 nm, the technology of the published cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.experiments.moe_pim import published
from axhw.experiments.moe_pim.schedules import SYNTHETIC
from axhw.pim.area import chip_area
from axhw.pim.configurations import configured
from axhw.pim.efficiency import area_efficiency_rows, density_rows, full_density
from axhw.pim.grouping import parsed_name
from axhw.pim.model import LLAMA_MOE_4_16
from axhw.pim.parameters import PUBLISHED
from axhw.pim.search import search
from axhw.pim.search_space import SearchSpace

Row = dict[str, Any]

CONTROL, GATES = "control", "gates"
"""Published cores with their control in gates, and digital crossbars in gates."""

_MODEL = LLAMA_MOE_4_16


def gain_rows() -> list[Row]:
    """Area efficiency by each definition, from the published cycles."""
    return area_efficiency_rows(_MODEL, cycles=published.CYCLES_PER_TOKEN)


def trace_gain_rows(counts: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Area efficiency from cycles of synthetic traces: of compact schedules, which none is shorter than.

    Parameters
    ----------
    counts : sequence of rows of `axhw.experiments.moe_pim.schedules.count_rows`
    """
    cycles: dict[str, list[float]] = {}
    for row in counts:
        if (row["kind"], row["scheduler"]) == (SYNTHETIC, "compact"):
            cycles.setdefault(row["grouping"], []).append(row["cycles_per_token"])
    rows: list[Row] = []
    for name, values in cycles.items():
        factor = PUBLISHED.core.sharing_factor(parsed_name(name)[1])
        mean, alone = (float(np.mean(each)) for each in (values, cycles["U1"]))
        rows.append(
            {
                "grouping": name,
                "traces": len(values),
                "cycles_per_token": mean,
                "area_factor": factor,
                "token_by_token": 1 / (mean * factor),
                "same_schedule": alone / (mean * factor),
            }
        )
    return rows


def published_density_rows() -> list[Row]:
    """Operations per second, watt and mm2 by phase, area and grouping, published accounting."""
    return density_rows(
        _MODEL, cycles=published.CYCLES_PER_TOKEN, prompt=published.PROMPT, new_tokens=published.NEW_TOKENS
    )


def area_rows(sizes: Sequence[int]) -> list[Row]:
    """Parts of chips whose experts share a periphery in groups of these sizes, of both kinds of cores."""
    rows: list[Row] = []
    for name in (CONTROL, GATES):
        for group in sizes:
            configuration = configured(name, model=_MODEL, scaling=SCALED_TO_14_NM, group=group)
            for part in chip_area(_MODEL, configuration, prompt=published.PROMPT).rows():
                rows.append({"configuration": name, "group": group, **part})
    return rows


def full_rows(sizes: Sequence[int]) -> list[Row]:
    """Chips with everything counted, by size of groups and phase: density, and gains over no sharing."""
    rows: list[Row] = []
    for name in (CONTROL, GATES):
        alone: dict[str, Row] = {}
        for group in sizes:
            configuration = configured(name, model=_MODEL, scaling=SCALED_TO_14_NM, group=group)
            area = chip_area(_MODEL, configuration, prompt=published.PROMPT)
            found = full_density(_MODEL, configuration, prompt=published.PROMPT, new_tokens=published.NEW_TOKENS)
            for phase in found:
                row: Row = {
                    "configuration": name,
                    "group": group,
                    **{key: phase[key] for key in ("phase", "time_ns", "energy_nj", "gops", "watts", "gops_w_mm2")},
                    "experts_mm2": area.moe_mm2,
                    "chip_mm2": area.total_mm2,
                }
                first = alone.setdefault(row["phase"], row)
                time = first["time_ns"] / row["time_ns"]
                row["experts_gain"] = time * first["experts_mm2"] / row["experts_mm2"]
                row["chip_gain"] = time * first["chip_mm2"] / row["chip_mm2"]
                row["energy_gain"] = first["energy_nj"] / row["energy_nj"]
                rows.append(row)
    return rows


def search_rows(space: SearchSpace, *, seed: int, stage: Callable[[str], None]) -> list[Row]:
    """All chips of a space, and which of them are on the front of area, latency and energy."""
    found = search(
        _MODEL,
        space=space,
        scaling=SCALED_TO_14_NM,
        prompt=published.PROMPT,
        new_tokens=published.NEW_TOKENS,
        configuration=CONTROL,
        seed=seed,
        report=lambda done, total, what: stage(f"search, {what}"),
    )
    return [{**point, "hypervolume": found.hypervolume} for point in found.points]
