"""Search for multipliers of layers, filters and kernels: configurations a minute, predictions, fronts of equal budgets.

Usage: python -m benchmarks.search [EVALUATIONS]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from axhw.characterize import characterize
from axhw.evaluation import COMPENSATION_IMAGES, Bench
from axhw.flow import Flow
from axhw.hdl.grid import expand_all
from axhw.nn.assignment import Tables
from axhw.nn.compensation import compensated
from axhw.nn.evaluate import batch_size, classify
from axhw.nn.executor import Executor
from axhw.report.front import save_figure
from axhw.report.search import draw_fronts
from axhw.search.assignment import layer_tables
from axhw.search.configuration import Choice
from axhw.search.palette import Palette
from axhw.search.result import (
    STRATEGIES,
    FrontPoint,
    Searched,
    StrategyName,
    front_points,
    largest_savings,
    searched,
    uniform_hypervolume,
)
from axhw.search.run import Objective
from axhw.search.space import Space, SpaceLevel
from axhw.search.workbench import Workbench
from axhw.sweep.local import processors
from axhw.synth.libraries import DEFAULT, load_library
from benchmarks.bulk import scratch_store, summaries
from benchmarks.markdown import table

MARKDOWN = True

MODEL, DATA = "resnet8", "cifar10_jpeg"
DESIGNS = ("exact", "evoapprox:mul8s_1KV6", "roup:p=0..2,r=0..6,rule=*")
LEVELS: tuple[SpaceLevel, ...] = ("layer", "filter", "kernel")
EVALUATIONS, SEED = 160, 1
FROM_SCRATCH = 8
NOTICED = 0.3
FIGURES = Path(__file__).resolve().parents[1] / "reports"


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """All searches of one level."""

    workbench: Workbench
    space: Space
    by_strategy: Mapping[StrategyName, Searched]
    plain: Searched
    uniform: float
    points: list[FrontPoint]
    scratch_s: float
    reused: float

    @property
    def compensate(self) -> str:
        return self.workbench.compensate or "nothing"


def measure(workbench: Workbench, level: SpaceLevel, test: Objective, evaluations: int) -> Run:
    """Search on one level with every strategy."""
    space, objective = workbench.space(level), workbench.objective

    def say(done: int, total: int, what: str) -> None:
        print(f"\r{done} of {total} {what}", end="", file=sys.stderr)

    found = {}
    for name in STRATEGIES:
        evaluator = objective.evaluator
        before = evaluator.layers_run, evaluator.layers_reused
        found[name] = searched(space, objective, name, evaluations=evaluations, seed=SEED, progress=say)
        if name == "nsga2":
            ran, kept = evaluator.layers_run - before[0], evaluator.layers_reused - before[1]
    plain = searched(space, objective, "nsga2", evaluations=evaluations, seed=SEED, surrogate=False, progress=say)
    archive = found["nsga2"].archive
    choices = [space.choice(genome) for genome in archive.genomes[-FROM_SCRATCH:]]
    return Run(
        workbench=workbench,
        space=space,
        by_strategy=found,
        plain=plain,
        uniform=uniform_hypervolume(workbench, space),
        points=front_points(workbench, space, archive, test=test),
        scratch_s=_from_scratch(workbench, choices),
        reused=kept / max(ran + kept, 1),
    )


def _from_scratch(workbench: Workbench, choices: Sequence[Choice]) -> float:
    """Seconds of one configuration without anything kept from others."""
    data, begun = workbench.validation, time.perf_counter()
    for choice in choices:
        tables: Tables = {name: layer_tables(ids, workbench.tables[name]) for name, ids in choice.items()}
        network = workbench.network
        if workbench.compensate is not None:
            learnt = workbench.bench.calibration_images[:COMPENSATION_IMAGES]
            network = compensated(network, learnt, tables, method=workbench.compensate)
        classify(Executor(network, tables), data, batch=batch_size(network.graph))
    return (time.perf_counter() - begun) / len(choices)


def _runs(evaluations: int) -> Iterator[Run]:
    specs = expand_all(DESIGNS).specs
    with scratch_store() as store:
        library = load_library(DEFAULT)
        summaries(specs, DEFAULT, store)
        palette = Palette.of([characterize(spec, flow=Flow.of(library=library, store=store)) for spec in specs])
        bench = Bench.load(model=MODEL, data=DATA)
        for compensate in (None, "affine"):
            workbench = Workbench(bench=bench, palette=palette)
            workbench = workbench if compensate is None else replace(workbench, compensate="affine")
            evaluator = workbench.evaluator(bench.data.test)
            test = Objective(evaluator=evaluator, exact_accuracy=workbench.exact_accuracy(evaluator))
            for level in LEVELS:
                yield measure(workbench, level, test, evaluations)
                print(f"\r{level}, compensated: {compensate}", file=sys.stderr)


def _volumes(run: Run) -> list[str]:
    own = [f"{run.by_strategy[name].archive.hypervolume():.3f}" for name in STRATEGIES]
    return [own[0], f"{run.plain.archive.hypervolume():.3f}", *own[1:], f"{run.uniform:.3f}"]


def _speed(run: Run) -> list[str]:
    nsga2 = run.by_strategy["nsga2"]
    rate = 60 * nsga2.evaluated / nsga2.seconds
    return [f"{rate:.0f}", f"{60 / run.scratch_s:.0f}", f"{100 * run.reused:.0f}"]


def _predictions(run: Run) -> list[str]:
    archives = [search.archive for search in (*run.by_strategy.values(), run.plain)]
    noise = [run.space.predicted(genome)[0] for archive in archives for genome in archive.genomes]
    losses = np.array([loss for archive in archives for loss in archive.losses])
    predicted = run.space.margins.losses(noise)
    near = losses < NOTICED
    error = 100 * float(np.abs(predicted - losses)[near].mean())
    return [f"{len(losses)}", f"{_spearman(noise, losses):.2f}", f"{error:.1f}"]


def _spearman(first: Sequence[float], second: npt.NDArray[np.float64]) -> float:
    one, other = (pd.Series(values).rank().to_numpy() for values in (first, second))
    return float(np.corrcoef(one, other)[0, 1])


def _savings(run: Run) -> list[str]:
    cells = []
    for best in largest_savings(run.points):
        row = best["point"]
        cells.append("-" if row is None else f"{row['energy_saved_pct']:.1f} ({row['test_loss_pct']:.1f})")
    return cells


def main() -> None:
    """Print the tables and draw the fronts."""
    evaluations = int(sys.argv[1]) if len(sys.argv) > 1 else EVALUATIONS
    runs = list(_runs(evaluations))
    first = runs[0].workbench
    exact = first.palette.names[first.palette.exact]
    print(
        f"{MODEL} on {first.validation.name}: searched on {len(first.validation):,} images of the validation split, "
        f"tested on {len(first.bench.data.test):,}. {len(first.palette)} different designs of "
        f"{', '.join(f'`{text}`' for text in DESIGNS)}; savings are those against {exact}. "
        f"{evaluations} evaluations each, seed {SEED}; processors: {processors()}.\n"
    )
    heads = ["level", "compensated"]
    names = [[run.space.level, run.compensate] for run in runs]

    def show(title: str, columns: list[str], cells: list[list[str]]) -> None:
        print(f"## {title}\n\n{table(heads + columns, [own + row for own, row in zip(names, cells)])}\n")

    show(
        "Hypervolume at equal evaluations",
        ["NSGA-II", "without predictions", "random", "hill climbing", "one design everywhere"],
        [_volumes(run) for run in runs],
    )
    show(
        "Energy saved in % (loss of the same point on test images, points), chosen by validation loss",
        ["at most 1", "2", "4", "8 points"],
        [_savings(run) for run in runs],
    )
    show(
        "Configurations a minute on 1,000 images",
        ["in NSGA-II, predictions included", "one by one from scratch", "layers not run again %"],
        [_speed(run) for run in runs],
    )
    show(
        "Predictions without a run, against all evaluations",
        ["evaluations", "Spearman, noise and loss", f"mean error of losses below {100 * NOTICED:.0f} points"],
        [_predictions(run) for run in runs],
    )
    for compensate in dict.fromkeys(run.compensate for run in runs):
        rows = [point.row() for run in runs if run.compensate == compensate for point in run.points]
        path = FIGURES / f"search-{compensate}.png"
        save_figure(draw_fronts(rows, about=f"{MODEL} on {first.validation.name}, compensated: {compensate}"), path)
        print(f"![Fronts, compensated: {compensate}]({path.name})\n")


if __name__ == "__main__":
    main()
