"""A stored design in a real simulator: its RTL and its mapped gates, each against the golden model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.registry import DesignSpec
from axhw.record import DesignRecord
from axhw.sim.cosimulation import LEVELS, Check, Level, cosimulate
from axhw.sim.simulators import Simulator


class Circuit(Protocol):
    """A record with Verilog: that of a design with one multiplier or several."""

    @property
    def spec(self) -> DesignSpec | ConfigurableRoupSpec: ...

    def read(self, name: str) -> bytes: ...


def cosimulate_design(
    record: Circuit,
    *,
    simulator: Simulator,
    levels: tuple[Level, ...] = LEVELS,
    seed: int = 1,
    progress: Callable[[Level], None] = lambda level: None,
) -> list[Check]:
    """Simulate design.v and netlist.v (with cells.v) of a record.

    Raises
    ------
    AxhwError
        If the design has no circuit, a file of the record is gone, or the simulator cannot compile or run it.
    """
    files: dict[Level, tuple[str, ...]] = {"rtl": ("design.v",), "gates": ("netlist.v", "cells.v")}
    if isinstance(record, DesignRecord):
        _ = record.circuit_cost
    checks = []
    for level in levels:
        progress(level)
        sources = {name: record.read(name).decode() for name in files[level]}
        checks.append(cosimulate(record.spec, sources, level=level, simulator=simulator, seed=seed))
    return checks
