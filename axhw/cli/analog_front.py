"""``axhw analog front``: perplexity against energy, over the share of digital experts and their multiplier."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from axhw.analog.bench import Bench
from axhw.analog.budget import Budget
from axhw.analog.digital import ArrayPool
from axhw.analog.evaluation import Evaluator
from axhw.analog.front_run import NO_MULTIPLIER, Design, MeasuredFront, measure_front
from axhw.analog.machine import FREE, SRAM, Load, Machine, MemoryCosts, dram
from axhw.analog.placement import SCOPES, Scope, write_placement
from axhw.analog.selectors import SELECTORS, Selection, selector
from axhw.analog.tasks import Progress
from axhw.analog.technology import MEASURED, SCALED_TO_14_NM, Technology
from axhw.analog.tiles import TileSpec
from axhw.cli.analog_options import (
    NO_NOISE,
    bench_row,
    model_option,
    noise_options,
    programming,
    scored_text_options,
    selector_seeds_option,
    text_options,
)
from axhw.cli.options import PATH, engine_option, json_option, library_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evaluation import eight_bit_table, write_rows
from axhw.files import output_folder, replacing
from axhw.flow import Flow
from axhw.hdl.pe.systolic import MAX_SIDE
from axhw.lookup import NamedMultiplier, named_multipliers
from axhw.moe.evaluation import circuit_name

_EXACT = "exact"
_SCALED_LIBRARY = "sg13g2"


def _numbers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers with commas between them, found {value!r}") from None


@click.command("front")
@model_option
@scored_text_options(uses="ranges of converters, for the selector and for the use of experts")
@text_options
@click.option(
    "--multiplier",
    "-m",
    "multipliers",
    multiple=True,
    default=("mul8s_1L2L", "roup:p=1,r=4"),
    show_default=True,
    metavar="SPEC|NAME",
    help="8-bit multiplier of digital experts beside the exact one; give it several times.",
)
@click.option(
    "--fractions", callback=_numbers, default="0,12.5,25,50,100", show_default=True, help="Digital experts in percent."
)
@click.option("--selector", "selector_name", type=click.Choice(list(SELECTORS)), default="maxnn", show_default=True)
@click.option(
    "--scope", type=click.Choice(SCOPES), default="layer", show_default=True, help="In each layer, or out of all."
)
@noise_options
@click.option("--magnitude", type=click.FloatRange(min=0), default=1.5, show_default=True, help="Of the noise.")
@click.option("--seeds", type=click.IntRange(min=1), default=2, show_default=True, help="Number of chips.")
@selector_seeds_option
@click.option("--tile-rows", type=click.IntRange(min=1), default=512, show_default=True)
@click.option("--tile-columns", type=click.IntRange(min=1), default=512, show_default=True)
@click.option("--array-rows", type=click.IntRange(min=1, max=MAX_SIDE), default=4, show_default=True)
@click.option("--array-columns", type=click.IntRange(min=1, max=MAX_SIDE), default=4, show_default=True)
@click.option(
    "--arrays", type=click.IntRange(min=1), default=256, show_default=True, help="For experts, and for all else."
)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Texts that go on at once.")
@click.option(
    "--memory",
    type=click.Choice(["dram", "sram", "none"]),
    default="dram",
    show_default=True,
    help="Where digital weights, keys and values are.",
)
@click.option("--channels", type=click.IntRange(min=1), default=1, show_default=True, help="Of the DRAM.")
@click.option(
    "--technology",
    type=click.Choice(["14nm", "measured"]),
    default="14nm",
    show_default=True,
    help="Of gates: scaled to that of the tiles, or as measured.",
)
@click.option("--energy-budget", type=float, default=None, metavar="NJ", help="Also choose the best within so much.")
@click.option("--tokens-per-s", type=float, default=None, help="Also choose the best that are as fast.")
@click.option("--out", type=PATH, default=None, help="Folder for CSV and JSON files and figures.")
@library_option
@engine_option
@json_option
def command(
    model: str,
    text: str,
    calibration: str | None,
    most_bytes: int | None,
    calibration_bytes: int | None,
    data_dir: Path | None,
    window: int | None,
    jobs: int | None,
    multipliers: tuple[str, ...],
    fractions: tuple[float, ...],
    selector_name: str,
    scope: Scope,
    noise: str,
    magnitude: float,
    seconds: float | None,
    compensate: bool,
    seeds: int,
    selector_seeds: int,
    tile_rows: int,
    tile_columns: int,
    array_rows: int,
    array_columns: int,
    arrays: int,
    batch: int,
    memory: str,
    channels: int,
    technology: str,
    energy_budget: float | None,
    tokens_per_s: float | None,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Perplexity and energy of a token, with some experts digital and the others on crossbars.

    Digital experts multiply with the exact multiplier and with each of those named; all else that is digital is exact.
    The figures of hardware are explained in docs/analog.md.

    \b
    axhw analog front --model olmoe_bytes_small -m mul8s_1L2L --fractions 0,25,100 --magnitude 1.5 --out results
    axhw analog front --model olmoe_bytes_small --tile-rows 128 --tile-columns 64 --energy-budget 3000 --json
    """
    folder = None if out is None else output_folder(out)
    budget = None
    if energy_budget is not None or tokens_per_s is not None:
        budget = Budget(energy_nj=energy_budget, tokens_per_s=tokens_per_s)
    chip = programming(noise, magnitude, seconds=seconds, compensate=compensate)
    scaled = _technology(technology, library)
    flow = Flow.of(library=library, engine=engine)
    named = named_multipliers([_EXACT, *multipliers], flow.store)
    bench = Bench.load(
        model=model,
        text=text,
        calibration=calibration,
        root=data_dir,
        most_bytes=most_bytes,
        most_calibration_bytes=calibration_bytes,
        window=window,
    )
    tiles = TileSpec(rows=tile_rows, columns=tile_columns)
    with progress() as report:
        designs = _designs(
            named,
            rows=array_rows,
            columns=array_columns,
            count=arrays,
            tiles=tiles,
            memory={"sram": SRAM, "none": FREE, "dram": dram(channels)}[memory],
            technology=scaled,
            flow=flow,
            report=report,
        )
        report(0, 1, "calibration")
        selection = Selection(
            bench.hybrid(tiles=tiles),
            bench.calibration,
            window=bench.window,
            seeds=selector_seeds,
            jobs=jobs,
            progress=report,
        )
        found = measure_front(
            selection,
            Evaluator(bench.test, window=bench.window, jobs=jobs),
            designs=designs,
            selector=selector(selector_name),
            shares=[fraction / 100 for fraction in fractions],
            programmings=[replace(chip, seed=seed) for seed in range(seeds if chip.random else 1)],
            scope=scope,
            # Texts as long as a window: a token attends to half of one on average.
            load=Load(batch=batch, keys=(bench.window + 1) / 2),
            budget=budget,
            progress=report,
        )
    machine = designs[0].machine
    about = {
        **bench_row(bench),
        "text": text,
        "noise": noise,
        "magnitude": magnitude,
        "seconds": seconds,
        "selector": selector_name,
        "scope": scope,
        "tile": f"{tile_rows} x {tile_columns}",
        "array": machine.arrays.array.name,
        "arrays": arrays,
        "technology": machine.arrays.technology.name,
        "memory": machine.memory.name,
        "batch": batch,
    }
    document = _document(found, about, exact=designs[0].name)
    files = [] if folder is None else _write(found, document, folder, budget_nj=energy_budget)
    if as_json:
        print_json(document | {"files": [str(path) for path in files]})
        return
    _print(found, document)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _technology(name: str, library: str) -> Technology:
    if name == "measured":
        return MEASURED
    if library != _SCALED_LIBRARY:
        raise AxhwError(
            f"Expected --technology measured with the library {library}: the scaling to 14 nm is from 130 nm at 1.2 V, "
            f"which {_SCALED_LIBRARY} has."
        )
    return SCALED_TO_14_NM


