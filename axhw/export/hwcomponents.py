"""Component models for hwcomponents, the estimator behind AccelForge and CiMLoop.

Its convention (hwcomponents 1.0): a class per component with area in m2 and leakage in W, and a method per action that
returns energy in J, latency in s and throughput in actions per s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from axhw import __version__
from axhw.export.components import Component, components
from axhw.files import replacing
from axhw.record import DesignRecord

_HEAD = f'''"""Designs measured by axhw {__version__}, as hwcomponents models.

Areas in m2, powers in W, energies in J, latencies in s, throughputs in operations per s.

Figures hold for the cell library and corner of each design: they do not scale with other attributes, such as a
technology node. Energies are dynamic; leakage is apart.
"""

from hwcomponents import ActionCost, ComponentModel, action


class _Measured(ComponentModel):
    priority = 0.9
    measured_area: float
    measured_leak_power: float
    cost: dict[str, float]

    def __init__(self) -> None:
        super().__init__(area=self.measured_area, leak_power=self.measured_leak_power)

    @action
    def compute(self) -> ActionCost:
        """One operation."""
        return ActionCost(**self.cost)


class _Multiplier(_Measured):
    @action
    def multiply(self) -> ActionCost:
        """One product."""
        return ActionCost(**self.cost)


class _Mac(_Measured):
    @action
    def mac(self) -> ActionCost:
        """One product, added to a sum."""
        return ActionCost(**self.cost)
'''
# Names of designs may be keywords, and differ in case alone.
_PREFIX = "Axhw_"
_BASES = {"multiply": "_Multiplier", "mac": "_Mac"}


def export_hwcomponents(records: Sequence[DesignRecord], folder: Path) -> list[Path]:
    """Write axhw_components.py, a model per design; each is called like its design."""
    path = folder / "axhw_components.py"
    text = "\n\n".join([_HEAD, *map(_model, components(records))])
    with replacing(path) as draft:
        draft.write_bytes(text.encode())
    return [path]


def _model(component: Component) -> str:
    figures = {
        "energy": component.energy_j,
        "latency": component.latency_s,
        "throughput": component.throughput_per_s,
    }
    cost = ", ".join(f"{name!r}: {value:.12g}" for name, value in figures.items())
    return (
        f"class {_PREFIX}{component.name}({_BASES[component.action]}):\n"
        f"    {component.description!r}\n\n"
        f"    component_name = {component.name!r}\n"
        f"    measured_area = {component.area_m2:.12g}\n"
        f"    measured_leak_power = {component.leak_power_w:.12g}\n"
        f"    cost = {{{cost}}}\n"
    )
