"""A stored design in a real simulator: its RTL and its mapped gates, each against the golden model."""

from __future__ import annotations

from collections.abc import Callable

from axhw.record import DesignRecord
from axhw.sim.cosimulation import LEVELS, Check, Level, cosimulate
from axhw.sim.simulators import Simulator


def cosimulate_design(
    record: DesignRecord,
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
        If a file of the record is gone, or the simulator cannot compile or run it.
    """
    files: dict[Level, tuple[str, ...]] = {"rtl": ("design.v",), "gates": ("netlist.v", "cells.v")}
    checks = []
    for level in levels:
        progress(level)
        sources = {name: record.read(name).decode() for name in files[level]}
        checks.append(cosimulate(record.spec, sources, level=level, simulator=simulator, seed=seed))
    return checks