def _designs(
    named: Sequence[NamedMultiplier],
    *,
    rows: int,
    columns: int,
    count: int,
    tiles: TileSpec,
    memory: MemoryCosts,
    technology: Technology,
    flow: Flow,
    report: Progress,
) -> list[Design]:
    """The multipliers with arrays, the exact one first."""
    designs: list[Design] = []
    for done, each in enumerate(named):
        report(done, len(named), f"arrays of {each.name}")
        record = each.measured(flow)
        pool = ArrayPool.measured(
            each,
            rows=rows,
            columns=columns,
            count=count,
            flow=flow,
            technology=technology,
        )
        dense = designs[0].machine.arrays if designs else pool
        machine = Machine(arrays=dense, expert_arrays=pool, tiles=tiles, memory=memory)
        designs.append(Design(name=circuit_name(each.spec), table=eight_bit_table(record), machine=machine))
    return designs


def _document(found: MeasuredFront, about: dict[str, Any], *, exact: str) -> dict[str, Any]:
    reference = {
        "tokens": found.reference.tokens,
        "nats_per_token": found.reference.nats_per_token,
        "perplexity": found.reference.perplexity,
        "accuracy": found.reference.accuracy,
        **found.reference_cost.row(),
    }
    chosen = {
        name: [
            {
                "digital": len(choice.placement.digital),
                "gain": choice.gain,
                "bound": choice.bound,
                "energy_nj": choice.cost.energy_nj,
                "tokens_per_s": choice.cost.tokens_per_s,
            }
            for choice in choices
        ]
        for name, choices in found.chosen.items()
    }
    return {
        **about,
        "reference": reference,
        "points": list(found.front.rows),
        "hypervolume": found.front.hypervolume(),
        "exact_hypervolume": found.front.hypervolume([NO_MULTIPLIER, exact]),
        "chosen": chosen,
    }


