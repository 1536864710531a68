"""What a Liberty file says, as plain frozen data in axhw's units.

Units everywhere: time ns, capacitance fF, energy fJ, leakage nW, area um2. The reader converts;
nothing behind these classes knows the units of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.wire_load import WireLoads

FloatArray = npt.NDArray[np.float64]
Unateness = Literal["positive_unate", "negative_unate", "non_unate"]
Direction = Literal["input", "output", "inout", "internal"]
_CONSTRAINTS = (
    "setup",
    "hold",
    "recovery",
    "removal",
    "skew",
    "nochange",
    "non_seq",
    "min_pulse_width",
    "minimum_period",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A non-linear delay-model (NLDM) table over input slew and output load.

    Attributes
    ----------
    slew_ns : (m,) array
        Strictly increasing input transition times; one entry where the table does not depend on slew.
    load_ff : (n,) array
        Strictly increasing output loads; one entry where the table does not depend on load. For
        constraint tables this axis is the transition time of the constrained pin, in ns.
    values : (m, n) array
        ns for delays, transitions and constraints, fJ for energies.
    """

    slew_ns: FloatArray
    load_ff: FloatArray
    values: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class TimingArc:
    """A delay or constraint arc from `related_pin` to the pin that holds it.

    `kind` is Liberty's timing_type (``combinational``, ``rising_edge``, ``setup_rising``, ...).
    `rise` and `fall` are cell_rise/cell_fall, or rise_constraint/fall_constraint for constraints.
    `sdf_cond` is the condition as the library's own Verilog and SDF files write it.
    """

    related_pin: str
    sense: Unateness
    kind: str
    when: str | None
    rise: Table | None
    fall: Table | None
    rise_transition: Table | None = None
    fall_transition: Table | None = None
    sdf_cond: str | None = None

    @property
    def is_constraint(self) -> bool:
        """Whether the tables say what inputs must keep, rather than what outputs do."""
        return self.kind.startswith(_CONSTRAINTS)


@dataclass(frozen=True, kw_only=True, eq=False)
class PowerArc:
    """Internal energy of one transition of the pin that holds it, in fJ (may be negative).

    `related_pin` is the input whose transition caused that of an output pin. Figures that a file
    gives per supply pin are added up here, as OpenSTA does. Only where the supplies of a pin have
    different related pins or conditions do they stay apart: `supply` then names the one this is of.
    """

    related_pin: str | None
    when: str | None
    rise: Table | None
    fall: Table | None
    supply: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Pin:
    """One pin of a cell. `function` is Liberty's boolean expression, absent on inputs.

    `rise_capacitance_ff` and `fall_capacitance_ff` are set where the file states them apart from
    `capacitance_ff`; OpenSTA then delays rising and falling edges with them.
    """

    name: str
    direction: Direction
    capacitance_ff: float
    rise_capacitance_ff: float | None = None
    fall_capacitance_ff: float | None = None
    function: str | None = None
    three_state: str | None = None
    clock: bool = False
    max_capacitance_ff: float | None = None
    timing: tuple[TimingArc, ...] = ()
    power: tuple[PowerArc, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FlipFlop:
    """The ff group: `state` and `inverted` are the internal variables that output functions name.

    `clear_preset` holds what they become while clear and preset are both active: each ``"L"``,
    ``"H"``, ``"N"`` (unchanged), ``"T"`` (toggled) or ``"X"``.
    """

    state: str
    inverted: str
    clocked_on: str
    next_state: str
    clear: str | None = None
    preset: str | None = None
    clear_preset: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """A cell: combinational when `flip_flop` is None and `is_latch` is False.

    `supplies` are pins of power, ground and wells, where the file names them; they are not among `pins`.
    """

    name: str
    area_um2: float
    leakage_nw: float
    leakage_states: tuple[tuple[str, float], ...]
    pins: Mapping[str, Pin]
    flip_flop: FlipFlop | None = None
    is_latch: bool = False
    dont_use: bool = False
    supplies: tuple[str, ...] = ()

    @cached_property
    def inputs(self) -> tuple[Pin, ...]:
        return tuple(pin for pin in self.pins.values() if pin.direction == "input")

    @cached_property
    def outputs(self) -> tuple[Pin, ...]:
        return tuple(pin for pin in self.pins.values() if pin.direction == "output")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where delays and slews are measured, in percent of the supply; the defaults are Liberty's.

    Slews in tables are the measured time times `slew_derate`.
    """

    input_rise: float = 50.0
    input_fall: float = 50.0
    output_rise: float = 50.0
    output_fall: float = 50.0
    slew_lower_rise: float = 20.0
    slew_lower_fall: float = 20.0
    slew_upper_rise: float = 80.0
    slew_upper_fall: float = 80.0
    slew_derate: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CellLibrary:
    """A parsed Liberty file, or several of one technology, at one corner.

    Attributes
    ----------
    sha256 : str
        Digest of the (decompressed) Liberty text, or of the digests of several, so that a cost can
        name exactly the library it was measured on.
    max_transition_ns : float or None
        The file's default_max_transition.
    wire_loads : WireLoads
        The file's statistical models of unplaced wires.
    skipped : mapping of cell name to reason
        Cells of the file that these classes cannot hold, such as memories with buses.
    """

    name: str
    voltage_v: float
    temperature_c: float
    process: float
    sha256: str
    cells: Mapping[str, Cell]
    thresholds: Thresholds = Thresholds()
    max_transition_ns: float | None = None
    wire_loads: WireLoads = field(default_factory=WireLoads)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def corner(self) -> str:
        return f"process {self.process:g}, {self.voltage_v:g} V, {self.temperature_c:g} C"
