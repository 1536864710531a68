"""What the GO-cache unit costs in gates: area, clock and the energy of a request, by its modules.

It is measured while it decodes: every expert is asked about every token, a request a cycle, after twice as many tokens
as an expert keeps. Scores are independent and uniform, so that token t is among the k best of an expert with
probability k / (t + 1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from axhw.flow import Flow
from axhw.hdl.pe.go_cache import GoCacheSpec
from axhw.measure import Conditions, area_um2, total_activity
from axhw.measurement_key import measurement_key
from axhw.pim.parts import Part, parts_of
from axhw.sim.go_cache import MappedGoCache, decoding_values, verify_go_cache
from axhw.sim.timed import timed_activity
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import Netlist, levelize
from axhw.synth.power import EnergyReport, measure_energy
from axhw.synth.synthesis import Synthesis

_ROOM = "go_caches"
_STREAMS = 8
_PARTS: Mapping[str, tuple[str, ...]] = {"store": ("store",), "update": ("update",)}


@dataclass(frozen=True, kw_only=True)
class GoCacheCost:
    """A GO-cache unit in gates.

    Attributes
    ----------
    name : str
    area_um2, period_ns, leakage_nw : float
    cells : int
    request_fj : float
        Dynamic energy of a request, one a cycle, with registers and clock.
    clock_fj : float
        Of that, in the clock pins of flip-flops.
    requests : int
        Averaged over.
    chosen : float
        Share of these whose expert took the token.
    stored_bits : int
        Of all entries.
    parts : mapping of str to Part
        By module: ``store``, ``update`` and, for requests and responses, ``selection``.
    area_ratio, energy_ratio : float
        The sum of the parts, whose modules keep their boundaries, by the unit's own figures.
    verified_cycles : int
        Compared with the golden model.
    library, library_sha256, engine : str
        Where the gates come from.
    """

    name: str
    area_um2: float
    period_ns: float
    leakage_nw: float
    cells: int
    request_fj: float
    clock_fj: float
    requests: int
    chosen: float
    stored_bits: int
    parts: Mapping[str, Part]
    area_ratio: float
    energy_ratio: float
    verified_cycles: int
    library: str
    library_sha256: str
    engine: str


def go_cache_cost(
    spec: GoCacheSpec,
    *,
    flow: Flow | None = None,
    threads: int | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> GoCacheCost:
    """A GO-cache unit synthesised, compared with its golden model, and measured; kept in the store.

    Parameters
    ----------
    flow : Flow, optional
        As of `axhw.characterize.characterize`; `pairs` of its conditions are the requests that energy is averaged
        over, at least one of each expert.

    Raises
    ------
    AxhwError
        If it cannot be synthesised or measured.
    VerificationError
        If the gates are not what the golden model says.
    """
    flow = Flow.of() if flow is None else flow
    library, store, conditions = flow.library, flow.store, flow.conditions
    flow.check(spec, clocked=True)
    job = flow.job(spec)
    apart = dataclasses.replace(job, kept=tuple(name for names in _PARTS.values() for name in names))
    key = measurement_key(job, conditions)

    def measured() -> dict[str, Any]:
        stage("synthesise")
        whole, modules = store.synthesise(job), store.synthesise(apart)
        return _measure(spec, whole, modules, library.cells, conditions, threads=threads, stage=stage)

    figures = store.remember(_ROOM, key, measured)
    parts = {name: Part(**part) for name, part in figures["parts"].items()}
    return GoCacheCost(**{**figures, "parts": parts})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """A verified netlist and its energy."""

    netlist: Netlist
    area_um2: float
    period_ns: float
    energy: EnergyReport
    requests: int
    chosen: float
    cycles: int


def _measure(
    spec: GoCacheSpec,
    whole: Synthesis,
    modules: Synthesis,
    library: CellLibrary,
    conditions: Conditions,
    *,
    threads: int | None,
    stage: Callable[[str], None],
) -> dict[str, Any]:
    area = area_um2(whole.netlist, library)
    wires = library.wire_loads.find(conditions.wire_load, area_um2=area)

    def measured(netlist: Netlist) -> _Measured:
        stage("prove")
        graph = levelize(netlist, library)
        cache = MappedGoCache(netlist, graph, library, spec)
        cycles = verify_go_cache(cache, seed=conditions.seed)
        stage("cost")
        timing = conditions.timing(netlist, library, graph=graph, wire_load=wires)
        tokens = max(1, round(conditions.pairs / (_STREAMS * spec.experts)))
        rng = np.random.default_rng(conditions.seed)
        values, chosen = decoding_values(cache, tokens=tokens, streams=_STREAMS, rng=rng)
        activity = total_activity([timed_activity(graph, timing, part, threads=threads) for part in values])
        energy = measure_energy(
            netlist,
            library,
            timing,
            rise=activity.rise,
            fall=activity.fall,
            operations=activity.pairs,
            one_probability=activity.one_probability,
        )
        assert timing.min_period_ns is not None
        return _Measured(
            netlist=netlist,
            area_um2=area_um2(netlist, library),
            period_ns=timing.min_period_ns,
            energy=energy,
            requests=activity.pairs,
            chosen=chosen,
            cycles=cycles,
        )

    own, apart = measured(whole.netlist), measured(modules.netlist)
    parts = parts_of(apart.netlist, library, apart.energy, _PARTS)
    return {
        "name": spec.name,
        "area_um2": own.area_um2,
        "period_ns": own.period_ns,
        "leakage_nw": own.energy.leakage_nw,
        "cells": len(own.netlist.instances),
        "request_fj": own.energy.dynamic_fj,
        "clock_fj": own.energy.clock_fj,
        "requests": own.requests,
        "chosen": own.chosen,
        "stored_bits": spec.stored_bits,
        "parts": {name: dataclasses.asdict(part) for name, part in parts.items()},
        "area_ratio": apart.area_um2 / own.area_um2,
        "energy_ratio": apart.energy.dynamic_fj / own.energy.dynamic_fj,
        "verified_cycles": own.cycles,
        "library": library.name,
        "library_sha256": library.sha256,
        "engine": whole.engine,
    }
