"""What a search found at one level, tested once, as rows and figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from axhw.search.archive import Archive
from axhw.search.assignment import Ids
from axhw.search.baselines import HillClimbing, RandomSearch
from axhw.search.configuration import Choice
from axhw.search.energy import EnergyModel
from axhw.search.hypervolume import WORST_LOSS, hypervolume
from axhw.search.nsga2 import Nsga2
from axhw.search.run import Checkpoint, Objective, Strategy, run_search
from axhw.search.space import Space, SpaceLevel
from axhw.search.workbench import Workbench

StrategyName: TypeAlias = Literal["nsga2", "random", "greedy"]
STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)

LOSSES_PCT = (1.0, 2.0, 4.0, 8.0)
"""Losses of accuracy, in points, for which the largest saving is told."""

Progress: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """One search.

    Attributes
    ----------
    strategy : {"nsga2", "random", "greedy"}
    archive : Archive
    seconds : float
        Of this run, which may have gone on from another one.
    evaluated : int
        Configurations evaluated in this run.
    """

    strategy: StrategyName
    archive: Archive
    seconds: float
    evaluated: int

    def figures(self) -> dict[str, Any]:
        """Flat, as JSON values."""
        return {
            "strategy": self.strategy,
            "evaluations": len(self.archive),
            "hypervolume": self.archive.hypervolume(),
            "evaluations_per_minute": 60 * self.evaluated / self.seconds if self.evaluated else None,
        }


def strategy_of(name: StrategyName, *, population: int = Nsga2.population, surrogate: bool = True) -> Strategy:
    """A strategy by name; without `surrogate` NSGA-II does without predictions."""
    if name == "random":
        return RandomSearch()
    if name == "greedy":
        return HillClimbing()
    if surrogate:
        return Nsga2(population=population)
    return Nsga2(population=population, oversampling=1, predicted_generations=0)


def searched(
    space: Space,
    objective: Objective,
    name: StrategyName,
    *,
    evaluations: int,
    seed: int,
    population: int = Nsga2.population,
    surrogate: bool = True,
    checkpoint: Checkpoint | None = None,
    progress: Progress = lambda done, total, what: None,
) -> Searched:
    """Run one search and time it; parameters as for `run_search` and `strategy_of`."""
    begun = time.perf_counter()
    before: list[int] = []

    def step(done: int, total: int, archive: Archive) -> None:
        before.append(done)
        progress(done, total, f"{space.level}, {name}: hypervolume {archive.hypervolume():.3f}")

    known = 0
    if checkpoint is not None and checkpoint.resume and checkpoint.path.exists():
        known = len(Archive.load(checkpoint.path, checkpoint.settings))
    archive = run_search(
        space,
        objective,
        strategy_of(name, population=population, surrogate=surrogate),
        evaluations=evaluations,
        seed=seed,
        checkpoint=checkpoint,
        progress=step,
    )
    seconds = time.perf_counter() - begun
    return Searched(strategy=name, archive=archive, seconds=seconds, evaluated=len(archive) - known)


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A configuration of a front.

    Attributes
    ----------
    level : str
    number : int
        On its front, from 1, from the highest energy down.
    choice : mapping of str to int64 array
    validation_accuracy, validation_loss : float
        On the images of the search, shares; the loss is against exact products.
    test_accuracy, test_loss : float or None
        On test images, which no search has seen; None where they were not run.
    noise : float
        Predicted at the logits.
    energy_nj, energy_saved : float
        Of the multiplications of an inference with uniform random operands, and the share saved of exact products.
    operand_energy_nj, operand_energy_saved : float or None
        The same with the operands of each layer.
    """

    level: SpaceLevel
    number: int
    choice: Mapping[str, Ids]
    validation_accuracy: float
    validation_loss: float
    test_accuracy: float | None
    test_loss: float | None
    noise: float
    energy_nj: float
    energy_saved: float
    operand_energy_nj: float | None
    operand_energy_saved: float | None

    def row(self) -> dict[str, Any]:
        """Flat: what front.csv holds."""
        return {
            "level": self.level,
            "number": self.number,
            "validation_accuracy": self.validation_accuracy,
            "validation_loss_pct": 100 * self.validation_loss,
            "test_accuracy": self.test_accuracy,
            "test_loss_pct": None if self.test_loss is None else 100 * self.test_loss,
            "predicted_noise": self.noise,
            "energy_nj_per_inference": self.energy_nj,
            "energy_saved_pct": 100 * self.energy_saved,
            "operand_energy_nj_per_inference": self.operand_energy_nj,
            "operand_energy_saved_pct": None if self.operand_energy_saved is None else 100 * self.operand_energy_saved,
            "designs": len(np.unique(np.concatenate([ids.ravel() for ids in self.choice.values()]))),
        }


