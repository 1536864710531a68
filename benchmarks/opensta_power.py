"""OpenSTA's rules for internal energy, instance by instance in plain Python: a second opinion on `measure_energy`.

Two rules, told apart by `Rule`. "2019" is that of the build in Debian: every group of an output counts by its own
probability and both edges are charged to every transition, so it gives two to four times the energy. It
serves to check slews, loads, tables and units against figures that OpenSTA really printed. "current" is the
rule of later versions, where the groups of an output share its transitions and the edges are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary, Pin, PowerArc, Table
from axhw.synth.netlist import Netlist
from axhw.synth.timing import TimingReport

Rule = Literal["2019", "current"]
FloatArray = npt.NDArray[np.float64]
# A name, or an operator and its operands.
Tree = Any


def internal_energy_fj(
    netlist: Netlist, library: CellLibrary, timing: TimingReport, *, density: FloatArray, one: FloatArray, rule: Rule
) -> FloatArray:
    """(instances,) internal energy per operation.

    Parameters
    ----------
    density, one : (net_count,) arrays
        Transitions per operation and probability of 1, the clock's included.
    """
    return np.array(
        [
            _Instance(library.cells[instance.cell], instance.pins, timing, density, one).energy(rule)
            for instance in netlist.instances
        ]
    )


class _Instance:
    def __init__(
        self, cell: Cell, nets: Mapping[str, int], timing: TimingReport, density: FloatArray, one: FloatArray
    ) -> None:
        self.cell, self.nets, self.timing, self.density, self.one = cell, nets, timing, density, one

    def energy(self, rule: Rule) -> float:
        total = 0.0
        for pin in self.cell.pins.values():
            if pin.name in self.nets and pin.direction == "output":
                total += self._output(pin, rule)
            elif pin.name in self.nets and pin.direction == "input":
                total += self._input(pin, rule)
        return total

    def _output(self, pin: Pin, rule: Rule) -> float:
        supplies = dict.fromkeys(arc.supply for arc in pin.power)
        return sum(self._shared(pin, [arc for arc in pin.power if arc.supply == supply], rule) for supply in supplies)

    def _shared(self, pin: Pin, arcs: Sequence[PowerArc], rule: Rule) -> float:
        density = float(self.density[self.nets[pin.name]])
        shares = []
        for arc in arcs:
            assert arc.related_pin is not None
            cause = float(self.density[self.nets[arc.related_pin]])
            if rule == "current":
                shares.append((cause * self._current_duty(pin, arc), self._edges(pin, arc) / 2))
            else:
                shares.append((self._old_duty(pin, arc, cause, density), self._edges(pin, arc, follow_sense=False)))
        total = sum(share for share, _ in shares) if rule == "current" else 1.0
        return density * sum(share * energy for share, energy in shares) / total if total else 0.0

    def _input(self, pin: Pin, rule: Rule) -> float:
        net = self.nets[pin.name]
        total = 0.0
        for arc in pin.power:
            if arc.when is not None:
                duty = self._input_duty(pin, arc.when, rule)
            else:
                duty = 1.0 if rule == "current" or net == self.timing.clock_net else 0.5
            edges = [
                0.0 if table is None else _lookup(table, self.timing.slew_ns[net, edge], 0.0)
                for edge, table in enumerate((arc.rise, arc.fall))
            ]
            total += duty * sum(edges) / (2 if rule == "current" else 1)
        return total * float(self.density[net])

    def _edges(self, pin: Pin, arc: PowerArc, *, follow_sense: bool = True) -> float:
        """Energy of a rise plus that of a fall."""
        assert arc.related_pin is not None
        sense = next((a.sense for a in pin.timing if a.related_pin == arc.related_pin), "positive_unate")
        inverting = follow_sense and sense == "negative_unate"
        slew = self.timing.slew_ns[self.nets[arc.related_pin]]
        load = self.timing.load_ff[self.nets[pin.name]]
        # The old version looks up the rising edge's load, later ones the larger.
        capacitance = float(load.max() if follow_sense else load[0])
        return sum(
            0.0 if table is None else _lookup(table, slew[1 - edge if inverting else edge], capacitance)
            for edge, table in enumerate((arc.rise, arc.fall))
        )

    def _current_duty(self, pin: Pin, arc: PowerArc) -> float:
        assert arc.related_pin is not None
        duty = self._difference(pin.function, arc.related_pin)
        if duty is not None:
            return duty
        return 0.5 if arc.when is None else self._probability(BooleanFunction.parse(arc.when))

    def _old_duty(self, pin: Pin, arc: PowerArc, cause: float, density: float) -> float:
        if arc.when is not None:
            return self._probability(BooleanFunction.parse(arc.when))
        assert arc.related_pin is not None
        assert pin.function is not None
        inferred = _inferred_when(_tree(BooleanFunction.parse(pin.function)), arc.related_pin)
        if inferred is not None:
            return cause / density * self._probability(BooleanFunction(_postfix(inferred))) if density else 0.0
        return 1.0 if self.nets[arc.related_pin] == self.timing.clock_net else 0.5

    def _input_duty(self, pin: Pin, when: str, rule: Rule) -> float:
        condition = BooleanFunction.parse(when)
        outputs = [p for p in self.cell.outputs if p.name in condition.pins]
        if rule == "current" and outputs:
            duty = self._difference(outputs[0].function, pin.name)
            if duty is not None:
                return duty
        return self._probability(condition)

    def _difference(self, function: str | None, pin: str) -> float | None:
        """Probability that a function follows one of its pins; None if it is not one."""
        if function is None or pin not in (parsed := BooleanFunction.parse(function)).pins:
            return None
        low, high = (self._probability(parsed, fixed={pin: value}) for value in (0.0, 1.0))
        return high * (1 - low) + low * (1 - high)

    def _probability(self, function: BooleanFunction, fixed: Mapping[str, float] | None = None) -> float:
        """Probability of 1, every operator taking its operands as independent."""
        stack: list[float] = []
        for step in function.postfix:
            if step == "!":
                stack.append(1 - stack.pop())
            elif step in ("&", "|", "^"):
                b, a = stack.pop(), stack.pop()
                stack.append({"&": a * b, "|": a + b - a * b, "^": a + b - 2 * a * b}[step])
            elif step in ("0", "1"):
                stack.append(float(step))
            else:
                stack.append(fixed[step] if fixed and step in fixed else self._variable(step))
        return stack.pop()

    def _variable(self, name: str) -> float:
        if name in self.nets:
            return float(self.one[self.nets[name]])
        for pin in self.cell.outputs:
            if pin.name in self.nets and pin.function == name:
                return float(self.one[self.nets[pin.name]])
        for pin in self.cell.outputs:
            if pin.name in self.nets:
                return 1 - float(self.one[self.nets[pin.name]])
        return 0.5


def _lookup(table: Table, slew: float, load: float) -> float:
    i, u = _segment(table.slew_ns, slew)
    j, v = _segment(table.load_ff, load)
    corners = table.values[i : i + 2, j : j + 2]
    along = corners[:, 0] + (corners[:, -1] - corners[:, 0]) * v
    return float(along[0] + (along[-1] - along[0]) * u)


def _segment(axis: FloatArray, x: float) -> tuple[int, float]:
    if len(axis) == 1:
        return 0, 0.0
    k = min(max(int(np.searchsorted(axis, x)) - 1, 0), len(axis) - 2)
    return k, float((x - axis[k]) / (axis[k + 1] - axis[k]))


def _tree(function: BooleanFunction) -> Tree:
    stack: list[Tree] = []
    for step in function.postfix:
        if step == "!":
            stack.append((step, stack.pop()))
        elif step in ("&", "|", "^"):
            right = stack.pop()
            stack.append((step, stack.pop(), right))
        else:
            stack.append(step)
    return stack.pop()


def _postfix(tree: Tree) -> tuple[str, ...]:
    if isinstance(tree, str):
        return (tree,)
    return (*(step for operand in tree[1:] for step in _postfix(operand)), tree[0])


def _inferred_when(tree: Tree, pin: str) -> Tree | None:
    """The condition that version 2019 reads off a function whose top operator has `pin` as an operand."""
    if isinstance(tree, str):
        return "1" if tree == pin else None
    if tree[0] == "!":
        return _inferred_when(tree[1], pin)
    for operand, other in ((tree[1], tree[2]), (tree[2], tree[1])):
        if operand in (pin, ("!", pin)):
            if tree[0] == "&":
                return other
            return other[1] if other[0] == "!" and not isinstance(other, str) else ("!", other)
    return None
