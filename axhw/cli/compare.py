"""``axhw compare``: stored designs side by side."""

from __future__ import annotations

import math
from typing import Any

import click

from axhw.cli.options import json_option, print_json
from axhw.cli.tables import plain_table, stdout, value_text
from axhw.errors import AxhwError
from axhw.lookup import designs_measured_alike
from axhw.store import Store

_CONDITIONS = (
    "width",
    "signed",
    "element",
    "sampled",
    "library",
    "corner",
    "engine",
    "stream",
    "wire_load",
    "input_slew_ns",
    "output_load_ff",
)
_FIGURES = (
    "area_um2",
    "delay_ns",
    "energy_fj",
    "energy_zero_delay_fj",
    "energy_exclusive_fj",
    "leakage_nw",
    "cells",
    "mae",
    "mae_pct",
    "wce",
    "wce_pct",
    "mre_pct",
    "ep_pct",
    "mse",
    "bias",
    "variance",
    "rank",
)


@click.command("compare")
@click.argument("designs", nargs=-1, required=True, metavar="DESIGN...")
@json_option
def command(designs: tuple[str, ...], as_json: bool) -> None:
    """Compare stored DESIGNS (names, keys or specs) side by side; ratios are to the first.

    Of several designs of a name those count that were measured alike, if there are such, else the newest; what differs
    in how they were measured is told below the figures.

    \b
    axhw compare exact roup:p=2,r=3 bam8s_ha1_hb0_v4
    """
    if len(designs) < 2:
        raise AxhwError("Expected two designs or more to compare, found one.")
    store = Store.default()
    summaries = [record.summary() for record in designs_measured_alike(store, designs)]
    first = summaries[0]
    ratios = [{figure: _ratio(summary[figure], first[figure]) for figure in _FIGURES} for summary in summaries]
    if as_json:
        print_json({"relative_to": first["name"], "designs": summaries, "ratios": ratios})
        return
    table = plain_table("", *(heading for summary in summaries for heading in (summary["name"], "")))
    for figure in _FIGURES:
        cells = []
        for number, (summary, ratio) in enumerate(zip(summaries, ratios)):
            known = number > 0 and ratio[figure] is not None
            cells += [value_text(summary[figure]), f"[dim]{ratio[figure]:.3f} x[/dim]" if known else ""]
        table.add_row(figure, *cells)
    for key in _CONDITIONS:
        values = [value_text(summary[key]) for summary in summaries]
        if len(set(values)) > 1:
            table.add_row(key, *(cell for value in values for cell in (value, "")))
    console = stdout()
    console.print(table)
    measured = "" if first["library"] is None else f"; {first['library']}, {first['stream']}"
    console.print(f"[dim]ratios to {first['name']}{measured}[/dim]", soft_wrap=True)


def _ratio(value: Any, base: Any) -> float | None:
    """None where one of them is unknown or the base is 0."""
    if value is None or not base:
        return None
    ratio = float(value / base)
    # The ratio of 0 to a negative bias is 0, not -0.
    return ratio + 0.0 if math.isfinite(ratio) else None
