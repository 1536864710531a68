"""Cells as behavioural Verilog, for simulating mapped netlists without timing."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction, verilog_name
from axhw.synth.liberty.library import Cell, CellLibrary, FlipFlop

_SIGNALS = ("axhw_clock", "axhw_both", "axhw_clear", "axhw_preset")


def cell_models(
    library: CellLibrary, names: Iterable[str], *, supplies: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> str:
    """Verilog modules of the named cells, each once, in the order of `names`.

    Gates are continuous assignments; flip-flops have asynchronous clear and preset, and start at 0 or 1 at random, as
    in silicon. Unknown values would not do: where logic that was made smaller takes one net twice, an x stays an x that
    no 0 or 1 would make a difference for.
    Icarus Verilog and Verilator read them.

    Parameters
    ----------
    library : CellLibrary
    names : iterable of str
    supplies : mapping of cell name to port names, optional
        Ports of power and ground that cells are to have beside their pins; the models don't look at them.

    Raises
    ------
    AxhwError
        If a cell is missing from the library, is a latch or has an output without a function.
    """
    modules = []
    for name in dict.fromkeys(names):
        cell = library.cells.get(name)
        if cell is None:
            raise AxhwError(f"Expected cells of library {library.name}, found {name!r}.")
        if cell.is_latch:
            raise AxhwError(f"Expected gates and flip-flops to model in Verilog, found the latch {name}.")
        modules.append(_module(cell, supplies.get(name, ())))
    return "\n".join(modules)


@functools.lru_cache(maxsize=4096)
def _module(cell: Cell, supplies: tuple[str, ...]) -> str:
    return "\n".join(_lines(cell, supplies))


def _lines(cell: Cell, supplies: tuple[str, ...]) -> Iterator[str]:
    ports = [(verilog_name(pin.name), pin.direction) for pin in cell.pins.values() if pin.direction != "internal"]
    ports += [(verilog_name(supply), "inout") for supply in supplies]
    yield f"module {verilog_name(cell.name)}({', '.join(name for name, _ in ports)});"
    yield from (f"  {direction} {name};" for name, direction in ports)
    if cell.flip_flop is not None:
        taken = {cell.flip_flop.state, cell.flip_flop.inverted, *_SIGNALS} & set(cell.pins)
        if taken:
            raise AxhwError(f"Expected cell {cell.name} to have no pins called like its states, found {sorted(taken)}.")
        yield from _flip_flop(cell.flip_flop)
    for pin in cell.outputs:
        if pin.function is None:
            raise AxhwError(f"Expected a function on output {pin.name} of cell {cell.name}, found none.")
        value = _verilog(pin.function)
        if pin.three_state is not None:
            value = f"{_verilog(pin.three_state)} ? 1'bz : {value}"
        yield f"  assign {verilog_name(pin.name)} = {value};"
    yield "endmodule"


def _flip_flop(flip_flop: FlipFlop) -> Iterator[str]:
    state, inverted = verilog_name(flip_flop.state), verilog_name(flip_flop.inverted)
    clear, preset = (text and _verilog(text) for text in (flip_flop.clear, flip_flop.preset))
    events: list[tuple[str, str, str]] = []
    inverse = f"~{state}"
    if clear and preset:
        # Conditions that exclude each other: when clear ends before preset, axhw_preset rises and acts.
        levels = {"L": "1'b0", "H": "1'b1", "N": state, "T": f"~{state}"}
        both = [levels.get(value, "1'bx") for value in flip_flop.clear_preset or "XX"]
        events.append(("axhw_both", f"{clear} & {preset}", both[0]))
        inverse = f"axhw_both ? {both[1]} : ~{state}"
    if clear:
        events.append(("axhw_clear", f"{clear} & ~({preset})" if preset else clear, "1'b0"))
    if preset:
        events.append(("axhw_preset", f"{preset} & ~({clear})" if clear else preset, "1'b1"))
    yield f"  reg {state};"
    # Yosys defines that, and takes no state to begin with that isn't known.
    yield from ("`ifndef SYNTHESIS", f"  initial {state} = $random % 2 != 0;", "`endif")
    yield f"  wire axhw_clock = {_verilog(flip_flop.clocked_on)};"
    yield from (f"  wire {name} = {condition};" for name, condition, _ in events)
    yield f"  wire {inverted} = {inverse};"
    yield f"  always @(posedge {' or posedge '.join(['axhw_clock', *(name for name, _, _ in events)])})"
    for name, _, value in events:
        yield f"    if ({name}) {state} <= {value}; else"
    yield f"    {state} <= {_verilog(flip_flop.next_state)};"


def _verilog(expression: str) -> str:
    return BooleanFunction.parse(expression).verilog()
