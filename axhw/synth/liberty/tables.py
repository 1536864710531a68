"""Liberty's lookup tables: templates, axes in either order, scalars and vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from axhw.errors import AxhwError
from axhw.synth.liberty.library import FloatArray, Table
from axhw.synth.liberty.syntax import Statement
from axhw.synth.liberty.units import Units

_SLEW = {"input_net_transition", "input_transition_time", "related_pin_transition"}
_LOAD = {"total_output_net_capacitance"}
_CONSTRAINED = {"constrained_pin_transition"}
_OTHER_OUTPUT = {"equal_or_opposite_output_net_capacitance", "related_out_total_output_net_capacitance"}
_TEMPLATE_KINDS = ("lu_table_template", "power_lut_template")
_NO_AXIS = np.zeros(1)


class Unsupported(Exception):
    """A cell that is no error but that our data cannot hold; the reader skips it and says why."""


@dataclass(frozen=True)
class _Template:
    variables: tuple[str, ...]
    indices: Mapping[int, tuple[str, ...]]


class TableReader:
    """Reads tables with the templates and units of one library."""

    def __init__(self, library: Statement, units: Units) -> None:
        self._units = units
        self._templates = {
            (kind, group.args[0]): _Template(tuple(_variables(group)), _indices(group))
            for kind in _TEMPLATE_KINDS
            for group in library.all(kind)
            if group.args
        }
        # Most tables of a library share a few axes.
        self._axes: dict[tuple[str, ...], FloatArray] = {}

    def read(self, group: Statement, unit: float, where: str) -> Table:
        """The table of a group such as ``cell_rise (template) { values(...); }``.

        Parameters
        ----------
        group : Statement
        unit : float
            What one unit of the values is in ours.
        where : str
            Names the cell and pin in error messages.

        Raises
        ------
        AxhwError
            For unknown templates, wrong numbers of values, and axes that do not rise.
        Unsupported
            For tables over other variables than one slew, one load and the load of another output.

        Notes
        -----
        What depends on the load of another output (a third axis) is read where that output is open: synthesis uses
        one output of a flip-flop, and OpenSTA takes 0 as well.
        """
        where = f"{where} {group.name}"
        name = group.args[0] if group.args else "scalar"
        # Power templates are a name space of their own, but files do use the others for power as well.
        kinds = _TEMPLATE_KINDS[:: -1 if group.name.endswith("power") else 1]
        found = [self._templates[kind, name] for kind in kinds if (kind, name) in self._templates]
        template = _Template((), {}) if name == "scalar" else found[0] if found else None
        if template is None:
            raise AxhwError(f"Expected a table template of the library at {where}, found {name!r}.")
        own = _indices(group)
        axes = [
            self._axis(own.get(k) or template.indices.get(k, ()), k, where)
            for k in range(1, len(template.variables) + 1)
        ]
        rows = tuple(arg for statement in group.all("values") for arg in statement.args)
        values = _numbers(rows, f"values at {where}")
        shape = [axis.size for axis in axes]
        if values.size != math.prod(shape):
            raise AxhwError(f"Expected {' x '.join(map(str, shape)) or '1'} values at {where}, found {values.size}.")
        return self._oriented(template.variables, axes, values.reshape(shape) * unit)

    def _axis(self, rows: tuple[str, ...], place: int, where: str) -> FloatArray:
        known = self._axes.get(rows)
        if known is None:
            known = _numbers(rows, f"index_{place} at {where}")
            if not known.size or np.any(np.diff(known) <= 0):
                raise AxhwError(f"Expected rising table indices at {where}, found {known.tolist()}.")
            self._axes[rows] = known
        return known

    def _oriented(self, variables: tuple[str, ...], axes: list[FloatArray], values: FloatArray) -> Table:
        slew, load = _NO_AXIS, _NO_AXIS
        order: list[int] = []
        for place, (variable, axis) in reversed(list(enumerate(zip(variables, axes, strict=True)))):
            if variable in _OTHER_OUTPUT:
                values = _at_zero(axis, values, place)
        for variable, axis in zip(variables, axes, strict=True):
            if variable in _OTHER_OUTPUT:
                continue
            if variable in _SLEW and 0 not in order:
                slew = axis * self._units.time_ns
                order.append(0)
            elif variable in _LOAD and 1 not in order:
                load = axis * self._units.capacitance_ff
                order.append(1)
            elif variable in _CONSTRAINED and 1 not in order:
                load = axis * self._units.time_ns
                order.append(1)
            else:
                raise Unsupported(f"a table over {' and '.join(variables)}")
        if order == [1, 0]:
            values = values.T
        return Table(slew_ns=slew, load_ff=load, values=np.ascontiguousarray(values.reshape(slew.size, load.size)))


def _at_zero(axis: FloatArray, values: FloatArray, place: int) -> FloatArray:
    """`values` where the axis at `place` is 0, its first segment continued in a straight line."""
    first: FloatArray = np.take(values, 0, axis=place)
    if axis.size == 1:
        return first
    slope = (np.take(values, 1, axis=place) - first) / (axis[1] - axis[0])
    result: FloatArray = first - axis[0] * slope
    return result


def _variables(group: Statement) -> list[str]:
    return [value for k in (1, 2, 3) if (value := group.get(f"variable_{k}")) is not None]


def _indices(group: Statement) -> dict[int, tuple[str, ...]]:
    return {k: statement.args for k in (1, 2, 3) for statement in group.all(f"index_{k}")}


def _numbers(rows: tuple[str, ...], where: str) -> FloatArray:
    words = " ".join(rows).replace(",", " ").replace("\\", " ").split()
    try:
        values = np.array(words, np.float64)
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise AxhwError(f"Expected numbers as {where}, found {' '.join(words)[:60]!r}.")
    return values
