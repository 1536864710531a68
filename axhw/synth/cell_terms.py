"""Which transitions of a library cell cost internal energy: by which table, in which states, caused by which pins."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, Pin, PowerArc, Table
from axhw.synth.loads import FALL, RISE
from axhw.synth.state_space import BoolArray, StateSpace
from axhw.synth.tables import TableBank
from axhw.synth.timing_arcs import clock_pin

ConditionRule = Literal["opensta", "exclusive"]
RULES: tuple[ConditionRule, ...] = get_args(ConditionRule)

IndexArray = npt.NDArray[np.intp]


class _Term(NamedTuple):
    """A table that a transition of `pin` may cost; `states` has, by rule, those in which it counts."""

    pin: str
    edge: int
    table: Table
    related: tuple[str, ...]
    slew_edge: int
    states: Mapping[ConditionRule, BoolArray]


@dataclass(frozen=True, kw_only=True, eq=False)
class CellTerms:
    """The energy tables of a cell with some of its pins connected, an entry each: t of them.

    Those of the output pins come first, then those of the inputs, those of a clock last.

    Attributes
    ----------
    space : StateSpace
    pins : tuple of str
        The connected pins; arrays below refer to them by position.
    pin, edge : (t,) arrays
        The transition that costs the energy.
    cause, cause_edge : (t,) arrays
        The first input related to the entry, and the edge there that its slew is taken of.
    several : mapping of entry to positions of pins
        All related inputs, where there is more than one.
    bank : TableBank
        The table of each entry, in their order.
    alternatives : tuple of slice
        Entries that share one transition of an output.
    outputs, clock : int
        How many entries belong to outputs, and where those of a clock begin.
    state_sets : mapping of rule to arrays over the states of `space`
    states : mapping of rule to (t,) array
        The state set of each entry.
    leakage_sets, leakage_nw : arrays over the states of `space`, and the leakage in each
    shown : tuple of (position, inverted) or None
        The pin that shows each variable of `space`, None for a stored bit that no pin shows.
    """

    space: StateSpace
    pins: tuple[str, ...]
    pin: IndexArray
    edge: IndexArray
    cause: IndexArray
    cause_edge: IndexArray
    several: Mapping[int, tuple[int, ...]]
    bank: TableBank
    alternatives: tuple[slice, ...]
    outputs: int
    clock: int
    state_sets: Mapping[ConditionRule, tuple[BoolArray, ...]]
    states: Mapping[ConditionRule, IndexArray]
    leakage_sets: tuple[BoolArray, ...]
    leakage_nw: tuple[float, ...]
    shown: tuple[tuple[int, bool] | None, ...]

    @classmethod
    @functools.lru_cache(maxsize=4096)
    def of(cls, cell: Cell, pins: tuple[str, ...]) -> CellTerms:
        """The terms of `cell` with `pins` connected."""
        space = StateSpace.of(cell)
        by_output = [
            list(_output_terms(space, pin, arcs, edge))
            for pin in cell.outputs
            if pin.name in pins
            for arcs, edge in itertools.product(_by_supply(pin), (RISE, FALL))
        ]
        clock = None if cell.flip_flop is None else clock_pin(cell, cell.flip_flop)
        data = [term for pin in cell.inputs if pin.name != clock for term in _input_terms(space, pin)]
        clocks = [term for pin in cell.inputs if pin.name == clock for term in _input_terms(space, pin)]
        terms = [*itertools.chain(*by_output), *data, *clocks]
        ends = list(itertools.accumulate((len(alternatives) for alternatives in by_output), initial=0))
        position = {name: row for row, name in enumerate(pins)}
        leakages = [*cell.leakage_states, (None, cell.leakage_nw)]
        state_sets, states = {}, {}
        for rule in RULES:
            known: dict[bytes, int] = {}
            states[rule] = _indices(known.setdefault(term.states[rule].tobytes(), len(known)) for term in terms)
            state_sets[rule] = tuple(np.frombuffer(key, np.bool_) for key in known)
        return cls(
            space=space,
            pins=pins,
            pin=_indices(position[term.pin] for term in terms),
            edge=_indices(term.edge for term in terms),
            cause=_indices(position[term.related[0]] for term in terms),
            cause_edge=_indices(term.slew_edge for term in terms),
            several={
                row: tuple(position[name] for name in term.related)
                for row, term in enumerate(terms)
                if len(term.related) > 1
            },
            bank=TableBank.pack([term.table for term in terms]),
            alternatives=tuple(slice(begin, end) for begin, end in itertools.pairwise(ends) if begin < end),
            outputs=ends[-1],
            clock=len(terms) - len(clocks),
            state_sets=state_sets,
            states=states,
            leakage_sets=tuple(space.partition([condition for condition, _ in leakages])),
            leakage_nw=tuple(value for _, value in leakages),
            shown=tuple(_shown(space, variable, position) for variable in space.variables),
        )


def _indices(values: Iterator[int]) -> IndexArray:
    return np.fromiter(values, np.intp)


def _by_supply(pin: Pin) -> list[list[PowerArc]]:
    """The power arcs of a pin, those of each supply that stands apart together."""
    supplies = dict.fromkeys(arc.supply for arc in pin.power)
    return [[arc for arc in pin.power if arc.supply == supply] for supply in supplies]


def _input_terms(space: StateSpace, pin: Pin) -> Iterator[_Term]:
    """Transitions of an input cost energy by the state that the cell is in."""
    for arcs in _by_supply(pin):
        by_rule = {
            "opensta": [_input_states(space, pin, arc) for arc in arcs],
            "exclusive": space.partition([arc.when for arc in arcs]),
        }
        for row, arc in enumerate(arcs):
            states: Mapping[ConditionRule, BoolArray] = {rule: by_rule[rule][row] for rule in RULES}
            for edge, table in ((RISE, arc.rise), (FALL, arc.fall)):
                if table is not None:
                    yield _Term(pin.name, edge, table, (pin.name,), edge, states)


def _input_states(space: StateSpace, pin: Pin, arc: PowerArc) -> BoolArray:
    """States in which OpenSTA counts an arc of an input: where the output that its condition names follows the pin."""
    if arc.when is None:
        return _everywhere(space)
    named = BooleanFunction.parse(arc.when).pins
    output = next((p.name for p in space.cell.outputs if p.name in named), None)
    directions = [] if output is None else _directions(space, output, pin.name)
    if not directions:
        return space.evaluate(arc.when)
    result: BoolArray = np.logical_or.reduce([states for states, _ in directions])
    return result


def _output_terms(space: StateSpace, pin: Pin, power: Sequence[PowerArc], edge: int) -> Iterator[_Term]:
    """Everything in `power` that may be spent when `pin` switches in direction `edge`.

    The states are those in which the output follows the related pin and the arc counts. Arcs related to pins that
    the output does not follow directly (a clock), or to none, need not follow.
    """
    inputs = tuple(p.name for p in space.cell.inputs)
    for related in dict.fromkeys(arc.related_pin for arc in power):
        if related is not None and related not in inputs:
            continue
        arcs = [arc for arc in power if arc.related_pin == related]
        directions = _directions(space, pin.name, related)
        exclusive = space.partition([arc.when for arc in arcs])
        for arc, alone in zip(arcs, exclusive, strict=True):
            table = arc.rise if edge == RISE else arc.fall
            if table is None:
                continue
            always = bool(directions) or arc.when is None
            counts = _everywhere(space) if always or arc.when is None else space.evaluate(arc.when)
            for direction, inverting in directions or [(_everywhere(space), False)]:
                yield _Term(
                    pin.name,
                    edge,
                    table,
                    inputs if related is None else (related,),
                    1 - edge if inverting else edge,
                    {"opensta": counts & direction, "exclusive": alone & direction},
                )


def _directions(space: StateSpace, output: str, related: str | None) -> list[tuple[BoolArray, bool]]:
    """States in which `output` follows `related`, each with whether it follows it inverted."""
    if related is None or output not in space.columns:
        return []
    follows, inverts = space.sensitised(output, related)
    return [(states, inverting) for states, inverting in ((follows, False), (inverts, True)) if states.any()]


def _everywhere(space: StateSpace) -> BoolArray:
    return np.ones(1 << len(space.variables), np.bool_)


def _shown(space: StateSpace, variable: str, position: Mapping[str, int]) -> tuple[int, bool] | None:
    """The pin that has a variable's value; a stored bit is read off an output that shows it, inverted or not."""
    if variable in position:
        return position[variable], False
    for pin in space.cell.outputs:
        if pin.name in position and pin.name in space.columns:
            shown = space.columns[pin.name]
            if np.array_equal(shown, space.columns[variable]):
                return position[pin.name], False
            if np.array_equal(shown, ~space.columns[variable]):
                return position[pin.name], True
    return None
