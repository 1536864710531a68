"""Energy of a multiplier over the operands of a real network, in the order in which hardware meets them.

A layer is the matrix product of activations (one row per output position) and weights (one column per output
channel). What its multiplications cost depends on how often the operands change from one to the next:

- ``weight-stationary``: a weight stays while the activations of all output positions of an image stream past it, then
  comes the next weight of the same output channel;
- ``output-stationary``: the products of one output follow each other, then come those of the next position in the same
  channel;
- ``histogram``: independent draws from how often each pair of codes occurs, as if every multiplication were the next
  one of another output.

The orders are those of one multiplier that does the whole layer, image after image; an array splits them among many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from axhw.emulate.codes import Codes
from axhw.emulate.histogram import operand_histogram
from axhw.errors import AxhwError
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.measure import Conditions, total_activity
from axhw.nn.assignment import Tables
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Node
from axhw.nn.histograms import product_operands
from axhw.nn.layers.base import WeightLayer
from axhw.nn.network import Images
from axhw.nn.operand_statistics import observe_all
from axhw.nn.quantized import QuantizedNetwork
from axhw.record import DesignRecord
from axhw.sim.activity import source_values
from axhw.sim.operands import OperandStream, from_histogram, from_trace
from axhw.sim.timed import timed_activity
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.power import EnergyModel, EnergyReport
from axhw.synth.timing import TimingReport

Order = Literal["histogram", "weight-stationary", "output-stationary"]
ORDERS: tuple[Order, ...] = get_args(Order)

# A trace is sampled in runs of consecutive operations, spread evenly over it. Short ones see many weights, whose
# energies differ most in a weight-stationary order.
RUN = 8
# Every eighth run makes a group; the groups' spread gives the standard error.
_GROUPS = 8
_NJ_PER_FJ = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where in a layer some operations are, arrays of one shape each.

    Attributes
    ----------
    image, position, term, output : int64 arrays
    first : bool array
        Whether it is the multiplier's first product of a sum (``output-stationary``) or with a weight
        (``weight-stationary``).
    """

    image: IntegerArray
    position: IntegerArray
    term: IntegerArray
    output: IntegerArray
    first: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerOperands:
    """The codes that one product layer multiplies for some images.

    Attributes
    ----------
    layer : str
    activations : int8 or uint8 array, shape (images, positions, terms)
        Where the second operands are activations too, all images lie on the axis of the terms, as if they were one.
    weights : int8 or uint8 array, shape (terms, outputs)
    zero : int
        Code of the activation 0.
    multiplications : int
        For one image.
    mine : bool array, shape (terms, outputs), optional
        The weights that the multiplier in question has products with, where several share a layer; all by default.
    """

    layer: str
    activations: Codes
    weights: Codes
    zero: int
    multiplications: int
    mine: npt.NDArray[np.bool_] | None = None

    def part(self, mine: npt.NDArray[np.bool_]) -> LayerOperands:
        """What the multiplier does that has these weights, bool array of shape (terms, outputs)."""
        if mine.all():
            return self
        return replace(self, mine=mine, multiplications=round(self.multiplications * float(mine.mean())))

    @property
    def zero_share(self) -> float:
        """Share of the multiplications whose activation is 0."""
        if self.mine is None:
            return float(np.mean(self.activations == self.zero))
        zeros = np.mean(self.activations == self.zero, axis=(0, 1))
        return float(zeros @ self.mine.sum(axis=1) / self.mine.sum())

    @property
    def operations(self) -> int:
        """Multiplications of all images: the length of the trace."""
        images, positions, _ = self.activations.shape
        weights = self.weights.size if self.mine is None else int(np.count_nonzero(self.mine))
        return int(images * positions * weights)

    def places(self, order: Order, operations: IntegerArray) -> Places:
        """Where operations by their number in the trace are; past its end it begins again.

        Parameters
        ----------
        order : {"weight-stationary", "output-stationary"}
        operations : int64 array
        """
        positions, outputs = self.activations.shape[1], self.weights.shape[1]
        # The multiplier's weights by output, each output's by term.
        output_of, term_of = np.nonzero(np.ones(self.weights.T.shape) if self.mine is None else self.mine.T)
        image, within = np.divmod(operations % self.operations, positions * len(term_of))
        # In either order, all that is done with an output's weights comes before the next output.
        weight, position = np.divmod(within, positions)
        first = position == 0
        if order == "output-stationary":
            counts = np.bincount(output_of, minlength=outputs)
            begins = np.cumsum(counts) - counts
            output = output_of[weight]
            position, number = np.divmod(within - positions * begins[output], counts[output])
            weight, first = begins[output] + number, number == 0
        return Places(image=image, position=position, term=term_of[weight], output=output_of[weight], first=first)

    def at(self, places: Places) -> tuple[IntegerArray, IntegerArray]:
        """Activations and weights of operations."""
        a = self.activations[places.image, places.position, places.term]
        return a.astype(np.int64), self.weights[places.term, places.output].astype(np.int64)

    def starts(self, *, pairs: int, seed: int) -> IntegerArray:
        """Numbers of the operations where the runs of a sample begin: evenly over the trace, drawn within each part.

        Raises
        ------
        AxhwError
            If there are fewer multiplications than a run has.
        """
        count = _run_count(pairs)
        length = self.operations
        if length <= RUN:
            raise AxhwError(f"Expected more than {RUN} multiplications in {self.layer} to trace, found {length}.")
        offsets = np.random.default_rng(seed).random(count)
        return ((np.arange(count) + offsets) / count * (length - RUN)).astype(np.int64)

    def runs(self, spec: MultiplierSpec, *, order: Order, pairs: int, seed: int) -> list[OperandStream]:
        """A sample of the layer's multiplications: streams of consecutive ones, as the order has them.

        Parameters
        ----------
        pairs : int
            Operations to sample, rounded up to whole runs.
        seed : int
            Of the draws, or of where in the trace runs begin.

        Raises
        ------
        AxhwError
            If the layer has fewer multiplications than a run.
        """
        if order == "histogram":
            a, b = self._drawn(spec, _run_count(pairs), seed)
        else:
            operations = self.starts(pairs=pairs, seed=seed)[:, None] + np.arange(RUN + 1)
            a, b = self.at(self.places(order, operations))
        label = f"{order} {self.layer}"
        return [from_trace(spec, first, second, label=label) for first, second in zip(a, b)]

    def _drawn(self, spec: MultiplierSpec, count: int, seed: int) -> tuple[IntegerArray, IntegerArray]:
        """(count, RUN + 1) activations and weights, each pair drawn on its own."""
        if self.mine is not None:
            # Every multiplication alike, which is what counting pairs and drawing from the counts comes to.
            drawn = np.random.default_rng(seed).integers(0, self.operations, (count, RUN + 1))
            return self.at(self.places("weight-stationary", drawn))
        counts = operand_histogram(self.activations.reshape(-1, len(self.weights)), self.weights)
        stream = from_histogram(spec, counts, pairs=count * (RUN + 1), seed=seed, label=self.layer)
        return stream.a.reshape(count, -1), stream.b.reshape(count, -1)


