"""Prefill and decoding of a model on a chip: time, energy, MVMs and DRAM traffic of each pass.

run = simulate(Workload(model=LLAMA_MOE_4_16, prompt=32, new_tokens=8), accounting=PUBLISHED_ACCOUNTING)
run.prefill.time_ns, run.decode.energy_nj
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from axhw.pim.accounting import FULL_ACCOUNTING, Accounting
from axhw.pim.cache import go_bytes, kv_bytes
from axhw.pim.engine import Times, run_program
from axhw.pim.operations import PS_PER_NS, FloatArray, Program
from axhw.pim.parameters import PUBLISHED, Parameters
from axhw.pim.program import build_program
from axhw.pim.routing import LayerRouting
from axhw.pim.workload import Passes, Workload, decode_passes, drawn_routing, prefill_passes


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Passes one after the other: the prompt, a step, or all steps.

    Attributes
    ----------
    passes : int
    time_ns : float
    mvms : int
    moved_bytes : float
        To DRAM and from it.
    energies_nj : mapping of str to float
        By category: "mvm", "communication", "add", "norm", "activation", "sample", "attention", "kv_dram", "go_dram",
        "scheduler", "passive", "dram_idle".
    cache_bytes : mapping of str to float
        Size of the caches at the end: "kv", "go".
    """

    passes: int
    time_ns: float
    mvms: int
    moved_bytes: float
    energies_nj: Mapping[str, float]
    cache_bytes: Mapping[str, float]

    @property
    def energy_nj(self) -> float:
        return sum(self.energies_nj.values())

    def row(self) -> dict[str, float | int]:
        """One line of a table."""
        return {
            "passes": self.passes,
            "time_ns": self.time_ns,
            "energy_nj": self.energy_nj,
            "mvms": self.mvms,
            "moved_bytes": self.moved_bytes,
            **{f"{name}_nj": value for name, value in self.energies_nj.items()},
            **{f"{name}_cache_bytes": value for name, value in self.cache_bytes.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """Passes that were simulated together.

    Attributes
    ----------
    passes : Passes
    program : Program
    times : Times
    phases : tuple of Phase
        One for each pass.
    """

    passes: Passes
    program: Program
    times: Times
    phases: tuple[Phase, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A workload that was simulated.

    Attributes
    ----------
    workload : Workload
    parameters : Parameters
    accounting : Accounting
    reading, generating : Simulated
        Passes of the prompt, and of the steps after it. With full accounting the first step begins with the token that
        the prompt ended with; the published one starts it by itself.
    """

    workload: Workload
    parameters: Parameters
    accounting: Accounting
    reading: Simulated
    generating: Simulated | None

    @property
    def prefill(self) -> Phase:
        """The prompt."""
        return self.reading.phases[0]

    @property
    def steps(self) -> tuple[Phase, ...]:
        """Each decode step."""
        return () if self.generating is None else self.generating.phases

    @property
    def decode(self) -> Phase:
        """All decode steps; without any, as long as nothing."""
        return added(self.steps)

    @property
    def operations(self) -> int:
        """Simulated MVMs, crossings, additions and others."""
        return sum(part.program.simulated for part in (self.reading, self.generating) if part is not None)


def added(phases: Sequence[Phase]) -> Phase:
    """Phases one after the other."""
    names = dict.fromkeys(name for phase in phases for name in phase.energies_nj)
    return Phase(
        passes=sum(phase.passes for phase in phases),
        time_ns=sum(phase.time_ns for phase in phases),
        mvms=sum(phase.mvms for phase in phases),
        moved_bytes=sum(phase.moved_bytes for phase in phases),
        energies_nj={name: sum(phase.energies_nj.get(name, 0.0) for phase in phases) for name in names},
        cache_bytes=phases[-1].cache_bytes if phases else {"kv": 0.0, "go": 0.0},
    )


def simulate(
    workload: Workload, *, parameters: Parameters = PUBLISHED, accounting: Accounting = FULL_ACCOUNTING
) -> Run:
    """Simulate a prompt and the steps after it.

    Raises
    ------
    AxhwError
        If the routing is not one of the workload, as `axhw.pim.program.build_program` says.
    """
    routing = workload.routing if workload.routing is not None else drawn_routing(workload, accounting)
    plain = [replace(layer, schedule=None) for layer in routing]

    def simulated(passes: Passes, layers: Sequence[LayerRouting]) -> Simulated:
        program = build_program(
            workload.model, passes, layers, parameters=parameters, accounting=accounting, group=workload.group
        )
        times = run_program(program)
        phases = _phases(workload, passes, program, times, parameters=parameters, accounting=accounting)
        return Simulated(passes=passes, program=program, times=times, phases=phases)

    steps = decode_passes(workload, accounting)
    return Run(
        workload=workload,
        parameters=parameters,
        accounting=accounting,
        reading=simulated(prefill_passes(workload), routing),
        generating=simulated(steps, plain) if len(steps) else None,
    )


def _phases(
    workload: Workload,
    passes: Passes,
    program: Program,
    times: Times,
    *,
    parameters: Parameters,
    accounting: Accounting,
) -> tuple[Phase, ...]:
    ends = np.zeros(len(passes), np.int64)
    np.maximum.at(ends, program.pass_index, times.end_ps)
    time_ns = np.diff(np.maximum.accumulate(ends), prepend=0) / PS_PER_NS
    energies = {**program.energies(), "passive": parameters.passive_w * time_ns}
    energies["dram_idle"] = parameters.dram.idle_w * _waiting_ns(
        workload, program, time_ns, parameters=parameters, accounting=accounting
    )
    mvms, moved = program.per_pass(program.mvms), program.per_pass(program.moved_bytes)
    sizes = _cache_bytes(workload, passes)
    return tuple(
        Phase(
            passes=1,
            time_ns=float(time_ns[number]),
            mvms=round(mvms[number]),
            moved_bytes=float(moved[number]),
            energies_nj={name: float(values[number]) for name, values in energies.items()},
            cache_bytes={name: float(values[number]) for name, values in sizes.items()},
        )
        for number in range(len(passes))
    )


def _waiting_ns(
    workload: Workload, program: Program, time_ns: FloatArray, *, parameters: Parameters, accounting: Accounting
) -> FloatArray:
    """Time of each pass in which DRAM is counted as waiting."""
    if accounting.dram_waits:
        moving = (program.moved_bytes > 0) * program.duration_ps
        return time_ns - program.per_pass(moving) / PS_PER_NS
    return time_ns * workload.computes_one_token(accounting)


def _cache_bytes(workload: Workload, passes: Passes) -> Mapping[str, FloatArray]:
    """Caches at the end of each pass."""
    model = workload.model
    keys = model.layers * kv_bytes(passes.length, model.kv_width)
    outputs = len(model.expert_layers) * go_bytes(passes.length, experts=model.experts, width=model.hidden)
    return {"kv": keys * passes.writes_kv, "go": outputs * passes.writes_go}
