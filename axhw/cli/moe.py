"""``axhw moe``: networks with experts, trained, evaluated and searched."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from axhw.cli.options import PATH, engine_option, json_option, library_option, print_json, progress
from axhw.cli.tables import plain_table, points_of_accuracy, stdout
from axhw.errors import AxhwError
from axhw.evaluation import Bench, write_rows
from axhw.files import output_folder, replacing
from axhw.flow import Flow
from axhw.hdl.families.evoapprox import CIRCUITS
from axhw.lookup import named_multipliers
from axhw.moe.cells import OURS, RECIPES, Cell, retrain_cells
from axhw.moe.evaluation import EXACT, Prices, evaluated
from axhw.moe.search import SHARINGS, best_within, searched_fronts
from axhw.nn.compensation import COMPENSATIONS, Compensation
from axhw.search.folder import refuse_other_search
from axhw.search.nsga2 import Nsga2
from axhw.search.palette import Palette
from axhw.search.result import LOSSES_PCT
from axhw.search.run import Checkpoint
from axhw.search.workbench import SEARCH_IMAGES, Workbench
from axhw.train.extra import choose_device

_EVALUATION, _LOADS, _FRONTS, _FRONTS_JSON = "moe.csv", "loads.csv", "fronts.csv", "fronts.json"

_data_option = click.option("--data", default="digits", show_default=True, metavar="NAME|PATH", help="Data set.")
_data_dir_option = click.option("--data-dir", type=PATH, default=None, help="Folder to look for the data set in.")
_models_option = click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="NAME|FILE",
    help="Network such as resnet20_hard4, or a .safetensors file; give it several times.",
)


@click.group("moe")
def command() -> None:
    """Networks with experts: train, evaluate, search.

    Names are those of dense networks with a topology, the number of experts, and how many of them a row gets or what
    share of the layers has them: resnet20_hard4, vgg11_bn_cluster4, vit_tiny_hard4_top2_r25.
    """


@command.command("train")
@_models_option
@_data_option
@_data_dir_option
@click.option("--out", type=PATH, required=True, help="Folder for weights and logs.")
@click.option(
    "--epochs", type=click.IntRange(min=1), default=None, help="In real values. [default: the network's plan]"
)
@click.option("--quantized-epochs", type=click.IntRange(min=1), default=None, help="With codes. [default: the plan]")
@click.option("--load-balance", type=float, default=None, help="Factor of the loss for uneven use. [default: the plan]")
@click.option(
    "--start",
    type=PATH,
    default=None,
    help="Weights of the dense network to start from, without batch norms.  [default: it is trained first]",
)
@click.option("--time-limit", type=float, default=None, help="Seconds that a training may take.")
@click.option("--compact", is_flag=True, help="Store weights as int8 codes: a quarter of the size.")
@click.option(
    "--seed",
    "seeds",
    type=click.IntRange(min=0),
    multiple=True,
    default=(0,),
    show_default=True,
    help="Of weights and the order of images; with --retrain give it several times to compare.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda")
@click.option("--retrain", is_flag=True, help="Retrain trained networks for circuits instead.")
@click.option(
    "--multiplier",
    "-m",
    "circuits",
    type=click.Choice(list(CIRCUITS)),
    multiple=True,
    metavar="CIRCUIT",
    help="With --retrain: published circuit, e.g. mul8s_1L2L; give it several times.",
)
@click.option(
    "--recipe",
    "recipes",
    type=click.Choice(list(RECIPES)),
    multiple=True,
    help=f"With --retrain: that of the AxMoE study or ours; give both to compare.  [default: {OURS}]",
)
@click.option(
    "--weights",
    type=PATH,
    default=None,
    help="With --retrain: folder of trained networks, before those that come with axhw.",
)
def train(
    models: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    out: Path,
    epochs: int | None,
    quantized_epochs: int | None,
    load_balance: float | None,
    start: Path | None,
    time_limit: float | None,
    compact: bool,
    seeds: tuple[int, ...],
    device: str,
    retrain: bool,
    circuits: tuple[str, ...],
    recipes: tuple[str, ...],
    weights: Path | None,
) -> None:
    """Train networks with experts, or retrain them for circuits (needs PyTorch: pip install 'axhw[train]').

    What was stopped goes on from its checkpoint; what was finished is left as it is, and other settings need another
    folder. Retrained weights go to retrained/RECIPE/NETWORK/CIRCUIT-seedN, where
    `axhw reproduce axmoe` finds them.

    \b
    axhw moe train --model resnet20_hard4 --data cifar10_jpeg --out weights
    axhw moe train --retrain --model resnet20_hard4 --data cifar10_jpeg --weights weights -m mul8s_1L2L --out results
    """
    if retrain != bool(circuits):
        raise AxhwError("Expected circuits -m beside --retrain, found one without the other.")
    beside = {
        "--epochs": epochs,
        "--quantized-epochs": quantized_epochs,
        "--load-balance": load_balance,
        "--start": start,
        "--time-limit": time_limit,
    }
    unused = [name for name, value in beside.items() if value is not None]
    if retrain and unused:
        raise AxhwError(
            f"Expected {unused[0]} without --retrain, found both: recipes say how to retrain, see --recipe."
        )
    if weights is not None and not retrain:
        raise AxhwError("Expected --weights beside --retrain, found one without the other: see --start.")
    if recipes and not retrain:
        raise AxhwError("Expected --recipe beside --retrain, found one without the other.")
    if len(seeds) > 1 and not retrain:
        raise AxhwError("Expected several seeds beside --retrain only, as weights are named after the network alone.")

    def log(line: str) -> None:
        click.echo(line, err=True)

    chosen = choose_device(device)
    if retrain:
        cells = [
            Cell(network=network, circuit=circuit, recipe=recipe, seed=seed)
            for recipe in recipes or (OURS,)
            for seed in seeds
            for network in models
            for circuit in circuits
        ]
        files = retrain_cells(
            cells, data=data, out=out, weights=weights, root=data_dir, compact=compact, device=chosen, log=log
        )
    else:
        given = {
            "epochs": epochs,
            "quantized-epochs": quantized_epochs,
            "load-balance": load_balance,
            "start": start,
            "time-limit": time_limit,
            "data-folder": data_dir,
        }
        arguments = [f"--{name}={value}" for name, value in given.items() if value is not None]
        arguments += ["--compact"] if compact else []
        files = [_trained(model, data, out, arguments, seed=seeds[0], device=chosen) for model in models]
    for file in files:
        stdout().print(f"[dim]{file}[/dim]", soft_wrap=True)


def _trained(model: str, data: str, out: Path, arguments: Sequence[str], *, seed: int, device: str) -> Path:
    # PyTorch takes seconds to import.
    from axhw.train.options import Options, add_arguments
    from axhw.train.run import run

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    named = [f"--model={model}", f"--data={data}", f"--out={out}", f"--seed={seed}"]
    options = Options.parsed(parser.parse_args([*named, *arguments]), device=device)
    run(options, log=lambda line: click.echo(line, err=True))
    return options.weights


@command.command("eval")
@_models_option
@_data_option
@_data_dir_option
@click.option(
    "--multiplier",
    "-m",
    "multipliers",
    multiple=True,
    default=("mul8s_1KV6", "mul8s_1L2L"),
    show_default=True,
    metavar="SPEC|NAME",
    help="Multiplier of all layers with weights but those of gates; give it several times to compare.",
)
@click.option(
    "--compensate", type=click.Choice(COMPENSATIONS), default=None, help="Make up for errors in the layers' constants."
)
@click.option("--images", type=click.IntRange(min=1), default=None, help="Test images, drawn at random. [all]")
@click.option("--out", type=PATH, default=None, help="Folder for CSV files and a figure.")
@library_option
@engine_option
@json_option
def evaluate(
    models: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    multipliers: tuple[str, ...],
    compensate: Compensation | None,
    images: int | None,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Evaluate networks, bit-exactly: accuracy, normalised cost, energy, memory, and what gates choose.

    Gates and products of activations multiply exactly.

    \b
    axhw moe eval --model digits_cnn --model digits_cnn_hard2 -m mul8s_1L2L -m mul8s_1L2N
    axhw moe eval --model weights/resnet20_hard4-cifar10_jpeg.safetensors --data cifar10_jpeg -m roup:p=1,r=4
    """
    folder = None if out is None else output_folder(out)
    flow = Flow.of(library=library, engine=engine)
    named = named_multipliers(multipliers, flow.store)
    rows: list[dict[str, Any]] = []
    loads: list[dict[str, Any]] = []
    with progress() as report:
        report(0, 1, "designs")
        prices = Prices.measured(flow)
        records = [each.measured(flow) for each in named]
        for done, model in enumerate(models):
            report(done, len(models), model)
            bench = Bench.load(model=model, data=data, root=data_dir, images=images)
            found, own_loads = evaluated(bench, records, prices, compensate=compensate)
            rows += found
            loads += own_loads
    files = [] if folder is None else _write_evaluation(rows, loads, folder)
    if as_json:
        print_json({"evaluations": rows, "loads": loads, "files": [str(path) for path in files]})
        return
    _print_evaluation(rows, loads)
    for path in files:
        stdout().print(f"[dim]{path}[/dim]", soft_wrap=True)


