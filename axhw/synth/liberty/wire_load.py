"""Statistical wires: Liberty's wire-load models and how one is chosen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.synth.liberty.syntax import Statement
from axhw.synth.liberty.units import Units, number

FloatArray = npt.NDArray[np.float64]

NONE = "none"
DEFAULT = "default"
_PER_FANOUT = "fanout="


@dataclass(frozen=True, kw_only=True)
class WireLoad:
    """Lumped wire capacitance by fan-out, as Liberty's ``wire_load`` groups give it.

    Attributes
    ----------
    capacitance_ff : tuple of (fan-out, fF)
        Sorted by fan-out; interpolated between entries.
    slope_ff : float
        fF for every sink beyond the last entry, or missing before the first one.
    """

    capacitance_ff: tuple[tuple[int, float], ...]
    slope_ff: float = 0.0

    def __post_init__(self) -> None:
        fanouts = [fanout for fanout, _ in self.capacitance_ff]
        if not fanouts or fanouts != sorted(set(fanouts)) or fanouts[0] < 1:
            raise AxhwError(f"Expected wire-load entries for increasing fan-outs from 1 up, found fan-outs {fanouts}.")
        figures = [*(capacitance for _, capacitance in self.capacitance_ff), self.slope_ff]
        if not all(math.isfinite(figure) and figure >= 0 for figure in figures):
            raise AxhwError(f"Expected wire capacitances and a slope of 0 or more, found {figures}.")

    def at(self, fanout: npt.NDArray[np.int64]) -> FloatArray:
        """Capacitance in fF of nets with `fanout` sinks, never below 0; nets without a sink have no wire."""
        counts, values = np.array(self.capacitance_ff, np.float64).T
        beyond = np.maximum(fanout - counts[-1], 0.0) - np.maximum(counts[0] - fanout, 0.0)
        wire = np.maximum(np.interp(fanout, counts, values) + beyond * self.slope_ff, 0.0)
        return np.where(fanout > 0, wire, 0.0)

    def is_close(self, other: WireLoad) -> bool:
        """Whether two models differ by no more than the rounding of units."""
        mine, theirs = ([*itertools.chain(*wire.capacitance_ff), wire.slope_ff] for wire in (self, other))
        return len(mine) == len(theirs) and bool(np.allclose(mine, theirs, rtol=1e-6, atol=0.0))


@dataclass(frozen=True, kw_only=True)
class AreaRange:
    """Designs whose cells take `least_um2` to `most_um2` have the wires of `model`."""

    least_um2: float
    most_um2: float
    model: str


@dataclass(frozen=True, kw_only=True)
class WireLoads:
    """The wire-load models of a library.

    Attributes
    ----------
    models : mapping of name to WireLoad
    selections : mapping of name to tuple of AreaRange
        Liberty's ``wire_load_selection`` groups, sorted by area.
    default, default_selection : str or None
        What other tools take unless told otherwise: a model, or one of a selection by area.
    """

    models: Mapping[str, WireLoad] = field(default_factory=dict)
    selections: Mapping[str, tuple[AreaRange, ...]] = field(default_factory=dict)
    default: str | None = None
    default_selection: str | None = None

    def find(self, choice: str, *, area_um2: float) -> str:
        """The name of the model that `choice` means for a design of that area.

        Parameters
        ----------
        choice : str
            A name of `model`; the name of a selection; or ``default`` for the library's own default.
        area_um2 : float
            Cell area of the design, which selections go by.

        Raises
        ------
        AxhwError
            If there is no such model.
        """
        name = choice
        if choice == DEFAULT and DEFAULT not in self.models:
            name = self.default or self.default_selection or ""
            if not name:
                raise AxhwError(f"Expected a library with a default wire load, found none: choose {self._known()}.")
        if name not in self.models and (ranges := self.selections.get(name, ())):
            name = next((r.model for r in reversed(ranges) if area_um2 >= r.least_um2), ranges[0].model)
        self.model(name)
        return name

    def model(self, name: str) -> WireLoad | None:
        """``none``; ``fanout=F`` for F fF for every sink; or a model of the library.

        Raises
        ------
        AxhwError
            If there is no such model, or F is no number of 0 or more.
        """
        if name == NONE:
            return None
        if name.startswith(_PER_FANOUT):
            return _per_fanout(name)
        if name not in self.models:
            raise AxhwError(f"Expected a wire load of the library ({self._known()}), found {name!r}.")
        return self.models[name]

    def _known(self) -> str:
        return ", ".join([NONE, f"{_PER_FANOUT}F", *self.models, *self.selections])


def check_choice(choice: str) -> None:
    """Raise `AxhwError` for a choice that no library can have."""
    if choice.startswith(_PER_FANOUT):
        _per_fanout(choice)
    elif not choice:
        raise AxhwError("Expected none, fanout=F or the name of a wire load, found nothing.")


def _per_fanout(choice: str) -> WireLoad:
    try:
        capacitance_ff = float(choice.removeprefix(_PER_FANOUT))
    except ValueError:
        capacitance_ff = math.nan
    if not (math.isfinite(capacitance_ff) and capacitance_ff >= 0):
        raise AxhwError(f"Expected fanout=F with F fF of 0 or more as a wire load, found {choice!r}.")
    return WireLoad(capacitance_ff=((1, capacitance_ff),), slope_ff=capacitance_ff)


def read_wire_loads(library: Statement, units: Units) -> WireLoads:
    """The wire-load models of a Liberty file.

    A ``wire_load`` states lengths by fan-out and a capacitance per length, in the file's capacitance unit; a
    ``wire_load_table`` states capacitances. Resistances are not read.

    Raises
    ------
    AxhwError
        For figures that are no numbers, and capacitances below 0.
    """
    models = {}
    for group in library.all("wire_load"):
        if group.args:
            where = f"wire_load {group.args[0]}"
            stated = group.get("capacitance") or library.get("default_wire_load_capacitance") or "0"
            per_length_ff = number(stated, f"capacitance of {where}") * units.capacitance_ff
            slope = number(group.get("slope") or "0", f"slope of {where}")
            models[group.args[0]] = _model(group, "fanout_length", per_length_ff, slope, where)
    for group in library.all("wire_load_table"):
        if group.args:
            where = f"wire_load_table {group.args[0]}"
            models[group.args[0]] = _model(group, "fanout_capacitance", units.capacitance_ff, 0.0, where)
    return WireLoads(
        models=models,
        selections={group.args[0]: _ranges(group) for group in library.all("wire_load_selection") if group.args},
        default=library.get("default_wire_load"),
        default_selection=library.get("default_wire_load_selection"),
    )


def _model(group: Statement, attribute: str, unit_ff: float, slope: float, where: str) -> WireLoad:
    entries = {int(fanout): value * unit_ff for fanout, value in _rows(group, attribute, where)}
    # Without entries, the length grows from 0.
    return WireLoad(capacitance_ff=tuple(sorted(entries.items())) or ((1, slope * unit_ff),), slope_ff=slope * unit_ff)


def _ranges(group: Statement) -> tuple[AreaRange, ...]:
    where = f"wire_load_selection {group.args[0]}"
    named = [statement for statement in group.all("wire_load_from_area") if len(statement.args) == 3]
    ranges = (
        AreaRange(least_um2=number(least, where), most_um2=number(most, where), model=model)
        for least, most, model in (statement.args for statement in named)
    )
    return tuple(sorted(ranges, key=lambda each: each.least_um2))


def _rows(group: Statement, attribute: str, where: str) -> Iterator[tuple[float, float]]:
    for statement in group.all(attribute):
        # Average, deviation and number of nets may follow.
        if len(statement.args) < 2:
            raise AxhwError(f"Expected {attribute}(fan-out, value) in {where}, found {statement.args}.")
        yield number(statement.args[0], where), number(statement.args[1], where)
