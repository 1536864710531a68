"""``axhw search``: which multiplier in which layer, filter and kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import click

from axhw.cli.network_options import network_options
from axhw.cli.options import (
    PATH,
    engine_option,
    json_option,
    library_option,
    peak_memory_mb,
    print_json,
    progress,
    warn_of_unreadable,
)
from axhw.cli.tables import plain_table, points_of_accuracy, stdout
from axhw.errors import AxhwError
from axhw.evaluation import Bench, select_layers, write_rows
from axhw.files import output_folder, replacing
from axhw.flow import Flow
from axhw.hdl.registry import parse
from axhw.index import Index
from axhw.library.catalogue import Catalogue
from axhw.lookup import NamedMultiplier, named_multipliers
from axhw.nn.compensation import COMPENSATIONS, Compensation
from axhw.nn.weight_tuning import TUNINGS, Tuning
from axhw.record import DesignRecord
from axhw.search.energy import ENERGIES, Energies, EnergyModel
from axhw.search.folder import refuse_other_search
from axhw.search.nsga2 import Nsga2
from axhw.search.palette import Palette
from axhw.search.result import (
    FrontPoint,
    Searched,
    StrategyName,
    front_points,
    largest_savings,
    save_assignments,
    searched,
    uniform_hypervolume,
)
from axhw.search.run import Checkpoint, Objective
from axhw.search.space import SPACE_LEVELS, Space, SpaceLevel
from axhw.search.workbench import SEARCH_IMAGES, Workbench
from axhw.store import Store

_STORED, _SHIPPED = "stored", "shipped"
_MULTIPLIERS = ("roup:p=0..2,r=0..6,rule=*",)
FRONT_CSV, FRONT_JSON, FRONT_FIGURE = "front.csv", "front.json", "front.svg"


@click.command("search")
@network_options
@click.option(
    "--level",
    "levels",
    type=click.Choice(SPACE_LEVELS),
    multiple=True,
    default=("layer",),
    show_default=True,
    help="Whether layers, filters or kernels get multipliers of their own; give it several times to compare.",
)
@click.option(
    "--multipliers",
    "-m",
    multiple=True,
    default=_MULTIPLIERS,
    show_default=True,
    metavar="GRID|NAME|stored|shipped",
    help="Designs to choose from: grids of families, names of designs, or all signed 8-bit ones that are stored or "
    "shipped; give it several times. An exact one is always among them.",
)
@click.option("--layers", metavar="LIST", default=None, help="Layers to search, by number or name; others stay exact.")
@click.option("--evaluations", type=click.IntRange(min=1), default=400, show_default=True, help="For each level.")
@click.option(
    "--population", type=click.IntRange(min=4), default=Nsga2.population, show_default=True, help="Of NSGA-II."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--images",
    type=click.IntRange(min=10),
    default=SEARCH_IMAGES,
    show_default=True,
    help="Validation images to search on, held out of the training images: never test images.",
)
@click.option("--test-images", type=click.IntRange(min=1), default=None, help="Test images for the report. [all]")
@click.option("--tune", type=click.Choice(TUNINGS), default=None, help="Tune the weights to every multiplier.")
@click.option(
    "--compensate", type=click.Choice(COMPENSATIONS), default=None, help="Make up for errors in the layers' constants."
)
@click.option(
    "--energy",
    type=click.Choice(ENERGIES),
    default="uniform",
    show_default=True,
    help="What is minimised: energy of uniform random operands, or of those of each layer.",
)
@click.option(
    "--operand-energy", is_flag=True, help="Report the energy of each layer's operands beside the uniform one."
)
@click.option("--baselines", is_flag=True, help="Random search and hill climbing with as many evaluations.")
@click.option("--no-surrogate", is_flag=True, help="NSGA-II without predictions.")
@click.option("--resume", is_flag=True, help="Go on with the search in the folder --out.")
@click.option(
    "--out",
    type=PATH,
    default=None,
    help="Folder for the front, assignments, figures and the state of the search.",
)
@library_option
@engine_option
@json_option
def command(
    model: str,
    data: str,
    levels: tuple[SpaceLevel, ...],
    multipliers: tuple[str, ...],
    layers: str | None,
    evaluations: int,
    population: int,
    seed: int,
    images: int,
    test_images: int | None,
    tune: Tuning | None,
    compensate: Compensation | None,
    energy: Energies,
    operand_energy: bool,
    baselines: bool,
    no_surrogate: bool,
    resume: bool,
    data_dir: Path | None,
    out: Path | None,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Search for the multipliers of a network: accuracy against the energy of its multiplications.

    The search runs on validation images, held out of the training images. Its front is then run on the test images,
    once.

    \b
    axhw search --multipliers 'roup:p=0..2,r=0..6,rule=*' --level layer --level filter --out results
    axhw search --model resnet8 --data cifar10_jpeg --level kernel --compensate affine --evaluations 2000 --out results
    axhw eval --model resnet8 --data cifar10_jpeg --assignment results/filter-07.json
    """
    if resume and out is None:
        raise AxhwError("Expected a folder --out to resume the search of, found none.")
    flow = Flow.of(library=library, engine=engine)
    named = named_multipliers(expanded(multipliers, flow.store, flow.library.cells.name), flow.store)
    exact = NamedMultiplier(spec=parse("exact", signed=named[0].spec.signed))
    bench = Bench.load(model=model, data=data, root=data_dir, images=test_images)
    chosen = None if layers is None else select_layers(bench.graph, layers)
    folder = None if out is None else output_folder(out)

    def make(multiplier: NamedMultiplier) -> DesignRecord:
        return multiplier.measured(flow)

    with progress() as report:
        records = []
        for done, multiplier in enumerate([exact, *named]):
            report(done, len(named) + 1, f"design {multiplier.name}")
            records.append(make(multiplier))
        palette = Palette.of(records)
        workbench = Workbench(
            bench=bench,
            palette=palette,
            tune=tune,
            compensate=compensate,
            images=images,
            stage=lambda name: report(0, 1, name),
        )
        settings = {
            "network": workbench.network.graph.name,
            "weights": bench.weights,
            "data": workbench.validation.name,
            "split": workbench.validation.split,
            "designs": [asdict(reference)["table_sha256"] for reference in palette.references],
            "energies_fj": palette.energies_fj.tolist(),
            "energy": energy,
            "tune": tune,
            "compensate": compensate,
            "population": population,
            "surrogate": not no_surrogate,
            "seed": seed,
        }
        if folder is not None:
            refuse_other_search(folder, settings, front=FRONT_JSON)
        operands: EnergyModel | None = None
        if operand_energy or energy == "operands":
            operands = workbench.operand_energy(
                library=flow.library.cells,
                store=flow.store,
                progress=lambda done, total: report(done, total, "operand energies"),
            )
        model_of_energy = operands if energy == "operands" and operands is not None else workbench.uniform_energy
        spaces = [workbench.space(level, energy=model_of_energy, layers=chosen) for level in dict.fromkeys(levels)]
        strategies: tuple[StrategyName, ...] = ("nsga2", "random", "greedy") if baselines else ("nsga2",)
        checkpoints: dict[tuple[SpaceLevel, StrategyName], Checkpoint] = {}
        if folder is not None:
            for space, name in product(spaces, strategies):
                searched_layers = {"level": space.level, "layers": list(space.options), "strategy": name}
                checkpoint = Checkpoint(
                    path=folder / f"state-{space.level}-{name}.json",
                    settings=settings | searched_layers,
                    resume=resume,
                )
                checkpoint.check()
                checkpoints[space.level, name] = checkpoint
        report(0, 1, "exact products")
        objective = workbench.objective
        results: list[tuple[Space, list[Searched]]] = []
        for space in spaces:
            found = []
            for name in strategies:
                found.append(
                    searched(
                        space,
                        objective,
                        name,
                        evaluations=evaluations,
                        seed=seed,
                        population=population,
                        surrogate=not no_surrogate,
                        checkpoint=checkpoints.get((space.level, name)),
                        progress=report,
                    )
                )
            results.append((space, found))
        report(0, 1, "exact products on test images")
        evaluator = workbench.evaluator(bench.data.test)
        test = Objective(evaluator=evaluator, exact_accuracy=workbench.exact_accuracy(evaluator))
        fronts: list[list[FrontPoint]] = []
        for space, found in results:

            def step(done: int, total: int, level: str = space.level) -> None:
                report(done, total, f"{level}: front on test images")

            fronts.append(front_points(workbench, space, found[0].archive, test=test, operands=operands, progress=step))
    rows = [point.row() for points in fronts for point in points]
    document: dict[str, Any] = {
        "network": settings["network"],
        "weights": bench.weights,
        "dataset": settings["data"],
        "search_split": f"{workbench.validation.split}, held out of the training images",
        "search_images": len(workbench.validation),
        "test_split": bench.data.test.split,
        "test_images": len(bench.data.test),
        "library": flow.library.cells.name,
        "designs": list(palette.names),
        "exact": {
            "design": palette.names[palette.exact],
            "validation_accuracy": objective.exact_accuracy,
            "test_accuracy": test.exact_accuracy,
            "energy_nj_per_inference": workbench.uniform_energy.exact_nj,
            "operand_energy_nj_per_inference": None if operands is None else operands.exact_nj,
        },
        "energy": energy,
        "tune": tune,
        "compensate": compensate,
        "seed": seed,
        "levels": [
            {
                "level": space.level,
                "layers": list(space.options),
                "searches": [search.figures() for search in found],
                "uniform_hypervolume": uniform_hypervolume(workbench, space) if baselines else None,
                "largest_savings": largest_savings(points),
                "front": [point.row() for point in points],
            }
            for (space, found), points in zip(results, fronts)
        ],
    }
    files = [] if folder is None else _write(workbench, document, fronts, rows, folder)
    if as_json:
        print_json(document | {"peak_memory_mb": peak_memory_mb(), "files": [str(path) for path in files]})
        return
    _print(document, files)


