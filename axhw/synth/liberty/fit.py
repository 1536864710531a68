"""Compact copies of a library: every table replaced by the best one on very few points.

With two points per axis a table says c0 + c1 slew + c2 load + c3 slew load, the bilinear fit. The
figures are fitted where they are used: slews and loads of mapped netlists, measured in those of the
library's smallest inverter driving four copies of itself, have much the same distribution in 350 nm
as in 130 nm, so the range follows from the library alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.interpolation import hat_weights, interpolate
from axhw.synth.liberty.library import Cell, CellLibrary, FloatArray, Pin, Table

_POINTS = 4
_SAMPLES = 15
_SLEWS_OF_INVERTER = (1 / 3, 12.0)
_LOADS_OF_INVERTER = (0.75, 30.0)
_SLEW_ITERATIONS = 50
_KEPT_CONSTRAINTS = ("setup", "hold", "recovery", "removal")


@dataclass(frozen=True, kw_only=True)
class FitRange:
    """Where a fit has to be good: the slews and loads of mapped netlists, unbuffered fan-outs included.

    Both count as log-normal, with the ends of the range at two standard deviations. Loads are those
    of the weakest drive; stronger cells get a proportionally higher range.
    """

    slew_ns: tuple[float, float]
    load_ff: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("slew_ns", "load_ff"):
            low, high = getattr(self, name)
            if not 0 < low < high < math.inf:
                raise AxhwError(f"Expected a rising pair of positive numbers as {name} of a fit, found {low}, {high}.")

    @classmethod
    def of(cls, library: CellLibrary) -> FitRange:
        """The range for `library`: 1/3 to 12 slews and 3/4 to 30 input capacitances of its inverter.

        In 44 mapped multipliers and accumulators (130, 180 and 350 nm), 98 % of all slews lay between
        0.3 and 5.3 slews of an inverter that drives four of its kind, and 98 % of all loads between
        0.4 and 9.5 of its input capacitances; the slowest nets, which set many a longest path, reached
        20 such slews.

        Raises
        ------
        AxhwError
            If the library's inverter has no tables.
        """
        inverter = _reference_inverter(library)
        load_ff = inverter.inputs[0].capacitance_ff
        slew_ns = _loaded_slew(inverter, 4 * load_ff)
        slews, loads = (
            (float(f"{low * unit:.3g}"), float(f"{high * unit:.3g}"))
            for (low, high), unit in ((_SLEWS_OF_INVERTER, slew_ns), (_LOADS_OF_INVERTER, load_ff))
        )
        return cls(slew_ns=slews, load_ff=loads)


@dataclass(frozen=True, kw_only=True)
class FitError:
    """How far fitted tables are from the original ones over the whole range, in percent.

    `quantity` is ``delay``, ``transition`` or ``energy``. Errors are relative to the original value.
    Energies may be zero: theirs are relative to the table's mean absolute value, or to C V^2 of the
    library's inverter input where that is more.
    """

    quantity: str
    tables: int
    median_pct: float
    p95_pct: float
    max_pct: float


def fit_library(library: CellLibrary, *, fit_range: FitRange | None = None, points: int = _POINTS) -> CellLibrary:
    """A copy of `library` with every table fitted on `points` x `points` entries.

    Delays and transitions are fitted for least relative error, energies and constraints for least
    absolute error. Areas, capacitances, leakage and functions stay as they are. Kept are gates,
    constants and flip-flops that may be used; latches, tri-state, fill and ``dont_use`` cells, and all
    constraints but setup, hold, recovery and removal, are left out. `sha256` stays that of the original. The name
    ends in ``_fit``, with other points than 4 in these, too, as fits of one library give different figures.

    Raises
    ------
    AxhwError
        If `points` is not 2 to 5 or the library has no tables.
    """
    if not 2 <= points <= 5:
        raise AxhwError(f"Expected 2 to 5 points per axis of a fit, found {points}.")
    chosen = fit_range or FitRange.of(library)
    drive = _max_load(_reference_inverter(library).outputs[0])
    cells = {}
    for cell in library.cells.values():
        if _useful(cell):
            pins = {name: _fit_pin(pin, chosen, drive, points) for name, pin in cell.pins.items()}
            cells[cell.name] = replace(cell, pins=pins)
    suffix = "_fit" if points == _POINTS else f"_fit{points}"
    return replace(library, name=f"{library.name}{suffix}", cells=cells, skipped={})


def fit_errors(library: CellLibrary, fitted: CellLibrary, *, fit_range: FitRange | None = None) -> tuple[FitError, ...]:
    """Errors of the delay, transition and energy tables of `fitted` over `fit_range`."""
    chosen = fit_range or FitRange.of(library)
    inverter = _reference_inverter(library)
    drive = _max_load(inverter.outputs[0])
    least_energy_fj = inverter.inputs[0].capacitance_ff * library.voltage_v**2
    errors: dict[str, list[FloatArray]] = {"delay": [], "transition": [], "energy": []}
    for cell in fitted.cells.values():
        for pin in cell.pins.values():
            scale = _drive_scale(pin, drive)
            for (quantity, before), (_, after) in zip(
                _tables(library.cells[cell.name].pins[pin.name]), _tables(pin), strict=True
            ):
                slews, loads = (_samples(axis)[0] for axis in (chosen.slew_ns, _scaled(chosen.load_ff, scale)))
                exact = interpolate(before, slews, loads)
                error = np.abs(interpolate(after, slews, loads) - exact)
                size = max(np.abs(exact).mean(), least_energy_fj) if quantity == "energy" else np.abs(exact)
                errors[quantity].append(100 * (error / np.maximum(size, 1e-12)).ravel())
    return tuple(
        FitError(
            quantity=quantity,
            tables=len(found),
            median_pct=float(np.median(np.concatenate(found))),
            p95_pct=float(np.percentile(np.concatenate(found), 95)),
            max_pct=float(np.concatenate(found).max()),
        )
        for quantity, found in errors.items()
        if found
    )


def _useful(cell: Cell) -> bool:
    """Whether mapping a design can use the cell."""
    return (
        not cell.dont_use
        and not cell.is_latch
        and bool(cell.outputs)
        and all(pin.function is not None and pin.three_state is None for pin in cell.outputs)
        and all(pin.direction in ("input", "output") for pin in cell.pins.values())
    )


def _fit_pin(pin: Pin, chosen: FitRange, drive: float | None, points: int) -> Pin:
    loads = _scaled(chosen.load_ff, _drive_scale(pin, drive))

    def fit(table: Table | None, second: tuple[float, float], *, relative: bool) -> Table | None:
        return None if table is None else _fit_table(table, chosen.slew_ns, second, points, relative)

    timing = []
    for arc in pin.timing:
        if arc.kind.startswith(_KEPT_CONSTRAINTS):
            rise, fall = (fit(table, chosen.slew_ns, relative=False) for table in (arc.rise, arc.fall))
            timing.append(replace(arc, rise=rise, fall=fall))
        elif not arc.is_constraint:
            timing.append(
                replace(
                    arc,
                    rise=fit(arc.rise, loads, relative=True),
                    fall=fit(arc.fall, loads, relative=True),
                    rise_transition=fit(arc.rise_transition, loads, relative=True),
                    fall_transition=fit(arc.fall_transition, loads, relative=True),
                )
            )
    power = [
        replace(arc, rise=fit(arc.rise, loads, relative=False), fall=fit(arc.fall, loads, relative=False))
        for arc in pin.power
    ]
    return replace(pin, timing=tuple(timing), power=tuple(power))


def _fit_table(
    table: Table, slews: tuple[float, float], loads: tuple[float, float], points: int, relative: bool
) -> Table:
    """Least squares over the hat functions of the new points, weighted by how often a sample occurs."""
    axes, samples, bases, weights = [], [], [], []
    for original, ends in ((table.slew_ns, slews), (table.load_ff, loads)):
        sample, weight = _samples(ends)
        axis = np.geomspace(*ends, points) if original.size > 1 else original
        axes.append(axis)
        samples.append(sample)
        bases.append(hat_weights(axis, sample))
        weights.append(weight)
    exact = interpolate(table, samples[0], samples[1])
    weight = np.sqrt(np.outer(weights[0], weights[1]))
    if relative:
        # The floor keeps values around zero (delays after slow slews) from deciding the fit.
        weight /= np.maximum(np.abs(exact), 0.1 * np.abs(exact).mean() + 1e-12)
    design = np.einsum("si,lj->slij", bases[0], bases[1]).reshape(exact.size, -1)
    solution = np.linalg.lstsq(design * weight.reshape(-1, 1), (exact * weight).ravel(), rcond=None)[0]
    return Table(slew_ns=axes[0], load_ff=axes[1], values=solution.reshape(axes[0].size, axes[1].size))


def _samples(ends: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Points spread geometrically over a range and their log-normal weights."""
    weight = np.exp(-0.5 * np.linspace(-2, 2, _SAMPLES) ** 2)
    return np.geomspace(*ends, _SAMPLES), weight


