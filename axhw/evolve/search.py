"""The search: islands that evolve side by side, step by step up a ladder of limits.

An epoch is a number of evaluations on every island under one limit of the ladder. The next epoch takes the next limit,
and begins with the cheapest circuit known for it, which may come from a tighter one; after the loosest limit, the
ladder begins anew. Every few epochs the islands begin with the best of all of them. What happens depends on seed and
number of islands, neither on threads nor on interruptions: those fall between generations, and the state is all there
is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.evolve.islands import Island, circuit_of, copy_row, genes_of
from axhw.evolve.limits import METRICS, Limits, shown
from axhw.evolve.problem import Problem
from axhw.evolve.search_kernels import EVALUATIONS, MUTANTS, Genes, assess, run_generations
from axhw.hdl.gates import GateNetlist

# About a second at most between two looks at the clock.
_CHUNK_EVALUATIONS = 4000
# Where next to nothing is left to change, mutants are seldom worth an evaluation.
_MUTANTS_PER_EVALUATION = 50


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to search.

    Attributes
    ----------
    islands : int
    seed : int
    offspring : int
        Mutants in a generation.
    mutations : int
        The most genes that a mutant differs in.
    epoch : int
        Evaluations of an island before the next limit.
    migration : int
        Epochs after which islands begin with the best of all.
    spare : int
        Gates beside those of the seed.
    """

    islands: int = 2
    seed: int = 1
    offspring: int = 4
    mutations: int = 4
    epoch: int = 5_000
    migration: int = 4
    spare: int = 0

    def __post_init__(self) -> None:
        for name, least in (("islands", 1), ("seed", 0), ("offspring", 1), ("mutations", 1), ("epoch", 1)):
            if getattr(self, name) < least:
                raise AxhwError(f"Expected {name} of {least} or more, found {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A circuit of the front.

    Attributes
    ----------
    limit : float
        Of the ladder that it was found for, as in `Limits`.
    circuit : GateNetlist
    cost : float
        Estimated: um2 or fJ.
    errors : mapping of metric to float
        In the units of `Limits`; those that are limited.
    """

    limit: float
    circuit: GateNetlist
    cost: float
    errors: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a search is.

    Attributes
    ----------
    evaluations, mutants : int
        Of all islands; mutants include those that need no evaluation.
    limit : float
        Step of the ladder.
    costs : tuple of float
        Estimated, by step; infinite where nothing is known.
    """

    evaluations: int
    mutants: int
    limit: float
    costs: tuple[float, ...]


class Search:
    """A search that can be stopped between chunks, stored and taken up again.

    Parameters
    ----------
    problem : Problem
    limits : Limits
    seed : GateNetlist
        The circuit to begin with.
    settings : Settings

    Raises
    ------
    AxhwError
        If the seed is another multiplier, or breaks all limits.
    """

    def __init__(self, problem: Problem, limits: Limits, seed: GateNetlist, settings: Settings) -> None:
        if (seed.inputs, len(seed.outputs)) != (2 * problem.width, 2 * problem.width):
            raise AxhwError(
                f"Expected a seed that multiplies {problem.width}-bit operands, found {seed.inputs} inputs and "
                f"{len(seed.outputs)} outputs."
            )
        self._problem = problem
        self._limits = limits
        self._settings = settings
        self._metric = METRICS.index(limits.metric)
        self._sums = [limits.sums(problem.totals, rung) for rung in range(len(limits.ladder))]
        self._rungs = np.array([sums[self._metric] for sums in self._sums])
        parent = genes_of(seed, spare=settings.spare)
        self.seed_cost = self._assess(parent)
        reached = [rung for rung, sums in enumerate(self._sums) if (parent.sums[0] <= sums).all()]
        if not reached:
            errors = self._errors(parent, 0)
            found = ", ".join(f"{metric} {value:.6g}" for metric, value in errors.items())
            raise AxhwError(f"Expected a design within the limits to begin with, found one with {found}.")
        self._islands = [
            Island.of(parent, rungs=len(self._sums), seed=settings.seed, number=number)
            for number in range(settings.islands)
        ]
        for island in self._islands:
            for rung in reached:
                copy_row(parent, 0, island.found, rung)
        # Number of the epoch, and its step of the ladder.
        self._position = np.array([0, reached[0]], np.int64)

    @property
    def evaluations(self) -> int:
        """Of all islands."""
        return sum(int(island.counters[EVALUATIONS]) for island in self._islands)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            evaluations=self.evaluations,
            mutants=sum(int(island.counters[MUTANTS]) for island in self._islands),
            limit=self._limits.ladder[self._position[1]],
            costs=tuple(
                min(float(island.found.cost[rung]) for island in self._islands) for rung in range(len(self._rungs))
            ),
        )

    def run(
        self,
        *,
        evaluations: int | None = None,
        seconds: float | None = None,
        threads: int = 1,
        report: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """Search on, until there were as many evaluations on all islands together, or that time has passed.

        Parameters
        ----------
        report : callable
            Called between chunks, when the state may be stored. What it raises ends the search.
        """
        goal = None if evaluations is None else -(-evaluations // len(self._islands))
        end = None if seconds is None else time.monotonic() + seconds
        with ThreadPoolExecutor(min(threads, len(self._islands))) as pool:
            while True:
                if self._epoch_over():
                    self._next_epoch()
                open_islands = [island for island in self._islands if not self._over(island, goal)]
                if (goal is not None and all(island.counters[EVALUATIONS] >= goal for island in self._islands)) or (
                    end is not None and time.monotonic() >= end
                ):
                    return
                list(pool.map(lambda island: self._chunk(island, goal), open_islands))
                report(self.progress)

    def found(self) -> list[Found]:
        """The circuits of the front by rising limits: every island's for each, and no circuit twice."""
        result: dict[str, Found] = {}
        for rung, limit in enumerate(self._limits.ladder):
            for island in self._islands:
                if np.isfinite(island.found.cost[rung]):
                    circuit = circuit_of(island.found, rung, inputs=2 * self._problem.width)
                    result.setdefault(
                        circuit.sha256,
                        Found(
                            limit=limit,
                            circuit=circuit,
                            cost=float(island.found.cost[rung]),
                            errors=self._errors(island.found, rung),
                        ),
                    )
        return list(result.values())

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The state, for a checkpoint."""
        result: dict[str, npt.NDArray[np.generic]] = {"position": self._position}
        for number, island in enumerate(self._islands):
            result |= island.arrays(f"island{number}_")
        return result

    def restore(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Go on where `arrays` was taken."""
        for number, island in enumerate(self._islands):
            island.restore(arrays, f"island{number}_")
        position = arrays.get("position")
        if position is None or position.shape != (2,) or not 0 <= int(position[1]) < len(self._rungs):
            raise AxhwError("Expected a checkpoint with a position on the ladder, found none: damaged?")
        self._position[:] = position

    def _chunk(self, island: Island, goal: int | None) -> None:
        settings, rung = self._settings, int(self._position[1])
        target = min(int(island.begun[0]) + settings.epoch, int(island.counters[EVALUATIONS]) + _CHUNK_EVALUATIONS)
        run_generations(
            self._problem.tables,
            self._sums[rung],
            self._metric,
            self._rungs,
            island.genes,
            island.found,
            island.state,
            island.counters,
            target if goal is None else min(target, goal),
            min(
                int(island.begun[1]) + settings.epoch * _MUTANTS_PER_EVALUATION,
                int(island.counters[MUTANTS]) + _CHUNK_EVALUATIONS * _MUTANTS_PER_EVALUATION,
            ),
            settings.offspring,
            settings.mutations,
        )

    def _over(self, island: Island, goal: int | None) -> bool:
        """Whether an island has to wait for the others."""
        done = island.counters[[EVALUATIONS, MUTANTS]] - island.begun
        epoch = self._settings.epoch
        finished = bool(done[0] >= epoch or done[1] >= epoch * _MUTANTS_PER_EVALUATION)
        return finished or (goal is not None and int(island.counters[EVALUATIONS]) >= goal)

    def _epoch_over(self) -> bool:
        return all(self._over(island, None) for island in self._islands)

    def _next_epoch(self) -> None:
        """Take the next limit that some circuit keeps, and the circuits to begin with."""
        self._position[0] += 1
        rungs, before = len(self._rungs), int(self._position[1])
        costs = np.array([island.found.cost for island in self._islands])
        following = [step % rungs for step in range(before + 1, before + rungs + 1)]
        rung = next(step for step in following if np.isfinite(costs[:, step]).any())
        self._position[1] = rung
        migrating = self._position[0] % self._settings.migration == 0
        best = self._islands[int(costs[:, rung].argmin())]
        for island in self._islands:
            behind = float(island.found.cost[rung]) > float(best.found.cost[rung])
            if behind and (migrating or not np.isfinite(island.found.cost[rung])):
                copy_row(best.found, rung, island.found, rung)
                copy_row(best.found, rung, island.genes, 0)
            elif rung != before:
                copy_row(island.found, rung, island.genes, 0)
            island.begin()

    def _assess(self, genes: Genes) -> float:
        unlimited = np.full(len(METRICS), np.inf)
        assess(self._problem.tables, genes, 0, unlimited, 1)
        return float(genes.cost[0])

    def _errors(self, genes: Genes, row: int) -> dict[str, float]:
        means = genes.sums[row] / self._problem.totals
        return {
            metric: float(shown(metric, means[METRICS.index(metric)], width=self._problem.width))
            for metric in self._limits.limited
        }
