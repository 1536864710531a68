"""Cell groups of a Liberty file to `Cell`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast, get_args

from axhw.errors import AxhwError
from axhw.synth.liberty.cell_power import LeakageReader, power_arcs
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, Direction, FlipFlop, Pin, Table, TimingArc, Unateness
from axhw.synth.liberty.syntax import Statement
from axhw.synth.liberty.tables import TableReader, Unsupported
from axhw.synth.liberty.units import Units, number

_UNSUPPORTED_GROUPS = ("bus", "bundle", "ff_bank", "latch_bank", "memory")
_OF_THE_PIN_ITSELF = ("min_pulse_width", "minimum_period", "min_clock_tree_path", "max_clock_tree_path")


class CellReader:
    """Reads cell groups with the units, templates and defaults of one library."""

    def __init__(self, library: Statement) -> None:
        self.units = Units.of(library)
        self._tables = TableReader(library, self.units)
        self._leakage = LeakageReader(library, self.units)
        self._library = library

    def cell(self, group: Statement) -> Cell:
        name = group.args[0]
        for kind in _UNSUPPORTED_GROUPS:
            if any(group.all(kind)):
                raise Unsupported(f"it has a {kind} group")
        flip_flops = [self._flip_flop(ff, name) for ff in group.all("ff")]
        if len(flip_flops) > 1:
            raise Unsupported("it has several ff groups")
        leakage, states = self._leakage.read(group)
        pins = {pin.name: pin for statement in group.all("pin") for pin in self._pins(statement, name)}
        cell = Cell(
            name=name,
            area_um2=number(group.get("area") or "0", f"area of cell {name}"),
            leakage_nw=leakage,
            leakage_states=states,
            pins={pin.name: _from_inputs(pin, pins) for pin in pins.values()},
            flip_flop=flip_flops[0] if flip_flops else None,
            is_latch=any(True for kind in ("latch", "statetable") for _ in group.all(kind)),
            dont_use=(group.get("dont_use") or "").lower() == "true",
            supplies=tuple(pin.args[0] for pin in group.all("pg_pin") if pin.args),
        )
        _check_functions(cell)
        return cell

    def _flip_flop(self, group: Statement, cell: str) -> FlipFlop:
        names = " ".join(group.args).replace(",", " ").split()
        next_state, clocked_on = group.get("next_state"), group.get("clocked_on")
        if len(names) != 2 or next_state is None or clocked_on is None:
            raise AxhwError(
                f"Expected ff(state, inverted) with next_state and clocked_on in cell {cell}, found {names}."
            )
        if group.get("clocked_on_also") is not None:
            raise Unsupported("its ff group has a second clock")
        both = group.get("clear_preset_var1"), group.get("clear_preset_var2")
        return FlipFlop(
            state=names[0],
            inverted=names[1],
            clocked_on=clocked_on,
            next_state=next_state,
            clear=group.get("clear"),
            preset=group.get("preset"),
            clear_preset=(both[0] or "X", both[1] or "X") if any(both) else None,
        )

    def _pins(self, group: Statement, cell: str) -> Iterator[Pin]:
        names = " ".join(group.args).replace(",", " ").split()
        where = f"pin {' '.join(names)} of cell {cell}"
        direction = group.get("direction")
        if direction is None:
            raise Unsupported(f"{where} has no direction")
        if not names or direction not in get_args(Direction):
            raise AxhwError(f"Expected a direction among {get_args(Direction)} for {where}, found {direction!r}.")
        rise, fall = (self._capacitance(group, f"{edge}_capacitance", where) for edge in ("rise", "fall"))
        capacitance = self._capacitance(group, "capacitance", where)
        if capacitance is None and rise is not None and fall is not None:
            capacitance = (rise + fall) / 2
        if capacitance is None:
            capacitance = self._capacitance(self._library, f"default_{direction}_pin_cap", where) or 0.0
        maximum = self._capacitance(group, "max_capacitance", where)
        if maximum is None and direction == "output":
            maximum = self._capacitance(self._library, "default_max_capacitance", where)
        function = group.get("function")
        timing = tuple(arc for statement in group.all("timing") for arc in self._timing(statement, function, where))
        power = power_arcs(group, lambda found: self._tables.read(found, self.units.energy_fj, where))
        for name in names:
            yield Pin(
                name=name,
                direction=cast(Direction, direction),
                capacitance_ff=capacitance,
                rise_capacitance_ff=rise,
                fall_capacitance_ff=fall,
                function=function,
                three_state=group.get("three_state"),
                clock=group.get("clock") == "true",
                max_capacitance_ff=maximum,
                timing=timing,
                power=power,
            )

    def _capacitance(self, group: Statement, attribute: str, where: str) -> float | None:
        found = group.get(attribute)
        return None if found is None else number(found, f"{attribute} of {where}") * self.units.capacitance_ff

    def _timing(self, group: Statement, function: str | None, where: str) -> Iterator[TimingArc]:
        related = (group.get("related_pin") or "").split()
        kind = group.get("timing_type") or "combinational"
        if not related:
            if kind in _OF_THE_PIN_ITSELF:
                return
            raise Unsupported(f"a timing group at {where} has no related_pin")
        sense = group.get("timing_sense")
        if sense is not None and sense not in get_args(Unateness):
            raise AxhwError(f"Expected a timing_sense among {get_args(Unateness)} at {where}, found {sense!r}.")

        def table(*names: str) -> Table | None:
            groups = [found for name in names for found in group.all(name)]
            return self._tables.read(groups[-1], self.units.time_ns, where) if groups else None

        rise, fall = table("cell_rise", "rise_constraint"), table("cell_fall", "fall_constraint")
        rise_transition, fall_transition = table("rise_transition"), table("fall_transition")
        if kind == "combinational_rise":
            fall = fall_transition = None
        if kind == "combinational_fall":
            rise = rise_transition = None
        for pin in related:
            yield TimingArc(
                related_pin=pin,
                sense=cast(Unateness, sense) if sense else _sense(function, pin, kind),
                kind=kind,
                when=group.get("when"),
                rise=rise,
                fall=fall,
                rise_transition=rise_transition,
                fall_transition=fall_transition,
                sdf_cond=group.get("sdf_cond"),
            )


def _from_inputs(pin: Pin, pins: Mapping[str, Pin]) -> Pin:
    """The pin without arcs from other outputs, which repeat paths that the inputs' own arcs describe; as in OpenSTA."""
    arcs = tuple(arc for arc in pin.timing if arc.related_pin in pins and pins[arc.related_pin].direction != "output")
    return pin if len(arcs) == len(pin.timing) else replace(pin, timing=arcs)


