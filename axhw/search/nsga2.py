"""NSGA-II (Deb et al. 2002) by pymoo's operators, with predictions before evaluations.

A generation is chosen from `oversampling` times as many offspring: those that are best by predicted noise and energy
(`axhw.search.noise`), and are not predicted to lose too much. The first population is the front of the same search on
predictions alone, which costs no evaluation. Every generation draws from a generator of its own and the population is
in the archive, so nothing else has to be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.core.mating import Mating
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from sklearn.isotonic import IsotonicRegression

from axhw.search.archive import Archive
from axhw.search.hypervolume import WORST_LOSS
from axhw.search.run import penalized
from axhw.search.space import Genome, Space

_Key: TypeAlias = tuple[float, float]

_ETA = 3.0
_MARGIN = 1.5
_MOST_MATINGS = 20


@dataclass(frozen=True, kw_only=True)
class Nsga2:
    """The strategy.

    Attributes
    ----------
    population : int
        Configurations that live on, and offspring of a generation.
    oversampling : int
        Offspring predicted for each one evaluated; 1 takes them as they come, without predictions.
    predicted_generations : int
        Generations on predictions alone before the first evaluation; 0 begins at random. Those that are predicted to
        lose far too much (`axhw.search.margins`) are left out.
    worst_loss : float
        Configurations that lose more accuracy are of no interest.
    """

    population: int = 40
    oversampling: int = 10
    predicted_generations: int = 120
    worst_loss: float = WORST_LOSS

    def propose(self, space: Space, archive: Archive, rng: np.random.Generator) -> Sequence[Genome]:
        """A generation."""
        if not len(archive):
            return self._first(space, rng)
        survivors = self._survivors(archive, rng)
        archive.state = {"population": survivors, "born": len(archive)}
        known = {_key(space, genome) for genome in archive.genomes}
        objectives = penalized(archive.losses, archive.energies, worst_loss=self.worst_loss)[survivors]
        parents = [archive.genomes[place] for place in survivors]
        wanted = self.population * self.oversampling
        offspring = _offspring(space, parents, objectives, known, wanted=wanted, rng=rng)
        if self.oversampling == 1 or len(offspring) <= self.population:
            return offspring[: self.population]
        return self._most_promising(space, archive, offspring, rng)

    def _first(self, space: Space, rng: np.random.Generator) -> list[Genome]:
        """The front of predictions, or a random population with the exact configuration."""
        size = 2 * self.population if self.predicted_generations else self.population
        genomes = [space.exact(), *(space.random(rng) for _ in range(size - 1))]
        if not self.predicted_generations:
            return genomes
        known = {_key(space, genome) for genome in genomes}
        for _ in range(self.predicted_generations):
            objectives = np.array([space.predicted(genome) for genome in genomes])
            children = _offspring(space, genomes, objectives, known, wanted=size, rng=rng)
            known.update(_key(space, genome) for genome in children)
            genomes += children
            both = np.array([space.predicted(genome) for genome in genomes])
            genomes = [genomes[place] for place in _best(space, both, size, rng)]
        predicted = np.array([space.predicted(genome) for genome in genomes])
        within = np.flatnonzero(space.margins.losses(predicted[:, 0]) < _MARGIN * self.worst_loss)
        ordered = within[np.argsort(predicted[within, 1], kind="stable")]
        # Evenly along the front.
        chosen = ordered[np.unique(np.linspace(0, len(ordered) - 1, self.population).round().astype(int))]
        return [genomes[place] for place in rng.permutation(chosen)]

    def _survivors(self, archive: Archive, rng: np.random.Generator) -> list[int]:
        """Places of the population: the best of the last one and its offspring."""
        pool = [*archive.state.get("population", []), *range(archive.state.get("born", 0), len(archive))]
        objectives = penalized(archive.losses, archive.energies, worst_loss=self.worst_loss)[pool]
        return [pool[place] for place in _best(None, objectives, self.population, rng)]

    def _most_promising(
        self, space: Space, archive: Archive, offspring: list[Genome], rng: np.random.Generator
    ) -> list[Genome]:
        """Those that predictions rank first, within the losses of interest."""
        predicted = np.array([space.predicted(genome) for genome in offspring])
        seen = np.array([space.predicted(genome)[0] for genome in archive.genomes])
        loss = IsotonicRegression(out_of_bounds="clip").fit(seen, archive.losses).predict(predicted[:, 0])
        within = np.flatnonzero(loss < _MARGIN * self.worst_loss)
        if len(within) < self.population:
            within = np.argsort(predicted[:, 0], kind="stable")[: self.population]
        return [offspring[within[place]] for place in _best(space, predicted[within], self.population, rng)]


def _key(space: Space, genome: Genome) -> _Key:
    """Equal for genomes of equal configurations, as far as predictions tell."""
    return space.predicted(genome)


def _problem(space: Space | None) -> Any:
    if space is None:
        return Problem(n_var=1, n_obj=2)
    return Problem(n_var=len(space.highest), n_obj=2, xl=0, xu=space.highest, vtype=int)


def _best(space: Space | None, objectives: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> list[int]:
    """Places of those that survive."""
    everyone = Population.new(F=objectives, X=np.arange(len(objectives))[:, None])
    survivors = RankAndCrowding().do(_problem(space), everyone, n_survive=count, random_state=rng)
    return [int(place) for place in survivors.get("X")[:, 0]]


def _offspring(
    space: Space,
    parents: Sequence[Genome],
    objectives: npt.NDArray[np.float64],
    known: set[_Key],
    *,
    wanted: int,
    rng: np.random.Generator,
) -> list[Genome]:
    """New genomes from tournaments, crossover and mutation."""
    problem = _problem(space)
    population = Population.new(X=np.array(parents), F=objectives)
    population = RankAndCrowding().do(problem, population, random_state=rng)
    algorithm = NSGA2(pop_size=len(population))
    algorithm.random_state = rng
    repair = RoundingRepair()
    mating = Mating(
        TournamentSelection(func_comp=binary_tournament),
        SBX(eta=_ETA, prob=0.9, vtype=float, repair=repair),
        PM(eta=_ETA, vtype=float, repair=repair),
    )
    found: dict[_Key, Genome] = {}
    matings = known_in_a_row = 0
    # Small spaces run out of configurations that are not known.
    while len(found) < wanted and matings < _MOST_MATINGS and known_in_a_row < wanted:
        matings += 1
        missing = wanted - len(found)
        children = mating.do(problem, population, missing, algorithm=algorithm, random_state=rng).get("X")
        genomes = [tuple(int(gene) for gene in child) for child in children]
        new = {key: genome for genome in genomes if (key := _key(space, genome)) not in known and key not in found}
        known_in_a_row = 0 if new else known_in_a_row + missing
        found |= new
    return list(found.values())