def expanded(multipliers: Sequence[str], store: Store, library: str) -> list[str]:
    """The multipliers with all signed 8-bit designs of the store, or those that come along, in the place of the word.

    Raises
    ------
    AxhwError
        If there are none in the library.
    """
    result: list[str] = []
    for multiplier in multipliers:
        if multiplier not in (_STORED, _SHIPPED):
            result.append(multiplier)
            continue
        catalogue = Catalogue(store)
        if multiplier == _SHIPPED:
            # Measured once, they are in the store, too.
            summaries = catalogue.shipped()
        else:
            warn_of_unreadable(Index(store).unreadable())
            summaries = [summary for summary in catalogue.summaries() if not summary["shipped"]]
        keys = [
            str(summary["key"])
            for summary in summaries
            if (summary["width"], summary["signed"], summary["library"]) == (8, True, library)
            and not summary["element"]
        ]
        if not keys:
            raise AxhwError(
                f"Expected {multiplier} signed 8-bit multipliers measured in {library}, found none: see axhw sweep."
            )
        result += keys
    return result


def _write(
    workbench: Workbench,
    document: dict[str, Any],
    fronts: Sequence[Sequence[FrontPoint]],
    rows: list[dict[str, Any]],
    folder: Path,
) -> list[Path]:
    # matplotlib is slow to import.
    import json

    from axhw.report.assignment import draw_assignment
    from axhw.report.front import save_figure
    from axhw.report.search import draw_fronts

    files = [write_rows(rows, folder / FRONT_CSV), folder / FRONT_JSON, folder / FRONT_FIGURE]
    with replacing(files[1]) as draft:
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    about = (
        f"{document['network']} on {document['dataset']}: {document['search_images']:,} validation and "
        f"{document['test_images']:,} test images"
    )
    save_figure(draw_fronts(rows, about=about), files[2])
    for points in fronts:
        files += save_assignments(workbench, points, folder)
        # One is enough to see how a level is used: the one of most energy saved within 4 points.
        best = [point for point in points if point.validation_loss <= 0.04]
        if best:
            figure = folder / f"{best[-1].level}-{best[-1].number:02d}.svg"
            save_figure(draw_assignment(workbench.assignment(best[-1].choice), workbench.network.graph), figure)
            files.append(figure)
    return files