def _run_count(pairs: int) -> int:
    return _GROUPS * math.ceil(pairs / (RUN * _GROUPS))


@dataclass(frozen=True, kw_only=True)
class LayerEnergy:
    """What a multiplication costs in one layer.

    Attributes
    ----------
    layer : str
    multiplications : int
        For one image.
    zero_share : float
        Share of them whose activation is 0.
    pairs : int
        Operations sampled.
    energy_fj : float
        Dynamic energy of one multiplication, timed with inertial filtering.
    standard_error_fj : float
        Of `energy_fj`, from the sampling.
    """

    layer: str
    multiplications: int
    zero_share: float
    pairs: int
    energy_fj: float
    standard_error_fj: float


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkloadEnergy:
    """Energy of a multiplier in a network.

    Attributes
    ----------
    record : DesignRecord
        Its cost is that of uniform random operands.
    order : Order
    layers : tuple of LayerEnergy
    """

    record: DesignRecord
    order: Order
    layers: tuple[LayerEnergy, ...]

    @property
    def multiplications(self) -> int:
        """For one image."""
        return sum(layer.multiplications for layer in self.layers)

    @property
    def energy_nj(self) -> float:
        """Energy of the multiplications of one image."""
        return _NJ_PER_FJ * sum(layer.multiplications * layer.energy_fj for layer in self.layers)

    @property
    def uniform_nj(self) -> float:
        """The same at the energy of uniform random operands."""
        return _NJ_PER_FJ * self.multiplications * self.record.circuit_cost.energy_fj


