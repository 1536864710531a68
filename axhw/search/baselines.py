"""Searches that NSGA-II is held against: chance, and hill climbing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from axhw.search.archive import Archive
from axhw.search.hypervolume import WORST_LOSS
from axhw.search.space import Genome, Space

_ROUND = 40
_LEAST_LOSS = 1e-4


@dataclass(frozen=True, kw_only=True)
class RandomSearch:
    """Every gene uniformly at random."""

    def propose(self, space: Space, archive: Archive, rng: np.random.Generator) -> Sequence[Genome]:
        """Some genomes."""
        return [space.random(rng) for _ in range(_ROUND)]


@dataclass(frozen=True, kw_only=True)
class HillClimbing:
    """From exact products down: every gene is moved by a step where that saves energy, and of all these steps the one
    is taken that saves most for the accuracy it costs. When all steps lose too much, steps are halved, and after the
    smallest some filters or kernels of a layer that has one design get the next one. When that loses too much, too, the
    climb begins again from a configuration of the front, drawn at random, or from anywhere when all of the front was
    tried.

    Attributes
    ----------
    step : int
        The first one, of a gene.
    worst_loss : float
    """

    step: int = 4
    worst_loss: float = WORST_LOSS

    def propose(self, space: Space, archive: Archive, rng: np.random.Generator) -> Sequence[Genome]:
        """The neighbours of where it stands."""
        if not len(archive):
            return self._begun(archive, space.exact())
        at, step, known = *self._move(archive), {space.predicted(genome) for genome in archive.genomes}
        while True:
            neighbours = {space.predicted(genome): genome for genome in self._neighbours(space, archive, at, step)}
            fresh = [genome for key, genome in neighbours.items() if key not in known]
            if fresh:
                archive.state |= {"at": at, "round": len(archive), "step": step}
                return fresh
            if step:
                step //= 2
                continue
            tried = archive.state["tried"]
            tried.append(at)
            left = [place for place in archive.front(worst_loss=self.worst_loss) if place not in tried]
            if not left:
                return self._begun(archive, space.random(rng))
            at, step = int(rng.choice(left)), self.step

    def _begun(self, archive: Archive, genome: Genome) -> list[Genome]:
        """A climb from a configuration that is to be evaluated first."""
        tried = archive.state.get("tried", [])
        archive.state = {"at": len(archive), "round": len(archive), "step": self.step, "tried": tried}
        return [genome]

    def _move(self, archive: Archive) -> tuple[int, int]:
        """Where to go after the last round, and how far to look from there."""
        at, step = int(archive.state["at"]), int(archive.state["step"])
        allowed = [place for place in range(archive.state["round"], len(archive)) if self._within(archive, place, at)]

        def worth(place: int) -> float:
            lost = max(archive.losses[place] - archive.losses[at], 0.0)
            saved = archive.energies[at] - archive.energies[place]
            return saved / (lost + _LEAST_LOSS)

        found = max(allowed, key=worth, default=at)
        return found, step if step or found == at else self.step

    def _within(self, archive: Archive, place: int, at: int) -> bool:
        return archive.losses[place] < self.worst_loss and archive.energies[place] < archive.energies[at]

    def _neighbours(self, space: Space, archive: Archive, at: int, step: int) -> list[Genome]:
        """Genomes a step away that need less energy; behind the smallest step, those with a second design."""
        genome, energy = archive.genomes[at], archive.energies[at]
        others = _moved(space, genome, step) if step else _opened(space, genome, self.step)
        return [other for other in others if space.predicted(other)[1] < energy]


def _moved(space: Space, genome: Genome, step: int) -> Iterator[Genome]:
    """One gene moved."""
    for place, (gene, highest) in enumerate(zip(genome, space.highest.tolist())):
        for moved in (min(gene + step, highest), max(gene - step, 0)):
            if moved != gene:
                yield (*genome[:place], moved, *genome[place + 1 :])


def _opened(space: Space, genome: Genome, step: int) -> Iterator[Genome]:
    """One layer of one design with a second one, a step further, for a step of its filters or kernels.

    No gene does that alone: while no filter takes the second design, it does not matter which one that is.
    """
    if space.level == "layer":
        return
    highest = space.highest.tolist()
    for start in range(0, len(genome), space.genes):
        stop = start + space.genes
        *level, first, _, taken = genome[start:stop]
        if taken and level != [0]:
            continue
        second = (first, min(first + step, highest[stop - 2]), min(step, highest[stop - 1]))
        for finer in [(number,) for number in range(1, highest[start] + 1)] if level else [()]:
            yield (*genome[:start], *finer, *second, *genome[stop:])
