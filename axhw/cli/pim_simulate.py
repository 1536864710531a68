"""``axhw pim simulate``: a language model on crossbars, its prompt and its steps, with caches and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from axhw.analog.technology import SCALED_TO_14_NM
from axhw.cli.options import PATH, json_option, print_json
from axhw.cli.tables import plain_table, stdout
from axhw.evaluation import write_rows
from axhw.files import output_folder
from axhw.pim.accounting import ACCOUNTINGS, accounting_of
from axhw.pim.area import ChipArea, chip_area, kept_tokens
from axhw.pim.configurations import CONFIGURATIONS, configured
from axhw.pim.model import MODELS, find_model
from axhw.pim.simulator import Phase, Run, simulate
from axhw.pim.workload import Workload

_STEPS = "pim-steps.csv"


@click.command("simulate")
@click.option(
    "--model",
    required=True,
    metavar="NAME|FOLDER",
    help=f"{', '.join(MODELS)}, or a folder with a config.json of transformers.",
)
@click.option("--prompt", type=click.IntRange(min=1), default=32, show_default=True, help="Tokens to read.")
@click.option("--generate", type=click.IntRange(min=0), default=8, show_default=True, help="Tokens to generate.")
@click.option("--no-kv-cache", is_flag=True, help="Keep no keys and values.")
@click.option("--no-go-cache", is_flag=True, help="Keep no choices and outputs of experts (where experts choose).")
@click.option(
    "--accounting",
    type=click.Choice(list(ACCOUNTINGS)),
    default="full",
    show_default=True,
    help="What is counted: as the published simulator does, or everything.",
)
@click.option(
    "--parameters",
    type=click.Choice(CONFIGURATIONS),
    default="published",
    show_default=True,
    help="Hardware: the published one, with its control in gates, or crossbars in gates too.",
)
@click.option("--group", type=click.IntRange(min=1), default=1, show_default=True, help="Experts at a periphery.")
@click.option("--uncached", is_flag=True, help="Simulate it without caches too, and say what they are worth.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the experts chosen.")
@click.option("--out", type=PATH, default=None, help="Folder for a table and figures.")
@json_option
def command(
    model: str,
    prompt: int,
    generate: int,
    no_kv_cache: bool,
    no_go_cache: bool,
    accounting: str,
    parameters: str,
    group: int,
    uncached: bool,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Simulate a language model on crossbars: time, energy, products and DRAM of the prompt and of each step.

    \b
    axhw pim simulate --model llama-moe-4-16 --accounting published --uncached
    axhw pim simulate --model olmoe --prompt 256 --generate 32 --group 2 --out results
    """
    folder = None if out is None else output_folder(out)
    workload = Workload(
        model=find_model(model),
        prompt=prompt,
        new_tokens=generate,
        kv_cache=not no_kv_cache,
        go_cache=not no_go_cache,
        group=group,
        seed=seed,
    )
    counted = accounting_of(accounting)
    chip = configured(
        parameters,
        model=workload.model,
        scaling=SCALED_TO_14_NM,
        group=group,
        kept=kept_tokens(workload.model, prompt),
    )
    hardware = chip.parameters
    run = simulate(workload, parameters=hardware, accounting=counted)
    bare = simulate(workload.uncached(), parameters=hardware, accounting=counted) if uncached and run.steps else None
    area = chip_area(workload.model, chip, prompt=prompt)
    phases = {"prompt": run.prefill, "steps": run.decode}
    if bare is not None:
        phases["steps without caches"] = bare.decode
    files = [] if folder is None else _write(run, bare, phases, folder)
    ratios = None if bare is None else _ratios(run.decode, bare.decode)
    if as_json:
        print_json(_document(run, bare, ratios, area, files))
        return
    _print(run, phases, ratios, area)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _ratios(cached: Phase, bare: Phase) -> dict[str, float]:
    """What steps without caches take, by those with them."""
    return {
        "time": bare.time_ns / cached.time_ns,
        "energy": bare.energy_nj / cached.energy_nj,
        "mvms": bare.mvms / cached.mvms,
    }