def _tables(pin: Pin) -> Iterator[tuple[str, Table]]:
    """Delay, transition and energy tables of a pin, with the quantity that each holds."""
    for arc in pin.timing:
        if not arc.is_constraint:
            yield from (("delay", table) for table in (arc.rise, arc.fall) if table is not None)
            found = (arc.rise_transition, arc.fall_transition)
            yield from (("transition", table) for table in found if table is not None)
    for power in pin.power:
        yield from (("energy", table) for table in (power.rise, power.fall) if table is not None)


def _reference_inverter(library: CellLibrary) -> Cell:
    """The smallest inverter that may be used."""
    found = []
    for cell in library.cells.values():
        if _useful(cell) and len(cell.inputs) == len(cell.outputs) == 1 and cell.flip_flop is None:
            pins = (cell.inputs[0].name,)
            function = BooleanFunction.parse(cell.outputs[0].function or "")
            if function.pins == pins and function.truth_table(pins).tolist() == [True, False]:
                found.append(cell)
    if not found:
        raise AxhwError(f"Expected an inverter that may be used in library {library.name}, found none.")
    return min(found, key=lambda cell: cell.area_um2)


def _loaded_slew(inverter: Cell, load_ff: float) -> float:
    """The slew that a chain of the inverter settles to, each stage driving `load_ff`."""
    arcs = inverter.outputs[0].timing
    rise = next((arc.rise_transition for arc in arcs if arc.rise_transition is not None), None)
    fall = next((arc.fall_transition for arc in arcs if arc.fall_transition is not None), None)
    if rise is None or fall is None or load_ff <= 0:
        raise AxhwError(f"Expected transition tables and an input capacitance on cell {inverter.name}, found none.")
    tables = (rise, fall)
    slew = float(np.mean([table.slew_ns[0] for table in tables]))
    for _ in range(_SLEW_ITERATIONS):
        slew = float(np.mean([interpolate(table, np.array([slew]), np.array([load_ff])) for table in tables]))
    return slew


def _max_load(pin: Pin) -> float | None:
    tables = [arc.rise for arc in pin.timing if arc.rise is not None]
    return pin.max_capacitance_ff or (float(tables[0].load_ff[-1]) if tables else None)


def _drive_scale(pin: Pin, drive: float | None) -> float:
    """How much stronger than the inverter a pin drives, as a power of two so that axes are shared."""
    own = _max_load(pin) if pin.direction == "output" else None
    return 2.0 ** max(0, round(math.log2(own / drive))) if own and drive else 1.0


def _scaled(ends: tuple[float, float], scale: float) -> tuple[float, float]:
    return ends[0] * scale, ends[1] * scale
