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
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from axhw.emulate.codes import Codes
from axhw.emulate.histogram import operand_histogram
from axhw.errors import AxhwError
from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.measure import Conditions
from axhw.nn.executor import Executor, Value
from axhw.nn.graph import Node
from axhw.nn.histograms import product_operands
from axhw.nn.layers.base import ProductLayer, WeightLayer
from axhw.nn.network import Images
from axhw.nn.quantized import QuantizedNetwork
from axhw.record import DesignRecord
from axhw.sim.activity import Activity, source_values
from axhw.sim.operands import OperandStream, from_histogram, from_trace
from axhw.sim.timed import timed_activity
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import levelize
from axhw.synth.power import measure_energy
from axhw.synth.timing import analyze_timing

Order = Literal["histogram", "weight-stationary", "output-stationary"]
ORDERS: tuple[Order, ...] = get_args(Order)

# A trace is sampled in runs of consecutive operations, spread evenly over it. Short ones see many weights, whose
# energies differ most in a weight-stationary order.
_RUN = 8
# Every eighth run makes a group; the groups' spread gives the standard error.
_GROUPS = 8
_NJ_PER_FJ = 1e-6


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
    """

    layer: str
    activations: Codes
    weights: Codes
    zero: int
    multiplications: int

    @property
    def zero_share(self) -> float:
        """Share of the multiplications whose activation is 0."""
        return float(np.mean(self.activations == self.zero))

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
        count = _GROUPS * math.ceil(pairs / (_RUN * _GROUPS))
        a, b = self._drawn(spec, count, seed) if order == "histogram" else self._traced(order, count, seed)
        label = f"{order} {self.layer}"
        return [from_trace(spec, first, second, label=label) for first, second in zip(a, b)]

    def _drawn(self, spec: MultiplierSpec, count: int, seed: int) -> tuple[IntegerArray, IntegerArray]:
        """(count, _RUN + 1) activations and weights, each pair drawn on its own."""
        counts = operand_histogram(self.activations.reshape(-1, len(self.weights)), self.weights)
        drawn = from_histogram(spec, counts, pairs=count * (_RUN + 1), seed=seed, label=self.layer)
        return drawn.a.reshape(count, -1), drawn.b.reshape(count, -1)

    def _traced(self, order: Order, count: int, seed: int) -> tuple[IntegerArray, IntegerArray]:
        """The same from evenly spread places of the trace."""
        images, positions, terms = self.activations.shape
        outputs = self.weights.shape[1]
        # The last axis varies fastest.
        stationary = order == "weight-stationary"
        shape = (images, outputs, terms, positions) if stationary else (images, outputs, positions, terms)
        length = math.prod(shape)
        if length <= _RUN:
            raise AxhwError(f"Expected more than {_RUN} multiplications in {self.layer} to trace, found {length}.")
        offsets = np.random.default_rng(seed).random(count)
        starts = ((np.arange(count) + offsets) / count * (length - _RUN)).astype(np.int64)
        image, output, third, fourth = np.unravel_index(starts[:, None] + np.arange(_RUN + 1), shape)
        position, term = (fourth, third) if stationary else (third, fourth)
        a, b = self.activations[image, position, term], self.weights[term, output]
        return a.astype(np.int64), b.astype(np.int64)


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
    network: QuantizedNetwork, images: Images, record: DesignRecord | None = None
) -> dict[str, LayerOperands]:
    """What each product layer multiplies.

    Parameters
    ----------
    network : QuantizedNetwork
    images : float array, shape (B, *input_shape)
    record : DesignRecord, optional
        The multiplier of all layers: later ones see what it makes of the activations. Exact products by default.

    Raises
    ------
    AxhwError
        If the design is not an 8-bit multiplier of the network's signedness.
    """
    table = None if record is None else record.table
    if record is not None and table is None:
        raise AxhwError(
            f"Expected a design with 8-bit operands to run a network with, found {record.name} with "
            f"{record.multiplier.width} bits."
        )
    operands: dict[str, LayerOperands] = {}

    def observe(node: Node, inputs: tuple[Value, ...], output: Value) -> None:
        if not isinstance(node.layer, ProductLayer):
            return
        a, w = product_operands(network, node, inputs)
        streams = len(images) if isinstance(node.layer, WeightLayer) else 1
        operands[node.name] = LayerOperands(
            layer=node.name,
            activations=a.reshape(streams, -1, a.shape[1]),
            weights=w,
            zero=int(network.codings[node.inputs[0]].zero_point),
            multiplications=network.multiplications[node.name],
        )

    Executor(network, table)(images, observe=observe)
    return operands


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
    graph = levelize(netlist, library)
    timing = analyze_timing(
        netlist,
        library,
        graph=graph,
        input_slew_ns=conditions.input_slew_ns,
        output_load_ff=conditions.output_load_ff,
        wire_load=library.wire_loads.model(cost.wire_load),
    )

    def timed(run: OperandStream) -> Activity:
        return timed_activity(graph, timing, source_values(netlist, graph, {"a": run.a, "b": run.b}), threads=1)

    def energy_fj(activities: Sequence[Activity]) -> float:
        operations = sum(activity.pairs for activity in activities)
        return measure_energy(
            netlist,
            library,
            timing,
            rise=np.sum([activity.rise for activity in activities], axis=0),
            fall=np.sum([activity.fall for activity in activities], axis=0),
            operations=operations,
            # All runs are equally long.
            one_probability=np.mean([activity.one_probability for activity in activities], axis=0),
        ).dynamic_fj

    def layer_energy(layer: LayerOperands) -> LayerEnergy:
        runs = layer.runs(spec, order=order, pairs=conditions.pairs, seed=conditions.seed)
        activities = [timed(run) for run in runs]
        groups = [energy_fj(activities[group::_GROUPS]) for group in range(_GROUPS)]
        return LayerEnergy(
            layer=layer.layer,
            multiplications=layer.multiplications,
            zero_share=layer.zero_share,
            pairs=sum(activity.pairs for activity in activities),
            energy_fj=energy_fj(activities),
            standard_error_fj=float(np.std(groups, ddof=1)) / math.sqrt(_GROUPS),
        )

    return WorkloadEnergy(record=record, order=order, layers=tuple(map(layer_energy, operands.values())))
