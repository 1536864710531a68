"""Power groups of a cell, which a file may state for each supply pin apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from axhw.errors import AxhwError
from axhw.synth.liberty.interpolation import add_tables
from axhw.synth.liberty.library import PowerArc, Table
from axhw.synth.liberty.syntax import Statement
from axhw.synth.liberty.units import Units, number

_Key = tuple[str | None, str | None, int]


class LeakageReader:
    """Reads leakage with the units, supplies and default of one library."""

    def __init__(self, library: Statement, units: Units) -> None:
        self._units = units
        self._library = library
        self._grounded = {
            statement.args[0]
            for statement in library.all("voltage_map")
            if len(statement.args) == 2 and number(statement.args[1], "voltage_map") == 0
        }

    def read(self, cell: Statement) -> tuple[float, tuple[tuple[str, float], ...]]:
        """Leakage of a cell and of its states, in nW.

        Supplies add up. What a file states for ground pins is the same current once more and does not count.
        """
        name = cell.args[0]
        grounds = self._grounds(cell)
        by_state: dict[str, float] = {}
        for statement in cell.all("leakage_power"):
            if statement.get("related_pg_pin") in grounds:
                continue
            value = self._nw(statement.get("value") or "", f"leakage_power of cell {name}")
            state = statement.get("when") or ""
            by_state[state] = by_state.get(state, 0.0) + value
        unconditional = by_state.pop("", None)
        stated = cell.get("cell_leakage_power")
        if stated is not None:
            leakage = self._nw(stated, f"cell_leakage_power of cell {name}")
        elif unconditional is not None:
            leakage = unconditional
        elif by_state:
            leakage = float(np.mean(list(by_state.values())))
        else:
            leakage = self._nw(self._library.get("default_cell_leakage_power") or "0", "default leakage")
        return leakage, tuple(by_state.items())

    def _grounds(self, cell: Statement) -> set[str]:
        """Ground pins, by their type or, in files without types, by their voltage."""
        grounds = set(self._grounded)
        for pin in cell.all("pg_pin"):
            if pin.args:
                kind, voltage = pin.get("pg_type") or "", pin.get("voltage_name")
                is_ground = "ground" in kind or (not kind and voltage in self._grounded)
                (grounds.add if is_ground else grounds.discard)(pin.args[0])
        return grounds

    def _nw(self, text: str, where: str) -> float:
        value = number(text, where)
        if value and self._units.leakage_nw is None:
            raise AxhwError(
                f"Expected a leakage_power_unit in library {self._library.args[0]}, which states leakage, "
                'found none: add one such as leakage_power_unit : "1nW".'
            )
        return value * (self._units.leakage_nw or 0.0)


def power_arcs(pin: Statement, read_table: Callable[[Statement], Table]) -> tuple[PowerArc, ...]:
    """Internal power of a pin; figures of different supplies are added up where their groups match."""
    by_supply: dict[str | None, dict[_Key, PowerArc]] = {}
    for group in pin.all("internal_power"):
        both = list(group.all("power"))
        rise, fall = (
            next((read_table(found) for found in [*group.all(edge), *both]), None)
            for edge in ("rise_power", "fall_power")
        )
        supply, when = group.get("related_pg_pin"), group.get("when")
        pins: list[str | None] = [*(group.get("related_pin") or "").split()]
        for related in pins or [None]:
            arcs = by_supply.setdefault(supply, {})
            repeated = sum(key[:2] == (related, when) for key in arcs)
            arcs[related, when, repeated] = PowerArc(related_pin=related, when=when, rise=rise, fall=fall)
    return _joined(by_supply)


def _joined(by_supply: Mapping[str | None, Mapping[_Key, PowerArc]]) -> tuple[PowerArc, ...]:
    supplies = list(by_supply.values())
    if any(arcs.keys() != supplies[0].keys() for arcs in supplies):
        # Each supply shares out the transitions of the pin among its own groups.
        return tuple(replace(arc, supply=supply) for supply, arcs in by_supply.items() for arc in arcs.values())
    sums: dict[_Key, PowerArc] = {}
    for arcs in supplies:
        for key, arc in arcs.items():
            before = sums.get(key)
            if before is not None:
                arc = replace(arc, rise=add_tables(before.rise, arc.rise), fall=add_tables(before.fall, arc.fall))
            sums[key] = arc
    return tuple(sums.values())
