"""Where area, energy and leakage of a processing element go: multiplier, registers, clock, and other logic.

Yosys optimises a design across its modules, so that no gate of the flat netlist belongs to one. The shares are those
of a second netlist of the same element: its multipliers are mapped on their own, as modules that keep their
boundaries, and joined with the rest afterwards. It is verified as the first one, and how much it differs from it in
area, energy and period is part of the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import ElementSpec
from axhw.measure import Conditions, steady_values, total_activity
from axhw.sim.element import verify_element
from axhw.sim.operands import uniform
from axhw.sim.systolic import MappedArray, verify_array
from axhw.sim.timed import timed_activity
from axhw.synth.cost import Cost
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import levelize
from axhw.synth.power import measure_energy
from axhw.synth.synthesis import Synthesis, SynthesisJob, part_of
from axhw.synth.timing import analyze_timing

MULTIPLIER = "multiplier"
"""Name of the multiplier's module inside every element."""


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """An element by parts.

    Attributes
    ----------
    area_um2, energy_fj, leakage_nw : mapping of part to float
        ``multiplier``, ``registers``, ``logic`` (adder, multiplexers, control) and, for energy, ``clock``: what
        the clock pins of flip-flops spend, which is not in ``registers``. Energy is dynamic, per operation, with
        glitches; a net's switching belongs to the cell that drives it, so the nets from operand registers into the
        multiplier count with the registers.
    area_ratio, energy_ratio, period_ratio : float
        This netlist over the one that was optimised across modules.
    netlist_sha256 : str
    """

    area_um2: Mapping[str, float]
    energy_fj: Mapping[str, float]
    leakage_nw: Mapping[str, float]
    area_ratio: float
    energy_ratio: float
    period_ratio: float
    netlist_sha256: str

    def area_share(self, part: str) -> float:
        return self.area_um2[part] / sum(self.area_um2.values())

    def energy_share(self, part: str) -> float:
        return self.energy_fj[part] / sum(self.energy_fj.values())


def breakdown_job(job: SynthesisJob) -> SynthesisJob:
    """The synthesis of an element with its multipliers kept apart."""
    return dataclasses.replace(job, kept=MULTIPLIER)


def measure_breakdown(
    spec: ElementSpec,
    synthesis: Synthesis,
    *,
    cost: Cost,
    library: CellLibrary,
    conditions: Conditions,
    threads: int | None = None,
) -> Breakdown:
    """Verify and measure an element with its multipliers kept apart.

    Parameters
    ----------
    synthesis : Synthesis
        Of `breakdown_job`.
    cost : Cost
        Of the element optimised across modules.

    Raises
    ------
    VerificationError
        If the netlist does not follow the element's cycle model.
    """
    netlist = synthesis.netlist
    graph = levelize(netlist, library)
    if isinstance(spec, SystolicSpec):
        verify_array(MappedArray(netlist, graph, library, spec), seed=conditions.seed)
    else:
        verify_element(netlist, graph, library, spec, seed=conditions.seed)
    timing = analyze_timing(
        netlist,
        library,
        graph=graph,
        input_slew_ns=conditions.input_slew_ns,
        output_load_ff=conditions.output_load_ff,
        wire_load=library.wire_loads.model(cost.wire_load),
    )
    stream = uniform(spec.multiplier, pairs=conditions.pairs + 1, seed=conditions.seed)
    values, _ = steady_values(spec, netlist, graph, library, stream)
    activity = total_activity(
        [timed_activity(graph, timing, part, mode="inertial", threads=threads) for part in values]
    )
    energy = measure_energy(
        netlist,
        library,
        timing,
        rise=activity.rise,
        fall=activity.fall,
        operations=activity.pairs * spec.operations,
        one_probability=activity.one_probability,
        cycles_per_operation=1 / spec.operations,
    )
    cells = [library.cells[instance.cell] for instance in netlist.instances]
    inside = np.array([part_of(instance.name, MULTIPLIER) for instance in netlist.instances], np.bool_)
    register = np.array([cell.flip_flop is not None for cell in cells], np.bool_)
    members = {"multiplier": inside, "registers": register & ~inside, "logic": ~register & ~inside}

    def by_part(values: npt.NDArray[np.float64]) -> dict[str, float]:
        return {part: float(values[chosen].sum()) for part, chosen in members.items()}

    area = by_part(np.array([cell.area_um2 for cell in cells]))
    dynamic = by_part(energy.instance_internal_fj + energy.instance_switching_fj)
    dynamic |= {"registers": dynamic["registers"] - energy.clock_fj, "clock": energy.clock_fj}
    period = timing.min_period_ns
    return Breakdown(
        area_um2=area,
        energy_fj=dynamic,
        leakage_nw=by_part(energy.instance_leakage_nw),
        area_ratio=sum(area.values()) / cost.area_um2,
        energy_ratio=energy.dynamic_fj / cost.energy_fj,
        period_ratio=(timing.delay_ns if period is None else period) / cost.delay_ns,
        netlist_sha256=netlist.sha256,
    )
