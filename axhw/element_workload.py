"""Energy of a processing element over the operands of a real network: multiplier, adder, registers and clock.

Every element meets the operations in the order that it is made for:

``MacSpec``       ``output-stationary``: the products of a sum follow each other, and the first one starts a new sum
``SystolicSpec``  ``weight-stationary``: a cell of an array, here the only one. Its weight is loaded when the next one
                  is due, and the sum of the terms before its own comes in from above, as the cells there make it

Sums start at 0, without bias. Runs are the same stretches of the layer's trace as in `axhw.workload`, so that the
multiplier inside sees what it sees alone; the accumulator holds the sum that it holds there in the middle of the trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.breakdown import ApartElement, breakdown_job
from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.pe.mac import MacSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.spec import IntegerArray
from axhw.measure import Conditions
from axhw.record import DesignRecord
from axhw.sim.clocked import run_clocked
from axhw.sim.element import steady_inputs
from axhw.sim.product_table import ProductTable
from axhw.sim.systolic import array_inputs
from axhw.synth.liberty.library import CellLibrary
from axhw.workload import RUN, LayerOperands, Meter, Order, Places

TracedElement: TypeAlias = MacSpec | SystolicSpec

# Cycles before a run in which the cell of an array gets its weight and its first sum.
_FILL = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerProducts:
    """Who does the products of a layer.

    Attributes
    ----------
    operands : LayerOperands
        Of the whole layer.
    tables : sequence of ProductTable
        Of its multipliers.
    table_of : int array, shape (terms, outputs)
        Which of them multiplies with each weight.
    """

    operands: LayerOperands
    tables: tuple[ProductTable, ...]
    table_of: npt.NDArray[np.integer]

    def part(self, number: int) -> LayerOperands:
        """What the multiplier of that number does."""
        return self.operands.part(self.table_of == number)

    def sums_before(self, places: Places) -> IntegerArray:
        """What the terms before those of some operations add up to."""
        terms = np.arange(len(self.operands.weights))
        a = self.operands.activations[places.image, places.position].astype(np.int64)
        w = self.operands.weights.T[places.output].astype(np.int64)
        table_of = self.table_of.T[places.output]
        before = terms < places.term[..., None]
        total = np.zeros(places.term.shape, np.int64)
        for number, table in enumerate(self.tables):
            total += np.where(before & (table_of == number), table.product(a, w), 0).sum(axis=-1)
        return total


@dataclass(frozen=True, kw_only=True)
class ElementEnergy:
    """What an operation costs in an element.

    Attributes
    ----------
    energy_fj : float
        Dynamic energy of one multiplication with its addition, registers and clock, timed with inertial filtering.
    standard_error_fj : float
        Of `energy_fj`, from the sampling.
    parts_fj : mapping of str to float
        ``multiplier``, ``registers``, ``logic`` and ``clock`` of the circuit that keeps them apart
        (`axhw.breakdown`), which add up to about `energy_fj`.
    """

    energy_fj: float
    standard_error_fj: float
    parts_fj: Mapping[str, float]

    @property
    def multiplier_share(self) -> float:
        """Of the multiplier in all."""
        total = sum(self.parts_fj.values())
        return self.parts_fj["multiplier"] / total if total else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementMeter:
    """An element, ready to be measured over layers.

    Attributes
    ----------
    record : DesignRecord
    spec : MacSpec or SystolicSpec
    library : CellLibrary
    conditions : Conditions
        `pairs` and `seed` are those of the sample of each layer.
    whole : Meter
        The circuit of the record.
    apart : ApartElement
        That with the multiplier kept apart, verified when the record was made.
    apart_meter : Meter
    """

    record: DesignRecord
    spec: TracedElement
    library: CellLibrary
    conditions: Conditions
    whole: Meter
    apart: ApartElement
    apart_meter: Meter

    @classmethod
    def of(
        cls,
        spec: TracedElement,
        flow: Flow,
        *,
        threads: int | None = None,
    ) -> ElementMeter:
        """An element, from the store or made and stored.

        Raises
        ------
        AxhwError
            For an array of more than one cell, and as `axhw.characterize.characterize`.
        """
        if isinstance(spec, SystolicSpec) and spec.operations > 1:
            raise AxhwError(f"Expected an array of one cell to trace operands through, found {spec.name}.")
        record = characterize(spec, flow=replace(flow, conditions=Conditions()), threads=threads)
        wire_load = record.circuit_cost.wire_load
        cells, conditions = flow.library.cells, flow.conditions
        separate = flow.store.synthesise(breakdown_job(flow.job(spec))).netlist

        whole = Meter.of(record.netlist, library=cells, conditions=conditions, wire_load=wire_load)
        apart = Meter.of(separate, library=cells, conditions=conditions, wire_load=wire_load)
        return cls(
            record=record,
            spec=spec,
            library=cells,
            conditions=conditions,
            whole=whole,
            apart=ApartElement(
                spec=spec,
                netlist=apart.netlist,
                graph=apart.graph,
                timing=apart.timing,
                library=cells,
                conditions=conditions,
            ),
            apart_meter=apart,
        )

    @property
    def order(self) -> Order:
        """In which it meets operations."""
        return "output-stationary" if isinstance(self.spec, MacSpec) else "weight-stationary"

    def energy(self, products: LayerProducts, number: int) -> ElementEnergy:
        """Energy of the element over what the multiplier of that number does in a layer.

        Raises
        ------
        AxhwError
            If that is less than a run of operations, or the element's sums are too narrow for the layer.
        """
        layer = products.part(number)
        terms = len(layer.weights)
        if self.spec.terms < terms:
            raise AxhwError(
                f"Expected an element with room for the {terms} terms of {layer.layer}, found {self.spec.terms} in "
                f"{self.spec.name}."
            )
        inputs, lead = self.inputs(products, layer)
        report, error = self.whole.measure(self._runs(self.whole, inputs, lead))
        apart, _ = self.apart_meter.measure(self._runs(self.apart_meter, inputs, lead))
        parts = self.apart.breakdown(apart, cost=self.record.circuit_cost).energy_fj
        return ElementEnergy(energy_fj=report.dynamic_fj, standard_error_fj=error, parts_fj=parts)

    def inputs(self, products: LayerProducts, layer: LayerOperands) -> tuple[dict[str, IntegerArray], int]:
        """What goes into the element's ports, a stream for each run, and the cycles before the runs.

        Returns
        -------
        inputs : mapping of port to (cycles, streams) int64 array
        lead : int
            In cycle `lead` the first operation of each run is at the ports, a cycle later in the registers of the
            operands.
        """
        starts = layer.starts(pairs=self.conditions.pairs, seed=self.conditions.seed)
        lead = 1 + _longest_sum(layer) if isinstance(self.spec, MacSpec) else _FILL
        cycles = np.arange(-lead, RUN + 2)[:, None]
        places = layer.places(self.order, starts + cycles)
        a, w = layer.at(places)
        if isinstance(self.spec, MacSpec):
            inputs = steady_inputs(self.spec, a, w, sum_length=1)
            return inputs | {"clear": places.first.astype(np.int64)}, lead
        load = places.first.copy()
        load[0] = True
        # A sum from above arrives a cycle behind its activation.
        above = np.zeros_like(a)
        above[1:] = products.sums_before(places)[:-1]
        ones = np.ones_like(a)
        ports = array_inputs(
            self.spec, a=a[:, None], w=w[:, None], s_i=above[:, None], valid=ones, load=load, reset=0 * ones
        )
        return ports, lead

    def _runs(self, meter: Meter, inputs: Mapping[str, IntegerArray], lead: int) -> list[npt.NDArray[np.uint8]]:
        """The states of the gates' sources while the multiplier does each run."""
        run = run_clocked(meter.netlist, meter.graph, self.library, inputs)
        streams = next(iter(inputs.values())).shape[1]
        return [run.source_values(number)[lead + 1 :] for number in range(streams)]


def _longest_sum(layer: LayerOperands) -> int:
    """Products of the longest sum of a multiplier."""
    return len(layer.weights) if layer.mine is None else int(layer.mine.sum(axis=0).max())
