"""The loop of every search: a strategy proposes, configurations are evaluated, the archive is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from axhw.errors import AxhwError
from axhw.search.archive import Archive
from axhw.search.configuration import Choice
from axhw.search.evaluator import Evaluator
from axhw.search.hypervolume import WORST_LOSS
from axhw.search.space import Genome, Space


class Strategy(Protocol):
    """A way to search. It draws from the generator it is given and remembers in `Archive.state` only, so that a search
    that goes on from a file is the one that was never interrupted."""

    def propose(self, space: Space, archive: Archive, rng: np.random.Generator) -> Sequence[Genome]:
        """The genomes to evaluate next; none when there is nothing left."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """Loss of accuracy against exact products on the images of an evaluator.

    Attributes
    ----------
    evaluator : Evaluator
    exact_accuracy : float
        Of the network with exact products, without tuning or compensation.
    """

    evaluator: Evaluator
    exact_accuracy: float

    def losses(self, choices: Sequence[Choice], *, progress: Callable[[int, int], None] | None = None) -> list[float]:
        """Of each configuration; below 0 where it happens to be better."""
        accuracies = self.evaluator.evaluate(choices, progress=progress)
        return [self.exact_accuracy - accuracy for accuracy in accuracies]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a search is kept.

    Attributes
    ----------
    path : Path
    settings : mapping
        JSON values that it depends on beside the budget.
    resume : bool
        Go on from the file if it is there.
    """

    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False

    def check(self) -> None:
        """Refuse a file of another search, which would be lost.

        Raises
        ------
        AxhwError
        """
        if self.path.exists():
            Archive.load(self.path, self.settings)


def run_search(
    space: Space,
    objective: Objective,
    strategy: Strategy,
    *,
    evaluations: int,
    seed: int,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int, Archive], None] | None = None,
) -> Archive:
    """Evaluate configurations that a strategy proposes.

    Parameters
    ----------
    space : Space
    objective : Objective
    strategy : Strategy
    evaluations : int
        Configurations to evaluate, those of an interrupted run included.
    seed : int
        The same one gives the same search, however often it was interrupted.
    checkpoint : Checkpoint, optional
        Saved after each round.
    progress : callable, optional
        Called after each round with the evaluations done, their number and the archive.

    Raises
    ------
    AxhwError
        For less than one evaluation, or a checkpoint of another search.
    """
    if evaluations < 1:
        raise AxhwError(f"Expected at least 1 evaluation, found {evaluations}.")
    archive = Archive()
    if checkpoint is not None and checkpoint.resume and checkpoint.path.exists():
        archive = Archive.load(checkpoint.path, checkpoint.settings)
    while len(archive) < evaluations:
        rng = np.random.default_rng([seed, archive.generation])
        genomes = list(strategy.propose(space, archive, rng))[: evaluations - len(archive)]
        if not genomes:
            break
        losses = objective.losses([space.choice(genome) for genome in genomes])
        archive.add(genomes, losses, [space.predicted(genome)[1] for genome in genomes])
        if checkpoint is not None:
            archive.save(checkpoint.path, checkpoint.settings)
        if progress is not None:
            progress(len(archive), evaluations, archive)
    return archive


def penalized(losses: Sequence[float], energies: Sequence[float], *, worst_loss: float = WORST_LOSS) -> Any:
    """Objectives to minimise, shape (points, 2): points that lose too much are beaten by exact products."""
    found = np.array([losses, energies], np.float64).T
    found[:, 1] += np.where(found[:, 0] > worst_loss, 1 + found[:, 0], 0.0)
    return found