def _sense(function: str | None, pin: str, kind: str) -> Unateness:
    """The sense that Liberty infers from the output's function where a file states none."""
    if not kind.startswith("combinational") or function is None:
        return "non_unate"
    expression = BooleanFunction.parse(function)
    if pin not in expression.pins:
        return "non_unate"
    low, high = expression.truth_table([*(p for p in expression.pins if p != pin), pin]).reshape(2, -1)
    rises, falls = bool((high & ~low).any()), bool((low & ~high).any())
    if rises and not falls:
        return "positive_unate"
    return "negative_unate" if falls and not rises else "non_unate"


def _check_functions(cell: Cell) -> None:
    """Raise unless every function parses and names pins and states of its cell."""
    known = set(cell.pins)
    functions = [(f"function of pin {pin.name}", pin.function) for pin in cell.pins.values()]
    functions += [(f"three_state of pin {pin.name}", pin.three_state) for pin in cell.pins.values()]
    if cell.flip_flop is not None:
        known |= {cell.flip_flop.state, cell.flip_flop.inverted}
        functions += [
            (attribute, getattr(cell.flip_flop, attribute))
            for attribute in ("clocked_on", "next_state", "clear", "preset")
        ]
    if cell.is_latch:
        return
    for where, text in functions:
        if text is None:
            continue
        unknown = [name for name in BooleanFunction.parse(text).pins if name not in known]
        if unknown:
            raise AxhwError(
                f"Expected pins of cell {cell.name} in the {where}, found {', '.join(unknown)} in {text!r}."
            )
