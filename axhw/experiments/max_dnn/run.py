"""The whole experiment: every finished part is kept, and a run that was stopped goes on behind the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from axhw.evaluation import Bench, eight_bit_table
from axhw.experiments.max_dnn.claims import claims
from axhw.experiments.max_dnn.designs import CLASS_RULE, ClassName, classes, palettes
from axhw.experiments.max_dnn.divergence import divergence
from axhw.experiments.max_dnn.energy_model import Traces, chosen_points, measured_points
from axhw.experiments.max_dnn.fronts import Family, savings, searched_fronts, select
from axhw.experiments.max_dnn.plan import PaletteName, Plan, Searches, Training
from axhw.experiments.max_dnn.reconfiguration import configurable, costed, load, most_used
from axhw.experiments.max_dnn.retraining import Chosen, chosen, retrain_all, retrained_row
from axhw.experiments.max_dnn.sensitivity import sensitivities, thirds, trained
from axhw.experiments.max_dnn.site_statistics import class_agreement, depths, filter_summary, kernel_summary
from axhw.experiments.max_dnn.sites import Sites, measured_sites
from axhw.experiments.setup import Setup
from axhw.mixed.overhead import overhead
from axhw.nn.compensation import Compensation
from axhw.search.palette import Palette
from axhw.search.workbench import Workbench
from axhw.sim.product_table import ProductTable

_SMALLEST_MEMORY_MB = 512.0
_COSTED: Compensation = "affine"


@dataclass(frozen=True, kw_only=True)
class Experiment(Setup):
    """A plan, with what it is carried out with.

    Attributes
    ----------
    plan : Plan
    device : str, optional
        Retrain chosen points there, with PyTorch; without, those are told that have been retrained before.
    """

    plan: Plan
    device: str | None = None

    def run(self) -> dict[str, Any]:
        """Everything, as JSON values: ``claims`` first."""
        plan, folder = self.plan, self.folder
        folder.mkdir(parents=True, exist_ok=True)
        found = palettes(plan, self.flow, progress=self.progress)
        benches = {
            model: Bench.load(model=model, data=plan.data, root=self.root, images=plan.test_images)
            for model in filter(None, (plan.model, plan.deeper))
        }
        bench = benches[plan.model]
        sensitivity = self._sensitivity(bench, found["roup"])
        sites = self._sites(bench, found["roup"])
        trainings = self._trainings(found["roup"])
        fronts = self._fronts(plan.model, bench, found, plan.searches, plan.evaluations)
        deeper: dict[str, Any] = {"points": [], "searches": [], "exact": {}}
        if plan.deeper is not None:
            deeper = self._fronts(
                plan.deeper, benches[plan.deeper], found, plan.deeper_searches, plan.deeper_evaluations
            )
        costs = self._reconfiguration(bench, found["roup"], fronts["points"])
        gaps = self._divergence(bench, found["roup"], fronts["points"])
        retrained = self._retrained(benches, [*fronts["points"], *deeper["points"]])
        test, validation = bench.data.test, bench.data.validation.limited(plan.images)
        points = [*fronts["points"], *deeper["points"]]
        searches = [*fronts["searches"], *deeper["searches"]]
        about = f"{test.name}, searched on {len(validation):,} validation and reported on {len(test):,} test images"
        return {
            "claims": [
                claim.row()
                for claim in claims(points, sensitivity, searches, model=plan.model, deeper=plan.deeper, about=about)
            ],
            "settings": {
                "model": plan.model,
                "deeper": plan.deeper,
                "data": test.name,
                "weights": bench.weights,
                "validation_split": validation.split,
                "test_split": test.split,
                "validation_images": len(validation),
                "test_images": len(test),
                "sensitivity_images": plan.sensitivity_images,
                "evaluations": plan.evaluations,
                "deeper_evaluations": plan.deeper_evaluations if plan.deeper is not None else None,
                "population": plan.population,
                "seed": plan.seed,
                "seconds": sum(self.parts.seconds.values()),
                "library": self.flow.library.cells.name,
                "engine": str(self.flow.engine),
                "designs": {name: len(palette) for name, palette in found.items()},
                "class_rule": CLASS_RULE,
                "traced_elements": list(plan.tracing.elements),
                "traced_images": plan.tracing.images,
                "traced_pairs": plan.tracing.pairs,
                "classes": {name: record.name for name, record in classes(found["roup"].records).items()},
            },
            "exact": {plan.model: fronts["exact"]}
            | ({plan.deeper: deeper["exact"]} if plan.deeper is not None else {}),
            "savings": savings(points),
            "searches": searches,
            "points": points,
            "sensitivity": sensitivity,
            **sites,
            "trainings": trainings,
            "reconfiguration": costs,
            "divergence": gaps,
            "retrained": retrained,
        }

    def _sensitivity(self, bench: Bench, palette: Palette) -> list[Mapping[str, Any]]:
        tables = {name: (each.name, eight_bit_table(each)) for name, each in classes(palette.records).items()}
        data = bench.data.test.limited(self.plan.sensitivity_images)
        settings = {
            "model": self.plan.model,
            "data": data.name,
            "images": len(data),
            "tables": [table.sha256 for _, table in tables.values()],
        }

        def make() -> Sequence[Mapping[str, Any]]:
            return sensitivities(
                bench.quantized(signed=True),
                data,
                palette.tables[palette.exact],
                tables,
                progress=lambda done, total: self.progress(done, total, "sensitivity of the layers"),
            )

        found: list[Mapping[str, Any]] = self.parts.remember("sensitivity", settings, make)
        return found

    def _sites(self, bench: Bench, palette: Palette) -> dict[str, Any]:
        """Single filters and kernels, and how unequal they are."""
        tables = {name: (each.name, eight_bit_table(each)) for name, each in classes(palette.records).items()}
        plan = self.plan
        sites = Sites(bench=bench, images=plan.sensitivity_images, progress=self.progress)
        found = measured_sites(sites, tables, self.parts, kernels=plan.measured_kernels, seed=plan.seed)
        return {
            **found,
            "filter_summary": filter_summary(found["filters"]),
            "kernel_summary": kernel_summary(found["kernels"], found["measured_kernels"]),
            "site_depths": depths(found["filters"], found["kernels"], found["measured_kernels"]),
            "class_agreement": class_agreement(found["filters"]),
        }

    def _trainings(self, palette: Palette) -> list[Mapping[str, Any]]:
        tables: dict[ClassName, tuple[str, ProductTable]] = {
            name: (each.name, eight_bit_table(each)) for name, each in classes(palette.records).items() if name != "L"
        }
        found: list[Mapping[str, Any]] = []
        for number, training in enumerate(self.plan.trainings):
            self.progress(number, len(self.plan.trainings), f"sensitivity: {training.model} on {training.data}")
            images = self.plan.sensitivity_images
            digests = [table.sha256 for _, table in tables.values()]
            settings = {**asdict(training), "images": images, "tables": digests}

            def make(training: Training = training, images: int = images) -> Sequence[Mapping[str, Any]]:
                network, data = trained(training, root=self.root, images=images)
                exact = palette.tables[palette.exact]
                return thirds(training, sensitivities(network, data, exact, tables, up_to=False))

            found += self.parts.remember("training", settings, make)
        return found

    def _fronts(
        self,
        model: str,
        bench: Bench,
        found: Mapping[PaletteName, Palette],
        searches: Sequence[Searches],
        evaluations: int,
    ) -> dict[str, Any]:
        result: dict[str, Any] = {"points": [], "searches": [], "exact": {}}
        for one in searches:
            if one.palette not in found:
                continue
            for compensate in one.compensations:
                workbench = self._workbench(bench, found[one.palette], compensate)
                family = Family(model=model, palette=one.palette, compensate=compensate)
                part = searched_fronts(
                    workbench,
                    family,
                    one,
                    self.plan,
                    self.parts,
                    evaluations=evaluations,
                    settings={"data": bench.data.test.name, "weights": bench.weights},
                    progress=self.progress,
                )
                for name in ("points", "searches"):
                    result[name] += part[name]
                result["exact"] = part["exact"]
        return result

    def _workbench(self, bench: Bench, palette: Palette, compensate: Compensation | None) -> Workbench:
        return Workbench(
            bench=bench,
            palette=palette,
            compensate=compensate,
            images=self.plan.images,
            memory_mb=_SMALLEST_MEMORY_MB,
            stage=lambda name: self.progress(0, 1, name),
        )

    def _reconfiguration(
        self, bench: Bench, palette: Palette, points: Sequence[Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Fronts of the modes of one configurable circuit, with and without what it costs."""
        graph = bench.quantized(signed=True).graph
        kernels = select(points, palette="roup", compensation=_COSTED, level="kernel")
        assignments = [load(self.folder, row) for row in kernels]
        small = Palette.of(most_used(assignments, graph, palette, modes=self.plan.modes))
        spec = configurable(small.records)
        self.progress(0, 1, f"configurable multiplier {spec.name}")
        measured = overhead(spec, flow=self.flow)
        one = Searches(palette="modes", levels=("layer", "filter", "kernel"), compensations=(_COSTED,))
        front = self._fronts(self.plan.model, bench, {"modes": small}, [one], self.plan.evaluations)
        rows = [{**row, **costed(load(self.folder, row), graph, small, measured)} for row in front["points"]]
        return {"name": spec.name, "modes": list(small.names), **measured.summary(), "rows": rows}

    def _retrained(self, benches: Mapping[str, Bench], points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The points that save most, before and after a short training with their products."""
        wanted = chosen(points, self.folder)
        if self.device is not None:
            retrain_all(wanted, data=self.plan.data, root=self.root, device=self.device, progress=self.progress)
        found: list[Mapping[str, Any]] = []
        for number, point in enumerate(wanted):
            if not point.weights.exists():
                continue
            network = point.row["network"]
            self.progress(number, len(wanted), f"retrained {network}, {point.row['palette']}, {point.file.stem}")
            settings = {"digest": point.digest, "network": network, "test_images": self.plan.test_images}

            def make(point: Chosen = point, network: str = network) -> Mapping[str, Any]:
                return retrained_row(point, benches[network])

            found.append(self.parts.remember("retrained", settings, make))
        return found

    def _divergence(
        self, bench: Bench, palette: Palette, points: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """How far the energies of the fronts are from gates, for the points that save most."""
        plan = self.plan
        traces = Traces(
            bench=bench,
            palette=palette,
            tracing=plan.tracing,
            flow=self.flow,
            stage=lambda name: self.progress(0, 1, name),
        )
        chosen = chosen_points(points, model=plan.model, tracing=plan.tracing)
        rows = measured_points(traces, chosen, folder=self.folder, parts=self.parts)
        return divergence(rows, elements=plan.tracing.elements)
