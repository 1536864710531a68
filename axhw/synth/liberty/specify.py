"""Cells as Verilog with ``specify`` blocks: the models whose delays an SDF file fills in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from axhw.errors import AxhwError
from axhw.synth.liberty.function import BooleanFunction, verilog_name
from axhw.synth.liberty.library import Cell, CellLibrary, Pin, TimingArc
from axhw.synth.liberty.verilog import cell_models
from axhw.synth.timing_arcs import clock_pin

TIMESCALE = "`timescale 1ps/1fs"

_COMPARISON = re.compile(r"([A-Za-z_][\w$]*)\s*([=!])==?\s*1'[bB]([01])")


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
    conditions = (arc_condition(arc) for arc in arcs)
    return tuple(dict.fromkeys(condition for condition in conditions if condition is not None))


def arc_condition(arc: TimingArc) -> str | None:
    """The condition of a delay arc as a Verilog expression, None for an arc that has none.

    The library's own words (``sdf_cond``) where they are an expression over pins that means what ``when`` says, since
    other models and tools compare the text; else `verilog_condition`. Some libraries name signals there that only
    their own Verilog models have.
    """
    if arc.when is None:
        return None
    if arc.sdf_cond is not None and _agrees(arc.sdf_cond, arc.when):
        return arc.sdf_cond.strip()
    return verilog_condition(arc.when)


def _agrees(sdf_cond: str, when: str) -> bool:
    text = _COMPARISON.sub(
        lambda match: match[1] if (match[2] == "=") == (match[3] == "1") else f"!{match[1]}", sdf_cond
    )
    for verilog, liberty in (("&&", "&"), ("||", "|"), ("~", "!"), ("1'b", "")):
        text = text.replace(verilog, liberty)
    stated = BooleanFunction.parse(when)
    try:
        meant = BooleanFunction.parse(text)
    except AxhwError:
        return False
    if not set(meant.pins) <= set(stated.pins):
        return False
    return bool(np.array_equal(meant.truth_table(stated.pins), stated.truth_table(stated.pins)))


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
