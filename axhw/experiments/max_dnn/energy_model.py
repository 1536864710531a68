"""How far the energy model of the searches is from gates: predicted savings beside measured ones, by layer.

A search counts multiplications times one energy a design, that of uniform random operands. Four steps lead from there
to the energy of hardware, each measured on its own for the same assignments:

``uniform``            the model of the searches
``histogram``          the multiplier alone, with independent draws from what it multiplies in the layer
``weight_stationary``  the multiplier alone, with what it multiplies in the order of an array that keeps its weights
``array_cell``         a cell of such an array with the same operands: multiplier, adder, registers and clock
``output_stationary``  the multiplier alone, product after product of the same sum
``mac``                a MAC with the same operands: multiplier, adder, accumulator, registers and clock

Operands are those of the network as the assignment runs it, with its own compensation. Where several designs share a
layer, each has its own trace, of its filters or kernels only, and counts with its share of the multiplications.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axhw.element_workload import ElementEnergy, ElementMeter, LayerProducts, TracedElement
from axhw.evaluation import COMPENSATION_IMAGES, Bench
from axhw.experiments.max_dnn.fronts import best, select
from axhw.experiments.max_dnn.plan import ElementName, Tracing
from axhw.experiments.parts import Parts
from axhw.flow import Flow
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.spec import MultiplierSpec
from axhw.measure import Conditions
from axhw.nn.compensation import compensated
from axhw.nn.layers.base import Layer, WeightLayer
from axhw.nn.quantized import QuantizedNetwork
from axhw.record import DesignRecord
from axhw.search.assignment import Assignment
from axhw.search.palette import Palette
from axhw.sim.product_table import ProductTable
from axhw.workload import LayerOperands, Order, layer_operands, workload_energy

Row = Mapping[str, Any]

LEVELS = ("layer", "filter", "kernel")
LOSS_PCT = 4.0
EXACT = "exact"
"""In the place of a level, for exact products everywhere."""

MULTIPLIER_ALONE: Mapping[str, Order] = {
    "histogram": "histogram",
    "weight_stationary": "weight-stationary",
    "output_stationary": "output-stationary",
}
PARTS_OF_ELEMENTS = ("multiplier", "registers", "logic", "clock")


def chosen_points(points: Sequence[Row], *, model: str, tracing: Tracing) -> list[Row]:
    """The points of ROUP that save most within `LOSS_PCT` of validation loss at each level."""
    found = []
    for compensation in tracing.compensations:
        for level in LEVELS:
            own = select(points, network=model, palette="roup", compensation=compensation or "none", level=level)
            row = best(own, LOSS_PCT)
            if row is not None:
                found.append(row)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Traces:
    """What measures assignments of one network.

    Attributes
    ----------
    bench : Bench
    palette : Palette
        That the assignments choose from.
    tracing : Tracing
    flow : Flow
    stage : callable
        Called with what is measured next.
    """

    bench: Bench
    palette: Palette
    tracing: Tracing
    flow: Flow
    stage: Callable[[str], None] = lambda name: None

    @property
    def conditions(self) -> Conditions:
        """Of all samples."""
        return Conditions(pairs=self.tracing.pairs)

    def exact(self) -> Assignment:
        """The assignment that savings are relative to."""
        graph = self.bench.quantized(signed=self.palette.signed).graph
        layers = {node.name: np.asarray(self.palette.exact) for node in graph.product_nodes}
        return Assignment(network=graph.name, designs=self.palette.references, layers=layers).compact()

    def measured(self, assignment: Assignment) -> list[Row]:
        """Energies of a multiplication by layer and design, in fJ, each with its standard error behind it."""
        palette = self.palette
        by_table = {reference.table_sha256: place for place, reference in enumerate(palette.references)}
        places = [by_table[reference.table_sha256] for reference in assignment.designs]
        records = [palette.records[place] for place in places]
        products = self._products(assignment, tuple(palette.tables[place] for place in places))
        found: list[Row] = []
        for name, layer in products.items():
            for number in np.unique(layer.table_of).tolist():
                record = records[number]
                self.stage(f"energy of {record.name} in {name}")
                energies: dict[str, Any] = {"uniform_fj": record.circuit_cost.energy_fj, "uniform_error_fj": 0.0}
                part = layer.part(number)
                for model, order in MULTIPLIER_ALONE.items():
                    alone = workload_energy(
                        record,
                        {name: part},
                        library=self.flow.library.cells,
                        order=order,
                        conditions=self.conditions,
                    ).layers[0]
                    energies |= {f"{model}_fj": alone.energy_fj, f"{model}_error_fj": alone.standard_error_fj}
                for element in self.tracing.elements:
                    inside = self._element(element, record).energy(layer, number)
                    energies |= _element_columns(element, inside)
                found.append(
                    {
                        "layer": name,
                        "design": record.name,
                        "multiplications": part.multiplications,
                        "zero_share": part.zero_share,
                        **energies,
                    }
                )
        return found

    @cached_property
    def _meters(self) -> dict[TracedElement, ElementMeter]:
        return {}

    def _products(self, assignment: Assignment, tables: tuple[ProductTable, ...]) -> dict[str, LayerProducts]:
        """What each layer multiplies with which design, as the assignment runs the network."""
        network = self.bench.quantized(signed=self.palette.signed)
        assignment.check(network.graph)
        by_layer = assignment.tables(tables)
        images = self.bench.calibration_images
        if assignment.compensate is not None:
            learnt_from = images[:COMPENSATION_IMAGES]
            network = compensated(network, learnt_from, by_layer, method=assignment.compensate)
        operands = layer_operands(network, images[: self.tracing.images], tables=by_layer)
        return {
            name: LayerProducts(
                operands=layer,
                tables=tables,
                table_of=weight_numbers(network.graph[name].layer, assignment.layers[name], layer),
            )
            for name, layer in operands.items()
        }

    def _element(self, element: ElementName, record: DesignRecord) -> ElementMeter:
        spec = element_of(element, record.multiplier, self.bench.quantized(signed=self.palette.signed))
        if spec not in self._meters:
            self.stage(spec.name)
            self._meters[spec] = ElementMeter.of(spec, replace(self.flow, conditions=self.conditions))
        return self._meters[spec]


def weight_numbers(layer: Layer, ids: npt.NDArray[np.integer], operands: LayerOperands) -> npt.NDArray[np.integer]:
    """The numbers of a layer, its filters or its kernels by weight, in the places that its operands have them."""
    if not isinstance(layer, WeightLayer):
        return np.broadcast_to(ids, operands.weights.shape)
    each = np.broadcast_to(ids.reshape(ids.shape + (1,) * (len(layer.weight_shape) - ids.ndim)), layer.weight_shape)
    return layer.weight_matrices(each).reshape(operands.weights.shape)


def element_of(element: ElementName, multiplier: MultiplierSpec, network: QuantizedNetwork) -> TracedElement:
    """The element around a multiplier, with room for the longest sum of a network rounded up to a power of 2."""
    longest = max(layer.terms for layer in network.graph.weight_layers.values())
    terms = 1 << (longest - 1).bit_length()
    if element == "mac":
        return MacSpec(multiplier=multiplier, terms=terms)
    return SystolicSpec(multiplier=multiplier, rows=1, columns=1, terms=terms)


def measured_points(traces: Traces, points: Sequence[Row], *, folder: Path, parts: Parts) -> list[Row]:
    """Energies of the exact assignment and of some points, from the folder or measured.

    Parameters
    ----------
    traces : Traces
    points : sequence of rows of `axhw.experiments.max_dnn.fronts`
    folder : Path
        That of the assignments.
    parts : Parts

    Returns
    -------
    list of rows
        One for each point, layer and design; those of exact products first, with the level `EXACT`.
    """
    exact: Row = {"level": EXACT, "compensation": "none"}
    everything = [(exact, traces.exact())]
    everything += [(row, Assignment.load(folder / str(row["assignment"]))) for row in points]
    found: list[Row] = []
    for row, assignment in everything:
        about = {name: row[name] for name in ("compensation", "level")}
        settings = {
            "assignment": _digest(assignment),
            "energies_fj": [record.circuit_cost.energy_fj for record in traces.palette.records],
            "data": traces.bench.data.train.name,
            "weights": traces.bench.weights,
            "tracing": [list(traces.tracing.elements), traces.tracing.images, traces.tracing.pairs],
        }

        def make(assignment: Assignment = assignment) -> list[Row]:
            return traces.measured(assignment)

        rows = parts.remember(f"energies-{about['compensation']}-{about['level']}", settings, make)
        found += [{**about, **each} for each in rows]
    return found


def _element_columns(element: ElementName, energy: ElementEnergy) -> dict[str, float]:
    return {
        f"{element}_fj": energy.energy_fj,
        f"{element}_error_fj": energy.standard_error_fj,
        **{f"{element}_{part}_fj": energy.parts_fj[part] for part in PARTS_OF_ELEMENTS},
    }


def _digest(assignment: Assignment) -> str:
    """Of what an assignment does."""
    tables = [design.table_sha256 for design in assignment.designs]
    layers = {name: ids.tolist() for name, ids in assignment.layers.items()}
    return hashlib.sha256(repr((tables, layers, assignment.tune, assignment.compensate)).encode()).hexdigest()
