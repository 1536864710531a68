"""Where area, energy and leakage of a processing element go: multiplier, registers, clock, and other logic.

Yosys optimises a design across its modules, so that no gate of the flat netlist belongs to one. The shares are those
of a second netlist of the same element: its multipliers are mapped on their own, as modules that keep their
boundaries, and joined with the rest afterwards. It is verified as the first one, and how much it differs from it in
area, energy and period is part of the result.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.hdl.registry import ElementSpec
from axhw.hdl.spec import IntegerArray
from axhw.measure import Conditions, steady_values, total_activity
from axhw.sim.crossbar_group import MappedGroup, verify_group
from axhw.sim.element import verify_element
from axhw.sim.operands import uniform
from axhw.sim.systolic import MappedArray, verify_array
from axhw.sim.timed import timed_activity
from axhw.synth.cost import Cost
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import GateGraph, Netlist, levelize
from axhw.synth.power import EnergyReport, measure_energy
from axhw.synth.synthesis import Synthesis, SynthesisJob, part_of
from axhw.synth.timing import TimingReport

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
    return dataclasses.replace(job, kept=(MULTIPLIER,))


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
    apart = ApartElement.of(spec, synthesis, wire_load=cost.wire_load, library=library, conditions=conditions)
    return apart.breakdown(apart.energy(threads=threads), cost=cost)


@dataclass(frozen=True, kw_only=True, eq=False)
class ApartElement:
    """An element with its multipliers kept apart, which follows its cycle model.

    Attributes
    ----------
    spec : ElementSpec
    netlist : Netlist
    graph, timing
        Of the netlist.
    library : CellLibrary
    conditions : Conditions
    """

    spec: ElementSpec
    netlist: Netlist
    graph: GateGraph
    timing: TimingReport
    library: CellLibrary
    conditions: Conditions

    @classmethod
    def of(
        cls,
        spec: ElementSpec,
        synthesis: Synthesis,
        *,
        wire_load: str,
        library: CellLibrary,
        conditions: Conditions,
    ) -> ApartElement:
        """The result of `breakdown_job`, verified.

        Raises
        ------
        VerificationError
            If the netlist does not follow the element's cycle model.
        """
        netlist = synthesis.netlist
        graph = levelize(netlist, library)
        if isinstance(spec, SystolicSpec):
            verify_array(MappedArray(netlist, graph, library, spec), seed=conditions.seed)
        elif isinstance(spec, CrossbarGroupSpec):
            verify_group(MappedGroup(netlist, graph, library, spec), seed=conditions.seed)
        else:
            verify_element(netlist, graph, library, spec, seed=conditions.seed)
        timing = conditions.timing(netlist, library, graph=graph, wire_load=wire_load)
        return cls(spec=spec, netlist=netlist, graph=graph, timing=timing, library=library, conditions=conditions)

    def energy(self, *, modes: IntegerArray | None = None, threads: int | None = None) -> EnergyReport:
        """Energy at full throughput over uniform operands, each pair in its mode if the element is configurable."""
        spec, conditions = self.spec, self.conditions
        stream = uniform(spec.multiplier, pairs=conditions.pairs + 1, seed=conditions.seed)
        values, _ = steady_values(spec, self.netlist, self.graph, self.library, stream, modes=modes)
        activity = total_activity(
            [timed_activity(self.graph, self.timing, part, mode="inertial", threads=threads) for part in values]
        )
        return measure_energy(
            self.netlist,
            self.library,
            self.timing,
            rise=activity.rise,
            fall=activity.fall,
            operations=activity.pairs * spec.operations,
            one_probability=activity.one_probability,
            cycles_per_operation=1 / spec.operations,
        )

    def breakdown(self, energy: EnergyReport, *, cost: Cost) -> Breakdown:
        """The parts of an energy, and of area and leakage; `cost` is that of the element optimised across modules."""
        cells = [self.library.cells[instance.cell] for instance in self.netlist.instances]
        inside = self._multipliers()
        register = np.array([cell.flip_flop is not None for cell in cells], np.bool_)
        members = {"multiplier": inside, "registers": register & ~inside, "logic": ~register & ~inside}

        def by_part(values: npt.NDArray[np.float64]) -> dict[str, float]:
            return {part: float(values[chosen].sum()) for part, chosen in members.items()}

        area = by_part(np.array([cell.area_um2 for cell in cells]))
        dynamic = by_part(energy.instance_internal_fj + energy.instance_switching_fj)
        dynamic |= {"registers": dynamic["registers"] - energy.clock_fj, "clock": energy.clock_fj}
        period = self.timing.min_period_ns
        return Breakdown(
            area_um2=area,
            energy_fj=dynamic,
            leakage_nw=by_part(energy.instance_leakage_nw),
            area_ratio=sum(area.values()) / cost.area_um2,
            energy_ratio=energy.dynamic_fj / cost.energy_fj,
            period_ratio=(self.timing.delay_ns if period is None else period) / cost.delay_ns,
            netlist_sha256=self.netlist.sha256,
        )

    def column_multiplier_fj(self, energy: EnergyReport, *, columns: Collection[int]) -> float:
        """What a multiplier in these columns of an array spends on a product, of the energy of the whole array."""
        assert isinstance(self.spec, SystolicSpec)
        cells = {f"pe_{row}_{column}" for row in range(self.spec.rows) for column in columns}
        own = [cells & set(re.split(r"[\\.]", instance.name)) for instance in self.netlist.instances]
        chosen = self._multipliers() & np.array([bool(found) for found in own], np.bool_)
        spent = (energy.instance_internal_fj + energy.instance_switching_fj)[chosen].sum()
        # The report divides by the products of all columns.
        return float(spent) * self.spec.columns / len(columns)

    def _multipliers(self) -> npt.NDArray[np.bool_]:
        return np.array([part_of(instance.name, MULTIPLIER) for instance in self.netlist.instances], np.bool_)
