"""Area and efficiency of experts on shared crossbars: parts of a chip, units measured, definitions, search.

Usage: python -m benchmarks.pim_area
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.flow import Flow
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec, Place
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.hdl.registry import parse
from axhw.pim.area import chip_area
from axhw.pim.choices import Choices, synthetic_choices
from axhw.pim.configurations import CONFIGURATIONS, configured
from axhw.pim.efficiency import (
    AREAS,
    CLAIMED_DENSITY,
    DEFINITIONS,
    PHASES,
    PUBLISHED_CYCLES,
    area_efficiency_rows,
    density_rows,
    full_density,
    nearest_density,
    trace_efficiency_rows,
)
from axhw.pim.gate_units import GO_CACHE, GROUPS, SCHEDULERS, go_cache_unit
from axhw.pim.go_cache_unit import go_cache_cost
from axhw.pim.model import LLAMA_MOE_4_16
from axhw.pim.model_choices import model_folder, traced_layer
from axhw.pim.search import SearchResult, search
from axhw.pim.search_space import FULL_SPACE
from axhw.pim.sharing import CROSSBARS, measure_sharing
from axhw.report.front import save_figure
from axhw.report.pim_search import draw_search
from axhw.store import Store
from benchmarks.markdown import table

MARKDOWN = True
FIGURES = Path(__file__).resolve().parents[1] / "reports"
MODEL, TRAINED, TOKENS = LLAMA_MOE_4_16, "olmoe_bytes_small", 512

AREA = """\
mm2 of a chip that holds one layer of the size of Llama-MoE-4/16, its embedding and its head; g experts share a
periphery. As published, the cores of experts count alone; gates are scaled from 130 nm to 14 nm
(`axhw.analog.technology`). Digital and attention units and the buffer are lower bounds."""

DIGITAL = """\
With crossbars of gates (`--parameters gates`): a core of 256 x 256 is 64 x 64 groups 4 x 4 with 8-bit weights in
flip-flops and one set of multipliers for g crossbars."""

SHARING = """\
Groups of crossbars 4 x 4, exact 8-bit multipliers, embedded library, made, proved and measured: area and energy of each
crossbar by those of one on its own."""

UNITS = """\
Committed figures (`axhw.pim.gate_units`), measured again. GO-cache units of other sizes are taken in proportion to
stored bits."""

EFFICIENCY = """\
Gains of each grouping over experts that share nothing, published cycles a token of compact schedules (C4), by all
definitions of `axhw.pim.efficiency`; 2.2 is claimed, as the most."""

TRACES = f"""\
The same from cycles of traces of {TOKENS} tokens, groups made on the trace itself: synthetic, seed 0, and layer 1 of
our language model {TRAINED} (2 of 16 experts). Compact, rescheduled and both of ours are as long as the longest
queue, so that they have one line."""

DENSITY = f"""\
GOPS/W/mm2 in the published accounting: {MODEL.name}, prompt of 32, 8 new tokens, operations counted as the published
code does. "None": one token after the other, nothing shared. {CLAIMED_DENSITY} is claimed."""

FULL = """\
Everything counted: full accounting, area of all parts; operations of matrices alone."""

SEARCH = """\
All 3,360 points of `axhw pim search --model llama-moe-4-16`: groupings, schedules, caches, units and memory; control in
gates, full accounting. The front, by falling area."""


def areas() -> Iterator[tuple[str, ...]]:
    """A row for each part, a column for each size of groups."""
    found = [
        chip_area(MODEL, configured("control", model=MODEL, scaling=SCALED_TO_14_NM, group=group))
        for group in CROSSBARS
    ]
    for parts in zip(*(area.parts for area in found)):
        yield (parts[0].part, *(f"{part.mm2:.4g}" for part in parts), parts[0].source)
    yield ("experts, as published", *(f"{area.moe_mm2:.1f}" for area in found), "")
    yield ("everything", *(f"{area.total_mm2:.1f}" for area in found), "")


def digital() -> Iterator[tuple[str, ...]]:
    """A row for each size of groups."""
    for group in CROSSBARS:
        chip = configured("gates", model=MODEL, scaling=SCALED_TO_14_NM, group=group)
        core, area = chip.parameters.core, chip_area(MODEL, chip)
        yield (
            str(group),
            f"{core.area_mm2:.2f}",
            f"{core.mvm_ns:.1f}",
            f"{core.mvm_nj:.2f}",
            f"{area.moe_mm2:,.0f}",
            f"{area.total_mm2:,.0f}",
            f"{chip.parameters.passive_w:.1f}",
        )


def sharing(place: Place, store: Store) -> Iterator[tuple[str, ...]]:
    """A row for each size of groups, and figures that are committed."""
    spec = CrossbarGroupSpec(multiplier=parse("exact"), multiply_in=place)
    for row in measure_sharing(spec, flow=Flow.of(store=store)).rows():
        if place == "periphery" and round(row["area_um2"]) != GROUPS[row["crossbars"]].area_um2:
            raise SystemExit(f"Committed figures of {row['name']} are others than measured ones.")
        yield (
            place,
            str(row["crossbars"]),
            f"{row['area_um2']:,.0f}",
            f"{100 * row['shared_area']:.1f} %",
            *(
                f"{row[name]:.3f}"
                for name in ("area_factor", "energy_factor", "energy_factor_stored", "energy_factor_held")
            ),
            f"{row['published_factor']:.1f}",
        )


def units(store: Store) -> Iterator[tuple[str, ...]]:
    """Committed and measured figures."""
    spec = CrossbarGroupSpec(multiplier=parse("exact:width=4"), rows=1, columns=1, multiply_in="periphery")
    for group in measure_sharing(spec, flow=Flow.of(store=store)).groups:
        part, unit = group.parts["scheduler"], SCHEDULERS[group.crossbars]
        yield (
            f"scheduler of {group.crossbars}",
            *(f"{value:,.1f}" for value in (unit.area_um2, part.area_um2)),
            *(f"{value / 1e3:.2f}" for value in (unit.operation_fj, part.energy_fj)),
            *(f"{value:.2f}" for value in (unit.period_ns, group.period_ns)),
        )
    for kept in (4, 8):
        cost = go_cache_cost(GoCacheSpec(experts=16, kept=kept), flow=Flow.of(store=store))
        own = go_cache_unit(experts=16, kept=kept)
        yield (
            cost.name,
            *(f"{value:,.0f}" for value in (own.area_um2, cost.area_um2)),
            *(f"{value / 1e3:.1f}" for value in (own.operation_fj, cost.request_fj)),
            *(f"{value:.2f}" for value in (GO_CACHE.period_ns, cost.period_ns)),
        )


def traces() -> Iterator[tuple[str, ...]]:
    """Gains by cycles."""
    folder = model_folder(TRAINED)
    if folder is None:
        raise SystemExit(f"Expected the language model {TRAINED}, found none.")
    named: dict[str, Choices] = {
        "synthetic": synthetic_choices(seed=0, tokens=TOKENS),
        TRAINED: traced_layer(folder, layer=1, tokens=TOKENS),
    }
    for name, choices in named.items():
        for row in trace_efficiency_rows(
            choices, schedulers=(("token_by_token", "token_order"), ("ours", "any_order"))
        ):
            yield (
                name,
                row["grouping"],
                row["scheduler"].replace("_", " "),
                f"{row['cycles']:,}",
                f"{row['transfers']:,}",
                *(f"{row[what]:.2f}" for what in ("token_by_token", "same_schedule")),
            )


def densities() -> Iterator[tuple[str, ...]]:
    """Phases and areas down, groupings to the right."""
    rows = density_rows(MODEL)
    for phase in PHASES:
        for area in AREAS:
            own = [row for row in rows if (row["phase"], row["area"]) == (phase, area)]
            yield (phase, area, *(f"{row['gops_w_mm2']:.2f}" for row in own))


def fully_counted() -> Iterator[tuple[str, ...]]:
    """Everything counted, a row for each chip."""
    for name in CONFIGURATIONS:
        for group in CROSSBARS:
            chip = configured(name, model=MODEL, scaling=SCALED_TO_14_NM, group=group)
            rows = full_density(MODEL, chip)
            yield (name, str(group), f"{rows[0]['mm2']:,.0f}", *(f"{row['gops_w_mm2']:.3f}" for row in rows))


def front(found: SearchResult) -> Iterator[tuple[str, ...]]:
    """Points that no other beats."""
    for point in found.front:
        yield (
            point["grouping"],
            point["schedule"].replace("_", " "),
            point["caches"],
            point["dram"],
            str(point["digital_units"]),
            str(point["attention_units"]),
            f"{point['area_mm2']:,.2f}",
            f"{point['latency_ns'] / 1e3:,.1f}",
            f"{point['energy_nj'] / 1e3:,.1f}",
        )


def main() -> None:
    """Print the report."""
    store = Store.default()
    sizes = tuple(f"g = {group}" for group in CROSSBARS)
    print(f"## Area\n\n{AREA}\n")
    print(table(("part", *sizes, "source"), areas()))
    print(f"\n{DIGITAL}\n")
    columns: tuple[str, ...] = ("g", "core, mm2", "MVM, ns", "MVM, nJ", "experts, mm2", "everything, mm2", "passive, W")
    print(table(columns, digital()))
    print(f"\n## Sharing, measured\n\n{SHARING}\n")
    columns = ("multipliers in", "g", "um2", "shared area", "area", "energy", "stored", "held", "published")
    print(table(columns, [row for place in ("cells", "periphery") for row in sharing(place, store)]))
    print(f"\n## Units, measured again\n\n{UNITS}\n")
    columns = ("unit", "um2", "measured", "pJ", "measured", "ns", "measured")
    print(table(columns, units(store)))
    print(f"\n## Area efficiency\n\n{EFFICIENCY}\n")
    rows = area_efficiency_rows(MODEL)
    print(
        table(
            ("definition", *PUBLISHED_CYCLES, "most"),
            (
                (words, *(f"{row[name]:.2f}" for row in rows), f"{max(row[name] for row in rows):.2f}")
                for name, words in DEFINITIONS.items()
            ),
        )
    )
    print(f"\n{TRACES}\n")
    columns = ("trace", "grouping", "scheduler", "cycles", "transfers", "against token by token", "the same schedule")
    print(table(columns, traces()))
    print(f"\n## Operations per second, watt and mm2\n\n{DENSITY}\n")
    print(table(("phase", "cores", "none", *PUBLISHED_CYCLES), densities()))
    near = nearest_density(density_rows(MODEL))
    print(
        f"\nOf {near['definitions']} definitions (the best grouping of each) the nearest is {near['gops_w_mm2']:.2f}, "
        f"{100 * near['off']:+.1f} %: {near['phase']}, cores of the {near['area']}, {near['grouping']}.\n\n{FULL}\n"
    )
    print(table(("parameters", "g", "mm2", *PHASES), fully_counted()))
    found = search(MODEL, space=FULL_SPACE, scaling=SCALED_TO_14_NM, store=store, workers=os.cpu_count() or 1)
    print(f"\n## Search\n\n{SEARCH} It covers {100 * found.hypervolume:.1f} % of the box of all.\n")
    columns = ("grouping", "schedule", "caches", "DRAM", "digital", "attention", "mm2", "us", "uJ")
    print(table(columns, front(found)))
    print("\n![Area, latency and energy of all points](pim-front.png)")
    save_figure(draw_search(found.points, about=f"{MODEL.name}, prompt of 32, 8 new tokens"), FIGURES / "pim-front.png")


if __name__ == "__main__":
    main()
