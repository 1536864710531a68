"""What sharing a periphery saves, measured in gates: groups of 1, 2, 4, 8 crossbars beside the published factors.

    published        each of g crossbars has 0.2 + 0.8 / g of the energy and area of one on its own (arXiv 2602.10254,
                     where the periphery is 80 % of an analog core)
    area             area of the group / (g x area of a group of one)
    energy           energy of a read in the group / that on g groups of one, which do one read together: the others of
                     these wait meanwhile, with their clocks running
    energy, stored   the same without the clock pins of weight registers: neither analog cells nor memories have any
    energy, held     the same where reads of a crossbar follow each other: a change takes the inputs away from one
                     crossbar and gives another one its own, and shared multipliers get other weights

Energies hold the leakage of everything during a clock period, that of the group on both sides. What is shared and what
is not comes from a second netlist in which the modules keep their boundaries; how much it differs from the first one,
which all other figures are of, is part of the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from axhw.breakdown import ApartElement
from axhw.characterize import characterize
from axhw.errors import AxhwError
from axhw.flow import Flow
from axhw.hdl.pe.crossbar_group import CrossbarGroupSpec
from axhw.measure import Conditions, area_um2, total_activity
from axhw.measurement_key import measurement_key
from axhw.pim.parts import Part, dominant, parts_of
from axhw.sim.crossbar_group import MappedGroup, group_values
from axhw.sim.operands import uniform
from axhw.sim.timed import timed_activity
from axhw.synth.cost import Cost
from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import Netlist, levelize
from axhw.synth.power import measure_energy

CROSSBARS = (1, 2, 4, 8)
_PERIPHERY = 0.8
_ROOM = "crossbar_groups"
# nW times ns is 1e-18 J.
_FJ_PER_NW_NS = 1e-3


def published_factor(crossbars: int) -> float:
    """Energy and area of each of so many crossbars that share a periphery, by those of one on its own."""
    return 1 - _PERIPHERY + _PERIPHERY / crossbars


@dataclass(frozen=True, kw_only=True)
class GroupCost:
    """A group of crossbars in gates.

    Attributes
    ----------
    name : str
    crossbars, rows, columns : int
    area_um2, period_ns, leakage_nw : float
        Of the whole group; its shortest clock period.
    read_fj : float
        Dynamic energy of a read of one crossbar with everything around it, a read every cycle, crossbars in random
        order.
    held_fj : float
        The same where one crossbar is read all the time.
    clock_fj : float
        Of that, in the clock pins of flip-flops.
    parts : mapping of str to Part
        By module: ``crossbars`` for all of them, then what they share, and ``selection`` for the gates in between. An
        operation is a read.
    area_ratio, energy_ratio : float
        The sum of the parts by the group's own figures.
    verification : str
        What was compared with the golden models.
    """

    name: str
    crossbars: int
    rows: int
    columns: int
    area_um2: float
    period_ns: float
    leakage_nw: float
    read_fj: float
    held_fj: float
    clock_fj: float
    parts: Mapping[str, Part]
    area_ratio: float
    energy_ratio: float
    verification: str

    @property
    def shared_area(self) -> float:
        """Share of the area that is not in the crossbars."""
        return 1 - self.parts["crossbars"].area_um2 / sum(part.area_um2 for part in self.parts.values())

    @property
    def shared_energy(self) -> float:
        """Share of the energy of a read that is not spent in the crossbars."""
        return 1 - self.parts["crossbars"].energy_fj / sum(part.energy_fj for part in self.parts.values())

    def slot_fj(self, *, groups: int, period_ns: float, stored: bool = False, held: bool = False) -> float:
        """Energy of a slot in which one of so many such groups reads and the others wait.

        Parameters
        ----------
        period_ns : float
            Of the clock, for leakage.
        stored : bool
            Leave the clock pins of weight registers out.
        held : bool
            Reads of a crossbar follow each other.
        """
        weights = self.parts["crossbars"].clock_fj if stored else 0.0
        read, waiting = (self.held_fj if held else self.read_fj) - weights, self.clock_fj - weights
        return read + (groups - 1) * waiting + groups * self.leakage_nw * period_ns * _FJ_PER_NW_NS


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Groups that differ in the number of crossbars alone.

    Attributes
    ----------
    single : GroupCost
        That of one crossbar.
    groups : tuple of GroupCost
    """

    single: GroupCost
    groups: tuple[GroupCost, ...]

    def area_factor(self, group: GroupCost) -> float:
        """Area of each crossbar with its share of the periphery, by that of one on its own."""
        return group.area_um2 / (group.crossbars * self.single.area_um2)

    def energy_factor(self, group: GroupCost, *, stored: bool = False, held: bool = False) -> float:
        """Energy of a read, by that on as many groups of one which do one read together."""
        own = group.slot_fj(groups=1, period_ns=group.period_ns, stored=stored, held=held)
        return own / self.single.slot_fj(groups=group.crossbars, period_ns=group.period_ns, stored=stored, held=held)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each group, as JSON values."""
        return [
            {
                "name": group.name,
                "crossbars": group.crossbars,
                "area_um2": group.area_um2,
                "area_per_crossbar_um2": group.area_um2 / group.crossbars,
                "period_ns": group.period_ns,
                "read_fj": group.read_fj,
                "held_fj": group.held_fj,
                "clock_fj": group.clock_fj,
                "leakage_nw": group.leakage_nw,
                "shared_area": group.shared_area,
                "shared_energy": group.shared_energy,
                "area_factor": self.area_factor(group),
                "energy_factor": self.energy_factor(group),
                "energy_factor_stored": self.energy_factor(group, stored=True),
                "energy_factor_held": self.energy_factor(group, held=True),
                "published_factor": published_factor(group.crossbars),
                "dominant_area": dominant(group.parts, "area_um2"),
                "dominant_energy": dominant(group.parts, "energy_fj"),
                "parts": {name: dataclasses.asdict(part) for name, part in group.parts.items()},
                "area_ratio": group.area_ratio,
                "energy_ratio": group.energy_ratio,
                "verification": group.verification,
            }
            for group in self.groups
        ]


def measure_sharing(
    spec: CrossbarGroupSpec,
    *,
    crossbars: Sequence[int] = CROSSBARS,
    flow: Flow | None = None,
    threads: int | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> Sharing:
    """Groups of several sizes in gates, from the store or made, proved and measured.

    Parameters
    ----------
    spec : CrossbarGroupSpec
        All but the number of crossbars.
    crossbars : sequence of int
    flow, threads, stage
        As of `measure_group`.

    Raises
    ------
    AxhwError
        For no number of crossbars, and as `measure_group` does.
    """
    if not crossbars:
        raise AxhwError("Expected at least one number of crossbars that share a periphery, found none.")
    sizes = dict.fromkeys((1, *crossbars))
    costs = {
        count: measure_group(dataclasses.replace(spec, crossbars=count), flow=flow, threads=threads, stage=stage)
        for count in sizes
    }
    return Sharing(single=costs[1], groups=tuple(costs[count] for count in crossbars))


def measure_group(
    spec: CrossbarGroupSpec,
    *,
    flow: Flow | None = None,
    threads: int | None = None,
    stage: Callable[[str], None] = lambda name: None,
) -> GroupCost:
    """A group in gates: made, proved and measured as `axhw.characterize.characterize` does, and by its modules.

    Raises
    ------
    AxhwError
        If it cannot be synthesised or measured.
    VerificationError
        If the gates are not what the golden models say.
    """
    flow = Flow.of() if flow is None else flow
    library, store, conditions = flow.library, flow.store, flow.conditions
    record = characterize(spec, flow=flow, threads=threads, stage=lambda name: stage(f"{spec.name}: {name}"))
    cost = record.circuit_cost
    whole = flow.job(spec)
    job = dataclasses.replace(whole, kept=tuple(name for names in spec.parts.values() for name in names))
    key = measurement_key(job, conditions)

    def measured() -> dict[str, Any]:
        stage(f"{spec.name}: parts")
        apart = ApartElement.of(
            spec, store.synthesise(job), wire_load=cost.wire_load, library=library.cells, conditions=conditions
        )
        energy = apart.energy(threads=threads)
        # That of an element is divided by its products.
        parts = parts_of(apart.netlist, library.cells, energy, spec.parts, operations=spec.operations)
        return {
            "held_fj": _held_fj(
                spec, store.synthesise(whole).netlist, cost, library.cells, conditions, threads=threads
            ),
            "area_ratio": area_um2(apart.netlist, library.cells) / cost.area_um2,
            "energy_ratio": energy.dynamic_fj / cost.energy_fj,
            "parts": {name: dataclasses.asdict(part) for name, part in parts.items()},
        }

    figures = store.remember(_ROOM, key, measured)
    return GroupCost(
        name=spec.name,
        crossbars=spec.crossbars,
        rows=spec.rows,
        columns=spec.columns,
        area_um2=cost.area_um2,
        period_ns=cost.delay_ns,
        leakage_nw=cost.leakage_nw,
        read_fj=cost.energy_fj * spec.operations,
        held_fj=figures["held_fj"],
        clock_fj=cost.clock_fj * spec.operations,
        parts={name: Part(**part) for name, part in figures["parts"].items()},
        area_ratio=figures["area_ratio"],
        energy_ratio=figures["energy_ratio"],
        verification=record.verification.method,
    )


def _held_fj(
    spec: CrossbarGroupSpec,
    netlist: Netlist,
    cost: Cost,
    library: CellLibrary,
    conditions: Conditions,
    *,
    threads: int | None,
) -> float:
    """Dynamic energy of a read where one crossbar is read all the time."""
    graph = levelize(netlist, library)
    timing = conditions.timing(netlist, library, graph=graph, wire_load=cost.wire_load)
    stream = uniform(spec.multiplier, pairs=conditions.pairs + 1, seed=conditions.seed)
    values, _ = group_values(MappedGroup(netlist, graph, library, spec), stream, held=True)
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
    return energy.dynamic_fj
