"""Stored designs as components of an architecture: area, leakage, and one action, in SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axhw.hdl.pe.registered import RegisteredSpec
from axhw.hdl.spec import MultiplierSpec
from axhw.record import DesignRecord


@dataclass(frozen=True, kw_only=True)
class Component:
    """What architecture tools want to know about a design.

    Attributes
    ----------
    name : str
        Of the design; those of one name, as on two libraries, have the first letters of their keys behind it.
    action : {"multiply", "mac"}
        One product, or one product added to a sum.
    energy_j : float
        Dynamic energy of one action, glitches included; leakage is apart.
    idle_energy_j : float
        What the clock pins of flip-flops spend in place of an action that does not happen, without clock gating.
    latency_s, throughput_per_s : float
        From operands to result, and actions a second, at the shortest delay or clock period.
    area_m2, leak_power_w : float
    cycle_s : float
        The clock period that leakage energy is stated at.
    description : str
    """

    name: str
    action: str
    energy_j: float
    idle_energy_j: float
    latency_s: float
    throughput_per_s: float
    area_m2: float
    leak_power_w: float
    cycle_s: float
    description: str


def components(records: Sequence[DesignRecord]) -> list[Component]:
    """The component of each record."""
    return [_component(record, name) for record, name in zip(records, unique_names(records))]


def unique_names(records: Sequence[DesignRecord]) -> list[str]:
    """The name of each design, with the first letters of its key behind it where several share the name."""
    names = [record.name for record in records]
    return [name if names.count(name) == 1 else f"{name}_{record.key[:8]}" for name, record in zip(names, records)]


def _component(record: DesignRecord, name: str) -> Component:
    spec, cost = record.spec, record.circuit_cost
    delay_s = cost.delay_ns * 1e-9
    cycles, operations = (1, 1) if isinstance(spec, MultiplierSpec) else (spec.latency, spec.operations)
    return Component(
        name=name,
        action="multiply" if isinstance(spec, MultiplierSpec | RegisteredSpec) else "mac",
        energy_j=cost.energy_fj * 1e-15,
        idle_energy_j=cost.clock_fj * 1e-15,
        latency_s=cycles * delay_s,
        throughput_per_s=operations / delay_s,
        area_m2=cost.area_um2 * 1e-12,
        leak_power_w=cost.leakage_nw * 1e-9,
        cycle_s=1e-6 / cost.clock_mhz,
        description=(
            f"{record.name} on {cost.library} ({cost.corner}), {cost.engine}; {cost.stream}; "
            f"mean absolute error {record.metrics.mae:.6g}, verified"
        ),
    )
