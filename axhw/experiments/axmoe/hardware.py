"""The networks on systolic arrays: one of exact PEs, or with one of approximate PEs beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from axhw.characterize import characterize
from axhw.experiments.axmoe.plan import ArraySide
from axhw.experiments.axmoe.subjects import Subject
from axhw.flow import Flow
from axhw.hdl.families.evoapprox import EXACT_CIRCUIT, EvoApproxSpec
from axhw.hdl.pe.systolic import SystolicSpec
from axhw.moe.arrays import Array
from axhw.moe.hardware import HardwareCost, hardware_cost
from axhw.moe.rows import ExpertRows
from axhw.nn.graph import Graph

Row = Mapping[str, Any]


def arrays_of(
    side: ArraySide,
    *,
    flow: Flow,
    progress: Callable[[int, int, str], None],
) -> dict[str, Array]:
    """An array by circuit, the exact one first, from the store or made."""
    found: dict[str, Array] = {}
    circuits = list(dict.fromkeys([EXACT_CIRCUIT, *side.circuits]))
    for circuit in circuits:
        spec = SystolicSpec(multiplier=EvoApproxSpec(circuit=circuit), rows=side.side, columns=side.side)
        progress(len(found), len(circuits), f"array {spec.name}")
        found[circuit] = Array.of(characterize(spec, flow=flow))
    return found


def hardware_rows(
    subjects: Sequence[Subject], arrays: Mapping[str, Array], *, images: int, progress: Callable[[int, int, str], None]
) -> list[Row]:
    """A row for each network and circuit.

    Layers that are approximate run on the array of the circuit, all others on that of the exact one; where there are
    no others, it isn't built.
    """
    found: list[Row] = []
    for done, subject in enumerate(subjects):
        progress(done, len(subjects), f"{subject.name} on arrays")
        rows = ExpertRows.executed(subject.network, subject.bench.data.test.limited(images).images)
        for circuit in arrays:
            cost = on_arrays(rows, subject.layers, arrays, circuit=circuit)
            found.append(
                {
                    "network": subject.name,
                    "base": subject.base,
                    "topology": subject.topology,
                    "circuit": circuit,
                    "images": rows.images,
                    **hardware_columns(cost),
                }
            )
    return found


def on_arrays(rows: ExpertRows, layers: Sequence[str], arrays: Mapping[str, Array], *, circuit: str) -> HardwareCost:
    """A network on the array of a circuit, and on that of the exact one."""
    graph = rows.graph
    used = [circuit]
    if circuit != EXACT_CIRCUIT and set(layers) != set(_products(graph)):
        used.append(EXACT_CIRCUIT)
    names = {name: arrays[name].columns[0].multiplier for name in used}
    return hardware_cost(
        rows,
        [arrays[name] for name in used],
        multipliers=dict.fromkeys(layers, names[circuit]),
        exact=names.get(EXACT_CIRCUIT, names[circuit]),
    )


def hardware_columns(cost: HardwareCost) -> dict[str, Any]:
    """Area, time and energy of an image."""
    return {
        "arrays": len(cost.arrays),
        "area_um2": cost.area_um2,
        "cycles": cost.cycles,
        "worst_cycles": cost.worst_cycles,
        "period_ns": cost.period_ns,
        "latency_us": cost.latency_us,
        "utilisation": cost.utilisation,
        "product_nj": cost.product_nj,
        "idle_nj": cost.idle_nj,
        "leakage_nj": cost.leakage_nj,
        "energy_nj": cost.energy_nj,
    }


def _products(graph: Graph) -> list[str]:
    return [node.name for node in graph.product_nodes]
