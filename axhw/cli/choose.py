"""``axhw choose``: the best design for each layer by the operands that it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from axhw.cli.network_options import network_options
from axhw.cli.options import PATH, engine_option, json_option, library_option, print_json, progress
from axhw.cli.search import expanded
from axhw.cli.tables import plain_table, stdout
from axhw.evaluation import Bench
from axhw.files import output_folder
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.lookup import NamedMultiplier, named_multipliers
from axhw.nn.histograms import operand_histograms
from axhw.search.assignment import Assignment
from axhw.search.choice import Budget, LayerChoice, choose_by_operands, mean_energy_fj
from axhw.search.palette import Palette

# Of the train split.
_IMAGES = 64
BY_OPERANDS, BY_UNIFORM = "by-operands.json", "by-uniform.json"


@click.command("choose")
@network_options
@click.option(
    "--multipliers",
    "-m",
    multiple=True,
    default=("shipped",),
    show_default=True,
    metavar="GRID|NAME|stored|shipped",
    help="Designs to choose from: grids of families, names, or all signed 8-bit ones that are stored or shipped.",
)
@click.option("--max-energy-fj", type=float, default=None, help="Least error with this energy of a multiplication.")
@click.option("--max-error-pct", type=float, default=None, help="Least energy with this mean absolute error.")
@click.option("--out", type=PATH, default=None, help=f"Folder for {BY_OPERANDS} and {BY_UNIFORM}.")
@library_option
@engine_option
@json_option
def command(
    model: str,
    data: str,
    data_dir: Path | None,
    multipliers: tuple[str, ...],
    max_energy_fj: float | None,
    max_error_pct: float | None,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Choose a design for each layer of a network: by the mean error over the operands that the layer sees (WMED), and
    beside it by the error over all pairs (MAE).

    \b
    axhw choose --max-energy-fj 600
    axhw choose --model resnet8 --data cifar10_jpeg --max-error-pct 0.1 --out choice
    axhw eval --model resnet8 --data cifar10_jpeg --assignment choice/by-operands.json
    """
    budget = Budget(energy_fj=max_energy_fj, error_pct=max_error_pct)
    folder = None if out is None else output_folder(out)
    flow = Flow.of(library=library, engine=engine)
    named = named_multipliers(expanded(multipliers, flow.store, flow.library.cells.name), flow.store)
    exact = NamedMultiplier(spec=parse("exact", signed=named[0].spec.signed))
    bench = Bench.load(model=model, data=data, root=data_dir)
    with progress() as report:
        records = []
        for done, multiplier in enumerate([exact, *named]):
            report(done, len(named) + 1, f"design {multiplier.name}")
            records.append(multiplier.measured(flow))
        palette = Palette.of(records)
        report(0, 1, "operands of the layers")
        network = bench.quantized(signed=palette.signed)
        histograms = operand_histograms(network, bench.data.train.limited(_IMAGES).images)
    counts = {name: round(count) for name, count in network.multiplications.items()}
    choices = choose_by_operands(palette, histograms, counts, budget)
    energies = [mean_energy_fj(palette, choices, by_operands=by_operands) for by_operands in (True, False)]
    files = []
    if folder is not None:
        for name, by_operands in ((BY_OPERANDS, True), (BY_UNIFORM, False)):
            Assignment(
                network=network.graph.name,
                designs=palette.references,
                layers={
                    choice.layer: np.asarray(choice.by_operands if by_operands else choice.by_uniform)
                    for choice in choices
                },
            ).compact().save(folder / name)
            files.append(folder / name)
    document = {
        "network": network.graph.name,
        "dataset": bench.data.train.name,
        "images": _IMAGES,
        "designs": len(palette),
        "max_energy_fj": max_energy_fj,
        "max_error_pct": max_error_pct,
        "energy_fj": energies[0],
        "uniform_energy_fj": energies[1],
        "layers": [_row(choice, palette) for choice in choices],
        "files": [str(path) for path in files],
    }
    if as_json:
        print_json(document)
    else:
        _print(document)


def _row(choice: LayerChoice, palette: Palette) -> dict[str, Any]:
    chosen, uniform = palette.records[choice.by_operands], palette.records[choice.by_uniform]
    return {
        "layer": choice.layer,
        "multiplications": choice.multiplications,
        "design": chosen.name,
        "energy_fj": chosen.circuit_cost.energy_fj,
        "wmed_pct": choice.wmed_pct,
        "uniform_design": uniform.name,
        "uniform_energy_fj": uniform.circuit_cost.energy_fj,
        "uniform_wmed_pct": choice.uniform_wmed_pct,
    }


def _print(document: dict[str, Any]) -> None:
    table = plain_table("layer", "by operands", "fJ", "WMED %", "by uniform error", "fJ", "WMED %", left=2)
    for row in document["layers"]:
        table.add_row(
            row["layer"],
            row["design"],
            f"{row['energy_fj']:,.0f}",
            f"{row['wmed_pct']:.3g}",
            row["uniform_design"],
            f"{row['uniform_energy_fj']:,.0f}",
            f"{row['uniform_wmed_pct']:.3g}",
        )
    console = stdout()
    console.print(table)
    saved = 1 - document["energy_fj"] / document["uniform_energy_fj"]
    console.print(
        f"{document['energy_fj']:,.0f} fJ a multiplication, {abs(saved):.1%} {'less' if saved >= 0 else 'more'} "
        f"than by uniform error; {document['designs']} designs to choose from"
    )
    for path in document["files"]:
        console.print(f"[dim]{path}[/dim]", soft_wrap=True)
