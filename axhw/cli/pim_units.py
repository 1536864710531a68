"""``axhw pim sharing`` and ``axhw pim go-cache``: groups of crossbars and the GO cache in gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import get_args

import click

from axhw.characterize import circuit_files
from axhw.cli.options import (
    engine_option,
    json_option,
    library_option,
    print_json,
    stderr,
    surroundings_options,
)
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError, VerificationError
from axhw.flow import Flow
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec, Place
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.lookup import named_multiplier
from axhw.measure import MIN_PAIRS, Conditions
from axhw.pim.go_cache_unit import GoCacheCost, go_cache_cost
from axhw.pim.parts import Part, dominant
from axhw.pim.sharing import CROSSBARS, Sharing, measure_sharing, published_factor
from axhw.sim.cosimulation import LEVELS, Check, Level, cosimulate
from axhw.sim.simulators import SIMULATORS, find_simulator

_pairs_option = click.option(
    "--pairs", type=click.IntRange(min=MIN_PAIRS), default=Conditions.pairs, show_default=True, help="For energy."
)
_seed_option = click.option("--seed", type=int, default=Conditions.seed, show_default=True, help="Of what is random.")


def _numbers(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word, 10) for word in text.split(","))
    except ValueError:
        raise AxhwError(f"Expected numbers between commas for --crossbars, such as 1,2,4, found {text!r}.") from None


@click.command("sharing")
@click.option("--multiplier", "-m", default="exact", show_default=True, metavar="SPEC|NAME", help="Of the cells.")
@click.option(
    "--crossbars",
    default=",".join(map(str, CROSSBARS)),
    show_default=True,
    callback=_numbers,
    metavar="N,...",
    help="Crossbars of each group.",
)
@click.option("--rows", type=int, default=CrossbarGroupSpec.rows, show_default=True, help="Of a crossbar.")
@click.option("--columns", type=int, default=CrossbarGroupSpec.columns, show_default=True, help="Of a crossbar.")
@click.option("--terms", type=int, default=CrossbarGroupSpec.terms, show_default=True, help="Products in a sum.")
@click.option("--depth", type=int, default=CrossbarGroupSpec.depth, show_default=True, help="Requests in the queue.")
@click.option(
    "--multiply-in",
    type=click.Choice(get_args(Place)),
    default=CrossbarGroupSpec.multiply_in,
    show_default=True,
    help="A multiplier in every cell, or one set in the periphery.",
)
@_pairs_option
@_seed_option
@surroundings_options
@library_option
@engine_option
@json_option
def sharing(
    multiplier: str,
    crossbars: tuple[int, ...],
    rows: int,
    columns: int,
    terms: int,
    depth: int,
    multiply_in: Place,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Measure what crossbars save that share a periphery, in gates, beside the published factors.

    \b
    axhw pim sharing --multiplier exact:width=4
    axhw pim sharing -m roup:p=2,r=3 --crossbars 1,4 --rows 4 --columns 2 --multiply-in periphery
    """
    conditions = Conditions(
        pairs=pairs, seed=seed, input_slew_ns=input_slew_ns, output_load_ff=output_load_ff, wire_load=wire_load
    )
    flow = Flow.of(library=library, engine=engine, conditions=conditions)
    spec = CrossbarGroupSpec(
        multiplier=named_multiplier(multiplier, flow.store, {}).spec,
        rows=rows,
        columns=columns,
        terms=terms,
        depth=depth,
        multiply_in=multiply_in,
    )
    with stderr.status(spec.name) as status:
        found = measure_sharing(spec, crossbars=crossbars, flow=flow, stage=status.update)
    if as_json:
        print_json({"groups": found.rows()})
    else:
        _print_sharing(found)


def _print_sharing(found: Sharing) -> None:
    headings = (
        "area",
        "period",
        "read",
        "clock",
        "shared area",
        "area factor",
        "energy factor",
        "stored",
        "held",
        "published",
    )
    table = plain_table("group", *headings)
    for group in found.groups:
        table.add_row(
            group.name,
            f"{group.area_um2:,.0f} um2",
            f"{group.period_ns:.2f} ns",
            f"{group.read_fj:,.0f} fJ",
            f"{group.clock_fj:,.0f} fJ",
            f"{100 * group.shared_area:.1f} %",
            f"{found.area_factor(group):.3f}",
            f"{found.energy_factor(group):.3f}",
            f"{found.energy_factor(group, stored=True):.3f}",
            f"{found.energy_factor(group, held=True):.3f}",
            f"{published_factor(group.crossbars):.3f}",
        )
    console = stdout()
    console.print(table)
    for group in found.groups:
        console.print(f"{group.name}: {_most(group.parts)}", highlight=False)
    console.print(
        "[dim]energy factor: crossbars in random order; stored: without the clock pins of weight registers; held: "
        "reads of a crossbar follow each other[/dim]"
    )


