"""A design's RTL and mapped gates against its golden model, in a real simulator driven by cocotb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from axhw.hdl.configurable import ConfigurableRoupSpec
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import DesignSpec
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.configurable import configurable_replay
from axhw.sim.crossbar_group import group_replay
from axhw.sim.go_cache import go_cache_replay
from axhw.sim.simulators import Simulator, simulate
from axhw.sim.systolic import array_replay
from axhw.sim.testbench import element_replay, multiplier_replay, wrong_pair

Level = Literal["rtl", "gates"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One simulation.

    Attributes
    ----------
    level : {"rtl", "gates"}
    vectors : int
        Operand pairs of a multiplier, clock cycles of a processing element.
    passed : bool
    mismatches : int
    first : str or None
        The first difference in words.
    simulator : str
        Name and version.
    """

    level: Level
    vectors: int
    passed: bool
    mismatches: int
    first: str | None
    simulator: str


def cosimulate(
    spec: DesignSpec | ConfigurableRoupSpec | GoCacheSpec,
    sources: Mapping[str, str],
    *,
    level: Level,
    simulator: Simulator,
    seed: int = 1,
) -> Check:
    """Simulate one level of a design.

    Parameters
    ----------
    spec : MultiplierSpec, ConfigurableRoupSpec, ProcessingElementSpec or GoCacheSpec
        A multiplier, in each of its modes if it is configurable, gets all pairs up to 8 bits, corners and random
        pairs above; an element a stream of corners, random operands, stalls, resets and changes of its mode; what has
        streams, back-pressure too.
    sources : mapping of file name to Verilog text
        With the module of that name; for gates together with models of the cells.
    level : {"rtl", "gates"}
        Recorded in the result.

    Raises
    ------
    AxhwError
        If the simulator cannot compile or run the sources.
    """
    if isinstance(spec, MultiplierSpec):
        replay, vectors = multiplier_replay(
            spec, module=spec.name, sources=sources, simulator=simulator.name, seed=seed
        )
    elif isinstance(spec, ConfigurableRoupSpec):
        replay, vectors = configurable_replay(
            spec, module=spec.name, sources=sources, simulator=simulator.name, seed=seed
        )
    elif isinstance(spec, SystolicSpec):
        replay, vectors = array_replay(spec, module=spec.name, sources=sources, seed=seed)
    elif isinstance(spec, GoCacheSpec):
        replay, vectors = go_cache_replay(spec, module=spec.name, sources=sources, seed=seed)
    elif isinstance(spec, CrossbarGroupSpec):
        replay, vectors = group_replay(spec, module=spec.name, sources=sources, seed=seed)
    else:
        replay, vectors = element_replay(spec, module=spec.name, sources=sources, seed=seed)
    outcome = simulate(simulator, replay)
    first = None
    if outcome.first is not None:
        first = str(outcome.first)
        if isinstance(spec, MultiplierSpec):
            first = wrong_pair(spec, outcome.first, simulator=simulator.name, seed=seed)
    return Check(
        level=level,
        vectors=vectors,
        passed=outcome.passed,
        mismatches=outcome.mismatches,
        first=first,
        simulator=str(simulator),
    )
