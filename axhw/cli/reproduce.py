"""``axhw reproduce``: published experiments on our own hardware numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from axhw.cli.options import PATH, engine_option, json_option, library_option, peak_memory_mb, print_json, progress
from axhw.cli.tables import plain_table, points_of_accuracy, stdout
from axhw.errors import AxhwError
from axhw.files import output_folder
from axhw.flow import Flow

_MAX_DNN, _AXMOE, _ANALOG_MOE, _MOE_PIM = map(Path, ("axhw-max-dnn", "axhw-axmoe", "axhw-analog-moe", "axhw-moe-pim"))


@click.group("reproduce")
def command() -> None:
    """Published experiments, their claims beside what is measured here."""


@command.command("max-dnn")
@click.option("--quick", is_flag=True, help="A small network with few designs and images: minutes instead of an hour.")
@click.option("--evaluations", type=click.IntRange(min=1), default=None, help="Configurations of each search.")
@click.option("--images", type=click.IntRange(min=10), default=None, help="Validation images to search on.")
@click.option("--test-images", type=click.IntRange(min=1), default=None, help="Test images for the report. [all]")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--data-dir", type=PATH, default=None, help="Folder to look for data sets in.")
@click.option(
    "--out",
    type=PATH,
    default=_MAX_DNN,
    show_default=True,
    help="Folder of the results and finished parts; a run that was stopped goes on from there.",
)
@click.option("--retrain", is_flag=True, help="Retrain the points that save most, with PyTorch. A GPU saves hours.")
@library_option
@engine_option
@json_option
def max_dnn(
    quick: bool,
    evaluations: int | None,
    images: int | None,
    test_images: int | None,
    seed: int,
    data_dir: Path | None,
    out: Path,
    retrain: bool,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """MAx-DNN (arXiv 2506.21371): the right multiplier in every layer, filter and kernel.

    Sensitivity of layers, filters and kernels; fronts by layer, filter and kernel with ROUP and with published
    circuits, with and without compensation and with the cost of reconfiguration; and the paper's claims beside that.
    """
    # Only this command needs all of it.
    from axhw.experiments.max_dnn.plan import FULL, QUICK
    from axhw.experiments.max_dnn.report import REPORT
    from axhw.experiments.max_dnn.run import Experiment
    from axhw.train.extra import choose_device

    device = choose_device("auto") if retrain else None
    given = {"evaluations": evaluations, "images": images, "test_images": test_images, "seed": seed}
    chosen = {name: value for name, value in given.items() if value is not None}
    plan = dataclasses.replace(QUICK if quick else FULL, **chosen)  # type: ignore[arg-type]
    flow = Flow.of(library=library, engine=engine)
    with progress() as report:
        experiment = Experiment(
            plan=plan, folder=output_folder(out), flow=flow, root=data_dir, device=device, progress=report
        )
        document = experiment.run()
        files = REPORT.write(document, out)
    _tell(document, files, as_json=as_json, tables=[_savings_table(document)])


@command.command("axmoe")
@click.option("--quick", is_flag=True, help="Small networks that come with axhw, on digits: a minute instead of hours.")
@click.option("--data", default=None, metavar="NAME", help="Data set of the networks. [cifar10_jpeg]")
@click.option("--weights", type=PATH, default=None, help="Folder of networks trained before.")
@click.option("--evaluations", type=click.IntRange(min=1), default=None, help="Configurations of each search.")
@click.option("--test-images", type=click.IntRange(min=1), default=None, help="Test images. [all]")
@click.option(
    "--search", "searched", multiple=True, metavar="NETWORK", help="Search on this one instead of the plan's."
)
@click.option("--array", type=click.IntRange(min=1, max=32), default=None, help="Rows and columns of systolic arrays.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the searches.")
@click.option("--data-dir", type=PATH, default=None, help="Folder to look for data sets in.")
@click.option(
    "--out",
    type=PATH,
    default=_AXMOE,
    show_default=True,
    help="Folder of results, retrained weights and finished parts; a run that was stopped goes on from there.",
)
@library_option
@engine_option
@json_option
def axmoe(
    quick: bool,
    data: str | None,
    weights: Path | None,
    evaluations: int | None,
    test_images: int | None,
    searched: tuple[str, ...],
    array: int | None,
    seed: int,
    data_dir: Path | None,
    out: Path,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """AxMoE (arXiv 2605.04754): approximate multipliers inside networks with experts.

    Every network with every circuit, as it is, compensated and retrained, its cost and its hardware; whether bias,
    gates or single experts explain the losses; a multiplier for each expert; and the paper's claims beside all that.
    Networks are trained and retrained with `axhw moe train`; what has no weights is left out and named.
    """
    # Only this command needs all of it.
    from axhw.experiments.axmoe.plan import FULL, QUICK
    from axhw.experiments.axmoe.report import REPORT
    from axhw.experiments.axmoe.run import Experiment
    from axhw.moe.cells import check_weights_folder

    if weights is not None:
        check_weights_folder(weights)
    if quick and data is not None:
        raise AxhwError(f"Expected --quick, which is on {QUICK.data}, or --data, found both: leave one out.")
    plan = dataclasses.replace(QUICK if quick else FULL, seed=seed)
    if data is not None:
        plan = dataclasses.replace(plan, data=data)
    if test_images is not None:
        plan = dataclasses.replace(plan, test_images=test_images)
    if evaluations is not None:
        plan = dataclasses.replace(plan, searches=dataclasses.replace(plan.searches, evaluations=evaluations))
    if searched:
        plan = dataclasses.replace(plan, searches=dataclasses.replace(plan.searches, networks=searched))
    if array is not None:
        plan = dataclasses.replace(plan, arrays=dataclasses.replace(plan.arrays, side=array))
    with progress() as report:
        experiment = Experiment(
            plan=plan,
            folder=output_folder(out),
            flow=Flow.of(library=library, engine=engine),
            weights=weights,
            root=data_dir,
            progress=report,
        )
        experiment.check_searched(searched)
        document = experiment.run()
        files = REPORT.write(document, out)
    _tell(document, files, as_json=as_json, tables=[_cells_table(document)])


@command.command("analog-moe")
@click.option("--quick", is_flag=True, help="The small model that comes with axhw, on text that does: minutes.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=PATH,
    metavar="FOLDER",
    help="Trained model of bytes; give it several times: the first one is studied in depth. [one that comes with axhw]",
)
@click.option("--text", default=None, metavar="NAME", help="Held-out text: python_topics or mix. [mix]")
@click.option("--test-bytes", type=click.IntRange(min=1024), default=None, help="Of the test text.")
@click.option("--selection-bytes", type=click.IntRange(min=1024), default=None, help="Of the validation text.")
@click.option("--seeds", type=click.IntRange(min=1), default=None, help="Of chips, two chips each.")
@click.option("--jobs", type=click.IntRange(min=1), default=None, help="Threads. [all processors]")
@click.option("--data-dir", type=PATH, default=None, help="Folder to look for texts in.")
@click.option(
    "--out",
    type=PATH,
    default=_ANALOG_MOE,
    show_default=True,
    help="Folder of results and finished parts; a run that was stopped goes on from there.",
)
@library_option
@engine_option
@json_option
def analog_moe(
    quick: bool,
    models: tuple[Path, ...],
    text: str | None,
    test_bytes: int | None,
    selection_bytes: int | None,
    seeds: int | None,
    jobs: int | None,
    data_dir: Path | None,
    out: Path,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Analog-digital MoE (arXiv 2603.02633): language models on crossbars, and which experts must stay digital.

    Converters, programming noise and drift; selectors of digital experts by their share; energy and throughput, with
    exact and approximate digital experts; budgets and noise that changes; and the paper's claims beside all that.
    """
    # Only this command needs all of it.
    from axhw.experiments.analog_moe.plan import FULL, QUICK
    from axhw.experiments.analog_moe.report import REPORT
    from axhw.experiments.analog_moe.run import Experiment

    plan = dataclasses.replace(QUICK if quick else FULL, models=models)
    if text is not None:
        plan = dataclasses.replace(plan, text=text)
    given = {"test_bytes": test_bytes, "selection_bytes": selection_bytes, "seeds": seeds, "main_seeds": seeds}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    depths = {name: dataclasses.replace(getattr(plan, name), **chosen) for name in ("deep", "brief", "large")}
    with progress() as report:
        experiment = Experiment(
            plan=dataclasses.replace(plan, **depths),
            folder=output_folder(out),
            flow=Flow.of(library=library, engine=engine),
            root=data_dir,
            jobs=jobs,
            progress=report,
        )
        document = experiment.run()
        files = REPORT.write(document, out)
    _tell(document, files, as_json=as_json)


