"""What synthesis maps with: the cells of a library that it may use and that costs can be given for.

Yosys and ABC get this text, not the files: files in several units or with structures that they do not know give
errors, crashes or cells that nothing is known about, and most of a file (energies, noise, current sources) is nothing
to them. The netlists are those of the full files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop, FloatArray, Pin, Table, TimingArc
from axhw.synth.liberty.wire_load import WireLoads
from axhw.synth.liberty.writer import write_liberty

Role = Literal["inverter", "buffer", "two-input AND, NAND, OR or NOR"]

# Without one of each, ABC ends instead of mapping.
_ROLES: dict[tuple[bool, ...], Role] = {
    (True, False): "inverter",
    (False, True): "buffer",
    (False, False, False, True): "two-input AND, NAND, OR or NOR",
    (True, True, True, False): "two-input AND, NAND, OR or NOR",
    (False, True, True, True): "two-input AND, NAND, OR or NOR",
    (True, False, False, False): "two-input AND, NAND, OR or NOR",
}
_LAUNCH = ("rising_edge", "falling_edge")
_TABLE_DIGITS = 9


def mapping_text(library: CellLibrary, *, source: str) -> str:
    """Liberty text of the cells that a design may be mapped to, for Yosys and ABC.

    Parameters
    ----------
    source : str
        Names the library in error messages.

    Raises
    ------
    AxhwError
        If the library lacks an inverter, a buffer or a two-input gate with delay and transition tables.
    """
    cells = {name: _bare(cell) for name, cell in library.cells.items() if is_mappable(cell)}
    _check(library, cells, source)
    return write_liberty(
        replace(library, cells=cells, wire_loads=WireLoads()),
        attribution=f"Cells of {library.name} for synthesis.",
        table_digits=_TABLE_DIGITS,
    )


def is_mappable(cell: Cell) -> bool:
    """Whether a design may be mapped to the cell and then be timed.

    Not so are cells that are not to be used, latches and clock gates, tri-state buffers, cells without a function
    (fill, antennas), and cells without delay and transition tables.
    """
    return (
        not cell.dont_use
        and not cell.is_latch
        and bool(cell.outputs)
        and all(pin.direction in ("input", "output") for pin in cell.pins.values())
        and all(pin.function is not None and pin.three_state is None for pin in cell.outputs)
        and _is_timed(cell)
    )


def check_flip_flops(library: CellLibrary, design: str) -> None:
    """Raise `AxhwError` if a clocked design has no flip-flop to be mapped to."""
    if not any(cell.flip_flop is not None and is_mappable(cell) for cell in library.cells.values()):
        latches = sum(cell.is_latch for cell in library.cells.values())
        raise AxhwError(
            f"Expected a flip-flop that may be used in library {library.name} for the clocked design {design}, found "
            f"none among {len(library.cells)} cells, {latches} of them latches or clock gates."
        )


def _is_timed(cell: Cell) -> bool:
    if cell.flip_flop is not None:
        return any(_delays(pin, _LAUNCH) for pin in cell.outputs)
    for pin in cell.outputs:
        timed = {arc.related_pin for arc in _delays(pin, ("combinational",))}
        if not timed.issuperset(BooleanFunction.parse(pin.function or "0").pins):
            return False
    return True


def _delays(pin: Pin, kinds: tuple[str, ...]) -> list[TimingArc]:
    """Delay arcs of an output; none of them where one lacks its transition tables."""
    arcs = [arc for arc in pin.timing if arc.kind.startswith(kinds)]
    complete = all(
        (delay is None) == (slew is None)
        for arc in arcs
        for delay, slew in ((arc.rise, arc.rise_transition), (arc.fall, arc.fall_transition))
    )
    return [arc for arc in arcs if complete and (arc.rise is not None or arc.fall is not None)]


def _check(library: CellLibrary, usable: dict[str, Cell], source: str) -> None:
    found = {role for cell in usable.values() if (role := _role(cell)) is not None}
    missing = next((role for role in dict.fromkeys(_ROLES.values()) if role not in found), None)
    if missing is None:
        return
    untimed = [name for name, cell in library.cells.items() if _role(cell) == missing and not _is_timed(cell)]
    why = f" ({untimed[0]} has no delay and transition tables)" if untimed else ""
    raise AxhwError(
        f"Expected an inverter, a buffer and a two-input AND, NAND, OR or NOR in {source}, found no {missing} among "
        f"the {len(usable)} cells of {len(library.cells) + len(library.skipped)} that may be used{why}."
    )


def _role(cell: Cell) -> Role | None:
    if cell.dont_use or cell.is_latch or cell.flip_flop is not None or len(cell.outputs) != 1:
        return None
    function, pins = cell.outputs[0].function, [pin.name for pin in cell.inputs]
    if function is None or cell.outputs[0].three_state is not None or len(pins) > 2:
        return None
    expression = BooleanFunction.parse(function)
    if set(expression.pins) != set(pins):
        return None
    return _ROLES.get(tuple(expression.truth_table(pins).tolist()))


def _bare(cell: Cell) -> Cell:
    """The cell with what mapping looks at, in the plainest form."""
    return replace(
        cell,
        leakage_states=(),
        pins={name: _bare_pin(pin) for name, pin in cell.pins.items()},
        flip_flop=None if cell.flip_flop is None else _bare_flip_flop(cell.flip_flop),
    )


def _bare_pin(pin: Pin) -> Pin:
    function = None if pin.function is None else BooleanFunction.parse(pin.function).liberty()
    return replace(pin, function=function, power=(), timing=tuple(_bare_arcs(pin)))


def _bare_arcs(pin: Pin) -> Iterator[TimingArc]:
    for arc in pin.timing:
        if arc.kind.startswith(("combinational", *_LAUNCH)):
            yield replace(
                arc,
                rise=_two_axes(arc.rise),
                fall=_two_axes(arc.fall),
                rise_transition=_two_axes(arc.rise_transition),
                fall_transition=_two_axes(arc.fall_transition),
                sdf_cond=None,
            )


def _bare_flip_flop(flip_flop: FlipFlop) -> FlipFlop:
    def plain(text: str | None) -> str | None:
        return None if text is None else BooleanFunction.parse(text).liberty()

    return replace(
        flip_flop,
        clocked_on=plain(flip_flop.clocked_on) or "",
        next_state=plain(flip_flop.next_state) or "",
        clear=plain(flip_flop.clear),
        preset=plain(flip_flop.preset),
    )


def _two_axes(table: Table | None) -> Table | None:
    """The same over slew and load, as ABC needs it."""
    if table is None:
        return None
    slews, loads = _spread(table.slew_ns), _spread(table.load_ff)
    return Table(slew_ns=slews, load_ff=loads, values=np.broadcast_to(table.values, (slews.size, loads.size)))


def _spread(axis: FloatArray) -> FloatArray:
    return axis if axis.size > 1 else np.array([0.0, 1.0])
