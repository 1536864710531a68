"""Cells as Verilog with ``specify`` blocks: the models whose delays an SDF file fills in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from axhw.synth.liberty.function import BooleanFunction, verilog_name
from axhw.synth.liberty.library import Cell, CellLibrary, Pin
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.timing_arcs import clock_pin

TIMESCALE = "`timescale 1ps/1fs"


def timing_models(library: CellLibrary, names: Iterable[str], *, conditional: bool = False) -> str:
    """The modules of `axhw.synth.liberty.verilog.cell_models`, each with its paths and setup checks at 0.

    Parameters
    ----------
    conditional : bool
        Whether paths that the library splits by a condition (``when``) are split here too. They are for simulators
        that annotate them; Icarus Verilog 11 leaves them at 0.

    Raises
    ------
    AxhwError
        As `cell_models`, and for flip-flops that are clocked by several pins.
    """
    modules = [TIMESCALE]
    for name in dict.fromkeys(names):
        module = cell_models(library, [name]).removesuffix("endmodule")
        paths = [f"    {line};" for line in _specify(library.cells[name], conditional)]
        block = ["  specify", *paths, "  endspecify"] if paths else []
        modules.append(module + "\n".join([*block, "endmodule"]))
    return "\n".join([*modules, ""])


def active_edge(cell: Cell) -> tuple[str, str]:
    """The event that clocks a flip-flop: ``("posedge", "CLK")``."""
    assert cell.flip_flop is not None
    pin = clock_pin(cell, cell.flip_flop)
    rising = bool(BooleanFunction.parse(cell.flip_flop.clocked_on).truth_table((pin,))[1])
    return ("posedge" if rising else "negedge"), pin


def _specify(cell: Cell, conditional: bool) -> Iterator[str]:
    for output in cell.outputs:
        target = verilog_name(output.name)
        if cell.flip_flop is not None:
            edge, clock = active_edge(cell)
            data = BooleanFunction.parse(cell.flip_flop.next_state).pins
            sources = [pin for pin in data if pin in cell.pins]
            value = verilog_name(sources[0]) if sources else "1'b0"
            yield f"({edge} {verilog_name(clock)} => ({target} : {value})) = (0, 0)"
            continue
        for pin in BooleanFunction.parse(output.function or "0").pins:
            path = f"({verilog_name(pin)} => {target}) = (0, 0)"
            conditions = path_conditions(output, pin) if conditional else ()
            yield from (f"if ({condition}) {path}" for condition in conditions)
            yield f"ifnone {path}" if conditions else path
    if cell.flip_flop is not None:
        edge, clock = active_edge(cell)
        event = f"{edge} {verilog_name(clock)}"
        for checked in cell.inputs:
            if any(arc.kind.startswith("setup_") for arc in checked.timing):
                signal = verilog_name(checked.name)
                yield from (f"$setup({side} {signal}, {event}, 0)" for side in ("posedge", "negedge"))


def path_conditions(output: Pin, pin: str) -> tuple[str, ...]:
    """Conditions of the delay arcs from `pin` in Verilog, each once: in a path and in its SDF entry alike."""
    arcs = (arc for arc in output.timing if arc.related_pin == pin and arc.kind.startswith("combinational"))
    return tuple(dict.fromkeys(verilog_condition(arc.when) for arc in arcs if arc.when is not None))


def verilog_condition(when: str) -> str:
    """A Liberty condition as a Verilog expression: ``A == 1'b1 && B == 1'b0`` where it is a product of pins."""
    function = BooleanFunction.parse(when)
    literals: list[str] = []
    previous = ""
    for step in function.postfix:
        if step in function.pins:
            literals.append(f"{verilog_name(step)} == 1'b1")
        elif step == "!" and previous in function.pins:
            literals[-1] = literals[-1].removesuffix("1") + "0"
        elif step != "&":
            return function.verilog()
        previous = step
    return " && ".join(literals)
