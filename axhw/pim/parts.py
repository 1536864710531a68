"""Where area, energy and leakage of a unit go, by its modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from axhw.synth.liberty.library import CellLibrary
from axhw.synth.netlist import Netlist
from axhw.synth.power import EnergyReport
from axhw.synth.synthesis import part_of

REST = "selection"
"""What belongs to no module: the gates between them."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of the gates of a unit.

    Attributes
    ----------
    area_um2 : float
    energy_fj : float
        Dynamic, of an operation of the unit; a net's switching belongs to the cell that drives it.
    clock_fj : float
        Of `energy_fj`, in the clock pins of flip-flops.
    leakage_nw : float
    """

    area_um2: float
    energy_fj: float
    clock_fj: float
    leakage_nw: float


def parts_of(
    netlist: Netlist,
    library: CellLibrary,
    energy: EnergyReport,
    modules: Mapping[str, Sequence[str]],
    *,
    operations: int = 1,
) -> dict[str, Part]:
    """The parts of a netlist whose `modules`, by part, were kept apart in synthesis, and the rest.

    Parameters
    ----------
    operations : int
        Of what `energy` is divided by, in an operation of the unit.
    """
    names = [instance.name for instance in netlist.instances]
    area = np.array([library.cells[instance.cell].area_um2 for instance in netlist.instances])
    left = np.ones(len(names), np.bool_)
    members: dict[str, npt.NDArray[np.bool_]] = {}
    for part, own in modules.items():
        members[part] = np.array([any(part_of(name, module) for module in own) for name in names], np.bool_)
        left &= ~members[part]
    dynamic = energy.instance_internal_fj + energy.instance_switching_fj
    return {
        part: Part(
            area_um2=float(area[chosen].sum()),
            energy_fj=float(dynamic[chosen].sum()) * operations,
            clock_fj=float(energy.instance_clock_fj[chosen].sum()) * operations,
            leakage_nw=float(energy.instance_leakage_nw[chosen].sum()),
        )
        for part, chosen in {**members, REST: left}.items()
    }


def dominant(parts: Mapping[str, Part], figure: str) -> tuple[str, float]:
    """The part with the most ``area_um2``, ``energy_fj``, ``clock_fj`` or ``leakage_nw``, and its share."""
    values = {name: float(getattr(part, figure)) for name, part in parts.items()}
    most = max(values, key=lambda name: values[name])
    return most, values[most] / sum(values.values())