@command.command("moe-pim")
@click.option("--quick", is_flag=True, help="Fewer traces and tokens, and smaller groups in gates: minutes.")
@click.option("--traces", type=click.IntRange(min=1), default=None, help="Synthetic traces to schedule.")
@click.option("--tokens", type=click.IntRange(min=16), default=None, help="Of each trace. [512]")
@click.option("--gates/--no-gates", default=True, show_default=True, help="Measure crossbars and caches in gates.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FOLDER",
    help="Trained model of bytes, for values; give it several times. [one that comes with axhw]",
)
@click.option("--data-dir", type=PATH, default=None, help="Folder to look for texts in.")
@click.option(
    "--out",
    type=PATH,
    default=_MOE_PIM,
    show_default=True,
    help="Folder of results and finished parts; a run that was stopped goes on from there.",
)
@library_option
@engine_option
@json_option
def moe_pim(
    quick: bool,
    traces: int | None,
    tokens: int | None,
    gates: bool,
    models: tuple[str, ...],
    data_dir: Path | None,
    out: Path,
    library: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Experts on shared crossbars (arXiv 2602.10254): groups, schedules and the GO cache.

    The published simulation and what everything counted changes; cycles and transfers of schedules beside bounds and
    optima; what sharing saves in gates, in area and in efficiency; values through the cache; and the paper's claims
    beside all that.
    """
    # Only this command needs all of it.
    from axhw.experiments.moe_pim.plan import FULL, QUICK
    from axhw.experiments.moe_pim.report import REPORT
    from axhw.experiments.moe_pim.run import Experiment

    plan = QUICK if quick else FULL
    if traces is not None:
        plan = dataclasses.replace(plan, traces=tuple(range(traces)))
    if tokens is not None:
        plan = dataclasses.replace(plan, tokens=tokens)
    if models:
        plan = dataclasses.replace(plan, value_models=models)
    if not gates:
        plan = dataclasses.replace(plan, groups=(), caches=())
    with progress() as report:
        experiment = Experiment(
            plan=plan,
            folder=output_folder(out),
            flow=Flow.of(library=library, engine=engine),
            root=data_dir,
            progress=report,
        )
        document = experiment.run()
        files = REPORT.write(document, out)
    _tell(document, files, as_json=as_json)


def _tell(document: dict[str, Any], files: Sequence[Path], *, as_json: bool, tables: Sequence[Table] = ()) -> None:
    """One JSON document; or claims, those that lack something, tables, and the files."""
    if as_json:
        print_json(document | {"peak_memory_mb": peak_memory_mb(), "files": [str(path) for path in files]})
        return
    console = stdout()
    for claim in document["claims"]:
        console.print(f"[bold]{'met' if claim['met'] else 'not met'}[/bold]  {claim['claim']}", soft_wrap=True)
        console.print(f"  paper: {claim['paper']}; here: {claim['ours']}", soft_wrap=True, highlight=False)
        console.print(f"  [dim]{claim['basis']}[/dim]", soft_wrap=True, highlight=False)
    for lacking in document.get("missing", {}).get("claims", ()):
        console.print(f"[bold]left out[/bold]  {lacking['claim']}", soft_wrap=True)
        console.print(f"  lacks {lacking['lacks']}", soft_wrap=True, highlight=False)
    for table in tables:
        console.print(table)
    for path in files:
        console.print(f"[dim]{path}[/dim]", soft_wrap=True)


def _cells_table(document: dict[str, Any]) -> Table:
    from axhw.moe.cells import RECIPES

    named = ("int8", "", "bias", "affine", *RECIPES)
    table = plain_table("network", "circuit", "cost", "int8", "as is", "bias", "affine", *RECIPES, left=2)
    for row in document["cells"]:
        shares = (row[f"{name}_accuracy" if name else "accuracy"] for name in named)
        cells = ("-" if share is None else f"{100 * share:.2f} %" for share in shares)
        table.add_row(row["network"], row["circuit"], f"{row['published_cost']:.3f}", *cells)
    return table


def _savings_table(document: dict[str, Any]) -> Table:
    table = plain_table("network", "designs", "compensation", "level", "loss at most", "saved", "test loss", left=4)
    for row in document["savings"]:
        if row["energy_saved_pct"] is not None:
            table.add_row(
                row["network"],
                row["palette"],
                row["compensation"],
                row["level"],
                points_of_accuracy(row["at_most_loss_pct"]),
                f"{row['energy_saved_pct']:.1f} %",
                f"{row['test_loss_pct']:.2f}",
            )
    return table
