"""``axhw pim search``: which chip for a language model on crossbars has the least area, latency and energy."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.cli.options import PATH, json_option, print_json, progress
from axhw.cli.tables import plain_table, stdout
from axhw.errors import AxhwError
from axhw.evaluation import write_rows
from axhw.files import output_folder, replacing
from axhw.pim.accounting import ACCOUNTINGS, accounting_of
from axhw.pim.configurations import CONFIGURATIONS
from axhw.pim.model import MODELS, find_model
from axhw.pim.search_space import CACHES, DRAMS, FULL_SPACE, QUICK_SPACE, READY, SCHEDULES, SearchSpace
from axhw.store import Store

_POINTS, _FRONT, _DOCUMENT, _FIGURE = "pim-search.csv", "pim-front.csv", "pim-search.json", "pim-front"
_SHOWN = 20


@click.command("search")
@click.option(
    "--model",
    required=True,
    metavar="NAME|FOLDER",
    help=f"{', '.join(MODELS)}, or a folder with a config.json of transformers.",
)
@click.option("--prompt", type=click.IntRange(min=1), default=32, show_default=True, help="Tokens to read.")
@click.option("--generate", type=click.IntRange(min=0), default=8, show_default=True, help="Tokens to generate.")
@click.option(
    "--parameters",
    type=click.Choice(CONFIGURATIONS),
    default="control",
    show_default=True,
    help="Hardware: the published one, with its control in gates, or crossbars in gates too.",
)
@click.option(
    "--accounting", type=click.Choice(list(ACCOUNTINGS)), default="full", show_default=True, help="What is counted."
)
@click.option("--quick", is_flag=True, help="A small space: seconds, not minutes.")
@click.option("--grouping", "groupings", multiple=True, metavar="NAME", help="Such as S4, several times.")
@click.option("--schedule", "schedules", multiple=True, type=click.Choice((READY, *SCHEDULES)), help="Several times.")
@click.option("--caches", multiple=True, type=click.Choice(CACHES), help="Several times.")
@click.option(
    "--kept", multiple=True, type=click.IntRange(min=1), help="Tokens that an expert keeps, where experts choose."
)
@click.option("--digital-units", multiple=True, type=click.IntRange(min=1), help="Several times.")
@click.option("--attention-units", multiple=True, type=click.IntRange(min=1), help="Several times.")
@click.option("--dram", "drams", multiple=True, type=click.Choice(tuple(DRAMS)), help="Several times.")
@click.option("--area-limit", type=click.FloatRange(min=0), default=None, metavar="MM2", help="Of the front.")
@click.option("--latency-limit", type=click.FloatRange(min=0), default=None, metavar="NS", help="Of the front.")
@click.option("--energy-limit", type=click.FloatRange(min=0), default=None, metavar="NJ", help="Of the front.")
@click.option("--skew", type=float, default=0.5, show_default=True, help="Spread of the popularity of experts.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of choices and schedules.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Threads. [default: processors]")
@click.option("--out", type=PATH, default=None, help="Folder for tables and a figure.")
@json_option
def command(
    model: str,
    prompt: int,
    generate: int,
    parameters: str,
    accounting: str,
    quick: bool,
    area_limit: float | None,
    latency_limit: float | None,
    energy_limit: float | None,
    skew: float,
    seed: int,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
    **chosen: tuple[Any, ...],
) -> None:
    """Search groups, schedules, caches, units and memory for the front of area, latency and energy.

    Everything of the space is evaluated, and kept in the store: a search that was stopped goes on. Options that can be
    given several times replace what the space has.

    \b
    axhw pim search --model llama-moe-4-16 --quick
    axhw pim search --model olmoe --grouping U1 --grouping C4 --area-limit 20000 --out results
    """
    # Compiled code takes long to import.
    from axhw.pim.search import Limits, search

    folder = None if out is None else output_folder(out)
    space: SearchSpace = QUICK_SPACE if quick else FULL_SPACE
    space = dataclasses.replace(space, **{name: tuple(values) for name, values in chosen.items() if values})
    limits = Limits(area_mm2=area_limit, latency_ns=latency_limit, energy_nj=energy_limit)
    with progress() as report:
        found = search(
            find_model(model),
            space=space,
            scaling=SCALED_TO_14_NM,
            prompt=prompt,
            new_tokens=generate,
            configuration=parameters,
            accounting=accounting_of(accounting),
            limits=limits,
            skew=skew,
            seed=seed,
            workers=jobs or os.cpu_count() or 1,
            store=Store.default(),
            report=report,
        )
    if not found.front:
        raise AxhwError(
            f"Expected chips within the limits, found none of {len(found.points):,}: the least are "
            + ", ".join(
                f"{min(point[name] for point in found.points):,.6g} {unit}"
                for name, unit in (("area_mm2", "mm2"), ("latency_ns", "ns"), ("energy_nj", "nJ"))
            )
            + ", not all in one chip."
        )
    document = {
        "model": model,
        "prompt": prompt,
        "new_tokens": generate,
        "parameters": parameters,
        "accounting": accounting,
        "limits": dataclasses.asdict(limits),
        "skew": skew,
        "seed": seed,
        "points": len(found.points),
        "within": sum(point["within"] for point in found.points),
        "hypervolume": found.hypervolume,
        "front": found.front,
    }
    files = [] if folder is None else _write(document, found.points, folder)
    if as_json:
        print_json(document | {"files": [str(path) for path in files]})
        return
    _print(document)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _write(document: dict[str, Any], points: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.front import save_figure
    from axhw.report.pim_search import draw_search

    files = [write_rows(points, folder / _POINTS), write_rows(document["front"], folder / _FRONT), folder / _DOCUMENT]
    with replacing(files[-1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    about = (
        f"{document['model']}, prompt of {document['prompt']}, {document['new_tokens']} new tokens, "
        f"parameters: {document['parameters']}, {document['accounting']} accounting"
    )
    figure = draw_search(points, about=about)
    for suffix in (".svg", ".png"):
        files.append(folder / f"{_FIGURE}{suffix}")
        save_figure(figure, files[-1])
    return files


def _print(document: dict[str, Any]) -> None:
    front = document["front"]
    console = stdout()
    console.print(
        f"{len(front):,} of {document['points']:,} points are on the front, which covers "
        f"{100 * document['hypervolume']:.1f} % of the box of all",
        highlight=False,
    )
    table = plain_table(
        "grouping", "schedule", "caches", "DRAM", "digital", "attention", "area", "latency", "energy", left=4
    )
    # Evenly along the front, ends included.
    shown = sorted({round(place * (len(front) - 1) / (_SHOWN - 1)) for place in range(_SHOWN)})
    for point in (front[place] for place in shown):
        table.add_row(
            point["grouping"],
            point["schedule"].replace("_", " "),
            point["caches"],
            point["dram"],
            str(point["digital_units"]),
            str(point["attention_units"]),
            f"{point['area_mm2']:,.2f} mm2",
            f"{point['latency_ns'] / 1e3:,.2f} us",
            f"{point['energy_nj'] / 1e3:,.2f} uJ",
        )
    console.print(table)
    if len(shown) < len(front):
        console.print(f"[dim]{len(shown)} of them are shown; --out and --json have all[/dim]")
