"""Fronts: searched on validation images, their points run once on test images, beside simpler searches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from axhw.experiments.max_dnn.plan import PaletteName, Plan, Searches
from axhw.experiments.parts import Parts
from axhw.files import output_folder
from axhw.nn.compensation import Compensation
from axhw.search.archive import Archive
from axhw.search.assignment import canonical
from axhw.search.hypervolume import front, hypervolume
from axhw.search.result import LOSSES_PCT, FrontPoint, StrategyName, front_points, save_assignments, searched
from axhw.search.run import Checkpoint, Objective
from axhw.search.space import Space, SpaceLevel
from axhw.search.workbench import Workbench

Row = Mapping[str, Any]
Progress = Callable[[int, int, str], None]

FINEST = ("layer", "filter", "kernel")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Which fronts belong together.

    Attributes
    ----------
    model : str
    palette : {"roup", "published", "library", "modes"}
    compensate : {"bias", "affine"}, optional
    """

    model: str
    palette: PaletteName
    compensate: Compensation | None

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.model}-{self.palette}-{self.compensate or 'plain'}"

    def row(self) -> Row:
        """First columns of all tables."""
        return {"network": self.model, "palette": self.palette, "compensation": self.compensate or "none"}


def searched_fronts(
    workbench: Workbench,
    family: Family,
    searches: Searches,
    plan: Plan,
    parts: Parts,
    *,
    evaluations: int,
    settings: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """The fronts of all levels of a family, from the folder or searched.

    Parameters
    ----------
    workbench : Workbench
        Prepares itself only when something is missing.
    family : Family
    searches : Searches
    plan : Plan
    parts : Parts
        Finished levels, states of searches, and the assignments of all points.
    evaluations : int
        Of each search.
    settings : mapping
        What the results depend on, JSON values.
    progress : callable

    Returns
    -------
    dict
        ``points``: rows of all fronts; ``searches``: hypervolumes at equal evaluations; ``exact``: accuracies.
    """
    palette = workbench.palette
    about = {
        **settings,
        **family.row(),
        "designs": [reference.table_sha256 for reference in palette.references],
        "energies_fj": palette.energies_fj.tolist(),
        "images": plan.images,
        "seed": plan.seed,
    }
    found: dict[str, Any] = {"points": [], "searches": []}
    for level in searches.levels:
        strategies: tuple[StrategyName, ...] = ("nsga2",)
        if level in searches.baselines:
            strategies = ("nsga2", "random", "greedy")
        budget = {"level": level, "evaluations": evaluations, "population": plan.population}
        report = {"test_images": plan.test_images, "points": plan.front_points, "beside": strategies}
        everything, name = about | budget | report, f"front-{family.name}-{level}"
        folder = parts.file(name, everything, suffix="")

        def make(
            level: SpaceLevel = level, strategies: tuple[StrategyName, ...] = strategies, folder: Path = folder
        ) -> dict[str, Any]:
            return _level(
                workbench,
                family,
                level,
                strategies,
                plan,
                parts,
                folder=output_folder(folder),
                evaluations=evaluations,
                settings=about,
                progress=progress,
            )

        part = parts.remember(name, everything, make)
        found["points"] += part["points"]
        found["searches"] += part["searches"]
        found["exact"] = part["exact"]
    if searches.baselines:
        uniform = parts.remember(f"uniform-{family.name}", about, lambda: _uniform(workbench, progress))
        found["searches"].append({**family.row(), "level": "network", **uniform})
    return found


def _level(
    workbench: Workbench,
    family: Family,
    level: SpaceLevel,
    strategies: Sequence[StrategyName],
    plan: Plan,
    parts: Parts,
    *,
    folder: Path,
    evaluations: int,
    settings: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """One level: NSGA-II, what it is held against, and its front on test images."""
    space, objective = workbench.space(level), workbench.objective
    what = f"{family.model}, {family.palette}, {family.compensate or 'plain'}"
    rows, archives = [], []
    for strategy in strategies:
        kept = {**settings, "level": level, "strategy": strategy, "population": plan.population}
        search = searched(
            space,
            objective,
            strategy,
            evaluations=evaluations,
            seed=plan.seed,
            population=plan.population,
            checkpoint=Checkpoint(
                path=parts.file(f"state-{family.name}-{level}-{strategy}", kept), settings=kept, resume=True
            ),
            progress=lambda done, total, text: progress(done, total, f"{what}: {text}"),
        )
        archives.append(search.archive)
        figures = search.figures()
        if len(archives) > 1:
            # Configurations that searches before have evaluated cost no time.
            figures["evaluations_per_minute"] = None
        rows.append({**family.row(), "level": level, **figures})
    evaluator = workbench.evaluator(workbench.bench.data.test)
    test = Objective(evaluator=evaluator, exact_accuracy=workbench.exact_accuracy(evaluator))
    points = front_points(
        workbench,
        space,
        thinned(archives[0], most=plan.front_points),
        test=test,
        progress=lambda done, total: progress(done, total, f"{what}: front by {level} on test images"),
    )
    files = save_assignments(workbench, points, folder)
    return {
        "points": [_row(family, point, file) for point, file in zip(points, files)],
        "searches": rows,
        "exact": {"validation_accuracy": objective.exact_accuracy, "test_accuracy": test.exact_accuracy},
    }


def _row(family: Family, point: FrontPoint, file: Path) -> dict[str, Any]:
    finest = max(canonical(ids).ndim for ids in point.choice.values())
    return {
        **family.row(),
        **point.row(),
        "finest": FINEST[finest],
        "assignment": "/".join(file.parts[-3:]),
    }


def thinned(archive: Archive, *, most: int) -> Archive:
    """The front of a search with at most so many points: those of most energy saved at each of `LOSSES_PCT`, and others
    evenly along it."""
    places = archive.front()
    kept = {max(allowed) for loss in LOSSES_PCT if (allowed := _within(archive, places, loss / 100))}
    for place in np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int).tolist():
        if len(kept) < most:
            kept.add(place)
    chosen = [places[place] for place in sorted(kept)]
    return Archive(
        genomes=[archive.genomes[place] for place in chosen],
        losses=[archive.losses[place] for place in chosen],
        energies=[archive.energies[place] for place in chosen],
    )


def _within(archive: Archive, places: Sequence[int], loss: float) -> list[int]:
    """Numbers on the front of those that lose no more; energy falls along it."""
    return [number for number, place in enumerate(places) if archive.losses[place] <= loss]


def _uniform(workbench: Workbench, progress: Progress) -> dict[str, Any]:
    """Hypervolume of single designs in all layers that are searched, without those that another one beats in energy and
    predicted noise."""
    space: Space = workbench.space("layer")
    choices = [space.uniform(design) for design in range(len(workbench.palette))]
    predicted = [(workbench.noise.noise(choice), space.energy.relative(choice)) for choice in choices]
    chosen = [choices[place] for place in front(predicted)]
    losses = workbench.objective.losses(
        chosen, progress=lambda done, total: progress(done, total, "one design in all layers")
    )
    volume = hypervolume(zip(losses, (space.energy.relative(choice) for choice in chosen)))
    return {"strategy": "one design", "evaluations": len(chosen), "hypervolume": volume, "evaluations_per_minute": None}


def savings(points: Sequence[Row]) -> list[Row]:
    """For each front and each of `LOSSES_PCT` the point of most energy saved that loses no more on the images of the
    search; the test loss beside it is of the same point."""
    found: list[Row] = []
    keys = dict.fromkeys((row["network"], row["palette"], row["compensation"], row["level"]) for row in points)
    for network, palette, compensation, level in keys:
        own = select(points, network=network, palette=palette, compensation=compensation, level=level)
        for most in LOSSES_PCT:
            row = best(own, most)
            found.append(
                {
                    "network": network,
                    "palette": palette,
                    "compensation": compensation,
                    "level": level,
                    "at_most_loss_pct": most,
                    "energy_saved_pct": None if row is None else row["energy_saved_pct"],
                    "validation_loss_pct": None if row is None else row["validation_loss_pct"],
                    "test_loss_pct": None if row is None else row["test_loss_pct"],
                    "test_accuracy": None if row is None else row["test_accuracy"],
                }
            )
    return found


def select(rows: Sequence[Row], **columns: Any) -> list[Row]:
    """Rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in columns.items())]


def best(points: Sequence[Row], loss_pct: float) -> Row | None:
    """The point of most energy saved that loses no more on the images of the search."""
    allowed = [row for row in points if row["validation_loss_pct"] <= loss_pct]
    return max(allowed, key=lambda row: row["energy_saved_pct"], default=None)


def joint(points: Sequence[Row], *, most_loss_pct: float) -> list[Row]:
    """The common front of several fronts on the images of the search, without exact products."""
    inside = [row for row in points if row["validation_loss_pct"] <= most_loss_pct and row["energy_saved_pct"] > 0]
    places = front([(max(row["validation_loss_pct"], 0.0), -row["energy_saved_pct"]) for row in inside])
    return [inside[place] for place in places]
