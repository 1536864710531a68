"""What the report tells of gates: crossbars that share their periphery, and the GO-cache unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axhw.experiments.moe_pim.hardware_claims import setting_name
from axhw.experiments.moe_pim.measured import Row
from axhw.experiments.moe_pim.simulator_told import NAME
from axhw.report.moe_pim_hardware import draw_factors
from axhw.report.study import Block, Picture, Table


def group_blocks(document: Mapping[str, Any]) -> list[Block]:
    """What sharing a periphery saves in gates."""
    rows = document["groups"]
    if not rows:
        return []
    by_setting: dict[str, list[Row]] = {}
    for row in rows:
        by_setting.setdefault(setting_name(row), []).append(row)
    lines = [
        (
            name,
            row["crossbars"],
            f"{row['area_um2']:,.0f}",
            f"{row['period_ns']:.2f}",
            f"{row['read_fj'] / 1e3:,.1f}",
            f"{row['held_fj'] / 1e3:,.1f}",
            f"{100 * row['shared_area']:.1f}",
            f"{row['area_factor']:.3f}",
            f"{row['energy_factor']:.3f}",
            f"{row['energy_factor_stored']:.3f}",
            f"{row['energy_factor_held']:.3f}",
            f"{row['published_factor']:.3f}",
        )
        for name, own in by_setting.items()
        for row in own
    ]
    heads = (
        "crossbars",
        "g",
        "area um2",
        "period ns",
        "read pJ",
        "held pJ",
        "not in crossbars %",
        "area",
        "energy",
        "stored",
        "held",
        "published",
    )
    most = {name: own[-1] for name, own in by_setting.items()}
    where = "; ".join(
        f"{name}, g = {row['crossbars']}: most area in the {row['most_area_in']}, most energy in the "
        f"{row['most_energy_in']}"
        for name, row in most.items()
    )
    processor_s = sum(own[0]["processor_s"] for own in by_setting.values())
    return [
        "Digital crossbars behind one driver, one accumulate unit and one scheduler "
        f"({document['settings']['gates']}), all proved against their golden models. Area: of the group, by that of g "
        "groups of one. Energy: of a read, by that on g groups of one, of which one reads while the clocks of the "
        "others run; crossbars in random order. Stored: without the clock pins of weight registers, as analog cells "
        f"have none. Held: reads of a crossbar follow each other. {where[0].upper()}{where[1:]}. Making, proving and "
        f"measuring them took {processor_s:.0f} s of processor time; what the store has takes none.",
        Picture(
            stem=f"{NAME}-sharing",
            caption="Area and energy of a crossbar by how many share a periphery",
            figure=draw_factors(by_setting, about=document["settings"]["gates"]),
        ),
        Table(heads=heads, rows=lines, left=1),
    ]


def unit_blocks(document: Mapping[str, Any]) -> list[Block]:
    """The GO-cache unit."""
    rows = document["go_caches"]
    if not rows:
        return []
    lines = [
        (
            f"{row['experts']}, {row['kept']}, {row['score_bits']} bits, {row['tokens']:,}",
            f"{row['area_um2']:,.0f}",
            f"{row['period_ns']:.2f}",
            f"{row['request_fj'] / 1e3:,.1f}",
            f"{row['clock_fj'] / 1e3:,.1f}",
            f"{row['stored_bits']:,}",
            f"{row['token_ns']:.1f}",
            f"{row['token_pj'] / 1e3:.3f}",
            row["most_area_in"],
        )
        for row in rows
    ]
    heads = (
        "experts, kept, score, tokens",
        "area um2",
        "period ns",
        "request pJ",
        "in clock pins pJ",
        "bits stored",
        "new token ns",
        "new token nJ",
        "most area in",
    )
    return [
        "The unit that knows which tokens each expert keeps, in the same gates: a request a cycle, one for each expert "
        "of a new token. An MVM of the published core takes 130 ns and 12.5 nJ.",
        Table(heads=heads, rows=lines, left=1),
    ]
