"""Reference tables for Accelergy and Timeloop, and entries for Accelergy's library plug-in.

Accelergy's units: energies in pJ per action, areas in um2; leakage is the action ``leak``, once a cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from axhw import __version__
from axhw.export.components import Component, components
from axhw.files import output_folder, replacing
from axhw.record import DesignRecord

_VERSION = 0.4
# The plug-in asks every component for these; they mean nothing here and cost nothing.
_FREE = ("write", "update")


def export_accelergy(records: Sequence[DesignRecord], folder: Path) -> list[Path]:
    """Write ERT.yaml and ART.yaml, axhw.lib.yaml with the component classes, and library/NAME.csv for the plug-in.

    Tables, classes and entries are called like the designs.
    """
    found = components(records)
    library = output_folder(folder / "library")
    contents = {
        folder / "ERT.yaml": "\n".join(_energies(found)),
        folder / "ART.yaml": "\n".join(_areas(found)),
        folder / "axhw.lib.yaml": "\n".join(_classes(found)),
        **{library / f"{component.name}.csv": "\n".join(_entry(component)) for component in found},
    }
    for path, text in contents.items():
        with replacing(path) as draft:
            draft.write_bytes(f"{text}\n".encode())
    return list(contents)


def _energies(found: Sequence[Component]) -> Iterator[str]:
    yield f"# energy in pJ per action, by axhw {__version__}; leak: one cycle"
    yield from ("ERT:", f"  version: {_VERSION}", "  tables:")
    for component in found:
        yield f"  - name: {component.name}  # {component.description}"
        yield "    actions:"
        for action, energy_pj in _actions(component):
            yield from (f"    - name: {action}", "      arguments: null", f"      energy: {_number(energy_pj)}")


def _areas(found: Sequence[Component]) -> Iterator[str]:
    yield f"# area in um2, by axhw {__version__}"
    yield from ("ART:", f"  version: {_VERSION}", "  tables:")
    for component in found:
        yield from (f"  - name: {component.name}", f"    area: {_number(component.area_m2 * 1e12)}")


def _classes(found: Sequence[Component]) -> Iterator[str]:
    yield f"# primitive component classes, by axhw {__version__}"
    yield from (f"version: {_VERSION}", "classes:")
    for component in found:
        yield f"- name: {component.name}  # {component.description}"
        yield "  attributes:"
        yield f"    global_cycle_seconds: {_number(component.cycle_s)}"
        yield f"    leakage_watts: {_number(component.leak_power_w)}"
        yield "  actions:"
        yield from (f"  - name: {action}" for action, _ in _actions(component))


def _entry(component: Component) -> Iterator[str]:
    area_um2 = _number(component.area_m2 * 1e12)
    yield f"# {component.description.replace(',', ';')}"
    yield "global_cycle_seconds,energy,area,action"
    for action, energy_pj in _actions(component):
        # What a cycle leaks depends on its length.
        cycle = _number(component.cycle_s) if action == "leak" else "*"
        yield f"{cycle},{_number(energy_pj)},{area_um2},{action}"


def _actions(component: Component) -> list[tuple[str, float]]:
    """Names of actions, and what each costs in pJ."""
    energies_j = [
        *((action, component.energy_j) for action in (component.action, "compute", "read")),
        *((action, 0.0) for action in _FREE),
        ("idle", component.idle_energy_j),
        ("leak", component.leak_power_w * component.cycle_s),
    ]
    return [(action, energy_j * 1e12) for action, energy_j in energies_j]


def _number(value: float) -> str:
    """Twelve digits as a decimal fraction: YAML readers take 1e-05 for text."""
    text = format(Decimal(f"{value:.12g}"), "f")
    return text if "." in text else f"{text}.0"