def front_points(
    workbench: Workbench,
    space: Space,
    archive: Archive,
    *,
    test: Objective | None,
    operands: EnergyModel | None = None,
    worst_loss: float = WORST_LOSS,
    progress: Callable[[int, int], None] | None = None,
) -> list[FrontPoint]:
    """The front of a search, run once on the test images.

    Parameters
    ----------
    workbench : Workbench
    space : Space
        That of the search.
    archive : Archive
    test : Objective, optional
        Of the test images.
    operands : EnergyModel, optional
        With the operands of each layer.
    worst_loss : float
        Points that lose more are left out.
    progress : callable, optional
        Called with the points done and their number.
    """
    places = archive.front(worst_loss=worst_loss)
    choices: list[Choice] = [space.choice(archive.genomes[place]) for place in places]
    test_losses: Sequence[float | None] = [None] * len(places)
    if test is not None:
        test_losses = test.losses(choices, progress=progress)
    uniform, found = workbench.uniform_energy, []
    for number, (place, choice, test_loss) in enumerate(zip(places, choices, test_losses), 1):
        found.append(
            FrontPoint(
                level=space.level,
                number=number,
                choice=choice,
                validation_accuracy=workbench.objective.exact_accuracy - archive.losses[place],
                validation_loss=archive.losses[place],
                test_accuracy=None if test is None or test_loss is None else test.exact_accuracy - test_loss,
                test_loss=test_loss,
                noise=space.predicted(archive.genomes[place])[0],
                energy_nj=uniform.energy_nj(choice),
                energy_saved=1 - uniform.relative(choice),
                operand_energy_nj=None if operands is None else operands.energy_nj(choice),
                operand_energy_saved=None if operands is None else 1 - operands.relative(choice),
            )
        )
    return found


def uniform_hypervolume(workbench: Workbench, space: Space) -> float:
    """Of all designs, each in all layers that are searched: what no search is needed for."""
    choices = [space.uniform(design) for design in range(len(workbench.palette))]
    losses = workbench.objective.losses(choices)
    return hypervolume(zip(losses, (space.energy.relative(choice) for choice in choices)))


def largest_savings(points: Sequence[FrontPoint], losses_pct: Sequence[float] = LOSSES_PCT) -> list[dict[str, Any]]:
    """For each loss of accuracy the point of least energy that loses no more on the images of the search.

    The test loss beside it is of the same point: choosing by test images would report chance.
    """
    found = []
    for most in losses_pct:
        allowed = [point for point in points if 100 * point.validation_loss <= most]
        best = max(allowed, key=lambda point: point.energy_saved, default=None)
        row = None if best is None else best.row()
        found.append({"at_most_loss_pct": most, "point": row})
    return found


def save_assignments(workbench: Workbench, points: Sequence[FrontPoint], folder: Path) -> list[Path]:
    """A file for each point, ``<level>-<number>.json``."""
    return [
        workbench.assignment(point.choice).save(folder / f"{point.level}-{point.number:02d}.json") for point in points
    ]