def _write(found: MeasuredFront, document: dict[str, Any], folder: Path, *, budget_nj: float | None) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.analog_front import draw_energy_front
    from axhw.report.front import save_figure

    files = [write_rows(found.front.rows, folder / "front.csv"), folder / "front.json"]
    with replacing(files[1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for name, choices in found.chosen.items():
        for number, choice in enumerate(choices):
            files.append(folder / (f"budget-{name}.json" if len(choices) == 1 else f"budget-{name}-chip{number}.json"))
            write_placement(files[-1], choice.placement, about={"multiplier": name, "model": document["model"]})
    figure = draw_energy_front(
        found.front.rows,
        about=_about(document),
        reference=found.reference.perplexity,
        budget_nj=budget_nj,
    )
    for ending in ("svg", "png"):
        files.append(folder / f"front.{ending}")
        save_figure(figure, files[-1])
    return files


def _about(document: dict[str, Any]) -> str:
    magnitude = "" if document["noise"] == NO_NOISE else f" x {document['magnitude']:g}"
    return (
        f"{document['model']}, {document['reference']['tokens']:,} bytes of {Path(document['text']).name}; noise "
        f"{document['noise']}{magnitude}; tiles {document['tile']}; digital experts by {document['selector']}\n"
        f"{document['arrays']} {document['array']}, {document['technology']}; memory {document['memory']}; batch "
        f"{document['batch']}"
    )


def _print(found: MeasuredFront, document: dict[str, Any]) -> None:
    console = stdout()
    reference = document["reference"]
    console.print(
        f"all experts digital, in int8 with exact products: perplexity {reference['perplexity']:.4f}, "
        f"{reference['energy_nj']:,.0f} nJ",
        highlight=False,
    )
    heads = ("digital", "multiplier", "perplexity", "+-", "rise", "accuracy", "energy", "of exact", "tokens/s")
    table = plain_table(*heads, "tokens/(W s)", "area", "front", left=2)
    for row in found.front.rows:
        by_budget = " (budget)" if row["choice"] == "budget" else ""
        table.add_row(
            f"{row['digital_pct']:.1f} %{by_budget}",
            row["multiplier"],
            f"{row['perplexity']:.4f}",
            f"{row['perplexity_deviation']:.4f}",
            f"{row['rise_pct']:.2f} %",
            f"{100 * row['accuracy']:.2f} %",
            f"{row['energy_nj']:,.0f} nJ",
            f"{row['energy_pct']:.1f} %",
            f"{row['tokens_per_s']:,.0f}",
            f"{row['tokens_per_j']:,.0f}",
            f"{row['area_mm2']:,.1f} mm2",
            "*" if row["on_front"] else "",
        )
    console.print(table)
    console.print(f"[dim]{_about(document)}[/dim]", soft_wrap=True)
    console.print(
        f"hypervolume {document['hypervolume']:.4f}, with the exact multiplier alone "
        f"{document['exact_hypervolume']:.4f}",
        highlight=False,
    )
