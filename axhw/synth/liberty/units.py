"""Numbers and units of a Liberty file, converted to axhw's (ns, fF, fJ, nW, V)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from axhw.errors import AxhwError
from axhw.synth.liberty.syntax import Statement

_PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3}
_UNIT = re.compile(r"\s*([\d.]+(?:e[+-]?\d+)?)?\s*([fpnumk]?)([a-z])\s*", re.IGNORECASE)


def number(text: str, where: str) -> float:
    """The finite number that `text` says.

    Raises
    ------
    AxhwError
        If it says anything else; `where` names the place in the file.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AxhwError(f"Expected a number as {where}, found {text!r}.")
    return value


@dataclass(frozen=True, kw_only=True)
class Units:
    """What one unit of the file is in axhw's units.

    Attributes
    ----------
    time_ns, capacitance_ff, voltage_v : float
    energy_fj : float
        voltage_unit^2 x capacitive_load_unit, as OpenSTA reads internal power.
    leakage_nw : float or None
        None if the file states no leakage_power_unit: Liberty has no default for it.
    """

    time_ns: float
    capacitance_ff: float
    voltage_v: float
    energy_fj: float
    leakage_nw: float | None

    @classmethod
    def of(cls, library: Statement) -> Units:
        """Read the unit attributes of a library group; Liberty's defaults are 1 ns, 1 pF and 1 V.

        Raises
        ------
        AxhwError
            If a unit is not a positive number of the right kind.
        """
        capacitance = "1 pf"
        for statement in library.all("capacitive_load_unit"):
            if len(statement.args) != 2:
                raise AxhwError(
                    f"Expected capacitive_load_unit(number, unit) in library {library.args[0]}, "
                    f"found {statement.args or statement.value}."
                )
            capacitance = " ".join(statement.args)
        capacitance_ff = _in_units(capacitance, "f", -15, "capacitive_load_unit")
        voltage_v = _in_units(library.get("voltage_unit") or "1V", "v", 0, "voltage_unit")
        leakage = library.get("leakage_power_unit")
        return cls(
            time_ns=_in_units(library.get("time_unit") or "1ns", "s", -9, "time_unit"),
            capacitance_ff=capacitance_ff,
            voltage_v=voltage_v,
            energy_fj=voltage_v**2 * capacitance_ff,
            leakage_nw=None if leakage is None else _in_units(leakage, "w", -9, "leakage_power_unit"),
        )


def _in_units(text: str, dimension: str, exponent: int, attribute: str) -> float:
    """The quantity that `text` names, in units of 10**exponent."""
    match = _UNIT.fullmatch(text)
    if match is None or match.group(3).lower() != dimension:
        raise AxhwError(f"Expected {attribute} such as 1p{dimension.upper()}, found {text!r}.")
    size = number(match.group(1) or "1", attribute)
    if size <= 0:
        raise AxhwError(f"Expected a positive {attribute}, found {text!r}.")
    return size * 10.0 ** (_PREFIXES[match.group(2).lower()] - exponent)
