"""Searches: determinism, going on from a file, hypervolume, and what they find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.search.archive import Archive
from axhw.search.baselines import HillClimbing, RandomSearch
from axhw.search.hypervolume import front, hypervolume
from axhw.search.nsga2 import Nsga2
from axhw.search.result import front_points, largest_savings, save_assignments
from axhw.search.run import Checkpoint, Objective, Strategy, run_search
from axhw.search.space import Genome, Space, SpaceLevel
from axhw.search.workbench import Workbench

STRATEGIES: dict[str, Strategy] = {
    "nsga2": Nsga2(population=8, oversampling=3, predicted_generations=5),
    "plain": Nsga2(population=8, oversampling=1, predicted_generations=0),
    "random": RandomSearch(),
    "greedy": HillClimbing(),
}


def search(workbench: Workbench, strategy: Strategy, *, seed: int = 1, evaluations: int = 30) -> Archive:
    space = workbench.space("filter")
    return run_search(space, workbench.objective, strategy, evaluations=evaluations, seed=seed)


def test_hypervolume_by_hand() -> None:
    # Of the rectangle to (0.1, 1): 0.5 wide strip 0.4 high, then 0.5 wide 0.8 high.
    points = [(0.0, 0.6), (0.05, 0.2), (0.06, 0.9), (0.2, 0.1), (0.05, 1.2)]
    assert hypervolume(points) == pytest.approx(0.5 * 0.4 + 0.5 * 0.8)
    assert hypervolume([(-0.02, 0.5)]) == pytest.approx(0.5)
    assert hypervolume([]) == hypervolume([(0.3, 0.1), (0.0, 1.0)]) == 0.0
    assert hypervolume([(0.05, 0.5)], worst_loss=0.2) == pytest.approx(0.75 * 0.5)


def test_front_by_hand() -> None:
    points = [(0.1, 0.5), (0.0, 0.9), (0.0, 0.8), (0.2, 0.5), (0.3, 0.1), (0.0, 0.8)]
    assert front(points) == [2, 0, 4]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_seed_gives_a_search_also_when_it_is_interrupted(workbench: Workbench, name: str, tmp_path: Path) -> None:
    strategy, space = STRATEGIES[name], workbench.space("filter")
    whole = search(workbench, strategy)
    again = search(workbench, strategy)
    assert (whole.genomes, whole.losses, whole.energies) == (again.genomes, again.losses, again.energies)

    class Interrupted(Exception):
        pass

    class Once:
        """The same strategy, interrupted at its third round."""

        def propose(self, space: Space, archive: Archive, rng: np.random.Generator) -> Sequence[Genome]:
            if archive.generation == 2:
                raise Interrupted
            return strategy.propose(space, archive, rng)

    checkpoint = Checkpoint(path=tmp_path / "state.json", settings={"seed": 1}, resume=True)
    if name != "random":
        with pytest.raises(Interrupted):
            run_search(space, workbench.objective, Once(), evaluations=30, seed=1, checkpoint=checkpoint)
        assert 0 < len(Archive.load(checkpoint.path, {"seed": 1})) < 30
    resumed = run_search(space, workbench.objective, strategy, evaluations=30, seed=1, checkpoint=checkpoint)
    assert (whole.genomes, whole.losses, whole.energies) == (resumed.genomes, resumed.losses, resumed.energies)
    assert len(whole) == 30


def test_another_seed_is_another_search(workbench: Workbench) -> None:
    assert search(workbench, RandomSearch()).genomes != search(workbench, RandomSearch(), seed=2).genomes


@pytest.mark.parametrize("level", ["filter", "kernel", "mixed"])
def test_hill_climbing_does_not_stay_with_one_design_a_layer(workbench: Workbench, level: SpaceLevel) -> None:
    space = workbench.space(level)
    archive = run_search(space, workbench.objective, HillClimbing(), evaluations=120, seed=1)
    assert archive.genomes[0] == space.exact()
    assert any(ids.ndim for genome in archive.genomes for ids in space.choice(genome).values())


def test_predictions_find_better_fronts_than_chance(workbench: Workbench) -> None:
    volumes = {name: search(workbench, strategy).hypervolume() for name, strategy in STRATEGIES.items()}
    assert volumes["nsga2"] > max(volumes["random"], volumes["greedy"], volumes["plain"])


def test_the_front_is_tested_once_and_saved(workbench: Workbench, tmp_path: Path) -> None:
    space = workbench.space("filter")
    archive = search(workbench, STRATEGIES["nsga2"])
    evaluator = workbench.evaluator(workbench.bench.data.test)
    test = Objective(evaluator=evaluator, exact_accuracy=workbench.exact_accuracy(evaluator))
    points = front_points(workbench, space, archive, test=test)
    assert [point.number for point in points] == list(range(1, len(points) + 1))
    saved = [point.energy_saved for point in points]
    assert saved == sorted(saved)
    losses = [point.validation_loss for point in points]
    assert losses == sorted(losses)
    for point in points:
        assert point.test_accuracy == evaluator.accuracy(point.choice)
        assert point.validation_accuracy == pytest.approx(workbench.objective.evaluator.accuracy(point.choice))
    best = largest_savings(points, [0.0, 100.0])
    assert best[1]["point"]["number"] == len(points)
    assert save_assignments(workbench, points, tmp_path)[0].name == "filter-01.json"


def test_other_searches_are_not_gone_on_with(workbench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    Archive().save(path, {"seed": 1, "tune": None})
    with pytest.raises(
        AxhwError, match="Expected the search in .* to have the same settings, found another seed, tune"
    ):
        Archive.load(path, {"seed": 2, "tune": "plain"})
    path.write_text("{}")
    with pytest.raises(AxhwError, match="Expected the state of a search in .*, found another file"):
        Archive.load(path, {})
    with pytest.raises(AxhwError, match="Expected at least 1 evaluation, found 0"):
        search(workbench, RandomSearch(), evaluations=0)
