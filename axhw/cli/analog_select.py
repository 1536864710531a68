"""``axhw analog select``: experts in the order in which they should be digital."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from axhw.analog.bench import Bench
from axhw.analog.placement import SCOPES, Scope, place, ranked, write_placement
from axhw.analog.selectors import SELECTORS, Selection, selector
from axhw.cli.analog_options import (
    DEFAULT_TEXT,
    bench_row,
    hybrid,
    model_option,
    noise_options,
    programming,
    selector_seeds_option,
    text_options,
    tile_options,
)
from axhw.cli.options import PATH, json_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.evaluation import write_rows
from axhw.files import output_folder

_RANKS_SHOWN = 20


@click.command("select")
@model_option
@click.option(
    "--calibration",
    default=DEFAULT_TEXT,
    show_default=True,
    metavar="NAME|FILE",
    help="Text for ranges of converters and for the selector: a name (its validation part) or a file.",
)
@text_options
@click.option("--selector", "name", type=click.Choice(list(SELECTORS)), default="maxnn", show_default=True)
@click.option(
    "--scope", type=click.Choice(SCOPES), default="layer", show_default=True, help="In each layer, or out of all."
)
@click.option(
    "--digital", "digital_pct", type=click.FloatRange(0, 100), default=25.0, show_default=True, help="Percent of them."
)
@noise_options
@click.option("--magnitude", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Of the noise.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The chip, for chip selectors.")
@selector_seeds_option
@tile_options
@click.option("--out", type=PATH, default=None, help="Folder for ranking.csv and placement.json.")
@json_option
def command(
    model: str,
    calibration: str,
    calibration_bytes: int | None,
    data_dir: Path | None,
    window: int | None,
    jobs: int | None,
    name: str,
    scope: Scope,
    digital_pct: float,
    noise: str,
    magnitude: float,
    seconds: float | None,
    compensate: bool,
    seed: int,
    selector_seeds: int,
    out: Path | None,
    as_json: bool,
    **tiles: Any,
) -> None:
    """Rank experts by how much they should be digital, and choose.

    \b
    axhw analog select --model olmoe_bytes_small --selector probed --magnitude 2.5 --digital 25 --out results
    axhw analog eval --model olmoe_bytes_small --magnitude 2.5 --placement results/placement.json
    """
    folder = None if out is None else output_folder(out)
    chip = replace(programming(noise, magnitude, seconds=seconds, compensate=compensate), seed=seed)
    bench = Bench.load(
        model=model,
        text=calibration,
        calibration=calibration,
        root=data_dir,
        most_calibration_bytes=calibration_bytes,
        window=window,
    )
    with progress() as report:
        report(0, 1, "calibration")
        on_tiles = hybrid(bench, **tiles)
        selection = Selection(
            on_tiles, bench.calibration, window=bench.window, seeds=selector_seeds, jobs=jobs, progress=report
        )
        scores = selector(name).scores(selection, chip)
    config = bench.model.config
    placement = place(scores, config, share=digital_pct / 100, scope=scope)
    ranking = [
        {
            "rank": rank,
            "layer": site.layer,
            "expert": site.expert,
            "score": float(scores[site.layer, site.expert]),
            "digital": site in placement.digital,
        }
        for rank, site in enumerate(ranked(scores, config), 1)
    ]
    about = {
        "model": bench.name,
        "selector": name,
        "scope": scope,
        "digital_pct": digital_pct,
        "noise": noise,
        "magnitude": magnitude,
        "seconds": seconds,
        "seed": seed,
    }
    files: list[Path] = []
    if folder is not None:
        files = [write_rows(ranking, folder / "ranking.csv"), folder / "placement.json"]
        write_placement(files[1], placement, about=about)
    if as_json:
        digital = [[site.layer, site.expert] for site in sorted(placement.digital)]
        print_json(
            {
                **about,
                **bench_row(bench),
                "digital": digital,
                "ranking": ranking,
                "files": [str(path) for path in files],
            }
        )
        return
    _print_ranking(ranking, about, len(placement.digital))
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _print_ranking(ranking: list[dict[str, Any]], about: dict[str, Any], digital: int) -> None:
    console = stdout()
    scope = "of each layer" if about["scope"] == "layer" else "of all layers together"
    console.print(
        f"{about['model']}: {digital} of {len(ranking)} experts digital, the first {scope} by {about['selector']}",
        highlight=False,
    )
    table = plain_table("rank", "layer", "expert", "score", "digital", left=0)
    for row in ranking[:_RANKS_SHOWN]:
        mark = "yes" if row["digital"] else "-"
        table.add_row(*(str(row[key]) for key in ("rank", "layer", "expert")), f"{row['score']:.4g}", mark)
    console.print(table)
    if len(ranking) > _RANKS_SHOWN:
        console.print(f"and {len(ranking) - _RANKS_SHOWN} more", highlight=False)
