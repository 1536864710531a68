"""One multiplier for a network, one for each layer, or one for each expert of each layer: fronts side by side.

``network``  one design in all layers: nothing to search, all designs are run
``layer``    a design for each layer; the experts of a layer share it
``expert``   a design for each layer and expert

What one sharing allows, the ones below it allow too, so their fronts are those of all that was run up to them.
Energy is that of the multiplications that are really done: an expert that few rows choose saves little. How many these
are is counted on training images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from axhw.moe.rows import ExpertRows
from axhw.moe.shared_space import SharedSpace
from axhw.search.configuration import Choice
from axhw.search.energy import EnergyModel
from axhw.search.hypervolume import WORST_LOSS, front, hypervolume
from axhw.search.nsga2 import Nsga2
from axhw.search.result import searched
from axhw.search.run import Checkpoint, Objective
from axhw.search.space import Space
from axhw.search.workbench import Workbench

Row: TypeAlias = Mapping[str, Any]
Sharing: TypeAlias = Literal["network", "layer", "expert"]
SHARINGS: tuple[Sharing, ...] = get_args(Sharing)
"""What has a design of its own."""

ROW_IMAGES = 1024
"""Training images on which rows of experts are counted."""

Progress: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Point:
    """A configuration of a front.

    Attributes
    ----------
    sharing : {"network", "layer", "expert"}
    choice : mapping of str to int64 array
    validation_loss, test_loss : float
        Shares of the images, against exact products.
    test_accuracy : float
    energy_saved : float
        Share of the energy of multiplications with exact products.
    """

    sharing: Sharing
    choice: Choice
    validation_loss: float
    test_loss: float
    test_accuracy: float
    energy_saved: float

    def row(self) -> dict[str, Any]:
        """Flat, as JSON values."""
        return {
            "sharing": self.sharing,
            "energy_saved_pct": 100 * self.energy_saved,
            "validation_loss_pct": 100 * self.validation_loss,
            "test_loss_pct": 100 * self.test_loss,
            "test_accuracy": self.test_accuracy,
            "designs": len(np.unique(np.concatenate([ids.ravel() for ids in self.choice.values()]))),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Fronts:
    """What was found.

    Attributes
    ----------
    points : tuple of Point
        By sharing, from the least energy saved up. Of one design for the network all are here, not only the front.
    hypervolumes : mapping of sharing to float
        On validation images.
    """

    points: tuple[Point, ...]
    hypervolumes: Mapping[Sharing, float]

    def of(self, sharing: Sharing) -> list[Point]:
        """The points of one sharing."""
        return [point for point in self.points if point.sharing == sharing]


def executed_energy(workbench: Workbench) -> EnergyModel:
    """Energies of multiplications of uniform operands, each layer's times how often it runs against a balanced gate.

    `EnergyModel` counts what balanced gates make layers multiply, so that its sums are those of the rows executed.
    """
    graph = workbench.network.graph
    images = workbench.bench.data.train.limited(ROW_IMAGES).images
    done = ExpertRows.executed(workbench.network, images, threads=workbench.threads).multiplications
    uniform = workbench.uniform_energy
    by_layer = {
        name: energies * (done[name] / graph.nominal_multiplications[name])
        for name, energies in uniform.by_layer_fj.items()
    }
    return replace(uniform, by_layer_fj=by_layer)


def searched_fronts(
    workbench: Workbench,
    *,
    evaluations: int,
    seed: int,
    population: int = Nsga2.population,
    sharings: Sequence[Sharing] = SHARINGS,
    checkpoint: Callable[[Sharing], Checkpoint | None] = lambda sharing: None,
    progress: Progress = lambda done, total, what: None,
) -> Fronts:
    """Search on validation images, then run what was found once on test images.

    Parameters
    ----------
    workbench : Workbench
    evaluations : int
        Of each search.
    seed, population : int
    sharings : sequence of {"network", "layer", "expert"}
    checkpoint : callable
        Where the search of a sharing is kept.
    progress : callable
        Called with steps done, their total and what comes next.
    """
    expert = workbench.space("layer", energy=executed_energy(workbench))
    spaces: dict[Sharing, Space] = {"layer": SharedSpace.sharing(expert), "expert": expert}
    objective = workbench.objective
    test = _test_objective(workbench)
    relative = expert.energy.relative
    points, volumes = list[Point](), dict[Sharing, float]()
    known: list[tuple[Choice, float]] = []
    for sharing in sharings:
        if sharing == "network":
            choices = [expert.uniform(design) for design in range(len(workbench.palette))]
            losses = objective.losses(choices, progress=_told(progress, "one design for the network"))
            known += zip(choices, losses)
            kept = known
        else:
            known += _searched(
                spaces[sharing],
                objective,
                evaluations=evaluations,
                seed=seed,
                population=population,
                checkpoint=checkpoint(sharing),
                progress=lambda done, total, what, sharing=sharing: progress(done, total, f"by {sharing}: {what}"),
            )
            kept = [known[place] for place in front([(loss, relative(choice)) for choice, loss in known])]
            kept = [(choice, loss) for choice, loss in kept if loss < WORST_LOSS]
        volumes[sharing] = hypervolume((loss, relative(choice)) for choice, loss in known)
        tested = test.losses([choice for choice, _ in kept], progress=_told(progress, f"by {sharing}: on test images"))
        found = [
            Point(
                sharing=sharing,
                choice=choice,
                validation_loss=loss,
                test_loss=lost,
                test_accuracy=test.exact_accuracy - lost,
                energy_saved=1 - relative(choice),
            )
            for (choice, loss), lost in zip(kept, tested)
        ]
        points += sorted(found, key=lambda point: point.energy_saved)
    return Fronts(points=tuple(points), hypervolumes=volumes)


def best_within(rows: Sequence[Row], loss_pct: float) -> Row | None:
    """The row of most energy saved that loses no more on validation images."""
    # Losses are differences of shares: one image more or less is far more than that.
    allowed = [row for row in rows if row["validation_loss_pct"] <= loss_pct + 1e-9]
    return max(allowed, key=lambda row: row["energy_saved_pct"], default=None)


def _searched(space: Space, objective: Objective, **settings: Any) -> list[tuple[Choice, float]]:
    """The front of a search on validation images, with its losses."""
    archive = searched(space, objective, "nsga2", **settings).archive
    return [(space.choice(archive.genomes[place]), archive.losses[place]) for place in archive.front()]


def _test_objective(workbench: Workbench) -> Objective:
    evaluator = workbench.evaluator(workbench.bench.data.test)
    return Objective(evaluator=evaluator, exact_accuracy=workbench.exact_accuracy(evaluator))


def _told(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(done, total, what)
