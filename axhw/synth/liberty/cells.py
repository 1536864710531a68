"""Cell groups of a Liberty file to `Cell`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast, get_args

import numpy as np

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, Direction, FlipFlop, Pin, PowerArc, Table, TimingArc, Unateness
from axhw.synth.liberty.syntax import Statement
from axhw.synth.liberty.tables import TableReader, Unsupported
from axhw.synth.liberty.units import Units, number

_UNSUPPORTED_GROUPS = ("bus", "bundle", "ff_bank", "latch_bank", "memory")


class CellReader:
    """Reads cell groups with the units, templates and defaults of one library."""

    def __init__(self, library: Statement) -> None:
        self.units = Units.of(library)
        self._tables = TableReader(library, self.units)
        self._library = library

    def cell(self, group: Statement) -> Cell:
        name = group.args[0]
        for kind in _UNSUPPORTED_GROUPS:
            if any(group.all(kind)):
                raise Unsupported(f"it has a {kind} group")
        flip_flops = [self._flip_flop(ff, name) for ff in group.all("ff")]
        if len(flip_flops) > 1:
            raise Unsupported("it has several ff groups")
        leakage, states = self._leakage(group)
        pins = {pin.name: pin for statement in group.all("pin") for pin in self._pins(statement, name)}
        cell = Cell(
            name=name,
            area_um2=number(group.get("area") or "0", f"area of cell {name}"),
            leakage_nw=leakage,
            leakage_states=states,
            pins=pins,
            flip_flop=flip_flops[0] if flip_flops else None,
            is_latch=any(True for kind in ("latch", "statetable") for _ in group.all(kind)),
            dont_use=group.get("dont_use") == "true",
        )
        _check_functions(cell)
        return cell

    def _leakage(self, group: Statement) -> tuple[float, tuple[tuple[str, float], ...]]:
        """Leakage of the cell and of its states, in nW; supplies add up, ground pins do not count."""
        name = group.args[0]
        grounds = {pin.args[0] for pin in group.all("pg_pin") if "ground" in (pin.get("pg_type") or "") and pin.args}
        by_state: dict[str, float] = {}
        for statement in group.all("leakage_power"):
            if statement.get("related_pg_pin") in grounds:
                continue
            value = self._leakage_nw(statement.get("value") or "", f"leakage_power of cell {name}")
            state = statement.get("when") or ""
            by_state[state] = by_state.get(state, 0.0) + value
        unconditional = by_state.pop("", None)
        stated = group.get("cell_leakage_power")
        if stated is not None:
            leakage = self._leakage_nw(stated, f"cell_leakage_power of cell {name}")
        elif unconditional is not None:
            leakage = unconditional
        elif by_state:
            leakage = float(np.mean(list(by_state.values())))
        else:
            leakage = self._leakage_nw(self._library.get("default_cell_leakage_power") or "0", "default leakage")
        return leakage, tuple(by_state.items())

    def _leakage_nw(self, text: str, where: str) -> float:
        value = number(text, where)
        if value and self.units.leakage_nw is None:
            raise AxhwError(
                f"Expected a leakage_power_unit in library {self._library.args[0]}, which states leakage, "
                'found none: add one such as leakage_power_unit : "1nW".'
            )
        return value * (self.units.leakage_nw or 0.0)

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
        power = self._power(group, where)
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
        if not related:
            raise Unsupported(f"a timing group at {where} has no related_pin")
        kind = group.get("timing_type") or "combinational"
        sense = group.get("timing_sense")
        if sense is not None and sense not in get_args(Unateness):
            raise AxhwError(f"Expected a timing_sense among {get_args(Unateness)} at {where}, found {sense!r}.")

        def table(*names: str) -> Table | None:
            groups = [found for name in names for found in group.all(name)]
            return self._tables.read(groups[-1], self.units.time_ns, where) if groups else None

        rise, fall = table("cell_rise", "rise_constraint"), table("cell_fall", "fall_constraint")
        rise_transition, fall_transition = table("rise_transition"), table("fall_transition")
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
            )

    def _power(self, pin: Statement, where: str) -> tuple[PowerArc, ...]:
        """Power arcs, those of different supply pins added up."""
        arcs: dict[tuple[str | None, str | None, int], PowerArc] = {}
        seen: dict[tuple[str | None, str | None, str | None], int] = {}
        for group in pin.all("internal_power"):
            rise, fall = (
                next(
                    (self._tables.read(found, self.units.energy_fj, where) for found in [*group.all(edge), *both]), None
                )
                for both in [list(group.all("power"))]
                for edge in ("rise_power", "fall_power")
            )
            when = group.get("when")
            for related in _pin_names(group.get("related_pin")):
                supply = (related, when, group.get("related_pg_pin"))
                repeated = seen[supply] = seen.get(supply, -1) + 1
                key = (related, when, repeated)
                before = arcs.get(key)
                arcs[key] = PowerArc(
                    related_pin=related,
                    when=when,
                    rise=rise if before is None else _sum(before.rise, rise),
                    fall=fall if before is None else _sum(before.fall, fall),
                )
        return tuple(arcs.values())


def _sense(function: str | None, pin: str, kind: str) -> Unateness:
    """The sense that Liberty infers from the output's function where a file states none."""
    if kind != "combinational" or function is None:
        return "non_unate"
    expression = BooleanFunction.parse(function)
    if pin not in expression.pins:
        return "non_unate"
    low, high = expression.truth_table([*(p for p in expression.pins if p != pin), pin]).reshape(2, -1)
    rises, falls = bool((high & ~low).any()), bool((low & ~high).any())
    if rises and not falls:
        return "positive_unate"
    return "negative_unate" if falls and not rises else "non_unate"


def _pin_names(related_pin: str | None) -> list[str | None]:
    return [*related_pin.split()] if related_pin else [None]


def _sum(a: Table | None, b: Table | None) -> Table | None:
    if a is None or b is None:
        return a or b
    axes = []
    for first, second in ((a.slew_ns, b.slew_ns), (a.load_ff, b.load_ff)):
        if first.size > 1 and second.size > 1 and not np.array_equal(first, second):
            raise Unsupported("the internal power of its supplies is tabulated over different axes")
        axes.append(first if first.size >= second.size else second)
    return Table(slew_ns=axes[0], load_ff=axes[1], values=a.values + b.values)


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
