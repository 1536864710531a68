"""Everything a search needs, prepared once: tables, predictions, energies and the images to search and report on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from axhw.data.dataset import Dataset
from axhw.evaluation import COMPENSATION_IMAGES, Bench
from axhw.nn.compensation import Compensation
from axhw.nn.error_theory import Removed
from axhw.nn.importance import output_importance
from axhw.nn.operand_statistics import OperandStatistics
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.weight_tuning import Tuning, activation_histogram, tuned
from axhw.search.assignment import Assignment, Ids
from axhw.search.energy import OPERAND_IMAGES, EnergyModel
from axhw.search.evaluator import MEMORY_MB, Evaluator
from axhw.search.margins import Margins, margins
from axhw.search.noise import NoiseModel, noise_model
from axhw.search.palette import Palette
from axhw.search.run import Objective
from axhw.search.space import Space, SpaceLevel
from axhw.sim.product_table import ProductTable
from axhw.store import Store
from axhw.synth.liberty.library import CellLibrary
from axhw.workload import layer_operands

IMPORTANCE_IMAGES = 32
SEARCH_IMAGES = 1000

Stage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Workbench:
    """A network, its data and the designs to choose from.

    Attributes
    ----------
    bench : Bench
    palette : Palette
        With an exact design.
    tune : {"plain", "histogram"}, optional
        Tuning of weights, for every design.
    compensate : {"bias", "affine"}, optional
        Compensation, for every configuration.
    images : int
        Of the validation split, to search on: held out of the published training images, never test images.
    memory_mb : float
        For activations.
    threads : int, optional
        All processors by default.
    stage : callable
        Called with what is prepared next.
    """

    bench: Bench
    palette: Palette
    tune: Tuning | None = None
    compensate: Compensation | None = None
    images: int = SEARCH_IMAGES
    memory_mb: float = MEMORY_MB
    threads: int | None = None
    stage: Stage = lambda name: None

    @cached_property
    def network(self) -> QuantizedNetwork:
        """Of the designs' signedness."""
        return self.bench.quantized(signed=self.palette.signed)

    @cached_property
    def validation(self) -> Dataset:
        """The images to search on."""
        return self.bench.data.validation.limited(self.images)

    @cached_property
    def statistics(self) -> Mapping[str, OperandStatistics]:
        """What the layers multiply, on images of the train split."""
        self.stage("operands of the layers")
        return self.bench.operand_statistics(signed=self.palette.signed)

    @cached_property
    def tables(self) -> Mapping[str, Sequence[ProductTable]]:
        """The tables of all designs for each product layer, with tuned weights where that is asked for."""
        found: dict[str, Sequence[ProductTable]] = {}
        if self.tune is not None:
            self.stage("weights tuned")
        plain = tuple(map(tuned, self.palette.tables)) if self.tune == "plain" else self.palette.tables
        for node in self.network.graph.product_nodes:
            if self.tune == "histogram" and node.name in self.network.products:
                histogram = activation_histogram(self.statistics, node.name)
                found[node.name] = tuple(tuned(table, histogram) for table in self.palette.tables)
            else:
                found[node.name] = plain if node.name in self.network.products else self.palette.tables
        return found

    @cached_property
    def noise(self) -> NoiseModel:
        """What every design would do in every layer, predicted."""
        images = self.bench.calibration_images[:IMPORTANCE_IMAGES]
        statistics, tables = self.statistics, self.tables
        self.stage("importance of the outputs")
        importance = output_importance(self.network, images, threads=self.threads)
        self.stage("errors of all designs")
        removed: Removed = self.compensate or "nothing"
        return noise_model(self.network, statistics, importance, tables, removed=removed)

    @cached_property
    def margins(self) -> Margins:
        """How surely exact products put the images of the search into the right class."""
        return margins(self.network, self.validation, threads=self.threads)

    def space(
        self, level: SpaceLevel, *, energy: EnergyModel | None = None, layers: Sequence[str] | None = None
    ) -> Space:
        """The configurations of one level, by default with the energy of uniform operands."""
        chosen = self.uniform_energy if energy is None else energy
        return Space.of(
            self.network.graph, level=level, noise=self.noise, energy=chosen, margins=self.margins, layers=layers
        )

    @cached_property
    def uniform_energy(self) -> EnergyModel:
        """Energies of uniform random operands."""
        return EnergyModel.uniform(self.palette, self.network.graph)

    def operand_energy(
        self, *, library: CellLibrary, store: Store, progress: Callable[[int, int], None] | None = None
    ) -> EnergyModel:
        """Energies of what each layer multiplies: codes of some train images, weights before tuning."""
        self.stage("energy of the layers' operands")
        operands = layer_operands(self.network, self.bench.calibration_images[:OPERAND_IMAGES])
        return EnergyModel.of_operands(
            self.palette, self.network.graph, operands, library=library, store=store, progress=progress
        )

    def evaluator(self, data: Dataset) -> Evaluator:
        """An evaluator on some images, with the tuning and compensation of this bench."""
        return Evaluator(
            self.network,
            data,
            self.tables,
            compensation=self.compensate,
            learnt_from=self.bench.calibration_images[:COMPENSATION_IMAGES],
            memory_mb=self.memory_mb,
            threads=self.threads,
        )

    @cached_property
    def objective(self) -> Objective:
        """Loss of accuracy on the validation images."""
        evaluator = self.evaluator(self.validation)
        return Objective(evaluator=evaluator, exact_accuracy=self.exact_accuracy(evaluator))

    def exact_accuracy(self, evaluator: Evaluator) -> float:
        """Accuracy with exact products; nothing is tuned or compensated where nothing errs."""
        exact = {node.name: np.asarray(self.palette.exact) for node in self.network.graph.product_nodes}
        return evaluator.accuracy(exact)

    def assignment(self, choice: Mapping[str, Ids]) -> Assignment:
        """A configuration as it is saved."""
        return Assignment(
            network=self.network.graph.name,
            designs=self.palette.references,
            layers=dict(choice),
            tune=self.tune,
            compensate=self.compensate,
        ).compact()