def _most(parts: Mapping[str, Part]) -> str:
    area, area_share = dominant(parts, "area_um2")
    energy, energy_share = dominant(parts, "energy_fj")
    return (
        f"most area in the {area} ({100 * area_share:.0f} %), most energy in the {energy} ({100 * energy_share:.0f} %)"
    )


@click.command("go-cache")
@click.option("--experts", type=int, default=GoCacheSpec.experts, show_default=True, help="Experts.")
@click.option("--kept", type=int, default=GoCacheSpec.kept, show_default=True, help="Tokens that each expert keeps.")
@click.option("--score-bits", type=int, default=GoCacheSpec.score_bits, show_default=True, help="Bits of a score.")
@click.option("--tokens", type=int, default=GoCacheSpec.tokens, show_default=True, help="Longest sequence.")
@click.option("--signed/--unsigned", default=GoCacheSpec.signed, show_default=True, help="Scores.")
@click.option("--simulator", type=click.Choice(SIMULATORS), default=None, help="Run cocotb on RTL and gates too.")
@_pairs_option
@_seed_option
@surroundings_options
@library_option
@engine_option
@json_option
def go_cache(
    experts: int,
    kept: int,
    score_bits: int,
    tokens: int,
    signed: bool,
    simulator: str | None,
    pairs: int,
    seed: int,
    input_slew_ns: float | None,
    output_load_ff: float | None,
    wire_load: str,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Generate, synthesise, verify and cost the unit that keeps which tokens experts chose.

    \b
    axhw pim go-cache --experts 4 --kept 4
    axhw pim go-cache --experts 4 --kept 4 --simulator icarus
    """
    spec = GoCacheSpec(experts=experts, kept=kept, score_bits=score_bits, tokens=tokens, signed=signed)
    conditions = Conditions(
        pairs=pairs, seed=seed, input_slew_ns=input_slew_ns, output_load_ff=output_load_ff, wire_load=wire_load
    )
    flow = Flow.of(library=library, engine=engine, conditions=conditions)
    with stderr.status(spec.name) as status:
        cost = go_cache_cost(spec, flow=flow, stage=lambda name: status.update(f"{spec.name}: {name}"))
        checks = [] if simulator is None else _cosimulated(spec, flow, simulator, seed=seed)
    if as_json:
        print_json({**asdict(cost), "checks": [asdict(check) for check in checks]})
    else:
        _print_go_cache(cost, checks)
    for check in checks:
        if not check.passed:
            raise VerificationError(
                f"Expected the {check.level} of {spec.name} to follow its golden model, found {check.mismatches} wrong "
                f"outputs, the first in {check.first}."
            )


def _cosimulated(spec: GoCacheSpec, flow: Flow, simulator: str, *, seed: int) -> list[Check]:
    files = circuit_files(flow.store.synthesise(flow.job(spec)), flow.library.cells)
    sources: dict[Level, tuple[str, ...]] = {"rtl": ("design.v",), "gates": ("netlist.v", "cells.v")}
    found = find_simulator(simulator)
    return [
        cosimulate(
            spec, {name: files[name].decode() for name in sources[level]}, level=level, simulator=found, seed=seed
        )
        for level in LEVELS
    ]


def _print_go_cache(cost: GoCacheCost, checks: list[Check]) -> None:
    table = plain_table("", "", "", title=f"[bold]{cost.name}[/bold]")
    table.show_header = False
    table.add_row("area", f"{cost.area_um2:,.0f}", f"um2, {cost.cells:,} cells, {cost.stored_bits:,} bits stored")
    table.add_row("period", f"{cost.period_ns:.2f}", "ns")
    table.add_row("request", f"{cost.request_fj:,.0f}", f"fJ, {cost.clock_fj:,.0f} of them in clock pins")
    table.add_row("leakage", f"{cost.leakage_nw:,.0f}", "nW")
    for check in checks:
        table.add_row(check.level, "pass" if check.passed else f"{check.mismatches} wrong", f"{check.vectors:,} cycles")
    console = stdout()
    console.print(table)
    console.print(_most(cost.parts), highlight=False)
    console.print(
        f"[dim]{cost.requests:,} requests, {100 * cost.chosen:.1f} % chosen; {cost.library}, {cost.engine}[/dim]"
    )