def _document(
    run: Run, bare: Run | None, ratios: Mapping[str, float] | None, area: ChipArea, files: list[Path]
) -> dict[str, Any]:
    workload = run.workload
    return {
        "model": asdict(workload.model),
        "prompt": workload.prompt,
        "new_tokens": workload.new_tokens,
        "kv_cache": workload.kv_cache,
        "go_cache": workload.keeps_choices,
        "group": workload.group,
        "seed": workload.seed,
        "accounting": run.accounting.name,
        "parameters": run.parameters.name,
        "crossbars": workload.model.tiles(run.parameters.core),
        "area": {"experts_mm2": area.moe_mm2, "total_mm2": area.total_mm2, "parts": area.rows()},
        "operations": run.operations,
        "prefill": run.prefill.row(),
        "decode": run.decode.row(),
        "steps": [step.row() for step in run.steps],
        "uncached": None if bare is None else bare.decode.row(),
        "ratios": ratios,
        "files": [str(path) for path in files],
    }


def _write(run: Run, bare: Run | None, phases: Mapping[str, Phase], folder: Path) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.front import save_figure
    from axhw.report.pim_simulation import draw_energy, draw_timeline

    workload = run.workload
    rows = [{"pass": "prompt", "tokens": workload.prompt, **run.prefill.row()}]
    rows += [
        {"pass": "step", "tokens": workload.prompt + number, **step.row()} for number, step in enumerate(run.steps, 1)
    ]
    files = [write_rows(rows, folder / _STEPS)]
    about = f"{workload.model.name}, prompt of {workload.prompt}, {run.accounting.name} accounting"
    timelines = {} if run.generating is None else {f"first step, {_caches(run)}": run.generating}
    if bare is not None and bare.generating is not None:
        timelines["first step, no cache"] = bare.generating
    drawn = {"energy": draw_energy({name: phase for name, phase in phases.items() if phase.passes}, about=about)}
    drawn["timeline"] = draw_timeline(timelines or {"prompt": run.reading}, about=about)
    for name, figure in drawn.items():
        for ending in ("svg", "png"):
            files.append(folder / f"pim-{name}.{ending}")
            save_figure(figure, files[-1])
    return files


def _caches(run: Run) -> str:
    names = [name for name, there in (("KV", run.workload.kv_cache), ("GO", run.workload.keeps_choices)) if there]
    return f"{' and '.join(names)} cache" if names else "no cache"


def _print(run: Run, phases: Mapping[str, Phase], ratios: Mapping[str, float] | None, area: ChipArea) -> None:
    console, workload = stdout(), run.workload
    tiles = sum(workload.model.tiles(run.parameters.core).values())
    console.print(
        f"{workload.model.name} on {tiles:,} crossbars, {_caches(run)}, {run.accounting.name} accounting: "
        f"{run.operations:,} operations",
        highlight=False,
    )
    console.print(
        f"{run.parameters.name} parameters, {area.total_mm2:,.1f} mm2: {area.moe_mm2:,.1f} for crossbars of experts",
        highlight=False,
    )
    table = plain_table("", "passes", "time", "energy", "MVMs", "DRAM", "KV cache", "GO cache")
    for name, phase in phases.items():
        table.add_row(
            name,
            str(phase.passes),
            f"{phase.time_ns:,.2f} ns",
            f"{phase.energy_nj:,.2f} nJ",
            f"{phase.mvms:,}",
            f"{phase.moved_bytes / 1024:,.1f} KiB",
            f"{phase.cache_bytes['kv'] / 1024:,.1f} KiB",
            f"{phase.cache_bytes['go'] / 1024:,.1f} KiB",
        )
    console.print(table)
    energies = plain_table("energy, nJ", *phases)
    for category in dict.fromkeys(name for phase in phases.values() for name in phase.energies_nj):
        values = [phase.energies_nj.get(category, 0.0) for phase in phases.values()]
        if any(values):
            energies.add_row(category.replace("_", " "), *(f"{value:,.2f}" for value in values))
    console.print(energies)
    if ratios is not None:
        console.print(
            f"Steps without caches take {ratios['time']:.2f} x the time and {ratios['energy']:.2f} x the energy.",
            highlight=False,
        )