def _print(document: dict[str, Any], files: Sequence[Path]) -> None:
    console = stdout()
    exact = document["exact"]
    console.print(
        f"{document['network']} on {document['dataset']}: searched on {document['search_images']:,} images "
        f"({document['search_split']}), reported on {document['test_images']:,} images ({document['test_split']})",
        soft_wrap=True,
    )
    table = plain_table("level", "loss at most", "validation", "test", "test loss", "energy", "saved", left=1)
    for level in document["levels"]:
        for best in level["largest_savings"]:
            row = best["point"]
            if row is None:
                continue
            table.add_row(
                level["level"],
                points_of_accuracy(best["at_most_loss_pct"]),
                f"{100 * row['validation_accuracy']:.2f} %",
                f"{100 * row['test_accuracy']:.2f} %",
                f"{row['test_loss_pct']:.2f}",
                f"{row['energy_nj_per_inference']:,.0f} nJ",
                f"{row['energy_saved_pct']:.1f} %",
            )
    console.print(table)
    for level in document["levels"]:
        volumes = ", ".join(f"{search['strategy']} {search['hypervolume']:.3f}" for search in level["searches"])
        if level["uniform_hypervolume"] is not None:
            volumes += f", one design everywhere {level['uniform_hypervolume']:.3f}"
        evaluations = level["searches"][0]["evaluations"]
        console.print(f"[dim]{level['level']}: hypervolume after {evaluations:,} evaluations: {volumes}[/dim]")
    console.print(
        f"[dim]exact: {exact['design']}, {100 * exact['test_accuracy']:.2f} % on test images, "
        f"{exact['energy_nj_per_inference']:,.0f} nJ an inference; energy of the multiplications alone[/dim]",
        soft_wrap=True,
    )
    for path in files:
        console.print(f"[dim]{path}[/dim]", soft_wrap=True)
