"""``axhw analog eval``: placements of digital experts, scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from axhw.analog.bench import Bench
from axhw.analog.comparison import Comparison, MeanRow, compare
from axhw.analog.evaluation import Evaluator
from axhw.analog.operators import HybridModel
from axhw.analog.placement import SCOPES, Scope, read_placement
from axhw.analog.selectors import SELECTORS, Selection, selector
from axhw.cli.analog_options import (
    bench_row,
    hybrid,
    model_option,
    noise_options,
    programming,
    scored_text_options,
    selector_seeds_option,
    text_options,
    tile_options,
)
from axhw.cli.options import PATH, json_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evaluation import write_rows
from axhw.files import output_folder, replacing


@click.command("eval")
@model_option
@scored_text_options(uses="ranges of converters and for selectors")
@text_options
@click.option(
    "--selector",
    "selectors",
    type=click.Choice(list(SELECTORS)),
    multiple=True,
    help="Give it several times to compare. [default: maxnn, unless placements are given]",
)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    default=("layer",),
    show_default=True,
    help="Take so many experts in each layer, or out of all layers.",
)
@click.option(
    "--digital",
    "digital_pct",
    type=click.FloatRange(0, 100),
    multiple=True,
    default=(0.0, 12.5, 25.0, 50.0, 100.0),
    show_default=True,
    help="Percent of the experts; give it several times.",
)
@click.option(
    "--placement",
    "placements",
    type=PATH,
    multiple=True,
    help="Digital experts from a file of `axhw analog select`; give it several times.",
)
@noise_options
@click.option(
    "--magnitude",
    "magnitudes",
    type=click.FloatRange(min=0),
    multiple=True,
    default=(1.0,),
    show_default=True,
    help="Factor of the noise; give it several times.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Number of chips.")
@click.option(
    "--mirrored", is_flag=True, help="Each chip twice, with noise of either sign: means need far fewer chips."
)
@selector_seeds_option
@tile_options
@click.option("--out", type=PATH, default=None, help="Folder for CSV and JSON files.")
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
    selectors: tuple[str, ...],
    scopes: tuple[Scope, ...],
    digital_pct: tuple[float, ...],
    placements: tuple[Path, ...],
    noise: str,
    magnitudes: tuple[float, ...],
    seconds: float | None,
    compensate: bool,
    seeds: int,
    mirrored: bool,
    selector_seeds: int,
    out: Path | None,
    as_json: bool,
    **tiles: Any,
) -> None:
    """Score placements of digital experts: perplexity and accuracy of the next byte, over several chips.

    "recovered" is the part of the loss by analog experts, in nats against all digital ones, that a placement saves.

    \b
    axhw analog eval --model olmoe_bytes_small --magnitude 2.5 --selector maxnn --selector probed
    axhw analog eval --model FOLDER --text held-out.txt --placement results/placement.json
    """
    folder = None if out is None else output_folder(out)
    given = {path.stem: read_placement(path) for path in placements}
    if len(given) < len(placements):
        raise AxhwError("Expected placements in files of different names, found two of the same.")
    kinds = [programming(noise, each, seconds=seconds, compensate=compensate) for each in magnitudes]
    bench = Bench.load(
        model=model,
        text=text,
        calibration=calibration,
        root=data_dir,
        most_bytes=most_bytes,
        most_calibration_bytes=calibration_bytes,
        window=window,
    )
    with progress() as report:
        report(0, 1, "calibration")
        on_tiles = hybrid(bench, **tiles)
        selection = Selection(
            on_tiles, bench.calibration, window=bench.window, seeds=selector_seeds, jobs=jobs, progress=report
        )
        comparison = compare(
            selection,
            Evaluator(bench.test, window=bench.window, jobs=jobs),
            selectors={name: selector(name) for name in selectors or (() if given else ("maxnn",))},
            shares=[pct / 100 for pct in digital_pct],
            programmings=kinds,
            seeds=range(seeds),
            mirrored=mirrored,
            scopes=scopes,
            placements=given,
            progress=report,
        )
    document = _document(bench, on_tiles, comparison) | {"text": text}
    files = [] if folder is None else _write_evaluation(document, folder)
    if as_json:
        print_json(document | {"files": [str(path) for path in files]})
        return
    _print_evaluation(document, comparison.means)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _document(bench: Bench, on_tiles: HybridModel, comparison: Comparison) -> dict[str, Any]:
    reference = comparison.reference
    return {
        **bench_row(bench),
        "converters": on_tiles.calibration.rows(),
        "dense_analog": bool(on_tiles.dense),
        "reference": {
            "tokens": reference.tokens,
            "nats_per_token": reference.nats_per_token,
            "perplexity": reference.perplexity,
            "accuracy": reference.accuracy,
        },
        "means": [mean.row() for mean in comparison.means],
        "scores": [row.row() for row in comparison.rows],
    }


def _write_evaluation(document: dict[str, Any], folder: Path) -> list[Path]:
    files = [
        write_rows(document["scores"], folder / "scores.csv"),
        write_rows(document["means"], folder / "means.csv"),
        folder / "analog.json",
    ]
    with replacing(files[-1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return files


def _print_evaluation(document: dict[str, Any], means: Sequence[MeanRow]) -> None:
    console = stdout()
    reference = document["reference"]
    console.print(
        f"{document['model']}: perplexity {reference['perplexity']:.4f}, accuracy {100 * reference['accuracy']:.2f} % "
        f"on {reference['tokens']:,} bytes, all digital",
        highlight=False,
    )
    for row in document["converters"]:
        error = "" if row["error"] is None else f", error {row['error']:.1e} of the products' power"
        console.print(
            f"{row['module']} {row['part']}: K {row['k']:g}, lambda {row['lambda']:g}{error}", highlight=False
        )
    table = plain_table(
        "selector", "scope", "noise", "c", "digital", "perplexity", "+-", "accuracy", "rise", "recovered", "+-", left=3
    )
    for mean in means:
        choice = mean.choice
        recovered, error = (
            "-" if value is None else f"{100 * value:.1f} %" for value in (mean.recovered, mean.recovered_error)
        )
        table.add_row(
            choice.selector,
            choice.scope,
            choice.noise,
            f"{choice.magnitude:g}",
            f"{choice.digital_pct:g} %",
            f"{mean.perplexity:.4f}",
            f"{mean.perplexity_deviation:.4f}",
            f"{100 * mean.accuracy:.2f} %",
            f"{mean.rise_nats:+.5f}",
            recovered,
            error,
        )
    console.print(table)