def _write_evaluation(rows: Sequence[dict[str, Any]], loads: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.axmoe import draw_pareto
    from axhw.report.front import save_figure

    files = [write_rows(rows, folder / _EVALUATION)]
    if loads:
        files.append(write_rows(loads, folder / _LOADS))
    drawn = [{**row, "final_accuracy": None} for row in rows]
    about = f"{rows[0]['dataset']}, {rows[0]['images']:,} {rows[0]['split']} images"
    files.append(folder / "moe.svg")
    save_figure(draw_pareto(drawn, about=about, cost="cost"), files[-1])
    return files


def _print_evaluation(rows: Sequence[dict[str, Any]], loads: Sequence[dict[str, Any]]) -> None:
    console = stdout()
    heads = ("network", "multiplier", "int8", "approximate", "choices agree", "cost", "published", "energy", "routing")
    table = plain_table(*heads, "experts", "fetched", left=2)
    for row in rows:
        agreement, published = row["routing_agreement"], row["published_cost"]
        table.add_row(
            row["network"],
            row["circuit"],
            f"{100 * row['int8_accuracy']:.2f} %",
            f"{100 * row['accuracy']:.2f} %",
            "-" if agreement is None else f"{100 * agreement:.2f} %",
            f"{row['cost']:.3f}",
            "-" if published is None else f"{published:.3f}",
            f"{row['energy_nj']:,.0f} nJ",
            f"{row['routing_nj']:,.1f} nJ",
            f"{row['expert_bytes'] / 1024:,.0f} KiB",
            f"{row['fetched_expert_bytes'] / 1024:,.0f} KiB",
        )
    console.print(table)
    for network in dict.fromkeys(row["network"] for row in loads):
        shares = [row["share"] for row in loads if row["network"] == network]
        console.print(
            f"{network}: an expert gets {100 * min(shares):.1f} to {100 * max(shares):.1f} % of the rows of its gate",
            highlight=False,
        )


@command.command("search")
@click.option("--model", required=True, metavar="NAME|FILE", help="Network with experts.")
@_data_option
@_data_dir_option
@click.option(
    "--multipliers",
    "-m",
    multiple=True,
    default=tuple(CIRCUITS),
    metavar="GRID|NAME",
    help="Signed 8-bit designs to choose from; an exact one is always among them. [all published circuits]",
)
@click.option("--evaluations", type=click.IntRange(min=1), default=400, show_default=True, help="Of each search.")
@click.option("--population", type=click.IntRange(min=4), default=Nsga2.population, show_default=True)
@click.option("--images", type=click.IntRange(min=10), default=SEARCH_IMAGES, show_default=True, help="To search on.")
@click.option("--test-images", type=click.IntRange(min=1), default=None, help="Test images for the report. [all]")
@click.option(
    "--compensate", type=click.Choice(COMPENSATIONS), default=None, help="Make up for errors in the layers' constants."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with the searches in the folder --out.")
@click.option("--out", type=PATH, required=True, help="Folder for fronts and assignments.")
@library_option
@engine_option
@json_option
def search(
    model: str,
    data: str,
    data_dir: Path | None,
    multipliers: tuple[str, ...],
    evaluations: int,
    population: int,
    images: int,
    test_images: int | None,
    compensate: Compensation | None,
    seed: int,
    resume: bool,
    out: Path,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Search for a multiplier for each expert, beside one for each layer and one for all.

    Searched on validation images held out of the training images, reported on test images; energy is that of the
    multiplications that experts really do.

    \b
    axhw moe search --model digits_cnn_hard2 -m mul8s_1L2L -m mul8s_1L2N --evaluations 100 --out results
    axhw eval --model digits_cnn_hard2 --data digits --assignment results/expert-02.json
    """
    flow = Flow.of(library=library, engine=engine)
    bench = Bench.load(model=model, data=data, root=data_dir, images=test_images)
    if not bench.graph.gate_nodes:
        raise AxhwError(f"Expected a network with experts, found {bench.graph.name} without: use axhw search.")
    folder = output_folder(out)
    with progress() as report:
        report(0, 1, "designs")
        exact = Prices.measured(flow).exact
        named = [each for each in named_multipliers(multipliers, flow.store) if each.spec != EXACT]
        palette = Palette.of([exact, *(each.measured(flow) for each in named)])
        workbench = Workbench(
            bench=bench,
            palette=palette,
            compensate=compensate,
            images=images,
            stage=lambda name: report(0, 1, name),
        )
        settings = {
            "weights": bench.weights,
            "designs": [reference.table_sha256 for reference in palette.references],
            "energies_fj": palette.energies_fj.tolist(),
            "images": images,
            "compensate": compensate,
            "population": population,
            "seed": seed,
        }
        refuse_other_search(folder, settings, front=_FRONTS_JSON)
        fronts = searched_fronts(
            workbench,
            evaluations=evaluations,
            seed=seed,
            population=population,
            checkpoint=lambda sharing: Checkpoint(
                path=folder / f"state-{sharing}.json", settings=settings | {"sharing": sharing}, resume=resume
            ),
            progress=report,
        )
    named_row = {"network": workbench.network.graph.name, "compensation": compensate or "none"}
    rows, files = [], list[Path]()
    for sharing in SHARINGS:
        for number, point in enumerate(fronts.of(sharing), 1):
            file = folder / f"{sharing}-{number:02d}.json"
            workbench.assignment(point.choice).save(file)
            rows.append({**named_row, **point.row(), "assignment": file.name})
            files.append(file)
    document = {
        **named_row,
        "data": bench.data.test.name,
        "search_images": len(workbench.validation),
        "test_images": len(bench.data.test),
        "designs": list(palette.names),
        "hypervolumes": dict(fronts.hypervolumes),
        "points": rows,
    }
    files = [*_write_search(document, rows, folder), *files]
    if as_json:
        print_json(document | {"files": [str(path) for path in files]})
        return
    table = plain_table("loss at most", *SHARINGS, left=1)
    for most in LOSSES_PCT:
        best = [best_within([row for row in rows if row["sharing"] == name], most) for name in SHARINGS]
        cells = (
            "-" if row is None else f"{row['energy_saved_pct']:.1f} % ({row['test_loss_pct']:.2f})" for row in best
        )
        table.add_row(points_of_accuracy(most), *cells)
    console = stdout()
    console.print("energy of multiplications saved (test loss), with one multiplier for all, by layer, and by expert")
    console.print(table)
    for path in files[:3]:
        console.print(f"[dim]{path}[/dim]", soft_wrap=True)


def _write_search(document: dict[str, Any], rows: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    # matplotlib is slow to import.
    from axhw.report.axmoe import draw_sharings
    from axhw.report.front import save_figure

    files = [write_rows(rows, folder / _FRONTS), folder / _FRONTS_JSON, folder / "fronts.svg"]
    with replacing(files[1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    about = f"{document['data']}, {document['search_images']:,} validation and {document['test_images']:,} test images"
    save_figure(draw_sharings(rows, about=about), files[2])
    return files
