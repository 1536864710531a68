"""A multiplier for each expert beside one for all: searched fronts of the networks of the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axhw.experiments.axmoe.plan import ExpertSearches
from axhw.experiments.axmoe.subjects import Subject
from axhw.experiments.parts import Parts
from axhw.files import output_folder
from axhw.moe.search import SHARINGS, Sharing, best_within, searched_fronts
from axhw.nn.compensation import Compensation
from axhw.search.palette import Palette
from axhw.search.result import LOSSES_PCT
from axhw.search.run import Checkpoint
from axhw.search.workbench import Workbench

Row = Mapping[str, Any]

FOLDER = "assignments"

_MEMORY_MB = 768.0
_FINER: tuple[Sharing, ...] = ("layer", "expert")


@dataclass(frozen=True, kw_only=True)
class Searching:
    """What searches.

    Attributes
    ----------
    plan : ExpertSearches
    palette : Palette
    parts : Parts
    out : Path
        Folder of the results: assignments of all points go to its folder ``assignments``.
    seed : int
    progress : callable
    """

    plan: ExpertSearches
    palette: Palette
    parts: Parts
    out: Path
    seed: int
    progress: Callable[[int, int, str], None]

    def rows(self, subjects: Sequence[Subject]) -> tuple[list[Row], list[Row]]:
        """Points of all fronts, and hypervolumes."""
        points, volumes = list[Row](), list[Row]()
        for subject in subjects:
            for compensation in self.plan.compensations:
                found = self._searched(subject, compensation)
                points += found["points"]
                volumes += found["hypervolumes"]
        return points, volumes

    def _searched(self, subject: Subject, compensation: Compensation | None) -> Mapping[str, Any]:
        plan, name = self.plan, f"{subject.name}-{compensation or 'plain'}"
        settings = {
            "weights": subject.digest,
            "data": subject.bench.data.test.name,
            "test_images": len(subject.bench.data.test),
            "compensation": compensation,
            "images": plan.images,
            "designs": [reference.table_sha256 for reference in self.palette.references],
            "energies_fj": self.palette.energies_fj.tolist(),
            "population": plan.population,
            "seed": self.seed,
        }
        budget = settings | {"evaluations": plan.evaluations}

        def checkpoint(sharing: Sharing) -> Checkpoint:
            own = settings | {"sharing": sharing}
            return Checkpoint(path=self.parts.file(f"state-{name}-{sharing}", own), settings=own, resume=True)

        def make() -> Mapping[str, Any]:
            output_folder(self.parts.folder)
            workbench = Workbench(
                bench=subject.bench,
                palette=self.palette,
                compensate=compensation,
                images=plan.images,
                memory_mb=_MEMORY_MB,
                stage=lambda stage: self.progress(0, 1, f"{name}: {stage}"),
            )
            fronts = searched_fronts(
                workbench,
                evaluations=plan.evaluations,
                population=plan.population,
                seed=self.seed,
                checkpoint=checkpoint,
                progress=lambda done, total, what: self.progress(done, total, f"{name}, {what}"),
            )
            named = {"network": subject.name, "compensation": compensation or "none"}
            # Named by the digest of the settings: another search replaces none of them.
            folder = output_folder(self.out / FOLDER / self.parts.file(name, budget, suffix="").name)
            rows = []
            for number, point in enumerate(fronts.points):
                file = folder / f"{point.sharing}-{number:02d}.json"
                workbench.assignment(point.choice).save(file)
                rows.append({**named, **point.row(), "assignment": file.relative_to(self.out).as_posix()})
            volumes = [
                {**named, "sharing": sharing, "hypervolume": volume} for sharing, volume in fronts.hypervolumes.items()
            ]
            return {"points": rows, "hypervolumes": volumes}

        found: Mapping[str, Any] = self.parts.remember(f"search-{name}", budget, make)
        return found


def gains(points: Sequence[Row], losses_pct: Sequence[float] = LOSSES_PCT) -> list[Row]:
    """What a design for each layer, and for each expert, spends against one for the network, at equal accuracy.

    The one for the network is that of most energy saved within a loss; the others may not lose more than it does.

    Returns
    -------
    list of mapping
        A row for each network, compensation and loss: energies relative to exact products (``*_energy_pct``) and test
        losses, and how much less than the network's the others are (``less_*_pct``).
    """
    found: list[Row] = []
    for network, compensation in dict.fromkeys((row["network"], row["compensation"]) for row in points):
        own = [row for row in points if (row["network"], row["compensation"]) == (network, compensation)]
        by_sharing = {name: [row for row in own if row["sharing"] == name] for name in SHARINGS}
        for most in losses_pct:
            reference = best_within(by_sharing["network"], most)
            if reference is None:
                continue
            equal = max(reference["validation_loss_pct"], 0.0)
            best = {name: best_within(rows, equal) or reference for name, rows in by_sharing.items()}
            energies = {name: 100 - row["energy_saved_pct"] for name, row in best.items()}
            found.append(
                {
                    "network": network,
                    "compensation": compensation,
                    "at_most_loss_pct": most,
                    "validation_loss_pct": reference["validation_loss_pct"],
                    **{f"{name}_energy_pct": energy for name, energy in energies.items()},
                    **{f"{name}_test_loss_pct": row["test_loss_pct"] for name, row in best.items()},
                    **{f"less_by_{name}_pct": 100 * (1 - energies[name] / energies["network"]) for name in _FINER},
                }
            )
    return found
