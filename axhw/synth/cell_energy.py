"""Internal energy and leakage of all instances of one cell, from the activity on their pins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, Pin, PowerArc, Table
from axhw.synth.loads import FALL, RISE
from axhw.synth.netlist import Netlist
from axhw.synth.state_space import StateSpace
from axhw.synth.tables import TableBank

ConditionRule = Literal["opensta", "exclusive"]
FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class NetActivity:
    """What happens on the nets of a design.

    Attributes
    ----------
    rate : (nets, 2) array
        Rises and falls per operation.
    one : (nets,) array
        Probability of being 1.
    slew_ns, load_ff : (nets, 2) arrays
        By edge.
    """

    rate: FloatArray
    one: FloatArray
    slew_ns: FloatArray
    load_ff: FloatArray


class EnergyTerms:
    """A sum of ``factor * table(slew, load)`` over many tables, looked up in one go."""

    def __init__(self) -> None:
        self._tables: list[Table] = []
        self._columns: list[FloatArray] = []

    def add(
        self, table: Table, *, instances: IndexArray, slew_ns: FloatArray, load_ff: FloatArray, factor: FloatArray
    ) -> None:
        """Add one term for each of `instances`; all arrays are (n,)."""
        ids = np.full(len(instances), float(len(self._tables)))
        self._tables.append(table)
        self._columns.append(np.stack([ids, instances.astype(np.float64), slew_ns, load_ff, factor]))

    def total_fj(self, instances: int) -> FloatArray:
        """(instances,) sums."""
        if not self._columns:
            return np.zeros(instances)
        ids, owner, slew, load, factor = np.concatenate(self._columns, axis=1)
        energy = TableBank.pack(self._tables).lookup(ids.astype(np.intp), slew, load) * factor
        total = np.zeros(instances)
        np.add.at(total, owner.astype(np.intp), energy)
        return total


@dataclass(frozen=True, kw_only=True, eq=False)
class CellGroup:
    """Instances of one cell that have the same pins connected.

    Attributes
    ----------
    instances : (n,) array
        Index into ``Netlist.instances``.
    nets : dict of pin name to (n,) array
    states : (n, states) array
        Probability of each state of `space`, the pins taken as independent.
    rule : {"opensta", "exclusive"}
        How groups of internal energy with and without a condition go together, see `measure_energy`.
    """

    cell: Cell
    space: StateSpace
    instances: IndexArray
    nets: dict[str, IndexArray]
    states: FloatArray
    activity: NetActivity
    rule: ConditionRule

    @classmethod
    def of(
        cls, cell: Cell, netlist: Netlist, instances: IndexArray, activity: NetActivity, rule: ConditionRule
    ) -> CellGroup:
        """The group of `instances`, all of `cell`."""
        space = StateSpace.of(cell)
        members = [netlist.instances[i] for i in instances]
        nets = {name: np.array([member.pins[name] for member in members], np.intp) for name in members[0].pins}
        one = np.empty((len(members), len(space.variables)))
        for k, variable in enumerate(space.variables):
            one[:, k] = _one_probability(space, variable, nets, activity.one)
        return cls(
            cell=cell,
            space=space,
            instances=instances,
            nets=nets,
            states=space.probabilities(one),
            activity=activity,
            rule=rule,
        )

    def leakage_nw(self) -> FloatArray:
        """(n,) leakage: that of each stated condition, and the cell's plain figure for all other states."""
        conditions = [condition for condition, _ in self.cell.leakage_states]
        values = [*(value for _, value in self.cell.leakage_states), self.cell.leakage_nw]
        total = np.zeros(len(self.instances))
        for states, value in zip(self.space.partition([*conditions, None]), values, strict=True):
            total += self._probability(states) * value
        return total

    def add_input(self, pin: Pin, terms: EnergyTerms) -> None:
        """Energy of the transitions of an input pin, by the state that the cell is in."""
        net = self.nets[pin.name]
        for arc, states in zip(pin.power, self._input_conditions(pin), strict=True):
            probability = self._probability(states)
            for edge, table in ((RISE, arc.rise), (FALL, arc.fall)):
                if table is not None:
                    terms.add(
                        table,
                        instances=self.instances,
                        slew_ns=self.activity.slew_ns[net, edge],
                        load_ff=np.zeros(len(net)),
                        factor=probability * self.activity.rate[net, edge],
                    )

    def add_output(self, pin: Pin, terms: EnergyTerms) -> None:
        """Energy of the transitions of an output pin, shared out over the inputs that may cause them."""
        net = self.nets[pin.name]
        for edge in (RISE, FALL):
            causes = list(self._causes(pin, edge))
            if not causes:
                continue
            weights = np.stack([weight for _, _, weight in causes])
            total = weights.sum(axis=0)
            # No cause has a weight where the probabilities say that the output never switches.
            shares = np.where(total > 0.0, weights / np.where(total > 0.0, total, 1.0), 1.0 / len(causes))
            for (table, slew, _), share in zip(causes, shares, strict=True):
                terms.add(
                    table,
                    instances=self.instances,
                    slew_ns=slew,
                    load_ff=self.activity.load_ff[net, edge],
                    factor=share * self.activity.rate[net, edge],
                )

    def _causes(self, pin: Pin, edge: int) -> Iterator[tuple[Table, FloatArray, FloatArray]]:
        """Table, input slew and weight of everything that may make `pin` switch in direction `edge`.

        The weight is the switching rate of the related pin times the probability of the states in
        which the output follows that pin and the arc counts. Arcs related to pins that the output does
        not follow directly (a clock), or to none, need no such states.
        """
        inputs = [p.name for p in self.cell.inputs]
        for related in dict.fromkeys(arc.related_pin for arc in pin.power):
            arcs = [arc for arc in pin.power if arc.related_pin == related]
            if related is not None and related not in inputs:
                continue
            nets = [self.nets[name] for name in ([related] if related is not None else inputs)]
            rate = np.sum([self.activity.rate[net].sum(axis=1) for net in nets], axis=0)
            directions = self._directions(pin.name, related)
            for arc, states in zip(arcs, self._output_conditions(arcs, directions), strict=True):
                table = arc.rise if edge == RISE else arc.fall
                if table is None:
                    continue
                for direction, inverting in directions or [(self._everywhere(), False)]:
                    cause_edge = 1 - edge if inverting else edge
                    slew = np.mean([self.activity.slew_ns[net, cause_edge] for net in nets], axis=0)
                    yield table, slew, rate * self._probability(states & direction)

    def _directions(self, output: str, related: str | None) -> list[tuple[BoolArray, bool]]:
        """States in which `output` follows `related`, each with whether it follows it inverted."""
        if related is None or output not in self.space.columns:
            return []
        follows, inverts = self.space.sensitised(output, related)
        return [(states, inverting) for states, inverting in ((follows, False), (inverts, True)) if states.any()]

    def _output_conditions(
        self, arcs: Sequence[PowerArc], directions: Sequence[tuple[BoolArray, bool]]
    ) -> list[BoolArray]:
        """States in which each of the `arcs` of one related pin counts."""
        if self.rule == "exclusive":
            return self.space.partition([arc.when for arc in arcs])
        if directions:
            return [self._everywhere()] * len(arcs)
        return [self._everywhere() if arc.when is None else self.space.evaluate(arc.when) for arc in arcs]

    def _input_conditions(self, pin: Pin) -> list[BoolArray]:
        """States in which each arc of an input pin counts."""
        if self.rule == "exclusive":
            return self.space.partition([arc.when for arc in pin.power])
        result = []
        for arc in pin.power:
            if arc.when is None:
                result.append(self._everywhere())
                continue
            named = BooleanFunction.parse(arc.when).pins
            output = next((p.name for p in self.cell.outputs if p.name in named), None)
            directions = [] if output is None else self._directions(output, pin.name)
            if directions:
                result.append(np.logical_or.reduce([states for states, _ in directions]))
            else:
                result.append(self.space.evaluate(arc.when))
        return result

    def _everywhere(self) -> BoolArray:
        return np.ones(self.states.shape[1], np.bool_)

    def _probability(self, states: BoolArray) -> FloatArray:
        """(n,) probability of being in one of `states`."""
        result: FloatArray = self.states @ states
        return result


def _one_probability(
    space: StateSpace, variable: str, nets: dict[str, IndexArray], one: FloatArray
) -> FloatArray | float:
    """Probability that a variable is 1 in each instance; a stored bit is read off an output that shows it."""
    if variable in nets:
        return one[nets[variable]]
    for pin in space.cell.outputs:
        if pin.name in nets and pin.name in space.columns:
            shown = space.columns[pin.name]
            if np.array_equal(shown, space.columns[variable]):
                return one[nets[pin.name]]
            if np.array_equal(shown, ~space.columns[variable]):
                return 1.0 - one[nets[pin.name]]
    return 0.5