def layer_operands(
    network: QuantizedNetwork, images: Images, record: DesignRecord | None = None, *, tables: Tables | None = None
) -> dict[str, LayerOperands]:
    """What each product layer multiplies.

    Parameters
    ----------
    network : QuantizedNetwork
    images : float array, shape (B, *input_shape)
    record : DesignRecord, optional
        The multiplier of all layers: later ones see what it makes of the activations. Exact products by default.
    tables : ProductTable or mapping, optional
        Those of an assignment, in place of one multiplier.

    Raises
    ------
    AxhwError
        If the design is not an 8-bit multiplier of the network's signedness.
    """
    if record is not None and record.table is None:
        raise AxhwError(
            f"Expected a design with 8-bit operands to run a network with, found {record.name} with "
            f"{record.multiplier.width} bits."
        )
    operands: dict[str, LayerOperands] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        a, w = product_operands(network, node, inputs)
        # Experts see some of the images, or of their tokens.
        streams = len(inputs[0]) if isinstance(node.layer, WeightLayer) else 1
        operands[node.name] = LayerOperands(
            layer=node.name,
            activations=a.reshape(streams, -1, a.shape[1]),
            weights=w,
            zero=int(network.codings[node.inputs[0]].zero_point),
            multiplications=round(network.multiplications[node.name]),
        )

    run = Executor(network, tables if record is None else record.table)
    observe_all(run, images, observe, layers=tuple(network.multiplications), batch=len(images))
    return {name: operands[name] for name in network.multiplications}


@dataclass(frozen=True, kw_only=True, eq=False)
class Meter:
    """A mapped circuit, ready to be measured over samples of operations.

    Attributes
    ----------
    netlist, graph, timing, model
        Of the same circuit.
    """

    netlist: Netlist
    graph: GateGraph
    timing: TimingReport
    model: EnergyModel

    @classmethod
    def of(cls, netlist: Netlist, *, library: CellLibrary, conditions: Conditions, wire_load: str) -> Meter:
        """That of a netlist; `wire_load` is the name that its cost says."""
        graph = levelize(netlist, library)
        timing = conditions.timing(netlist, library, graph=graph, wire_load=wire_load)
        model = EnergyModel.of(netlist, library, timing)
        return cls(netlist=netlist, graph=graph, timing=timing, model=model)

    def measure(self, runs: Sequence[npt.NDArray[np.uint8]]) -> tuple[EnergyReport, float]:
        """Energy of an operation, and the standard error of its dynamic part.

        Parameters
        ----------
        runs : sequence of (vectors, sources) uint8 arrays of 0 and 1
            As `axhw.sim.timed.timed_activity` takes them; an operation is the step to the next vector.
        """
        activities = [timed_activity(self.graph, self.timing, run, threads=1) for run in runs]

        def report(number: int, step: int) -> EnergyReport:
            total = total_activity(activities[number::step])
            return self.model.measure(
                rise=total.rise, fall=total.fall, operations=total.pairs, one_probability=total.one_probability
            )

        groups = [report(number, _GROUPS).dynamic_fj for number in range(_GROUPS)]
        return report(0, 1), float(np.std(groups, ddof=1)) / math.sqrt(_GROUPS)


def workload_energy(
    record: DesignRecord,
    operands: Mapping[str, LayerOperands],
    *,
    library: CellLibrary,
    order: Order,
    conditions: Conditions,
) -> WorkloadEnergy:
    """Energy of a design's multiplications in each layer.

    Parameters
    ----------
    record : DesignRecord
        Of a multiplier without registers, measured in the same library under the same conditions.
    operands : mapping of layer name to LayerOperands
    order : Order
    conditions : Conditions
        `pairs` and `seed` are those of the sample of each layer.

    Raises
    ------
    AxhwError
        For a design with registers, without a circuit, or measured in another library.
    """
    spec = record.spec
    if not isinstance(spec, MultiplierSpec):
        raise AxhwError(f"Expected a multiplier without registers to trace operands through, found {record.name}.")
    cost = record.circuit_cost
    if cost.library_sha256 != library.sha256:
        raise AxhwError(
            f"Expected {record.name} measured in the library {library.name}, found {cost.library} in its record."
        )
    netlist = record.netlist
    meter = Meter.of(netlist, library=library, conditions=conditions, wire_load=cost.wire_load)

    def layer_energy(layer: LayerOperands) -> LayerEnergy:
        runs = layer.runs(spec, order=order, pairs=conditions.pairs, seed=conditions.seed)
        report, error = meter.measure([source_values(netlist, meter.graph, {"a": run.a, "b": run.b}) for run in runs])
        return LayerEnergy(
            layer=layer.layer,
            multiplications=layer.multiplications,
            zero_share=layer.zero_share,
            pairs=sum(len(run) - 1 for run in runs),
            energy_fj=report.dynamic_fj,
            standard_error_fj=error,
        )

    return WorkloadEnergy(record=record, order=order, layers=tuple(map(layer_energy, operands.values())))
